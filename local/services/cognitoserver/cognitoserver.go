// Package cognitoserver is a small Amazon Cognito user pools service for local runs: pools, app clients, sign-up with a
// code by mail, sign-in with a password, and JWTs that a verifier of Cognito's tokens accepts.
//
//	server := httptest.NewServer(cognitoserver.New(cognitoserver.Config{
//		AccountID: "123456789012", Region: "us-east-1", Mail: func(to, code string) { … },
//	}))
//	client := cognitoidentityprovider.NewFromConfig(cfg, func(o *cognitoidentityprovider.Options) { o.BaseEndpoint = &server.URL })
//
// A pool's public key is at <endpoint>/<pool id>/.well-known/jwks.json, as in Cognito. The package has no SRP, client
// secrets, MFA, triggers or groups, and wrong passwords lock nobody out. The calls of users are unsigned, as in
// Cognito, and no signatures are checked. All state is in memory.
//
// Source: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/Welcome.html
package cognitoserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// Config says where the pools live and how mail is sent.
type Config struct {
	AccountID string                // 12 digits, in every ARN
	Region    string                // such as us-east-1, in pool ids, ARNs and token issuers
	Now       func() time.Time      // nil means time.Now
	Mail      func(to, code string) // delivers a code, while the call that sends it waits; nil delivers none
}

// Server is a Cognito user pools service. It is safe for concurrent use.
type Server struct {
	config Config
	mux    *http.ServeMux

	mu      sync.Mutex // guards the fields below and everything they lead to, except fields that are set once
	pools   map[string]*pool
	clients map[string]*client
	refresh map[[32]byte]session // by SHA-256 of the refresh token
}

type pool struct {
	id, name      string
	created       time.Time
	key           *rsa.PrivateKey // set once
	keyID         string
	password      passwordPolicy // set once
	emailIsName   bool           // users sign up with their e-mail address (UsernameAttributes)
	emailIsAlias  bool           // users can also sign in with a verified address (AliasAttributes)
	verifiesEmail bool
	caseSensitive bool
	users         []*user
}

type client struct {
	id                          string
	pool                        *pool
	flows                       []string
	hidesUsers                  bool // PreventUserExistenceErrors
	idLife, accessLife, refLife time.Duration
}

// object is a JSON answer. The API reference has the names of its members.
type object = map[string]any

// New returns a service without pools.
func New(config Config) *Server {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Mail == nil {
		config.Mail = func(string, string) {}
	}
	s := &Server{
		config:  config,
		mux:     http.NewServeMux(),
		pools:   map[string]*pool{},
		clients: map[string]*client{},
		refresh: map[[32]byte]session{},
	}
	s.mux.HandleFunc("GET /{pool}/.well-known/jwks.json", s.serveKeys)
	s.mux.Handle("POST /", awsjson.Service{Name: "Cognito", Target: "AWSCognitoIdentityProviderService",
		Ops: map[string]awsjson.Handler{
			"CreateUserPool":       awsjson.Op(s.createUserPool),
			"CreateUserPoolClient": awsjson.Op(s.createUserPoolClient),
			"SignUp":               awsjson.Op(s.signUp),
			"ConfirmSignUp":        awsjson.Op(s.confirmSignUp),
			"AdminConfirmSignUp":   awsjson.Op(s.adminConfirmSignUp),
			"InitiateAuth":         awsjson.Op(s.initiateAuth),

			"ResendConfirmationCode": awsjson.Op(s.resendConfirmationCode),
			"ForgotPassword":         awsjson.Op(s.forgotPassword),
			"ConfirmForgotPassword":  awsjson.Op(s.confirmForgotPassword),
			"ChangePassword":         awsjson.Op(s.changePassword),
			"GetUser":                awsjson.Op(s.getUser),
			"AdminGetUser":           awsjson.Op(s.adminGetUser),
			"ListUsers":              awsjson.Op(s.listUsers),
			"ListUserPools":          awsjson.Op(s.listUserPools),
		}})
	return s
}

// ServeHTTP answers one API call, or the request for a pool's public key.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

type createUserPoolInput struct {
	PoolName                                                    string
	Policies                                                    struct{ PasswordPolicy *passwordPolicy }
	UsernameAttributes, AliasAttributes, AutoVerifiedAttributes []string
	UsernameConfiguration                                       struct{ CaseSensitive *bool }
	MfaConfiguration                                            string
}

func (s *Server) createUserPool(_ context.Context, in createUserPoolInput) (object, error) {
	attributes := slices.Concat(in.UsernameAttributes, in.AliasAttributes, in.AutoVerifiedAttributes)
	if i := slices.IndexFunc(attributes, func(a string) bool { return a != "email" }); i >= 0 {
		return nil, awsjson.Errorf("InvalidParameterException",
			"the local Cognito lacks the sign-in attribute %q: it has email only", attributes[i])
	}
	if in.MfaConfiguration == "ON" {
		return nil, awsjson.Errorf("InvalidParameterException",
			"the local Cognito lacks MFA: use OPTIONAL or OFF for MfaConfiguration")
	}
	policy := cmp.Or(in.Policies.PasswordPolicy, &passwordPolicy{8, true, true, true, true})
	policy.MinimumLength = cmp.Or(policy.MinimumLength, 8)
	if policy.MinimumLength < 6 || policy.MinimumLength > 99 {
		return nil, awsjson.Errorf("InvalidParameterException", "MinimumLength is %d: want 6 to 99",
			policy.MinimumLength)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	p := &pool{
		id: s.config.Region + "_" + rand.Text()[:9], name: in.PoolName, created: s.config.Now(),
		key: key, keyID: uuid.NewString(), password: *policy,
		emailIsName:   len(in.UsernameAttributes) > 0,
		emailIsAlias:  len(in.AliasAttributes) > 0,
		verifiesEmail: len(in.AutoVerifiedAttributes) > 0,
		caseSensitive: in.UsernameConfiguration.CaseSensitive == nil || *in.UsernameConfiguration.CaseSensitive,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pools[p.id] = p
	return object{"UserPool": object{
		"Id":       p.id,
		"Name":     in.PoolName,
		"Arn":      "arn:aws:cognito-idp:" + s.config.Region + ":" + s.config.AccountID + ":userpool/" + p.id,
		"Policies": object{"PasswordPolicy": p.password}, "UsernameAttributes": in.UsernameAttributes,
		"AliasAttributes": in.AliasAttributes, "AutoVerifiedAttributes": in.AutoVerifiedAttributes,
	}}, nil
}

type createUserPoolClientInput struct {
	UserPoolId, ClientName, PreventUserExistenceErrors         string
	GenerateSecret                                             bool
	ExplicitAuthFlows                                          []string
	AccessTokenValidity, IdTokenValidity, RefreshTokenValidity int64
	TokenValidityUnits                                         struct{ AccessToken, IdToken, RefreshToken string }
}

func (s *Server) createUserPoolClient(_ context.Context, in createUserPoolClientInput) (object, error) {
	if in.GenerateSecret {
		return nil, awsjson.Errorf("InvalidParameterException",
			"the local Cognito lacks client secrets: leave GenerateSecret off")
	}
	units := in.TokenValidityUnits
	idLife, err1 := tokenLife("IdTokenValidity", in.IdTokenValidity, cmp.Or(units.IdToken, "hours"), time.Hour,
		5*time.Minute, 24*time.Hour)
	accessLife, err2 := tokenLife("AccessTokenValidity", in.AccessTokenValidity, cmp.Or(units.AccessToken, "hours"),
		time.Hour, 5*time.Minute, 24*time.Hour)
	refLife, err3 := tokenLife("RefreshTokenValidity", in.RefreshTokenValidity, cmp.Or(units.RefreshToken, "days"),
		30*day, time.Hour, 3650*day)
	if err := cmp.Or(err1, err2, err3); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.findPool(in.UserPoolId)
	if err != nil {
		return nil, err
	}
	c := &client{
		id: strings.ToLower(rand.Text()), pool: p, flows: in.ExplicitAuthFlows,
		hidesUsers: in.PreventUserExistenceErrors == "ENABLED",
		idLife:     idLife,
		accessLife: accessLife,
		refLife:    refLife,
	}
	s.clients[c.id] = c
	return object{"UserPoolClient": object{
		"ClientId": c.id, "ClientName": in.ClientName, "UserPoolId": p.id, "ExplicitAuthFlows": c.flows,
		"PreventUserExistenceErrors": cmp.Or(in.PreventUserExistenceErrors, "LEGACY"),
	}}, nil
}

const day = 24 * time.Hour

func tokenLife(field string, n int64, unit string, standard, shortest, longest time.Duration) (time.Duration, error) {
	if n == 0 {
		return standard, nil
	}
	units := map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour, "days": day}
	one, known := units[unit]
	if !known || n < 0 || n > int64(longest/one) || time.Duration(n)*one < shortest {
		return 0, awsjson.Errorf("InvalidParameterException", "%s is %d %s: want %s to %s", field, n, unit, shortest,
			longest)
	}
	return time.Duration(n) * one, nil
}

// The callers of findPool and findClient hold s.mu.
func (s *Server) findPool(id string) (*pool, error) {
	if p := s.pools[id]; p != nil {
		return p, nil
	}
	return nil, awsjson.Errorf("ResourceNotFoundException", "User pool %s does not exist.", id)
}

func (s *Server) findClient(id string) (*client, error) {
	if c := s.clients[id]; c != nil {
		return c, nil
	}
	return nil, awsjson.Errorf("ResourceNotFoundException", "User pool client %s does not exist.", id)
}
