package cognitoserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// session is one sign-in. Its refresh token gives new tokens until it expires.
type session struct {
	client         *client
	user           *user
	id             string // origin_jti of every token
	began, expires time.Time
}

type initiateAuthInput struct {
	ClientId, AuthFlow string
	AuthParameters     map[string]string
}

func (s *Server) initiateAuth(_ context.Context, in initiateAuthInput) (object, error) {
	s.mu.Lock()
	c, err := s.findClient(in.ClientId)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if in.AuthFlow == "REFRESH_TOKEN" { // the older name of the flow
		in.AuthFlow = "REFRESH_TOKEN_AUTH"
	}
	if !c.allows(in.AuthFlow) {
		return nil, awsjson.Errorf("InvalidParameterException", "%s flow not enabled for this client", in.AuthFlow)
	}
	switch in.AuthFlow {
	case "USER_PASSWORD_AUTH":
		return s.signIn(c, in.AuthParameters)
	case "REFRESH_TOKEN_AUTH":
		return s.refreshTokens(c, in.AuthParameters)
	default:
		return nil, awsjson.Errorf("InvalidParameterException",
			"the local Cognito lacks the flow %q: use USER_PASSWORD_AUTH", in.AuthFlow)
	}
}

// allows tells whether a client may use a flow. Clients list flows by their ALLOW_ names or by the older names, which
// always included refreshing.
func (c *client) allows(flow string) bool {
	if len(c.flows) == 0 { // the default of CreateUserPoolClient
		return flow == "REFRESH_TOKEN_AUTH" || flow == "USER_SRP_AUTH" || flow == "CUSTOM_AUTH"
	}
	return slices.Contains(c.flows, "ALLOW_"+flow) || slices.Contains(c.flows, flow) ||
		flow == "REFRESH_TOKEN_AUTH" && slices.Contains(c.flows, "USER_PASSWORD_AUTH")
}

var (
	errNoUser        = awsjson.Errorf("UserNotFoundException", "User does not exist.")
	errWrongPassword = awsjson.Errorf("NotAuthorizedException", "Incorrect username or password.")
)

func (s *Server) signIn(c *client, parameters map[string]string) (object, error) {
	for _, name := range []string{"USERNAME", "PASSWORD"} {
		if parameters[name] == "" {
			return nil, awsjson.Errorf("InvalidParameterException", "Missing required parameter %s", name)
		}
	}
	s.mu.Lock()
	u := c.pool.find(parameters["USERNAME"])
	known := u != nil
	salt, want := []byte("as slow as for a known user"), []byte(nil)
	if known {
		salt, want = u.salt, u.hash
	}
	s.mu.Unlock()
	hash, err := hashPassword(parameters["PASSWORD"], salt) // slow, so without the lock
	switch {
	case err != nil:
		return nil, err
	case !known && !c.hidesUsers:
		return nil, errNoUser
	case !known || subtle.ConstantTimeCompare(hash, want) == 0:
		return nil, errWrongPassword
	}
	return s.begin(c, u)
}

func (s *Server) begin(c *client, u *user) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !u.confirmed {
		return nil, awsjson.Errorf("UserNotConfirmedException", "User is not confirmed.")
	}
	now := s.config.Now()
	started, token := session{c, u, uuid.NewString(), now, now.Add(c.refLife)}, rand.Text()+rand.Text()
	s.refresh[sha256.Sum256([]byte(token))] = started
	return s.tokens(started, token)
}

func (s *Server) refreshTokens(c *client, parameters map[string]string) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resumed, known := s.refresh[sha256.Sum256([]byte(parameters["REFRESH_TOKEN"]))]
	if !known || resumed.client != c {
		return nil, awsjson.Errorf("NotAuthorizedException", "Invalid Refresh Token")
	}
	if !s.config.Now().Before(resumed.expires) {
		return nil, awsjson.Errorf("NotAuthorizedException", "Refresh Token has expired")
	}
	return s.tokens(resumed, "")
}

// tokens returns an answer of InitiateAuth. The claims are those of
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
func (s *Server) tokens(started session, refreshToken string) (object, error) {
	c, u := started.client, started.user
	event := uuid.NewString()
	sign := func(use string, life time.Duration, own jwt.MapClaims) (string, error) {
		now := s.config.Now()
		claims := jwt.MapClaims{
			"sub":       u.sub,
			"iss":       "https://cognito-idp." + s.config.Region + ".amazonaws.com/" + c.pool.id,
			"token_use": use,
			"auth_time": started.began.Unix(), "iat": now.Unix(), "exp": now.Add(life).Unix(),
			"jti": uuid.NewString(), "origin_jti": started.id, "event_id": event,
		}
		maps.Copy(claims, own)
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
		token.Header = map[string]any{"alg": "RS256", "kid": c.pool.keyID}
		return token.SignedString(c.pool.key)
	}
	identity := jwt.MapClaims{"aud": c.id, "cognito:username": u.name}
	if u.email != "" {
		identity["email"], identity["email_verified"] = u.email, u.emailVerified
	}
	idToken, err := sign("id", c.idLife, identity)
	if err != nil {
		return nil, err
	}
	accessToken, err := sign("access", c.accessLife,
		jwt.MapClaims{"client_id": c.id, "username": u.name, "scope": "aws.cognito.signin.user.admin"})
	if err != nil {
		return nil, err
	}
	result := object{
		"IdToken":     idToken,
		"AccessToken": accessToken,
		"TokenType":   "Bearer",
		"ExpiresIn":   int(c.accessLife.Seconds()),
	}
	if refreshToken != "" {
		result["RefreshToken"] = refreshToken
	}
	return object{"AuthenticationResult": result, "ChallengeParameters": object{}}, nil
}

// serveKeys answers with a pool's public key as a JSON Web Key Set (RFC 7517).
func (s *Server) serveKeys(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	p, err := s.findPool(r.PathValue("pool"))
	s.mu.Unlock()
	if err != nil {
		http.Error(w, `{"message":"User pool does not exist."}`, http.StatusNotFound)
		return
	}
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object{"keys": []object{{ // the client has gone if this fails
		"kty": "RSA",
		"use": "sig",
		"alg": "RS256",
		"kid": p.keyID,
		"n":   number(p.key.N),
		"e":   number(big.NewInt(int64(p.key.E))),
	}}})
}
