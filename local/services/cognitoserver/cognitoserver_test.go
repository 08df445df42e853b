package cognitoserver_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/cognitoserver"
)

const (
	email    = "jane@example.com"
	password = "Correct-horse-9"
)

// world is a running server with one pool and one client, its clock and its mail box.
type world struct {
	*cognito.Client
	t        *testing.T
	endpoint string
	poolID   string
	clientID string

	mu    sync.Mutex
	now   time.Time
	codes map[string][]string
}

func newWorld(t *testing.T, pool cognito.CreateUserPoolInput, client cognito.CreateUserPoolClientInput) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), codes: map[string][]string{}}
	server := httptest.NewServer(cognitoserver.New(cognitoserver.Config{
		AccountID: "123456789012", Region: "us-east-1",
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
		Mail: func(to, code string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.codes[to] = append(w.codes[to], code)
		},
	}))
	t.Cleanup(server.Close)
	w.endpoint = server.URL
	w.Client = cognito.New(cognito.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	})
	pool.PoolName = new("customers")
	created, err := w.CreateUserPool(t.Context(), &pool)
	if err != nil {
		t.Fatal(err)
	}
	w.poolID = *created.UserPool.Id
	client.UserPoolId, client.ClientName = &w.poolID, new("web")
	app, err := w.CreateUserPoolClient(t.Context(), &client)
	if err != nil {
		t.Fatal(err)
	}
	w.clientID = *app.UserPoolClient.ClientId
	return w
}

// theApps is a pool and a client as the application's stack declares them.
func theApps() (cognito.CreateUserPoolInput, cognito.CreateUserPoolClientInput) {
	return cognito.CreateUserPoolInput{
			UsernameAttributes:     []types.UsernameAttributeType{"email"},
			AutoVerifiedAttributes: []types.VerifiedAttributeType{"email"},
			UsernameConfiguration:  &types.UsernameConfigurationType{CaseSensitive: new(false)},
		}, cognito.CreateUserPoolClientInput{
			ExplicitAuthFlows: []types.ExplicitAuthFlowsType{
				"ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH",
			},
			PreventUserExistenceErrors: types.PreventUserExistenceErrorTypesEnabled,
		}
}

func newAppWorld(t *testing.T) *world {
	t.Helper()
	pool, client := theApps()
	return newWorld(t, pool, client)
}

func (w *world) signUp(name, password string, attributes ...types.AttributeType) (*cognito.SignUpOutput, error) {
	return w.SignUp(w.t.Context(), &cognito.SignUpInput{
		ClientId: &w.clientID, Username: &name, Password: &password, UserAttributes: attributes,
	})
}

func (w *world) confirm(name, code string) error {
	_, err := w.ConfirmSignUp(w.t.Context(),
		&cognito.ConfirmSignUpInput{ClientId: &w.clientID, Username: &name, ConfirmationCode: &code})
	return err
}

func (w *world) auth(flow types.AuthFlowType, parameters map[string]string) (*types.AuthenticationResultType, error) {
	out, err := w.InitiateAuth(w.t.Context(),
		&cognito.InitiateAuthInput{ClientId: &w.clientID, AuthFlow: flow, AuthParameters: parameters})
	if err != nil {
		return nil, err
	}
	return out.AuthenticationResult, nil
}

func (w *world) signIn(name, password string) (*types.AuthenticationResultType, error) {
	return w.auth(types.AuthFlowTypeUserPasswordAuth, map[string]string{"USERNAME": name, "PASSWORD": password})
}

func (w *world) refresh(token string) (*types.AuthenticationResultType, error) {
	return w.auth(types.AuthFlowTypeRefreshTokenAuth, map[string]string{"REFRESH_TOKEN": token})
}

// code returns the only code mailed to an address.
func (w *world) code(to string) string {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.codes[to]) != 1 {
		w.t.Fatalf("%d codes were mailed to %s, want 1", len(w.codes[to]), to)
	}
	return w.codes[to][0]
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// newUser signs up and confirms.
func (w *world) newUser(name string) {
	w.t.Helper()
	if _, err := w.signUp(name, password); err != nil {
		w.t.Fatal(err)
	}
	if err := w.confirm(name, w.code(name)); err != nil {
		w.t.Fatal(err)
	}
}

// verify checks a token against the pool's published key, as the API's authorizer does, and returns its claims.
func (w *world) verify(token string) jwt.MapClaims {
	w.t.Helper()
	answer, err := http.Get(w.endpoint + "/" + w.poolID + "/.well-known/jwks.json")
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	var set struct {
		Keys []struct{ Kid, Kty, Alg, Use, N, E string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
		w.t.Fatal(err)
	}
	number := func(s string) *big.Int {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			w.t.Fatal(err)
		}
		return new(big.Int).SetBytes(raw)
	}
	claims := jwt.MapClaims{}
	_, err = jwt.ParseWithClaims(token, claims, func(token *jwt.Token) (any, error) {
		for _, key := range set.Keys {
			if key.Kid == token.Header["kid"] && key.Kty == "RSA" && key.Alg == "RS256" && key.Use == "sig" {
				return &rsa.PublicKey{N: number(key.N), E: int(number(key.E).Int64())}, nil
			}
		}
		return nil, fmt.Errorf("no key %v", token.Header["kid"])
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(func() time.Time {
		return w.now
	}), jwt.WithExpirationRequired())
	if err != nil {
		w.t.Fatal(err)
	}
	return claims
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != code ||
		!strings.Contains(e.ErrorMessage(), message) {
		t.Errorf("got error %v, want %s: %s", err, code, message)
	}
}

func TestUser_SignsUpConfirmsAndSignsIn(t *testing.T) {
	w := newAppWorld(t)
	signed, err := w.signUp(email, password)
	if err != nil {
		t.Fatal(err)
	}
	if signed.UserConfirmed || *signed.CodeDeliveryDetails.Destination != "j***@e***" ||
		*signed.CodeDeliveryDetails.AttributeName != "email" {
		t.Errorf("sign-up answered %+v", signed)
	}
	_, err = w.signIn(email, password)
	wantError(t, err, "UserNotConfirmedException", "User is not confirmed.")
	if code := w.code(email); len(code) != 6 || strings.Trim(code, "0123456789") != "" {
		t.Fatalf("the code has not six digits")
	}
	if err := w.confirm(email, w.code(email)); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.confirm(email, w.code(email)), "NotAuthorizedException", "Current status is CONFIRMED")
	tokens, err := w.signIn(email, password)
	if err != nil {
		t.Fatal(err)
	}
	if *tokens.TokenType != "Bearer" || tokens.ExpiresIn != 3600 || tokens.RefreshToken == nil {
		t.Errorf("sign-in answered %+v", tokens)
	}

	issued := float64(w.now.Unix())
	want := jwt.MapClaims{
		"sub": *signed.UserSub, "iss": "https://cognito-idp.us-east-1.amazonaws.com/" + w.poolID,
		"auth_time": issued, "iat": issued, "exp": issued + 3600,
	}
	id := maps.Clone(want)
	maps.Copy(id, jwt.MapClaims{
		"token_use":        "id",
		"aud":              w.clientID,
		"cognito:username": *signed.UserSub,
		"email":            email,
		"email_verified":   true,
	})
	access := maps.Clone(want)
	maps.Copy(access, jwt.MapClaims{
		"token_use": "access",
		"client_id": w.clientID,
		"username":  *signed.UserSub,
		"scope":     "aws.cognito.signin.user.admin",
	})
	random := []string{"jti", "origin_jti", "event_id"}
	for token, want := range map[string]jwt.MapClaims{*tokens.IdToken: id, *tokens.AccessToken: access} {
		got := w.verify(token)
		for _, name := range random {
			if value, _ := got[name].(string); len(value) != 36 {
				t.Errorf("claim %s is %v", name, got[name])
			}
		}
		maps.DeleteFunc(got, func(name string, _ any) bool { return slices.Contains(random, name) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	}
}

func TestPool_KeyDoesNotVerifyAnothersTokens(t *testing.T) {
	w := newAppWorld(t)
	w.newUser(email)
	tokens, err := w.signIn(email, password)
	if err != nil {
		t.Fatal(err)
	}
	header := strings.Split(*tokens.IdToken, ".")[0]
	other, err := w.CreateUserPool(t.Context(), &cognito.CreateUserPoolInput{PoolName: new("others")})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(w.endpoint + "/" + *other.UserPool.Id + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%v, %v", set, err)
	}
	decoded, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(decoded), set.Keys[0].Kid) {
		t.Error("two pools share a key")
	}
	missing, err := http.Get(w.endpoint + "/us-east-1_none/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer missing.Body.Close()
	if missing.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown pool's keys: status %d", missing.StatusCode)
	}
}

func TestRefresh_KeepsWhenTheUserSignedIn(t *testing.T) {
	w := newAppWorld(t)
	w.newUser(email)
	first, err := w.signIn(email, password)
	if err != nil {
		t.Fatal(err)
	}
	began := w.verify(*first.IdToken)
	w.wait(2 * time.Hour)
	second, err := w.refresh(*first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if second.RefreshToken != nil {
		t.Error("refreshing gave a new refresh token")
	}
	got := w.verify(*second.IdToken)
	for _, kept := range []string{"auth_time", "origin_jti", "sub"} {
		if got[kept] != began[kept] {
			t.Errorf("claim %s changed from %v to %v", kept, began[kept], got[kept])
		}
	}
	if got["iat"] == began["iat"] || got["jti"] == began["jti"] {
		t.Error("the token is not new")
	}
	_, err = w.refresh("made up")
	wantError(t, err, "NotAuthorizedException", "Invalid Refresh Token")
	w.wait(30 * 24 * time.Hour)
	_, err = w.refresh(*first.RefreshToken)
	wantError(t, err, "NotAuthorizedException", "Refresh Token has expired")
}

func TestRefresh_IsForItsOwnClientOnly(t *testing.T) {
	w := newAppWorld(t)
	w.newUser(email)
	tokens, err := w.signIn(email, password)
	if err != nil {
		t.Fatal(err)
	}
	_, other := theApps()
	other.UserPoolId, other.ClientName = &w.poolID, new("other")
	created, err := w.CreateUserPoolClient(t.Context(), &other)
	if err != nil {
		t.Fatal(err)
	}
	w.clientID = *created.UserPoolClient.ClientId
	_, err = w.refresh(*tokens.RefreshToken)
	wantError(t, err, "NotAuthorizedException", "Invalid Refresh Token")
}

func TestTokens_LiveAsLongAsTheClientSays(t *testing.T) {
	pool, client := theApps()
	client.IdTokenValidity, client.AccessTokenValidity, client.RefreshTokenValidity = new(int32(10)), new(int32(20)), 2
	client.TokenValidityUnits = &types.TokenValidityUnitsType{
		IdToken: "minutes", AccessToken: "minutes", RefreshToken: "hours",
	}
	w := newWorld(t, pool, client)
	w.newUser(email)
	tokens, err := w.signIn(email, password)
	if err != nil {
		t.Fatal(err)
	}
	now := float64(w.now.Unix())
	if id, access := w.verify(*tokens.IdToken)["exp"], w.verify(*tokens.AccessToken)["exp"]; id != now+600 ||
		access != now+1200 || tokens.ExpiresIn != 1200 {
		t.Errorf("expiries %v, %v, %d", id, access, tokens.ExpiresIn)
	}
	w.wait(2 * time.Hour)
	_, err = w.refresh(*tokens.RefreshToken)
	wantError(t, err, "NotAuthorizedException", "expired")

	for _, minutes := range []int32{4, 1441, 2147483647} {
		client.UserPoolId, client.ClientName, client.IdTokenValidity = &w.poolID, new("x"), &minutes
		_, err := w.CreateUserPoolClient(t.Context(), &client)
		wantError(t, err, "InvalidParameterException", "IdTokenValidity")
	}
}

func TestFlows_AreOffUnlessEnabled(t *testing.T) {
	pool, _ := theApps()
	for name, test := range map[string]struct {
		flows           []types.ExplicitAuthFlowsType
		signIn, refresh string // messages
	}{
		"none named": {nil, "USER_PASSWORD_AUTH flow not enabled for this client", "Invalid Refresh Token"},
		"password": {
			[]types.ExplicitAuthFlowsType{"ALLOW_USER_PASSWORD_AUTH"}, "Incorrect username",
			"REFRESH_TOKEN_AUTH flow not enabled for this client",
		},
		"the old": {[]types.ExplicitAuthFlowsType{"USER_PASSWORD_AUTH"}, "Incorrect username", "Invalid Refresh Token"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, pool, cognito.CreateUserPoolClientInput{
				ExplicitAuthFlows: test.flows, PreventUserExistenceErrors: "ENABLED",
			})
			_, err := w.signIn(email, password)
			wantError(t, err, codeFor(test.signIn), test.signIn)
			_, err = w.refresh("made up")
			wantError(t, err, codeFor(test.refresh), test.refresh)
		})
	}
}

func codeFor(message string) string {
	if strings.Contains(message, "not enabled") {
		return "InvalidParameterException"
	}
	return "NotAuthorizedException"
}

func TestFlows_SayWhatIsNotSimulated(t *testing.T) {
	pool, _ := theApps()
	w := newWorld(t, pool,
		cognito.CreateUserPoolClientInput{ExplicitAuthFlows: []types.ExplicitAuthFlowsType{"ALLOW_USER_SRP_AUTH"}})
	_, err := w.auth(types.AuthFlowTypeUserSrpAuth, map[string]string{"USERNAME": email, "SRP_A": "1"})
	wantError(t, err, "InvalidParameterException", `the local Cognito lacks the flow "USER_SRP_AUTH"`)
}

func TestClient_HidesWhoExistsIfItSaysSo(t *testing.T) {
	pool, client := theApps()
	for setting, want := range map[types.PreventUserExistenceErrorTypes][2]string{
		"ENABLED": {"NotAuthorizedException", "ExpiredCodeException"},
		"LEGACY":  {"UserNotFoundException", "UserNotFoundException"},
	} {
		t.Run(string(setting), func(t *testing.T) {
			client.PreventUserExistenceErrors = setting
			w := newWorld(t, pool, client)
			w.newUser(email)
			_, known := w.signIn(email, "Wrong-horse-9")
			wantError(t, known, "NotAuthorizedException", "Incorrect username or password.")
			_, unknown := w.signIn("nobody@example.com", password)
			wantError(t, unknown, want[0], "")
			wantError(t, w.confirm("nobody@example.com", "123456"), want[1], "")
		})
	}
}

func TestPool_GivesANameToTheFirst(t *testing.T) {
	for name, test := range map[string]struct {
		pool    cognito.CreateUserPoolInput
		message string
	}{
		"names": {cognito.CreateUserPoolInput{}, "User already exists"},
		"addresses": {cognito.CreateUserPoolInput{UsernameAttributes: []types.UsernameAttributeType{"email"}},
			"An account with the given email already exists."},
	} {
		t.Run(name, func(t *testing.T) {
			_, client := theApps()
			w := newWorld(t, test.pool, client)
			if _, err := w.signUp(email, password); err != nil {
				t.Fatal(err)
			}
			_, err := w.signUp(email, password)
			wantError(t, err, "UsernameExistsException", test.message)
		})
	}
}

// A pool tells upper case from lower case only if it is told nothing else, in every call that names a user.
func TestPool_TellsCaseOnlyIfItIsSensitive(t *testing.T) {
	const other = "Jane@EXAMPLE.com"
	for name, configuration := range map[string]*types.UsernameConfigurationType{
		"insensitive": {CaseSensitive: new(false)}, "sensitive": {CaseSensitive: new(true)}, "not said": nil,
	} {
		t.Run(name, func(t *testing.T) {
			pool, client := theApps()
			pool.UsernameConfiguration, client.PreventUserExistenceErrors = configuration, "LEGACY"
			w := newWorld(t, pool, client)
			if _, err := w.signUp(email, password); err != nil {
				t.Fatal(err)
			}
			code := w.code(email)
			calls := []struct {
				name string
				call func() error
			}{
				{"resend", func() error { _, err := w.resend(other); return err }},
				{"confirm", func() error { return w.confirm(other, w.last(email)) }},
				{"sign in", func() error { _, err := w.signIn(other, password); return err }},
				{"forget", func() error { return w.forget(other) }},
				{"reset", func() error { return w.reset(other, w.last(email), password+"9") }},
			}
			sensitive := name != "insensitive"
			for _, c := range calls {
				err := c.call()
				if sensitive {
					wantError(t, err, "UserNotFoundException", "")
				} else if err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
			}
			_, err := w.signUp(other, password)
			if !sensitive {
				wantError(t, err, "UsernameExistsException", "")
			} else if err != nil {
				t.Error(err)
			} else if err := w.confirm(email, code); err != nil {
				t.Error("the other's calls changed something:", err)
			}
		})
	}
}

func TestSignUp_LetsOneOfManyConcurrentCallersWin(t *testing.T) {
	w := newAppWorld(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 20 {
		group.Go(func() {
			_, err := w.signUp(email, password)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				won++
				return
			}
			wantError(t, err, "UsernameExistsException", "")
		})
	}
	group.Wait()
	if won != 1 {
		t.Errorf("%d sign-ups won", won)
	}
	if err := w.confirm(email, w.code(email)); err != nil {
		t.Error(err)
	}
}

func TestCode_ExpiresAfterADay(t *testing.T) {
	w := newAppWorld(t)
	if _, err := w.signUp(email, password); err != nil {
		t.Fatal(err)
	}
	w.wait(24 * time.Hour)
	wantError(t, w.confirm(email, w.code(email)), "ExpiredCodeException", "")
}

func TestCode_MayBeGuessedAFewTimesOnly(t *testing.T) {
	w := newAppWorld(t)
	if _, err := w.signUp(email, password); err != nil {
		t.Fatal(err)
	}
	code := w.code(email)
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	for range 15 {
		wantError(t, w.confirm(email, wrong), "CodeMismatchException", "")
	}
	wantError(t, w.confirm(email, code), "LimitExceededException", "Attempt limit exceeded")
	w.wait(time.Hour)
	if err := w.confirm(email, code); err != nil {
		t.Error("an hour later:", err)
	}
}

func TestPool_HoldsPasswordsToItsPolicy(t *testing.T) {
	own := &types.PasswordPolicyType{MinimumLength: new(int32(12)), RequireNumbers: true}
	for name, test := range map[string]struct {
		policy            *types.PasswordPolicyType
		password, problem string
	}{
		"default":         {nil, password, ""},
		"default length":  {nil, "aB3-567", "Password not long enough"},
		"default upper":   {nil, "correct-horse-9", "Password must have uppercase characters"},
		"default lower":   {nil, "CORRECT-HORSE-9", "Password must have lowercase characters"},
		"default numbers": {nil, "Correct-horse-x", "Password must have numeric characters"},
		"default symbols": {nil, "Correcthorse9", "Password must have symbol characters"},
		"a space inside":  {nil, "Correct horse9", ""},
		"own":             {own, "abcdefghijk1", ""},
		"own length":      {own, "abcdefghij1", "Password not long enough"},
		"own numbers":     {own, "abcdefghijkl", "Password must have numeric characters"},
	} {
		t.Run(name, func(t *testing.T) {
			pool, client := theApps()
			if test.policy != nil {
				pool.Policies = &types.UserPoolPolicyType{PasswordPolicy: test.policy}
			}
			w := newWorld(t, pool, client)
			_, err := w.signUp(email, test.password)
			if test.problem == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, "InvalidPasswordException", "Password did not conform with policy: "+test.problem)
		})
	}
}

func TestAdministrator_ConfirmsWithoutACode(t *testing.T) {
	w := newAppWorld(t)
	if _, err := w.signUp(email, password); err != nil {
		t.Fatal(err)
	}
	confirm := func(pool, name string) error {
		_, err := w.AdminConfirmSignUp(t.Context(),
			&cognito.AdminConfirmSignUpInput{UserPoolId: &pool, Username: &name})
		return err
	}
	wantError(t, confirm("us-east-1_none", email), "ResourceNotFoundException", "us-east-1_none")
	wantError(t, confirm(w.poolID, "nobody@example.com"), "UserNotFoundException", "")
	if err := confirm(w.poolID, email); err != nil {
		t.Fatal(err)
	}
	wantError(t, confirm(w.poolID, email), "NotAuthorizedException", "Current status is CONFIRMED")
	tokens, err := w.signIn(email, password)
	if err != nil {
		t.Fatal(err)
	}
	if verified := w.verify(*tokens.IdToken)["email_verified"]; verified != false {
		t.Errorf("email_verified is %v though nobody showed the code", verified)
	}
}

func TestAlias_WorksOnceVerified(t *testing.T) {
	pool, client := theApps()
	pool.UsernameAttributes, pool.AliasAttributes = nil, []types.AliasAttributeType{"email"}
	w := newWorld(t, pool, client)
	address := types.AttributeType{Name: new("email"), Value: new(email)}
	_, err := w.signUp(email, password, address)
	wantError(t, err, "InvalidParameterException", "Username cannot be of email format")
	if _, err := w.signUp("jane", password, address); err != nil {
		t.Fatal(err)
	}
	_, err = w.signIn(email, password)
	wantError(t, err, "NotAuthorizedException", "")
	if err := w.confirm("jane", w.code(email)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jane", email} {
		tokens, err := w.signIn(name, password)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := w.verify(*tokens.IdToken)["cognito:username"]; got != "jane" {
			t.Errorf("cognito:username is %v", got)
		}
	}
	w.mu.Lock()
	clear(w.codes)
	w.mu.Unlock()
	if _, err := w.signUp("joan", password, address); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.confirm("joan", w.code(email)), "AliasExistsException", "")
}

func TestPool_SendsNoCodeAndTakesNoneWithoutVerification(t *testing.T) {
	pool, client := theApps()
	pool.AutoVerifiedAttributes = nil
	w := newWorld(t, pool, client)
	out, err := w.signUp(email, password)
	if err != nil || out.CodeDeliveryDetails != nil || len(w.codes) != 0 {
		t.Fatalf("%+v, %v, %d codes", out, err, len(w.codes))
	}
	wantError(t, w.confirm(email, "000000"), "CodeMismatchException", "")
	_, err = w.resend(email)
	wantError(t, err, "InvalidParameterException", "Cannot resend codes. Auto verification not turned on.")
}

func TestServer_RefusesBadInputByName(t *testing.T) {
	w := newAppWorld(t)
	_, err := w.signUp("jane", password)
	wantError(t, err, "InvalidParameterException", "Username should be an email.")
	_, err = w.auth(types.AuthFlowTypeUserPasswordAuth, map[string]string{"USERNAME": email})
	wantError(t, err, "InvalidParameterException", "Missing required parameter PASSWORD")
	_, err = w.CreateUserPoolClient(t.Context(),
		&cognito.CreateUserPoolClientInput{UserPoolId: &w.poolID, ClientName: new("x"), GenerateSecret: true})
	wantError(t, err, "InvalidParameterException", "GenerateSecret")
	_, err = w.CreateUserPoolClient(t.Context(),
		&cognito.CreateUserPoolClientInput{UserPoolId: new("us-east-1_none"), ClientName: new("x")})
	wantError(t, err, "ResourceNotFoundException", "us-east-1_none")
	_, err = w.CreateUserPool(t.Context(), &cognito.CreateUserPoolInput{
		PoolName: new("x"), UsernameAttributes: []types.UsernameAttributeType{"phone_number"},
	})
	wantError(t, err, "InvalidParameterException", "phone_number")
	_, err = w.CreateUserPool(t.Context(), &cognito.CreateUserPoolInput{
		PoolName: new("x"),
		Policies: &types.UserPoolPolicyType{PasswordPolicy: &types.PasswordPolicyType{MinimumLength: new(int32(5))}},
	})
	wantError(t, err, "InvalidParameterException", "MinimumLength")
	_, err = w.CreateUserPool(t.Context(), &cognito.CreateUserPoolInput{
		PoolName: new("x"), MfaConfiguration: types.UserPoolMfaTypeOn,
	})
	wantError(t, err, "InvalidParameterException", "MFA")
	_, err = w.ListGroups(t.Context(), &cognito.ListGroupsInput{UserPoolId: &w.poolID})
	wantError(t, err, "UnknownOperationException", "ListGroups")

	w.clientID = "unknownclient"
	_, err = w.signUp(email, password)
	wantError(t, err, "ResourceNotFoundException", "unknownclient")
	wantError(t, w.confirm(email, "1"), "ResourceNotFoundException", "unknownclient")
	_, err = w.signIn(email, password)
	wantError(t, err, "ResourceNotFoundException", "unknownclient")
}
