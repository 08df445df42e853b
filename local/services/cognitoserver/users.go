package cognitoserver

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"math/big"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

const (
	codeLife    = 24 * time.Hour
	maxAttempts = 15 // wrong codes for each user and hour, about as many as Cognito allows
	maxPassword = 256
	iterations  = 20_000 // of PBKDF2, few because the hashes never leave memory
)

type user struct {
	name, sub, email         string // name is the same as sub if users sign up with an address
	emailVerified, confirmed bool
	salt, hash               []byte

	code        string // "" if none was sent
	codeExpires time.Time
	attempts    int // wrong codes since firstTry
	firstTry    time.Time
}

type passwordPolicy struct {
	MinimumLength                                                      int
	RequireLowercase, RequireUppercase, RequireNumbers, RequireSymbols bool
}

func (p passwordPolicy) check(password string) error {
	const lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	const symbols = "^$*.[]{}()?\"!@#%&/\\,><':;|_~`=+- "
	var problem string
	switch {
	case utf8.RuneCountInString(password) < p.MinimumLength:
		problem = "Password not long enough"
	case len(password) > maxPassword:
		problem = "Password too long"
	case p.RequireUppercase && !strings.ContainsAny(password, upper):
		problem = "Password must have uppercase characters"
	case p.RequireLowercase && !strings.ContainsAny(password, lower):
		problem = "Password must have lowercase characters"
	case p.RequireNumbers && !strings.ContainsAny(password, digits):
		problem = "Password must have numeric characters"
	case p.RequireSymbols && !strings.ContainsAny(strings.Trim(password, " "), symbols):
		problem = "Password must have symbol characters"
	default:
		return nil
	}
	return awsjson.Errorf("InvalidPasswordException", "Password did not conform with policy: %s", problem)
}

type signUpInput struct {
	ClientId, Username, Password string
	UserAttributes               []struct{ Name, Value string }
}

func (s *Server) signUp(_ context.Context, in signUpInput) (object, error) {
	s.mu.Lock()
	c, err := s.findClient(in.ClientId)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	u, err := c.pool.newUser(in)
	if err != nil {
		return nil, err
	}
	if u.hash, err = hashPassword(in.Password, u.salt); err != nil {
		return nil, err
	}
	out := object{"UserConfirmed": false, "UserSub": u.sub}
	sendsCode := c.pool.verifiesEmail && u.email != ""
	if sendsCode {
		if u.code, err = newCode(); err != nil {
			return nil, err
		}
		u.codeExpires = s.config.Now().Add(codeLife)
		out["CodeDeliveryDetails"] = object{
			"AttributeName": "email", "DeliveryMedium": "EMAIL", "Destination": masked(u.email),
		}
	}
	if err := s.addUser(c.pool, u); err != nil {
		return nil, err
	}
	if sendsCode {
		s.config.Mail(u.email, u.code) // address and code never change, so reading them needs no lock
	}
	return out, nil
}

func (p *pool) newUser(in signUpInput) (*user, error) {
	u := &user{name: in.Username, sub: uuid.NewString(), salt: []byte(rand.Text())}
	for _, attribute := range in.UserAttributes {
		if attribute.Name == "email" {
			u.email = attribute.Value
		}
	}
	switch {
	case in.Username == "" || len(in.Username) > 128:
		return nil, awsjson.Errorf("InvalidParameterException", "Username has %d characters: want 1 to 128",
			len(in.Username))
	case p.emailIsName && !isEmail(in.Username):
		return nil, awsjson.Errorf("InvalidParameterException", "Username should be an email.")
	case p.emailIsName:
		u.name, u.email = u.sub, in.Username
	case p.emailIsAlias && isEmail(in.Username):
		return nil, awsjson.Errorf("InvalidParameterException",
			"Username cannot be of email format, since user pool is configured for email alias.")
	case u.email != "" && !isEmail(u.email):
		return nil, awsjson.Errorf("InvalidParameterException", "Invalid email address format.")
	}
	return u, p.password.check(in.Password)
}

// addUser decides who gets a name if two users ask for it at once.
func (s *Server) addUser(p *pool, u *user) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := func(other *user) bool {
		return p.same(other.name, u.name) || p.emailIsName && p.same(other.email, u.email)
	}
	if slices.ContainsFunc(p.users, taken) {
		return awsjson.Errorf("UsernameExistsException", "User already exists")
	}
	p.users = append(p.users, u)
	return nil
}

type confirmSignUpInput struct{ ClientId, Username, ConfirmationCode string }

func (s *Server) confirmSignUp(_ context.Context, in confirmSignUpInput) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.findClient(in.ClientId)
	if err != nil {
		return nil, err
	}
	u := c.pool.find(in.Username)
	switch {
	case u == nil && c.hidesUsers:
		return nil, errExpiredCode
	case u == nil:
		return nil, awsjson.Errorf("UserNotFoundException", "Username/client id combination not found.")
	case u.confirmed:
		return nil, errConfirmed
	}
	if err := u.tryCode(in.ConfirmationCode, s.config.Now()); err != nil {
		return nil, err
	}
	if c.pool.emailIsAlias && slices.ContainsFunc(c.pool.users, func(o *user) bool {
		return o.emailVerified && c.pool.same(o.email, u.email)
	}) {
		return nil, awsjson.Errorf("AliasExistsException", "An account with the email already exists.")
	}
	u.confirmed, u.emailVerified = true, true
	return nil, nil
}

var (
	errExpiredCode = awsjson.Errorf("ExpiredCodeException", "Invalid code provided, please request a code again.")
	errConfirmed   = awsjson.Errorf("NotAuthorizedException", "User cannot be confirmed. Current status is CONFIRMED")
)

// tryCode limits the number of guesses, because a code has only six digits.
func (u *user) tryCode(code string, now time.Time) error {
	if now.Sub(u.firstTry) >= time.Hour {
		u.attempts, u.firstTry = 0, now
	}
	switch {
	case u.attempts >= maxAttempts:
		return awsjson.Errorf("LimitExceededException", "Attempt limit exceeded, please try after some time.")
	case u.code == "" || subtle.ConstantTimeCompare([]byte(u.code), []byte(code)) == 0:
		u.attempts++
		return awsjson.Errorf("CodeMismatchException", "Invalid verification code provided, please try again.")
	case !now.Before(u.codeExpires):
		return errExpiredCode
	}
	return nil
}

func (s *Server) adminConfirmSignUp(_ context.Context, in struct{ UserPoolId, Username string }) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.findPool(in.UserPoolId)
	if err != nil {
		return nil, err
	}
	u := p.find(in.Username)
	if u == nil {
		return nil, errNoUser
	}
	if u.confirmed {
		return nil, errConfirmed
	}
	u.confirmed = true
	return nil, nil
}

// find returns the user for anything that the pool's users may sign in with. Its caller holds the server's mu.
func (p *pool) find(name string) *user {
	i := slices.IndexFunc(p.users, func(u *user) bool {
		return p.same(u.name, name) || (p.emailIsName || p.emailIsAlias && u.emailVerified) && p.same(u.email, name)
	})
	if i < 0 {
		return nil
	}
	return p.users[i]
}

func (p *pool) same(a, b string) bool {
	return a == b || !p.caseSensitive && strings.EqualFold(a, b)
}

func isEmail(s string) bool {
	address, err := mail.ParseAddress(s)
	return err == nil && address.Address == s
}

// masked shows an address as Cognito does: j***@e***.
func masked(email string) string {
	name, domain, _ := strings.Cut(email, "@")
	return name[:1] + "***@" + domain[:1] + "***"
}

func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%06d", n), nil
}

func hashPassword(password string, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
}
