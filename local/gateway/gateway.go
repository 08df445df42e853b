// Package gateway is an [http.Handler] that behaves like a stage of an API Gateway REST API with Lambda proxy
// integrations:
//
//	g, err := gateway.New(gateway.Config{
//		APIID: "abc123", Stage: "dev", AccountID: "123456789012", Region: "us-east-1",
//		Routes: []gateway.Route{{Method: "POST", Path: "/order", Invoke: invokeOrder}},
//	})
//	err = http.Serve(listener, g) // POST /dev/order
//
// A request passes the same checks in the same order as on AWS, and the first check that fails answers in AWS's words:
// whether there is such a route (403), whether the token is valid (401), whether the body fits its model (400), and
// whether the function gives a valid answer in time (502, 504).
// Neither its own answers nor its access log ever hold a body, a token, or a path that is not one of its routes.
package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// The quotas of
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
const (
	maxBody        = 10 << 20 // bytes
	defaultTimeout = 29 * time.Second
)

// Config describes a stage. APIID, AccountID and Region only show in events.
type Config struct {
	APIID, Stage, AccountID, Region string
	Routes                          []Route
	// Now is the clock by which tokens expire; nil means [time.Now].
	Now func() time.Time
	// Log gets one line for each request, without bodies, tokens or query strings; nil discards it. Writes are
	// serialized.
	Log io.Writer
}

// Route is a method of a resource.
type Route struct {
	// Method is an HTTP method, not ANY.
	Method string
	// Path is matched as it is ("/order"): {parameters} are not simulated. Empty is the API's root.
	Path string
	// Authorizer checks the header Authorization; nil lets anyone call.
	Authorizer *CognitoAuthorizer
	// Models are JSON schemas (draft 4 unless they say otherwise) by content type, which are used if ValidateBody is
	// set. As on AWS, a body of a content type without a model is not validated, unless there is a model for
	// "$default".
	Models       map[string]json.RawMessage
	ValidateBody bool
	// Timeout bounds the integration; 0 means 29 seconds.
	Timeout time.Duration
	// Invoke calls the function with an event. The gateway waits for it only until its context ends.
	Invoke func(ctx context.Context, payload []byte) (response []byte, functionError bool, err error)
}

// Gateway serves a stage. Make one with [New]. It is safe for concurrent use.
type Gateway struct {
	config Config
	routes map[string]*route // by method and resource path
	logMu  sync.Mutex
}

// route is a Route with what is made from it.
type route struct {
	Route
	verifier *verifier // nil lets anyone call
	models   models
}

// New checks the configuration and compiles its models. It makes no connections: a pool's keys are fetched when first
// needed.
func New(config Config) (*Gateway, error) {
	if config.Stage == "" || strings.Contains(config.Stage, "/") {
		return nil, fmt.Errorf("stage %q: give the API a stage, without a slash", config.Stage)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	g := &Gateway{config: config, routes: map[string]*route{}}
	verifiers := map[CognitoAuthorizer]*verifier{} // routes share a pool's keys
	for _, r := range config.Routes {
		r.Path = cmp.Or(r.Path, "/")
		name := r.Method + " " + r.Path
		switch {
		case strings.ContainsAny(r.Path, "{}"):
			return nil, fmt.Errorf("route %s: path parameters are not simulated", name)
		case !strings.HasPrefix(r.Path, "/"):
			return nil, fmt.Errorf("route %s: the path must begin with a slash", name)
		case r.Method == "" || r.Method == "ANY":
			return nil, fmt.Errorf("route %s: name one HTTP method, ANY is not simulated", name)
		case r.Invoke == nil:
			return nil, fmt.Errorf("route %s: Invoke is missing", name)
		case r.Timeout < 0:
			return nil, fmt.Errorf("route %s: the timeout is negative", name)
		case g.routes[name] != nil:
			return nil, fmt.Errorf("route %s is given twice", name)
		}
		r.Timeout = cmp.Or(r.Timeout, defaultTimeout)
		ready := &route{Route: r}
		var err error
		if r.ValidateBody {
			if ready.models, err = compile(r.Models); err != nil {
				return nil, fmt.Errorf("route %s: %w", name, err)
			}
		}
		if a := r.Authorizer; a != nil {
			if verifiers[*a] == nil {
				if verifiers[*a], err = newVerifier(*a, config.Now); err != nil {
					return nil, fmt.Errorf("route %s: %w", name, err)
				}
			}
			ready.verifier = verifiers[*a]
		}
		g.routes[name] = ready
	}
	return g, nil
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started, id := g.config.Now(), uuid.NewString()
	w.Header().Set("x-amzn-RequestId", id)
	status, failed := g.serve(w, r, id, started)
	if failed != nil {
		status = failed.status
		w.Header().Set("x-amzn-ErrorType", failed.kind)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, failed.body) // the client has gone if this fails
	}
	g.log(g.find(r), started, id, status, failed)
}

// serve takes a request through the checks to its function and writes the function's answer, or says what failed.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, id string, now time.Time) (status int, _ *failure) {
	route := g.find(r)
	if route == nil {
		return 0, noRoute
	}
	var claims map[string]string
	if route.verifier != nil {
		var failed *failure
		if claims, failed = route.verifier.verify(r.Context(), r.Header.Get("Authorization")); failed != nil {
			return 0, failed
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return 0, bodyTooLong
	}
	if err != nil {
		return 0, badRequest("the body could not be read")
	}
	if failed := route.models.validate(r.Header.Get("Content-Type"), body); failed != nil {
		return 0, failed
	}
	payload, err := json.Marshal(g.event(route, r, body, claims, id, now))
	if err != nil {
		return 0, badIntegration("the event could not be encoded")
	}
	answer, failed := route.invoke(r.Context(), payload)
	if failed != nil {
		return 0, failed
	}
	return respond(w, answer)
}

// find returns nil for an unknown stage, path or method. AWS answers all three alike.
func (g *Gateway) find(r *http.Request) *route {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/"+g.config.Stage)
	if !ok {
		return nil
	}
	return g.routes[r.Method+" "+cmp.Or(path, "/")]
}

// invoke returns at the timeout even if the function's host does not. As on AWS, a client that leaves does not stop the
// function.
func (r *route) invoke(ctx context.Context, payload []byte) ([]byte, *failure) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Timeout)
	defer cancel()
	type outcome struct {
		answer []byte
		failed *failure
	}
	done := make(chan outcome, 1) // has room for a late outcome, so that its goroutine ends
	go func() {
		o := outcome{failed: badIntegration("the integration panicked")} // stays so if Invoke panics
		defer func() {
			_ = recover() // the value may hold anything, so it is not logged
			done <- o
		}()
		answer, functionError, err := r.Invoke(ctx, payload)
		switch {
		case err != nil && ctx.Err() != nil:
			o = outcome{failed: timedOut}
		case err != nil:
			o = outcome{failed: badIntegration("the function could not be invoked")}
		case functionError:
			o = outcome{failed: badIntegration("the function failed")}
		default:
			o = outcome{answer: answer}
		}
	}()
	select {
	case o := <-done:
		return o.answer, o.failed
	case <-ctx.Done():
		return nil, timedOut
	}
}

// log names the route instead of the request's path, which may hold anything.
func (g *Gateway) log(r *route, started time.Time, id string, status int, failed *failure) {
	if g.config.Log == nil {
		return
	}
	name, reason := "(no route)", ""
	if r != nil {
		name = r.Method + " " + r.Path
	}
	if failed != nil {
		reason = ": " + failed.reason
	}
	now := g.config.Now()
	g.logMu.Lock()
	defer g.logMu.Unlock()
	_, _ = fmt.Fprintf(g.config.Log, "%s %s %s %d %dms%s\n", now.UTC().Format(time.RFC3339), id, name, status,
		now.Sub(started).Milliseconds(), reason)
}

// failure is an answer that the gateway itself gives.
// See https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
type failure struct {
	status     int
	kind, body string // x-amzn-ErrorType and the body, as AWS spells and spaces them
	reason     string // for the log: fixed text, never taken from a request or an error
}

var (
	noRoute = &failure{
		http.StatusForbidden, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`,
		"no such route",
	}
	bodyTooLong = &failure{
		http.StatusRequestEntityTooLarge, "RequestTooLargeException", `{"message":"Request Too Long"}`,
		"the body is over 10 MB",
	}
	timedOut = &failure{
		http.StatusGatewayTimeout, "InternalServerErrorException", `{"message": "Endpoint request timed out"}`,
		"the function did not answer in time",
	}
	noKeys = &failure{
		http.StatusInternalServerError, "AuthorizerConfigurationException", `{"message": "Internal server error"}`,
		"the user pool's keys could not be fetched",
	}
)

func unauthorized(reason string) *failure {
	return &failure{http.StatusUnauthorized, "UnauthorizedException", `{"message":"Unauthorized"}`, reason}
}

func badRequest(reason string) *failure {
	return &failure{http.StatusBadRequest, "BadRequestException", `{"message":"Invalid request body"}`, reason}
}

func badIntegration(reason string) *failure {
	return &failure{
		http.StatusBadGateway, "InternalServerErrorException", `{"message": "Internal server error"}`, reason,
	}
}
