package orders

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// answerMargin is what is kept of a function's time to clean up (graceTime) and to answer.
const answerMargin = 2 * time.Second

// maxSubject bounds the caller's subject, in bytes. Cognito's subjects are UUIDs.
const maxSubject = 128

// Operation carries out a request. The caller is the Cognito subject. The error is an [*Error].
type Operation func(ctx context.Context, caller string, body []byte) (Answer, error)

// Answer is what the caller of a request that succeeded gets.
type Answer struct {
	Status int
	// Body is marshalled as JSON.
	Body any
}

// Gateway turns events of API Gateway (REST API, Lambda proxy integration, Cognito authorizer) into calls of an
// Operation, and their results into responses: JSON on success, RFC 9457 problem documents otherwise. It writes one log
// line a request. No part of the line comes from the request's body or from the text of another service's error.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
type Gateway struct {
	// Name is the operation's name in the log.
	Name string
	Do   Operation
	Log  *slog.Logger
	// Origins are the web origins whose scripts may read the answers; nil means none.
	Origins []string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Handle is the Lambda handler. It never returns an error: Lambda would log the error's text, and API Gateway would
// answer a bare 502.
func (g *Gateway) Handle(ctx context.Context, r events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	start := clock(g.Now)()
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-answerMargin))
		defer cancel()
	}
	response, err := g.do(ctx, r)
	if err != nil {
		response = respondProblem(known(err))
	}
	if origin := headerOf(r, "Origin"); origin != "" && slices.Contains(g.Origins, origin) {
		response.Headers["Access-Control-Allow-Origin"], response.Headers["Vary"] = origin, "Origin"
	}
	g.log(ctx, r, response.StatusCode, err, clock(g.Now)().Sub(start))
	return response, nil
}

// do checks what surrounds the body, and contains a panic: Lambda would log the text and the stack of a panic.
func (g *Gateway) do(ctx context.Context, r events.APIGatewayProxyRequest) (response events.APIGatewayProxyResponse,
	err error) {
	defer func() {
		if recover() != nil {
			err = &Error{Kind: ErrInternal, Cause: "panic in " + panicSite()}
		}
	}()
	caller := callerOf(r)
	if caller == "" {
		return response, &Error{Kind: ErrNoCaller}
	}
	body, err := bodyOf(r)
	if err != nil {
		return response, err
	}
	answer, err := g.Do(ctx, caller, body)
	if err != nil {
		return response, err
	}
	if body, err = json.Marshal(answer.Body); err != nil {
		return response, &Error{Kind: ErrInternal, Cause: "answer does not marshal"}
	}
	return respond(answer.Status, "application/json", body), nil
}

// callerOf returns the subject of the ID token that the authorizer has verified, or "".
func callerOf(r events.APIGatewayProxyRequest) string {
	claims, _ := r.RequestContext.Authorizer["claims"].(map[string]any)
	sub, _ := claims["sub"].(string)
	if len(sub) > maxSubject {
		return ""
	}
	return sub
}

// bodyOf returns the body of a JSON request.
func bodyOf(r events.APIGatewayProxyRequest) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(headerOf(r, "Content-Type")); err != nil || media != "application/json" {
		return nil, &Error{Kind: ErrMediaType}
	}
	limit, body := MaxBody, []byte(r.Body)
	if r.IsBase64Encoded {
		limit = base64.StdEncoding.EncodedLen(MaxBody)
	}
	if len(body) > limit {
		return nil, &Error{Kind: ErrTooLarge}
	}
	if !r.IsBase64Encoded {
		return body, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(r.Body)
	if err != nil {
		return nil, invalid("", "is not valid base64")
	}
	if len(decoded) > MaxBody { // padding lets two bytes more pass
		return nil, &Error{Kind: ErrTooLarge}
	}
	return decoded, nil
}

// headerOf finds a header in whatever case the client sent it: API Gateway passes names on as they are.
func headerOf(r events.APIGatewayProxyRequest, name string) string {
	for k, v := range r.Headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// log writes the request's one line. The order number is not in it, for it is the caller's own text.
func (g *Gateway) log(ctx context.Context, r events.APIGatewayProxyRequest, status int, err error, took time.Duration) {
	level, outcome, cause := slog.LevelInfo, "ok", ""
	if err != nil {
		e := known(err)
		outcome, cause = e.Kind.Code, e.Cause
	}
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("operation", g.Name),
		slog.String("outcome", outcome),
		slog.Int("status", status),
		slog.Int64("durationMs", took.Milliseconds()),
		slog.String("apiRequestId", r.RequestContext.RequestID),
	}
	if l, ok := lambdacontext.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("requestId", l.AwsRequestID))
	}
	if cause != "" {
		attrs = append(attrs, slog.String("cause", cause))
	}
	g.Log.LogAttrs(ctx, level, "request", attrs...)
}

// panicSite names the place in our code that panicked, by function and line. It shows no value.
func panicSite() string {
	callers := make([]uintptr, 32)
	// skips Callers, panicSite and the deferred function
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", f.Function, f.Line)
		}
	}
	return "unknown"
}
