package cognitoserver

import (
	"cmp"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"maps"
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
	resetLife   = time.Hour // of a code that resets a password
	maxAttempts = 15        // wrong codes for each user and hour, about as many as Cognito allows
	iterations  = 20_000    // of PBKDF2, few because the hashes never leave memory
)

type user struct {
	created                  time.Time
	name, sub, email         string // name is the same as sub if users sign up with an address
	emailVerified, confirmed bool
	salt, hash               []byte
	confirmation, reset      oneTimeCode // of the sign-up, and for a forgotten password
}

// oneTimeCode is a code that was mailed.
type oneTimeCode struct {
	digits   string // "" if none was sent
	expires  time.Time
	attempts int // wrong codes since firstTry
	firstTry time.Time
}

type passwordPolicy struct {
	MinimumLength                                                      int
	RequireLowercase, RequireUppercase, RequireNumbers, RequireSymbols bool
}

// check has a password follow the policy. Cognito says "did not conform with policy" at the sign-up, and "does not
// conform to policy" later: verdict is one of these.
func (p passwordPolicy) check(password, verdict string) error {
	const lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	const symbols = "^$*.[]{}()?\"!@#%&/\\,><':;|_~`=+- "
	var problem string
	switch {
	case utf8.RuneCountInString(password) < p.MinimumLength:
		problem = "Password not long enough"
	case p.RequireUppercase && !strings.ContainsAny(password, upper):
		problem = "Password must have uppercase characters"
	case p.RequireLowercase && !strings.ContainsAny(password, lower):
		problem = "Password must have lowercase characters"
	case p.RequireNumbers && !strings.ContainsAny(password, digits):
		problem = "Password must have numeric characters"
	case p.RequireSymbols && !strings.ContainsAny(password, symbols):
		problem = "Password must have symbol characters"
	default:
		return nil
	}
	return awsjson.Errorf("InvalidPasswordException", "Password %s: %s", verdict, problem)
}

type signUpInput struct {
	ClientId, Username, Password string
	UserAttributes               []struct{ Name, Value string }
}

func (s *Server) signUp(_ context.Context, in signUpInput) (object, error) {
	if err := invalid(usernameForm.problems(in.Username), passwordForm.problems(in.Password)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	c, err := s.findClient(in.ClientId)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	u, err := c.pool.newUser(in, s.config.Now())
	if err != nil {
		return nil, err
	}
	if u.hash, err = hashPassword(in.Password, u.salt); err != nil {
		return nil, err
	}
	out := object{"UserConfirmed": false, "UserSub": u.sub}
	sendsCode := c.pool.verifiesEmail && u.email != ""
	code, err := newCode()
	if err != nil {
		return nil, err
	}
	if sendsCode {
		u.confirmation = oneTimeCode{digits: code, expires: s.config.Now().Add(codeLife)}
		maps.Copy(out, delivery(u.email))
	}
	if err := s.addUser(c.pool, u); err != nil {
		return nil, err
	}
	if sendsCode {
		s.config.Mail(u.email, code) // the address never changes, so reading it needs no lock
	}
	return out, nil
}

func (p *pool) newUser(in signUpInput, now time.Time) (*user, error) {
	u := &user{created: now, name: in.Username, sub: uuid.NewString(), salt: []byte(rand.Text())}
	for _, attribute := range in.UserAttributes {
		if attribute.Name == "email" {
			u.email = attribute.Value
		}
	}
	switch {
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
	return u, p.password.check(in.Password, "did not conform with policy")
}

// addUser decides who gets a name if two users ask for it at once.
func (s *Server) addUser(p *pool, u *user) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := func(other *user) bool {
		return p.same(other.name, u.name) || p.emailIsName && p.same(other.email, u.email)
	}
	switch {
	case !slices.ContainsFunc(p.users, taken):
	case p.emailIsName: // https://github.com/jonsaw/amazon-cognito-identity-dart/issues/73
		return awsjson.Errorf("UsernameExistsException", "An account with the given email already exists.")
	default: // https://github.com/aws-amplify/amplify-js/issues/8724
		return awsjson.Errorf("UsernameExistsException", "User already exists")
	}
	p.users = append(p.users, u)
	return nil
}

type confirmSignUpInput struct{ ClientId, Username, ConfirmationCode string }

func (s *Server) confirmSignUp(_ context.Context, in confirmSignUpInput) (object, error) {
	if err := invalid(codeForm.problems(in.ConfirmationCode), usernameForm.problems(in.Username)); err != nil {
		return nil, err
	}
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
		return nil, errUnknownName
	case u.confirmed:
		return nil, errConfirmed
	}
	if err := u.confirmation.try(in.ConfirmationCode, s.config.Now()); err != nil {
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
	errUnknownName = awsjson.Errorf("UserNotFoundException", "Username/client id combination not found.")
	errWrongCode   = awsjson.Errorf("CodeMismatchException", "Invalid verification code provided, please try again.")
	errExpiredCode = awsjson.Errorf("ExpiredCodeException", "Invalid code provided, please request a code again.")
	errConfirmed   = awsjson.Errorf("NotAuthorizedException", "User cannot be confirmed. Current status is CONFIRMED")
)

// try limits the number of guesses, because a code has only six digits.
func (c *oneTimeCode) try(digits string, now time.Time) error {
	if now.Sub(c.firstTry) >= time.Hour {
		c.attempts, c.firstTry = 0, now
	}
	switch {
	case c.attempts >= maxAttempts:
		return awsjson.Errorf("LimitExceededException", "Attempt limit exceeded, please try after some time.")
	case c.digits == "" || subtle.ConstantTimeCompare([]byte(c.digits), []byte(digits)) == 0:
		c.attempts++
		return errWrongCode
	case !now.Before(c.expires):
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

// delivery says where a code went, as Cognito does: to j***@e***. For an invented destination, any name will do.
func delivery(to string) object {
	first := func(s string) string {
		_, size := utf8.DecodeRuneInString(s)
		return s[:size]
	}
	name, domain, _ := strings.Cut(to, "@")
	return object{"CodeDeliveryDetails": object{
		"AttributeName": "email", "DeliveryMedium": "EMAIL",
		"Destination": first(name) + "***@" + first(cmp.Or(domain, "example.com")) + "***",
	}}
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
