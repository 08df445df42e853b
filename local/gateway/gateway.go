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
// whether there is such a stage and route (403), whether the token is valid (401), whether the body fits its model
// (400), and whether the function gives a valid answer in time (502, 504).
// Neither its own answers nor its access log ever hold a body, a token, or a path that is not one of its routes.
package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
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
	// Method is an HTTP method, or ANY.
	Method string
	// Path can have parameters: "/orders/{id}" and, for everything below, "/{proxy+}". Empty is the API's root.
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
	routes []*route // the first that matches a request serves it
	logMu  sync.Mutex
}

// route is a Route with what is made from it.
type route struct {
	Route
	segments []segment // of the path
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
	g := &Gateway{config: config}
	given := map[string]bool{}
	verifiers := map[CognitoAuthorizer]*verifier{} // routes share a pool's keys
	for _, r := range config.Routes {
		r.Path = cmp.Or(r.Path, "/")
		name := r.Method + " " + r.Path
		switch {
		case !strings.HasPrefix(r.Path, "/"):
			return nil, fmt.Errorf("route %s: the path must begin with a slash", name)
		case r.Method != anyMethod && !slices.Contains(methods, r.Method):
			return nil, fmt.Errorf("route %s: the method must be ANY or one of %s", name, strings.Join(methods, ", "))
		case r.Invoke == nil:
			return nil, fmt.Errorf("route %s: Invoke is missing", name)
		case r.Timeout < 0:
			return nil, fmt.Errorf("route %s: the timeout is negative", name)
		case given[name]:
			return nil, fmt.Errorf("route %s is given twice", name)
		}
		given[name] = true
		parts, ok := segments(r.Path)
		if !ok {
			return nil, fmt.Errorf("route %s: a parameter must be a whole segment with a name of its own, as in {id}, and "+
				"{id+} must be the last one", name)
		}
		r.Timeout = cmp.Or(r.Timeout, defaultTimeout)
		ready := &route{Route: r, segments: parts}
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
		g.routes = append(g.routes, ready)
	}
	slices.SortStableFunc(g.routes, compare)
	return g, nil
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started, id := g.config.Now(), uuid.NewString()
	w.Header().Set("x-amzn-RequestId", id)
	route, path, parameters, failed := g.find(r)
	status := 0
	if failed == nil {
		event := g.event(route, r, path, id, started)
		event.PathParameters = parameters
		status, failed = g.serve(w, r, route, event)
	}
	if failed != nil {
		status = failed.status
		w.Header().Set("x-amzn-ErrorType", failed.kind)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, failed.body) // the client has gone if this fails
	}
	g.log(route, started, id, status, failed)
}

// serve takes a request through the checks to its function and writes the function's answer, or says what failed.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, route *route,
	event events.APIGatewayProxyRequest) (status int, _ *failure) {
	if route.verifier != nil {
		claims, failed := route.verifier.verify(r.Context(), r.Header.Get("Authorization"))
		if failed != nil {
			return 0, failed
		}
		event.RequestContext.Authorizer = map[string]any{"claims": claims}
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
	event.Body = string(body)
	payload, err := json.Marshal(event)
	if err != nil {
		return 0, badIntegration("the event could not be encoded")
	}
	answer, failed := route.invoke(r.Context(), payload)
	if failed != nil {
		return 0, failed
	}
	return respond(w, answer)
}

// find returns a request's route, its path below the stage, and the parameters of the path. A REST API routes by the
// path as it was sent, in which case and percent-encoding count, but ignores slashes at its end. The event has them:
// https://github.com/aws/aws-sam-cli/pull/1495 and https://github.com/floci-io/floci/issues/1557
func (g *Gateway) find(r *http.Request) (found *route, path string, parameters map[string]string, _ *failure) {
	stage, path, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	if stage != g.config.Stage {
		return nil, "", nil, noStage
	}
	path = "/" + path
	parts := split(path)
	for _, found := range g.routes {
		if parameters, ok := found.match(r.Method, parts); ok {
			return found, path, parameters, nil
		}
	}
	return nil, "", nil, noRoute(r.Header)
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
	noStage     = &failure{http.StatusForbidden, "ForbiddenException", `{"message":"Forbidden"}`, "no such stage"}
	bodyTooLong = &failure{
		http.StatusRequestEntityTooLarge, "RequestTooLargeException", `{"message":"Request Too Long"}`,
		"the body is over 10 MB",
	}
	timedOut = &failure{
		http.StatusGatewayTimeout, "InternalServerErrorException", `{"message": "Endpoint request timed out"}`,
		"the function did not answer in time",
	}
	// AWS says so of a token that is valid otherwise: https://github.com/aws-amplify/amplify-js/issues/6060
	expired = &failure{
		http.StatusUnauthorized, "UnauthorizedException", `{"message":"The incoming token has expired"}`,
		"the token has expired",
	}
	noKeys = &failure{
		http.StatusInternalServerError, "AuthorizerConfigurationException", `{"message": "Internal server error"}`,
		"the user pool's keys could not be fetched",
	}
)

// noRoute answers for a resource or method that the stage lacks. AWS takes a request for it as one that must be signed,
// and says what its Authorization header lacks as a signature. It does not repeat the header, but gives its hash. See
// https://github.com/awslabs/time-addressable-media-store/issues/8 and https://github.com/aws/chalice/issues/828
func noRoute(headers http.Header) *failure {
	forbidden := func(kind, message string) *failure {
		return &failure{http.StatusForbidden, kind + "Exception", `{"message":"` + message + `"}`, "no such route"}
	}
	if len(headers.Values("Authorization")) == 0 {
		return forbidden("MissingAuthenticationToken", "Missing Authentication Token")
	}
	header := headers.Get("Authorization")
	sum := sha256.Sum256([]byte(header))
	hash := base64.StdEncoding.EncodeToString(sum[:])
	algorithm, parameters, _ := strings.Cut(header, " ")
	if strings.Contains(algorithm, "=") {
		return forbidden("IncompleteSignature",
			"Authorization header must begin with the algorithm name, which cannot include an equal-sign")
	}
	given := map[string]bool{}
	for pair := range strings.SplitSeq(parameters, ",") {
		name, _, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok && parameters != "" {
			return forbidden("IncompleteSignature", "Invalid key=value pair (missing equal-sign) in Authorization "+
				"header (hashed with SHA-256 and encoded with Base64): '"+hash+"'.")
		}
		given[name] = true
	}
	missing := ""
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if !given[name] {
			missing += "Authorization header requires '" + name + "' parameter. "
		}
	}
	if headers.Get("X-Amz-Date") == "" && headers.Get("Date") == "" {
		missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
	}
	if missing == "" { // no signer is known here
		return forbidden("UnrecognizedClient", "The security token included in the request is invalid.")
	}
	return forbidden("IncompleteSignature", missing+"(Hashed with SHA-256 and encoded with Base64) Authorization="+hash)
}

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
