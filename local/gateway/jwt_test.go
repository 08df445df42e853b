package gateway_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/gateway"
)

const issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc"

// pool serves the public halves of its keys, counts how often, and signs.
type pool struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	keys    map[string]*rsa.PrivateKey
	fetches int
	answer  http.HandlerFunc // instead of the keys
	now     time.Time
}

func newPool(t *testing.T) *pool {
	t.Helper()
	p := &pool{t: t, keys: map[string]*rsa.PrivateKey{"one": newKey(t)}, now: clock()}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (p *pool) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetches++
	if p.answer != nil {
		p.answer(w, r)
		return
	}
	p.serveKeys(w)
}

func (p *pool) serveKeys(w io.Writer) {
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	for kid, key := range p.keys {
		set.Keys = append(set.Keys, map[string]string{
			"kid": kid,
			"kty": "RSA",
			"alg": "RS256",
			"use": "sig",
			"n":   base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			"e":   base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		})
	}
	if err := json.NewEncoder(w).Encode(set); err != nil {
		p.t.Error(err)
	}
}

func (p *pool) clock() time.Time { p.mu.Lock(); defer p.mu.Unlock(); return p.now }

// gateway protects POST /dev/order with the pool, and its function answers with its event.
func (p *pool) gateway(log io.Writer) http.Handler {
	p.t.Helper()
	config := stage(gateway.Route{
		Authorizer: &gateway.CognitoAuthorizer{Issuer: issuer, JWKSURL: p.url},
		Invoke: func(_ context.Context, payload []byte) ([]byte, bool, error) {
			answer, err := json.Marshal(events.APIGatewayProxyResponse{StatusCode: 201, Body: string(payload)})
			return answer, false, err
		},
	}, log)
	config.Now = p.clock
	return mustNew(p.t, config)
}

// sign makes an ID token; a nil value takes a claim away.
func (p *pool) sign(kid string, method jwt.SigningMethod, key any, changes jwt.MapClaims) string {
	p.t.Helper()
	claims := jwt.MapClaims{
		"iss":       issuer,
		"token_use": "id",
		"sub":       "jane",
		"exp":       clock().Add(time.Hour).Unix(),
		"iat":       clock().Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil {
		p.t.Fatal(err)
	}
	return signed
}

func (p *pool) token(changes jwt.MapClaims) string {
	return p.sign("one", jwt.SigningMethodRS256, p.keys["one"], changes)
}

func TestAuthorizer_RefusesTokensThatAreNotThePoolsIDTokens(t *testing.T) {
	p := newPool(t)
	var log bytes.Buffer
	g := p.gateway(&log)
	good := p.token(nil)
	parts := strings.Split(good, ".")
	public, err := x509.MarshalPKIXPublicKey(&p.keys["one"].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	tampered := strings.Split(p.token(jwt.MapClaims{"sub": "mallory"}), ".")
	tests := map[string]string{
		"absent":                    "",
		"empty bearer":              "Bearer ",
		"not a token":               "not a token",
		"other scheme":              "Basic " + good,
		"signature of other claims": parts[0] + "." + tampered[1] + "." + parts[2],
		"signature changed":         parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"signature absent":          parts[0] + "." + parts[1] + ".",
		"alg none":                  p.sign("one", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"HS256 with public key":     p.sign("one", jwt.SigningMethodHS256, public, nil),
		"HS256 with modulus":        p.sign("one", jwt.SigningMethodHS256, p.keys["one"].N.Bytes(), nil),
		"RS512":                     p.sign("one", jwt.SigningMethodRS512, p.keys["one"], nil),
		"PS256":                     p.sign("one", jwt.SigningMethodPS256, p.keys["one"], nil),
		"other key, known kid":      p.sign("one", jwt.SigningMethodRS256, newKey(t), nil),
		"unknown kid":               p.sign("two", jwt.SigningMethodRS256, p.keys["one"], nil),
		"no kid":                    p.sign("", jwt.SigningMethodRS256, p.keys["one"], nil),
		"other pool":                p.token(jwt.MapClaims{"iss": issuer + "d"}),
		"no issuer":                 p.token(jwt.MapClaims{"iss": nil}),
		"access token":              p.token(jwt.MapClaims{"token_use": "access"}),
		"no use":                    p.token(jwt.MapClaims{"token_use": nil}),
		"expired, other pool":       p.token(jwt.MapClaims{"exp": clock().Unix(), "iss": issuer + "d"}),
		"expired, no issuer":        p.token(jwt.MapClaims{"exp": clock().Unix(), "iss": nil}),
		"expired, access token":     p.token(jwt.MapClaims{"exp": clock().Unix(), "token_use": "access"}),
		"expired, other key":        p.sign("one", jwt.SigningMethodRS256, newKey(t), jwt.MapClaims{"exp": 1}),
		"expired, not yet valid": p.token(jwt.MapClaims{
			"exp": clock().Unix(), "nbf": clock().Add(time.Minute).Unix(),
		}),
		"no expiry":      p.token(jwt.MapClaims{"exp": nil}),
		"expiry is text": p.token(jwt.MapClaims{"exp": "tomorrow"}),
		"not yet valid":  p.token(jwt.MapClaims{"nbf": clock().Add(time.Minute).Unix()}),
	}
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			w := call(g, order, "Authorization", token)
			check(t, w, denied)
			if seen := fmt.Sprint(w.Header(), w.Body, log.String()); len(token) > 20 &&
				strings.Contains(seen, token[len(token)-20:]) {
				t.Error("the token shows")
			}
		})
	}
	// the cases above fail for what they change, not for what they share
	for _, prefix := range []string{"", "Bearer "} {
		if w := call(g, order, "Authorization", prefix+good); w.Code != 201 {
			t.Errorf("%q: status %d for a good token", prefix, w.Code)
		}
	}
	if strings.Contains(log.String(), parts[2]) || strings.Contains(log.String(), canary) {
		t.Error("the log has a token or a card")
	}
}

func TestAuthorizer_TellsThatATokenHasExpired(t *testing.T) {
	p := newPool(t)
	g := p.gateway(nil)
	for _, ago := range []time.Duration{0, time.Minute, 24 * time.Hour} {
		token := p.token(jwt.MapClaims{"exp": clock().Add(-ago).Unix()})
		for _, prefix := range []string{"", "Bearer "} {
			check(t, call(g, order, "Authorization", prefix+token),
				answer{401, "UnauthorizedException", `{"message":"The incoming token has expired"}`})
		}
	}
}

func TestAuthorizer_ComesBeforeTheBody(t *testing.T) {
	g := newPool(t).gateway(nil)
	check(t, call(g, strings.Repeat("x", 10<<20+1)), denied)
}

func TestAuthorizer_PassesClaimsToTheFunctionAsStrings(t *testing.T) {
	p := newPool(t)
	w := call(p.gateway(nil), order, "Authorization", p.token(jwt.MapClaims{
		"auth_time":      1767323045,
		"email_verified": true,
		"cognito:groups": []string{"a", "b"},
		"address":        map[string]int{"x": 1},
	}))
	var event events.APIGatewayProxyRequest
	if err := json.Unmarshal(w.Body.Bytes(), &event); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"claims": map[string]any{
		"iss":            issuer,
		"token_use":      "id",
		"sub":            "jane",
		"auth_time":      "1767323045",
		"email_verified": "true",
		"cognito:groups": "a,b",
		"address":        `{"x":1}`, "exp": "Fri Jan 02 04:04:05 UTC 2026", "iat": "Fri Jan 02 03:04:05 UTC 2026",
	}}
	if diff := cmp.Diff(want, event.RequestContext.Authorizer); diff != "" {
		t.Errorf("authorizer (-want +got):\n%s", diff)
	}
}

func TestKeys_AreFetchedAgainAtMostOnceAMinute(t *testing.T) {
	p := newPool(t)
	g := p.gateway(nil)
	old := p.token(nil)
	steps := []struct {
		name    string
		do      func()
		token   string
		status  int
		fetches int
	}{
		{"first use", func() {}, old, 201, 1},
		{"cached", func() {}, old, 201, 1},
		{"rotated at once", func() { p.keys = map[string]*rsa.PrivateKey{"two": newKey(t)} }, "", 401, 1},
		{"the old key still cached", func() {}, old, 201, 1},
		{"a minute later", func() { p.now = p.now.Add(time.Minute) }, "", 201, 2},
		{"the old key is gone", func() {}, old, 401, 2},
	}
	for _, step := range steps {
		p.mu.Lock()
		step.do()
		if step.token == "" {
			step.token = p.sign("two", jwt.SigningMethodRS256, p.keys["two"], nil)
		}
		p.mu.Unlock()
		w := call(g, order, "Authorization", step.token)
		if w.Code != step.status || p.fetches != step.fetches {
			t.Errorf("%s: status %d after %d fetches, want %d after %d", step.name, w.Code, p.fetches, step.status,
				step.fetches)
		}
	}
}

func TestKeys_AreFetchedOnceForManyFirstRequests(t *testing.T) {
	p := newPool(t)
	g, token := p.gateway(nil), p.token(nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if w := call(g, order, "Authorization", token); w.Code != 201 {
				t.Errorf("status %d", w.Code)
			}
		})
	}
	all.Wait()
	if p.fetches != 1 {
		t.Errorf("%d fetches", p.fetches)
	}
}

func TestKeys_AreTheGatewaysFaultUntilTheyCanBeFetched(t *testing.T) {
	p := newPool(t)
	tests := map[string]http.HandlerFunc{ // the first four would do but for what they are named by
		"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound); p.serveKeys(w) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				p.serveKeys(w)
				return
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		},
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Repeat(" ", 1<<20))
			p.serveKeys(w)
		},
		"other use": func(w http.ResponseWriter, _ *http.Request) {
			var keys strings.Builder
			p.serveKeys(&keys)
			fmt.Fprint(w, strings.Replace(keys.String(), `"use":"sig"`, `"use":"enc"`, 1))
		},
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"no keys":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) },
		"malformed keys": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w,
				`{"keys":[{"kid":"one","kty":"EC"},{"kid":"one","kty":"RSA","alg":"RS256","use":"sig","n":"?","e":"AQAB"}]}`)
		},
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			g := p.gateway(nil)
			p.mu.Lock()
			p.answer = answer
			p.mu.Unlock()
			check(t, call(g, order, "Authorization", p.token(nil)), answerNoKeys)
			p.mu.Lock()
			p.answer, p.now = nil, p.now.Add(time.Minute) // an hour's token outlives all the cases
			p.mu.Unlock()
			if w := call(g, order, "Authorization", p.token(nil)); w.Code != 201 {
				t.Errorf("status %d once the keys are there", w.Code)
			}
		})
	}
}

var answerNoKeys = answer{500, "AuthorizerConfigurationException", `{"message": "Internal server error"}`}

func TestKeys_AreAskedForAgainASecondAfterThePoolWasDown(t *testing.T) {
	p := newPool(t)
	g := p.gateway(nil)
	p.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	for range 3 { // within the second it is asked once
		check(t, call(g, order, "Authorization", p.token(nil)), answerNoKeys)
	}
	p.mu.Lock()
	p.answer, p.now = nil, p.now.Add(time.Second)
	p.mu.Unlock()
	if w := call(g, order, "Authorization", p.token(nil)); w.Code != 201 || p.fetches != 2 {
		t.Errorf("status %d after %d fetches", w.Code, p.fetches)
	}
}
