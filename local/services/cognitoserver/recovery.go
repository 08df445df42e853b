package cognitoserver

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

var (
	errNoCodes    = awsjson.Errorf("InvalidParameterException", "Cannot resend codes. Auto verification not turned on.")
	errNoNeed     = awsjson.Errorf("InvalidParameterException", "User is already confirmed.")
	errUnverified = awsjson.Errorf("InvalidParameterException",
		"Cannot reset password for the user as there is no registered/verified email or phone_number")
	errAccessToken = awsjson.Errorf("NotAuthorizedException", "Invalid Access Token")
)

const laterVerdict = "does not conform to policy"

type recoveryInput struct{ ClientId, Username string }

func (s *Server) resendConfirmationCode(_ context.Context, in recoveryInput) (object, error) {
	return s.sendCode(in, codeLife, func(p *pool, u *user) (*oneTimeCode, error) {
		switch {
		case !p.verifiesEmail:
			return nil, errNoCodes
		case u.confirmed:
			return nil, errNoNeed
		}
		return &u.confirmation, nil
	})
}

func (s *Server) forgotPassword(_ context.Context, in recoveryInput) (object, error) {
	return s.sendCode(in, resetLife, func(_ *pool, u *user) (*oneTimeCode, error) {
		if !u.emailVerified {
			return nil, errUnverified
		}
		return &u.reset, nil
	})
}

// sendCode mails a new code, which replaces an earlier one of the same kind. If the client hides who exists, the answer
// names an invented destination instead of the reason why nothing is sent:
// https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html
func (s *Server) sendCode(in recoveryInput, life time.Duration,
	kind func(*pool, *user) (*oneTimeCode, error)) (object, error) {
	if err := invalid(usernameForm.problems(in.Username)); err != nil {
		return nil, err
	}
	digits, err := newCode()
	if err != nil {
		return nil, err
	}
	to, hidden, err := s.storeCode(in, digits, life, kind)
	switch {
	case hidden:
		return delivery(in.Username), nil
	case err != nil:
		return nil, err
	}
	s.config.Mail(to, digits)
	return delivery(to), nil
}

func (s *Server) storeCode(in recoveryInput, digits string, life time.Duration,
	kind func(*pool, *user) (*oneTimeCode, error)) (to string, hidden bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.findClient(in.ClientId)
	if err != nil {
		return "", false, err
	}
	u := c.pool.find(in.Username)
	if u == nil {
		return "", c.hidesUsers, errUnknownName
	}
	code, err := kind(c.pool, u)
	if err != nil {
		return "", c.hidesUsers && !errors.Is(err, errNoCodes), err
	}
	code.digits, code.expires = digits, s.config.Now().Add(life)
	return u.email, false, nil
}

type confirmForgotPasswordInput struct{ ClientId, Username, ConfirmationCode, Password string }

func (s *Server) confirmForgotPassword(_ context.Context, in confirmForgotPasswordInput) (object, error) {
	if err := invalid(codeForm.problems(in.ConfirmationCode), passwordForm.problems(in.Password),
		usernameForm.problems(in.Username)); err != nil {
		return nil, err
	}
	salt := []byte(rand.Text())
	hash, err := hashPassword(in.Password, salt) // slow, so without the lock
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.findClient(in.ClientId)
	if err != nil {
		return nil, err
	}
	if err := c.pool.password.check(in.Password, laterVerdict); err != nil {
		return nil, err
	}
	u := c.pool.find(in.Username)
	switch {
	case u == nil && c.hidesUsers:
		return nil, errWrongCode
	case u == nil:
		return nil, errUnknownName
	case u.reset.digits == "":
		return nil, errExpiredCode
	}
	if err := u.reset.try(in.ConfirmationCode, s.config.Now()); err != nil {
		return nil, err
	}
	u.salt, u.hash, u.reset = salt, hash, oneTimeCode{}
	return nil, nil
}

type changePasswordInput struct{ AccessToken, PreviousPassword, ProposedPassword string }

func (s *Server) changePassword(_ context.Context, in changePasswordInput) (object, error) {
	previous, proposed := passwordForm, passwordForm
	previous.member, proposed.member = "previousPassword", "proposedPassword"
	if err := invalid(previous.problems(in.PreviousPassword), proposed.problems(in.ProposedPassword)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock() // the hashes are slow, but nobody changes passwords often
	p, u, err := s.holder(in.AccessToken)
	if err != nil {
		return nil, err
	}
	if err := p.password.check(in.ProposedPassword, laterVerdict); err != nil {
		return nil, err
	}
	hash, err := hashPassword(in.PreviousPassword, u.salt)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(hash, u.hash) == 0 {
		return nil, errWrongPassword
	}
	u.salt = []byte(rand.Text())
	u.hash, err = hashPassword(in.ProposedPassword, u.salt)
	return nil, err
}

func (s *Server) getUser(_ context.Context, in struct{ AccessToken string }) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, u, err := s.holder(in.AccessToken)
	if err != nil {
		return nil, err
	}
	return object{"Username": u.name, "UserAttributes": u.attributes()}, nil
}

// holder returns the user to whom an access token was issued. Its caller holds s.mu.
func (s *Server) holder(accessToken string) (p *pool, _ *user, _ error) {
	var claims struct {
		jwt.RegisteredClaims
		Use string `json:"token_use"`
	}
	_, err := jwt.ParseWithClaims(accessToken, &claims, func(t *jwt.Token) (any, error) {
		for _, p = range s.pools {
			if p.keyID == t.Header["kid"] {
				return &p.key.PublicKey, nil
			}
		}
		return nil, errAccessToken
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(s.config.Now), jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, nil, awsjson.Errorf("NotAuthorizedException", "Access Token has expired")
	case err != nil || claims.Use != "access":
		return nil, nil, errAccessToken
	}
	i := slices.IndexFunc(p.users, func(u *user) bool { return u.sub == claims.Subject })
	if i < 0 {
		return nil, nil, errAccessToken
	}
	return p, p.users[i], nil
}
