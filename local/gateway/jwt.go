package gateway

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// CognitoAuthorizer accepts the ID tokens of one user pool, whichever of the pool's app clients they were issued to.
// See https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html
type CognitoAuthorizer struct {
	Issuer  string // https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc
	JWKSURL string // where the pool's public keys are; those of a local pool are not at the issuer's address
}

// verifier checks tokens as
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
// asks.
type verifier struct {
	keys   *keySet
	parser *jwt.Parser
}

func newVerifier(a CognitoAuthorizer, now func() time.Time) (*verifier, error) {
	if a.Issuer == "" || a.JWKSURL == "" { // jwt.WithIssuer("") would take any issuer
		return nil, errors.New("the authorizer needs an Issuer and a JWKSURL")
	}
	return &verifier{
		keys: newKeySet(a.JWKSURL, now),
		parser: jwt.NewParser(
			// neither none nor an HMAC under the public key
			jwt.WithValidMethods([]string{jwt.SigningMethodRS256.Alg()}),
			jwt.WithIssuer(a.Issuer), jwt.WithExpirationRequired(), jwt.WithTimeFunc(now), jwt.WithJSONNumber(),
		),
	}, nil
}

// verify takes the header's value, which is an ID token or "Bearer " and an ID token, and returns its claims.
func (v *verifier) verify(ctx context.Context, header string) (map[string]string, *failure) {
	raw := strings.TrimPrefix(header, "Bearer ")
	if raw == "" {
		return nil, unauthorized("no token")
	}
	claims := jwt.MapClaims{}
	_, err := v.parser.ParseWithClaims(raw, claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		return v.keys.find(ctx, kid)
	})
	switch {
	case errors.Is(err, errNoKeys):
		return nil, noKeys
	case errors.Is(err, errUnknownKey):
		return nil, unauthorized("the token's key is not one of the pool's")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return nil, unauthorized("the token is of another pool")
	case err != nil && !onlyExpired(err):
		return nil, unauthorized("the token is not valid")
	case claims["token_use"] != "id": // AWS takes access tokens only where scopes are set
		return nil, unauthorized("the token is not an ID token")
	case err != nil:
		return nil, expired
	}
	return asStrings(claims), nil
}

// onlyExpired tells whether nothing else is wrong with a token. The parser looks at claims after the signature, and
// reports all that are wrong.
func onlyExpired(err error) bool {
	return errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenNotValidYet) &&
		!errors.Is(err, jwt.ErrTokenRequiredClaimMissing)
}

// asStrings writes claims as AWS does, with times in Java's format:
// https://github.com/awsdocs/amazon-api-gateway-developer-guide/issues/158
func asStrings(claims jwt.MapClaims) map[string]string {
	spelled := make(map[string]string, len(claims))
	for name, value := range claims {
		spelled[name] = asString(value)
	}
	const javaDate = "Mon Jan 02 15:04:05 MST 2006"
	if at, err := claims.GetExpirationTime(); err == nil && at != nil {
		spelled["exp"] = at.UTC().Format(javaDate)
	}
	if at, err := claims.GetIssuedAt(); err == nil && at != nil {
		spelled["iat"] = at.UTC().Format(javaDate)
	}
	return spelled
}

func asString(claim any) string {
	switch c := claim.(type) {
	case []any:
		parts := make([]string, len(c))
		for i := range c {
			parts[i] = asString(c[i])
		}
		return strings.Join(parts, ",")
	case map[string]any:
		encoded, _ := json.Marshal(c) // it was JSON a moment ago
		return string(encoded)
	default:
		return fmt.Sprint(c)
	}
}

var (
	errNoKeys     = errors.New("the user pool's keys could not be fetched")
	errUnknownKey = errors.New("no such key")
)

// keySet caches a pool's public keys.
type keySet struct {
	url    string
	now    func() time.Time
	client *http.Client

	mu   sync.Mutex                // held while keys are fetched, so that one fetch serves all who wait
	keys map[string]*rsa.PublicKey // by kid
	next time.Time                 // the earliest time of the next fetch
}

func newKeySet(url string, now func() time.Time) *keySet {
	return &keySet{url: url, now: now, client: &http.Client{
		Timeout: 5 * time.Second,
		// the keys are local, so no proxy must see the request
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// find returns a key. Because pools rotate their keys, it fetches them again for an unknown kid, but at most once a
// minute: anybody can make up a kid. After a fetch that failed it waits only a second, so that a pool that was down is
// soon found to be up.
func (s *keySet) find(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); s.keys[kid] == nil && !now.Before(s.next) {
		keys, err := s.fetch(context.WithoutCancel(ctx)) // the keys are for everybody, not only for this client
		if err != nil {
			s.next = now.Add(time.Second)
			return nil, errNoKeys
		}
		s.keys, s.next = keys, now.Add(time.Minute)
	}
	switch {
	case len(s.keys) == 0:
		return nil, errNoKeys
	case s.keys[kid] == nil:
		return nil, errUnknownKey
	}
	return s.keys[kid], nil
}

// fetch reads a JSON Web Key Set (RFC 7517) and leaves out keys that are not for RS256 signatures.
func (s *keySet) fetch(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	var set struct {
		Keys []struct{ Kty, Alg, Use, Kid, N, E string }
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&set); err != nil {
		return nil, err
	}
	keys := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		n, errN := base64.RawURLEncoding.DecodeString(k.N)
		e, errE := base64.RawURLEncoding.DecodeString(k.E)
		if k.Kty != "RSA" || k.Alg != "RS256" || k.Use != "sig" || k.Kid == "" || errN != nil || errE != nil ||
			len(e) > 4 {
			continue
		}
		keys[k.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	return keys, nil
}
