package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/gateway"
)

const (
	canary = "4111111111111111" // a card number that must not show where it was not asked for
	order  = `{"CustomerOrder":"1","CreditCard":"` + canary + `"}`
	model  = `{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","properties":{"CreditCard":{"type":"string"}}}`
	ok     = `{"statusCode":201,"headers":{"Content-Type":"text/plain"},"body":"made"}`
)

// reply makes an integration that always gives the same answer.
func reply(response string, functionError bool, err error) func(context.Context, []byte) ([]byte, bool, error) {
	return func(context.Context, []byte) ([]byte, bool, error) { return []byte(response), functionError, err }
}

// stage is a gateway with one route, POST /dev/order, that tests adapt.
func stage(route gateway.Route, log io.Writer) gateway.Config {
	route.Method, route.Path = "POST", "/order"
	if route.Invoke == nil {
		route.Invoke = reply(ok, false, nil)
	}
	return gateway.Config{
		APIID: "abc123", Stage: "dev", AccountID: "123456789012", Region: "us-east-1", Log: log,
		Now: clock, Routes: []gateway.Route{route},
	}
}

func clock() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func mustNew(t *testing.T, config gateway.Config) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// call sends a body to POST /dev/order.
func call(h http.Handler, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/dev/order?secret=query-canary", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// answer is what a client sees of an error.
type answer struct {
	Status     int
	Type, Body string
}

func check(t *testing.T, w *httptest.ResponseRecorder, want answer) {
	t.Helper()
	got := answer{w.Code, w.Header().Get("x-amzn-ErrorType"), w.Body.String()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("content type %q", w.Header().Get("Content-Type"))
	}
	if len(w.Header().Get("x-amzn-RequestId")) != 36 {
		t.Errorf("request id %q", w.Header().Get("x-amzn-RequestId"))
	}
}

var (
	invalidBody = answer{400, "BadRequestException", `{"message":"Invalid request body"}`}
	denied      = answer{401, "UnauthorizedException", `{"message":"Unauthorized"}`}
	noStage     = answer{403, "ForbiddenException", `{"message":"Forbidden"}`}
	missing     = answer{403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`}
	tooLong     = answer{413, "RequestTooLargeException", `{"message":"Request Too Long"}`}
	broken      = answer{502, "InternalServerErrorException", `{"message": "Internal server error"}`}
	late        = answer{504, "InternalServerErrorException", `{"message": "Endpoint request timed out"}`}
)

// send makes a request for a target such as "POST /dev/order".
func send(h http.Handler, target string, header http.Header) *httptest.ResponseRecorder {
	method, path, _ := strings.Cut(target, " ")
	r := httptest.NewRequest(method, path, nil)
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestGateway_RefusesWhatIsNoRoute(t *testing.T) {
	g := mustNew(t, stage(gateway.Route{}, nil))
	for target, want := range map[string]answer{
		"POST /dev/other": missing, "POST /dev/orders/": missing, "POST /dev/order/1": missing,
		"GET /dev/order": missing, "HEAD /dev/order": missing, "OPTIONS /dev/order": missing,
		"POST /dev/Order": missing, "POST /dev/%6Frder": missing, "POST /dev/order%2F": missing,
		"POST /dev//order": missing, "POST /dev": missing, "POST /dev/": missing,
		"POST /": noStage, "POST /order": noStage, "POST /prod/order": noStage, "POST /Dev/order": noStage,
		"POST /devorder": noStage, "POST //dev/order": noStage,
	} {
		t.Run(target, func(t *testing.T) { check(t, send(g, target, http.Header{}), want) })
	}
	check(t, send(g, "POST /prod/order", http.Header{"Authorization": {"a token"}}), noStage)
}

func TestGateway_IgnoresSlashesAtTheEnd(t *testing.T) {
	for path, want := range map[string]string{
		"/dev/order": "/order", "/dev/order/": "/order/", "/dev/order//": "/order//", "/dev/order/?a=1": "/order/",
	} {
		var event events.APIGatewayProxyRequest
		g := mustNew(t, stage(gateway.Route{Invoke: func(_ context.Context, p []byte) ([]byte, bool, error) {
			return []byte(ok), false, json.Unmarshal(p, &event)
		}}, nil))
		if w := send(g, "POST "+path, http.Header{}); w.Code != 201 || event.Path != want ||
			event.Resource != "/order" ||
			event.RequestContext.ResourcePath != "/order" || event.RequestContext.Path != "/dev"+want {
			t.Errorf("%s: status %d, event with path %q", path, w.Code, event.Path)
		}
	}
}

// Which route serves a request, and with which parameters: what others have measured on AWS is among it.
func TestGateway_RoutesByPathAndMethodTogether(t *testing.T) {
	var served events.APIGatewayProxyRequest
	invoke := func(_ context.Context, p []byte) ([]byte, bool, error) {
		served = events.APIGatewayProxyRequest{}
		return []byte(ok), false, json.Unmarshal(p, &served)
	}
	config := gateway.Config{Stage: "dev", Now: clock}
	for _, route := range []string{
		"ANY /{proxy+}", "GET /users/{id}", "PATCH /users/me", "OPTIONS /cors", "GET /users/{id}/cards/{card}",
		"POST /things/real", "ANY /things/{thing}", "ANY /", "GET /both", "ANY /both",
	} {
		method, path, _ := strings.Cut(route, " ")
		config.Routes = append(config.Routes, gateway.Route{Method: method, Path: path, Invoke: invoke})
	}
	g := mustNew(t, config)
	for target, want := range map[string]struct {
		resource   string
		parameters map[string]string
	}{
		"GET /users/me":        {"/users/{id}", map[string]string{"id": "me"}},
		"PATCH /users/me":      {"/users/me", nil},
		"PATCH /users/me/":     {"/users/me", nil},
		"DELETE /users/me":     {"/{proxy+}", map[string]string{"proxy": "users/me"}},
		"GET /cors":            {"/{proxy+}", map[string]string{"proxy": "cors"}},
		"GET /users/1/cards/2": {"/users/{id}/cards/{card}", map[string]string{"id": "1", "card": "2"}},
		"GET /users/1/cards":   {"/{proxy+}", map[string]string{"proxy": "users/1/cards"}},
		"GET /users/a%2Fb":     {"/users/{id}", map[string]string{"id": "a%2Fb"}},
		"POST /things/real":    {"/things/real", nil},
		"GET /things/real":     {"/things/{thing}", map[string]string{"thing": "real"}},
		"GET /":                {"/", nil},
		"PUT ":                 {"/", nil},
		"GET /both":            {"/both", nil},
		"POST /both":           {"/both", nil},
		"GET /users/":          {"/{proxy+}", map[string]string{"proxy": "users"}},
		"GET /users//cards/2":  {"/{proxy+}", map[string]string{"proxy": "users//cards/2"}},
		"TRACE /both":          {},
		"POST //both":          {},
	} {
		t.Run(target, func(t *testing.T) {
			served = events.APIGatewayProxyRequest{}
			method, path, _ := strings.Cut(target, " ")
			w := send(g, method+" /dev"+path, http.Header{})
			if want.resource == "" {
				check(t, w, missing)
				return
			}
			if served.Resource != want.resource || served.HTTPMethod != method {
				t.Errorf("%d, served by %q as %s", w.Code, served.Resource, served.HTTPMethod)
			}
			if diff := cmp.Diff(want.parameters, served.PathParameters); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
		})
	}
}

// AWS hashes the whole header. This was checked against an answer that somebody has published with its request.
func TestGateway_TakesTheAuthorizationOfNoRouteForASignature(t *testing.T) {
	const (
		jwt        = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"
		parameters = "Authorization header requires 'Credential' parameter. Authorization header requires " +
			"'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. "
		date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
		hash = "(Hashed with SHA-256 and encoded with Base64) Authorization="
		pair = "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded " +
			"with Base64): '"
		signed = "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c"
	)
	tests := map[string]struct {
		header  http.Header
		kind    string
		message string
	}{
		"a JWT": {http.Header{"Authorization": {jwt}}, "IncompleteSignature", parameters + date + hash +
			"7BNcHxKRQfvdjD6EKo76PFH5VbU1ZRTrzUhjTEN2jEQ="},
		"a JWT and a date": {http.Header{"Authorization": {jwt}, "X-Amz-Date": {"x"}}, "IncompleteSignature",
			parameters + hash + "7BNcHxKRQfvdjD6EKo76PFH5VbU1ZRTrzUhjTEN2jEQ="},
		"nothing": {http.Header{"Authorization": {""}}, "IncompleteSignature", parameters + date + hash +
			"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
		"Basic with padding": {http.Header{"Authorization": {"Basic YTpi="}}, "IncompleteSignature",
			parameters + date + hash + "tfPysZrU720W7KcwExDE4oLWa7sgFT8KOS3YneReoec="},
		"half a signature": {http.Header{"Authorization": {"AWS4-HMAC-SHA256 Credential=a/b, Signature=c"}},
			"IncompleteSignature", "Authorization header requires 'SignedHeaders' parameter. " + date + hash +
				"v9RmzcCF6cUZkpRqObnhbEv+P+TUcSORNzjpbSmpe5s="},
		"a whole signature": {http.Header{"Authorization": {signed}, "Date": {"x"}}, "UnrecognizedClient",
			"The security token included in the request is invalid."},
		"no algorithm": {http.Header{"Authorization": {"key=value"}}, "IncompleteSignature",
			"Authorization header must begin with the algorithm name, which cannot include an equal-sign"},
		"Bearer": {http.Header{"Authorization": {"Bearer " + jwt}}, "IncompleteSignature",
			pair + "rTQDRZFOIIyxydMqxSoVSfKZDlsi4myd6w2iPNkIlUA='."},
	}
	var log bytes.Buffer
	g := mustNew(t, stage(gateway.Route{}, &log))
	for name, test := range tests {
		for _, target := range []string{"POST /dev/orders", "PUT /dev/order"} {
			t.Run(name+" "+target, func(t *testing.T) {
				want := answer{403, test.kind + "Exception", `{"message":"` + test.message + `"}`}
				check(t, send(g, target, test.header), want)
			})
		}
	}
	if strings.Contains(log.String(), "Bearer") || strings.Contains(log.String(), "Hash") {
		t.Errorf("the log has the header: %s", &log)
	}
}

func TestModel_AppliesToItsContentTypeOnly(t *testing.T) {
	g := mustNew(t, stage(gateway.Route{
		Models: map[string]json.RawMessage{"application/json": json.RawMessage(model)}, ValidateBody: true,
	}, nil))
	tests := map[string]struct {
		contentType, body string
		refused           bool
	}{
		"fits":                            {"application/json", order, false},
		"fits with parameters":            {"Application/JSON; charset=utf-8", order, false},
		"wrong type":                      {"application/json", `{"CreditCard":1}`, true},
		"wrong type, parameters":          {"Application/JSON; charset=utf-8", `{"CreditCard":1}`, true},
		"wrong type, malformed parameter": {"application/json; charset", `{"CreditCard":1}`, true},
		"wrong type, no content type":     {"", `{"CreditCard":1}`, true},
		"empty":                           {"application/json", "", true},
		"malformed":                       {"application/json", `{"CreditCard":`, true},
		"two values":                      {"application/json", `{}{}`, true},
		"not an object":                   {"application/json", `[]`, true},
		"text skips the model":            {"text/plain", `{"CreditCard":1}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := call(g, test.body, "Content-Type", test.contentType)
			if test.refused {
				check(t, w, invalidBody)
			} else if w.Code != 201 {
				t.Errorf("status %d", w.Code)
			}
		})
	}
}

func TestModel_IsIgnoredWithoutAValidator(t *testing.T) {
	g := mustNew(t, stage(gateway.Route{Models: map[string]json.RawMessage{"application/json": json.RawMessage(model)}},
		nil))
	if w := call(g, "", "Content-Type", "application/json"); w.Code != 201 {
		t.Errorf("status %d", w.Code)
	}
}

func TestModel_DefaultAppliesToEveryOtherContentType(t *testing.T) {
	g := mustNew(t, stage(gateway.Route{
		Models: map[string]json.RawMessage{"$default": json.RawMessage(model)}, ValidateBody: true,
	}, nil))
	check(t, call(g, `{"CreditCard":1}`, "Content-Type", "text/plain"), invalidBody)
}

func TestModel_IsDraft4ByDefault(t *testing.T) {
	// exclusiveMaximum is a boolean in draft 4 and a number in later ones.
	schema := `{"properties":{"n":{"maximum":3,"exclusiveMaximum":true}}}`
	g := mustNew(t, stage(gateway.Route{
		Models: map[string]json.RawMessage{"application/json": json.RawMessage(schema)}, ValidateBody: true,
	}, nil))
	check(t, call(g, `{"n":3}`), invalidBody)
}

func TestGateway_BoundsBodies(t *testing.T) {
	g := mustNew(t, stage(gateway.Route{}, nil))
	full := strings.Repeat("x", 10<<20)
	if w := call(g, full); w.Code != 201 {
		t.Errorf("status %d for 10 MB", w.Code)
	}
	check(t, call(g, full+"x"), tooLong)
}

func TestGateway_AnswersAnUnreadableBodyAsABadRequest(t *testing.T) {
	g := mustNew(t, stage(gateway.Route{}, nil))
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest("POST", "/dev/order", io.MultiReader(strings.NewReader("{"), failingReader{})))
	check(t, w, invalidBody)
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestGateway_AnswersAFailedIntegrationAsABadGateway(t *testing.T) {
	panicking := func(context.Context, []byte) ([]byte, bool, error) { panic(canary) }
	tests := map[string]func(context.Context, []byte) ([]byte, bool, error){
		"error":            reply(ok, false, errors.New(canary)),
		"function error":   reply(`{"statusCode":200,"errorMessage":"`+canary+`"}`, true, nil),
		"panic":            panicking,
		"empty":            reply("", false, nil),
		"not JSON":         reply(canary, false, nil),
		"null":             reply("null", false, nil),
		"a string":         reply(`"`+canary+`"`, false, nil),
		"no status":        reply(`{"body":"`+canary+`"}`, false, nil),
		"status too small": reply(`{"statusCode":101}`, false, nil),
		"status too large": reply(`{"statusCode":1000}`, false, nil),
		"body not text":    reply(`{"statusCode":200,"body":{"a":1}}`, false, nil),
		"not base64": reply(`{"statusCode":200,"headers":{"X-Canary":"`+canary+
			`"},"body":"?","isBase64Encoded":true}`, false, nil),
	}
	for name, invoke := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			w := call(mustNew(t, stage(gateway.Route{Invoke: invoke}, &log)), order)
			check(t, w, broken)
			if seen := fmt.Sprint(w.Header(), w.Body, log.String()); strings.Contains(seen, canary) {
				t.Errorf("the card shows: %s", seen)
			}
		})
	}
}

func TestTimeout_EndsAnIntegrationThatIsLate(t *testing.T) {
	never := func(ctx context.Context, _ []byte) ([]byte, bool, error) { <-ctx.Done(); return nil, false, ctx.Err() }
	for _, test := range []struct{ set, want time.Duration }{
		{3 * time.Second, 3 * time.Second}, {0, 29 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			g, started := mustNew(t, stage(gateway.Route{Timeout: test.set, Invoke: never}, nil)), time.Now()
			check(t, call(g, order), late)
			if took := time.Since(started); took != test.want {
				t.Errorf("answered after %s, want %s", took, test.want)
			}
		})
	}
}

func TestTimeout_DoesNotWaitForAnIntegrationThatIgnoresIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		deaf := func(context.Context, []byte) ([]byte, bool, error) { <-release; return []byte(ok), false, nil }
		check(t, call(mustNew(t, stage(gateway.Route{Timeout: time.Second, Invoke: deaf}, nil)), order), late)
		close(release) // synctest fails if the goroutine does not end then
	})
}

func TestGateway_LetsTheFunctionGoOnWhenTheClientLeaves(t *testing.T) {
	var seen error
	g := mustNew(t, stage(gateway.Route{Invoke: func(ctx context.Context, _ []byte) ([]byte, bool, error) {
		seen = ctx.Err()
		return []byte(ok), false, nil
	}}, nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest("POST", "/dev/order", strings.NewReader(order)).WithContext(ctx))
	if w.Code != 201 || seen != nil {
		t.Errorf("status %d, context %v", w.Code, seen)
	}
}

func TestEvent_SaysWhatWasAsked(t *testing.T) {
	var payload []byte
	g := mustNew(t, stage(gateway.Route{Invoke: func(_ context.Context, p []byte) ([]byte, bool, error) {
		payload = p
		return []byte(ok), false, nil
	}}, nil))
	r := httptest.NewRequest("POST", "/dev/order?a=1&a=2", strings.NewReader(order))
	r.Host, r.RemoteAddr = "api.example", "192.0.2.7:4711"
	r.Header = http.Header{"X-Twice": {"one", "two"}, "User-Agent": {"curl"}, "Authorization": {"token"}}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if !bytes.Contains(payload, []byte(`"pathParameters":null`)) {
		t.Error("what is absent must be null")
	}
	var got events.APIGatewayProxyRequest
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	want := events.APIGatewayProxyRequest{
		Resource: "/order", Path: "/order", HTTPMethod: "POST",
		Headers: map[string]string{
			"X-Twice": "two", "User-Agent": "curl", "Authorization": "token", "Host": "api.example",
		},
		MultiValueHeaders: map[string][]string{
			"X-Twice": {"one", "two"}, "User-Agent": {"curl"}, "Authorization": {"token"}, "Host": {"api.example"},
		},
		QueryStringParameters:           map[string]string{"a": "2"},
		MultiValueQueryStringParameters: map[string][]string{"a": {"1", "2"}},
		RequestContext: events.APIGatewayProxyRequestContext{
			AccountID: "123456789012", APIID: "abc123", Stage: "dev",
			DomainName: "abc123.execute-api.us-east-1.amazonaws.com", DomainPrefix: "abc123",
			ResourcePath: "/order", Path: "/dev/order", HTTPMethod: "POST", Protocol: "HTTP/1.1",
			RequestID:        w.Header().Get("x-amzn-RequestId"),
			RequestTime:      "02/Jan/2026:03:04:05 +0000",
			RequestTimeEpoch: clock().UnixMilli(),
			Identity:         events.APIGatewayRequestIdentity{SourceIP: "192.0.2.7", UserAgent: "curl"},
		},
		Body: order,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestGateway_PassesTheAnswerOfTheFunctionOn(t *testing.T) {
	g := mustNew(t, stage(gateway.Route{Invoke: reply(`{"statusCode":202,"body":"AAEC","isBase64Encoded":true,
		"headers":{"x-one":"1","x-both":"a","content-length":"9","x-amzn-requestid":"mine"},
		"multiValueHeaders":{"x-both":["a","b"]}}`, false, nil)}, nil))
	server := httptest.NewServer(g) // over real HTTP, where a wrong content length would show
	defer server.Close()
	response, err := http.Post(server.URL+"/dev/order", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if id := response.Header.Get("x-amzn-RequestId"); id == "mine" || id == "" {
		t.Errorf("request id %q", id)
	}
	response.Header.Del("x-amzn-RequestId")
	response.Header.Del("Date")
	want := http.Header{
		"X-One": {"1"}, "X-Both": {"a", "b"}, "X-Amzn-Remapped-Content-Length": {"9"},
		"Content-Type": {"application/json"}, "Content-Length": {"3"},
	}
	if diff := cmp.Diff(want, response.Header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if response.StatusCode != 202 || string(body) != "\x00\x01\x02" {
		t.Errorf("got %d %q", response.StatusCode, body)
	}
}

func TestGateway_TakesTheRootForARoute(t *testing.T) {
	g := mustNew(t, gateway.Config{
		Stage: "dev", Routes: []gateway.Route{{Method: "GET", Invoke: reply(ok, false, nil)}},
	})
	for _, path := range []string{"/dev", "/dev/"} {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 201 {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

func TestAccessLog_HasALineARequestAndNothingOfTheRequest(t *testing.T) {
	var log bytes.Buffer
	g := mustNew(t, stage(gateway.Route{}, &log))
	w := call(g, order, "Authorization", "Bearer token-canary")
	g.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("4111111111111111", "/dev/"+canary+"%0Aforged", nil))
	lines := strings.Split(log.String(), "\n")
	want := []string{
		"2026-01-02T03:04:05Z " + w.Header().Get("x-amzn-RequestId") + " POST /order 201 0ms",
		"(no route) 403 0ms: no such route", "",
	}
	if len(lines) != 3 || lines[0] != want[0] || !strings.HasSuffix(lines[1], want[1]) {
		t.Errorf("log %q, want %q", lines, want)
	}
	for _, secret := range []string{canary, "token-canary", "query-canary", "forged"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}

func TestGateway_DoesNotRepeatARefusedBody(t *testing.T) {
	var log bytes.Buffer
	g := mustNew(t, stage(gateway.Route{
		Models: map[string]json.RawMessage{"application/json": json.RawMessage(model)}, ValidateBody: true,
	}, &log))
	for _, body := range []string{`{"CreditCard":` + canary + `}`, canary + "}", `"` + canary + `"`} {
		w := call(g, body)
		check(t, w, invalidBody)
		if seen := fmt.Sprint(w.Header(), w.Body); strings.Contains(seen, canary) {
			t.Errorf("the answer has the card: %s", seen)
		}
	}
	if strings.Contains(log.String(), canary) {
		t.Errorf("the log has the card: %s", &log)
	}
}

func TestGateway_ServesRequestsConcurrently(t *testing.T) {
	const n = 8
	var log bytes.Buffer
	var together, all sync.WaitGroup
	together.Add(n)
	g := mustNew(t, stage(gateway.Route{Invoke: func(context.Context, []byte) ([]byte, bool, error) {
		together.Done()
		together.Wait() // never, if requests wait for each other
		return []byte(ok), false, nil
	}}, &log))
	for range n {
		all.Go(func() {
			if w := call(g, order); w.Code != 201 {
				t.Errorf("status %d", w.Code)
			}
		})
	}
	all.Wait()
	if lines := strings.Count(log.String(), "\n"); lines != n {
		t.Errorf("%d lines for %d requests", lines, n)
	}
}

func TestNew_NamesWhatIsWrong(t *testing.T) {
	invoke := reply(ok, false, nil)
	schema := func(s string) gateway.Route {
		return gateway.Route{
			Method:       "POST",
			Path:         "/a",
			Invoke:       invoke,
			ValidateBody: true,
			Models:       map[string]json.RawMessage{"application/json": json.RawMessage(s)},
		}
	}
	tests := map[string][]gateway.Route{
		"route GET /a/x{id}: a parameter must":   {{Method: "GET", Path: "/a/x{id}", Invoke: invoke}},
		"route GET /{id+}/a: a parameter must":   {{Method: "GET", Path: "/{id+}/a", Invoke: invoke}},
		"route GET /{a}/{a}: a parameter must":   {{Method: "GET", Path: "/{a}/{a}", Invoke: invoke}},
		"route GET a: the path must begin":       {{Method: "GET", Path: "a", Invoke: invoke}},
		"route TRACE /a: the method must be ANY": {{Method: "TRACE", Path: "/a", Invoke: invoke}},
		"route  /a: the method must be ANY":      {{Path: "/a", Invoke: invoke}},
		"route GET /a: Invoke is missing":        {{Method: "GET", Path: "/a"}},
		"route GET /a: the timeout is negative":  {{Method: "GET", Path: "/a", Invoke: invoke, Timeout: -1}},
		"route GET /a is given twice": {
			{Method: "GET", Path: "/a", Invoke: invoke}, {Method: "GET", Path: "/a", Invoke: invoke},
		},
		"needs an Issuer": {{
			Method: "GET", Path: "/a", Invoke: invoke, Authorizer: &gateway.CognitoAuthorizer{JWKSURL: "http://x"},
		}},
		"model for application/json is not JSON":  {schema(`{`)},
		"application/json is not a JSON schema":   {schema(`{"type":"strange"}`)},
		"references out of a model are not simul": {schema(`{"$ref":"file:///etc/hostname"}`)},
		"out of a model are not simulated": {schema(
			`{"properties":{"a":{"$ref":"http://127.0.0.1:1/a.json"}}}`)},
	}
	for _, want := range slices.Sorted(maps.Keys(tests)) {
		t.Run(want, func(t *testing.T) {
			_, err := gateway.New(gateway.Config{Stage: "dev", Routes: tests[want]})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := gateway.New(gateway.Config{}); err == nil || !strings.Contains(err.Error(), "stage") {
		t.Errorf("error %v without a stage", err)
	}
}
