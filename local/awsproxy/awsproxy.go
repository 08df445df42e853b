// Package awsproxy passes the calls of local functions to AWS services on to the services' endpoints. It knows each
// function by its credentials, and can refuse a call before the service gets it.
//
//	proxy := awsproxy.New(awsproxy.Config{Targets: endpoints, Authorize: authorizer.Authorize})
//	proxy.Register("AKIDORDER", orderSessionToken, "arn:aws:iam::123456789012:role/order", "arn:aws:lambda:us-east-1:123456789012:function:order", "")
//	// then start the function with AWS_ENDPOINT_URL and these credentials in its environment
//
// Access key id and session token identify a caller. The signature is not verified, because the session token is a
// secret that only the caller has. Bodies are read (at most [awsjson.MaxBody] bytes) and never logged.
package awsproxy

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"regexp"
	"sync"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// Config says where calls go.
type Config struct {
	// Targets are the services' endpoints.
	Targets endpoint.Set
	// Trouble, if set, gets an error for every call that an endpoint does not answer as the service would.
	Trouble func(error)
	// Authorize decides whether a call may pass; nil lets all pass. The caller gets an [*awsjson.Error] as it is, and
	// any other error as an AccessDeniedException with its text.
	Authorize func(context.Context, Call) error
	// Around, if set, carries out every call that may pass, by calling next. It is for tests that watch calls or lose
	// them: if it panics with [http.ErrAbortHandler], the caller's connection breaks.
	Around Around
	// Answered, if set, is told when a call was answered: with which HTTP status, and how long that took. It also gets
	// calls that were refused. Those of a caller that the proxy does not know have no Principal.
	Answered func(call Call, status int, took time.Duration)
	// Timeout bounds one call, from connecting to the answer's last byte. 0 means 10 seconds.
	Timeout time.Duration
}

// Around carries a call out. The request has the call's body, to be read once.
type Around func(w http.ResponseWriter, r *http.Request, call Call, next http.Handler)

// Call is one request of a caller that the proxy knows.
type Call struct {
	ID        string // of this call alone
	Agent     string // the software that makes the call, as it calls itself in User-Agent
	Principal string // ARN of the caller's role
	Function  string // ARN of its function
	VPC       string // id of the VPC that it calls from; "" for none
	Service   string // signing name, such as kms
	Operation string // such as Decrypt
	Region    string
	Body      []byte // JSON; not to be changed
}

// Proxy is the http.Handler that functions send their calls to. It is safe for concurrent use.
type Proxy struct {
	config Config
	routes map[string]http.Handler // by signing name

	mu      sync.RWMutex
	callers map[string]caller // by access key id
}

type caller struct{ sessionToken, principal, function, vpc string }

// New returns a proxy that knows no callers yet.
func New(config Config) *Proxy {
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	p := &Proxy{config: config, routes: map[string]http.Handler{}, callers: map[string]caller{}}
	for service, target := range config.Targets {
		p.routes[service] = &httputil.ReverseProxy{
			Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target.URL) },
			Transport:    target.Transport(config.Trouble),
			ErrorHandler: unavailable,
			ErrorLog:     log.New(io.Discard, "", 0), // if an answer breaks off, the caller notices
		}
	}
	return p
}

// Register makes a caller known by its credentials, which calls from a VPC or, with "", from none. A second caller with
// the same access key id replaces the first.
func (p *Proxy) Register(accessKeyID, sessionToken, principalARN, functionARN, vpc string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.callers[accessKeyID] = caller{sessionToken, principalARN, functionARN, vpc}
}

// ServeHTTP passes one call on, or answers it with an error in the form of the service's own.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), p.config.Timeout)
	defer cancel()
	call, err := p.identify(r)
	if p.config.Answered != nil {
		started, noting := time.Now(), &noter{ResponseWriter: w, status: http.StatusOK}
		w = noting
		defer func() { p.config.Answered(call, noting.status, time.Since(started)) }()
	}
	if err == nil {
		call.Body, err = p.admit(ctx, r, call)
	}
	if err != nil {
		awsjson.WriteError(w, r, err)
		return
	}
	r = r.WithContext(ctx)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(call.Body)), int64(len(call.Body))
	next := p.routes[call.Service]
	if p.config.Around == nil {
		next.ServeHTTP(w, r)
		return
	}
	p.config.Around(w, r, call, next)
}

// noter notes the status of an answer.
type noter struct {
	http.ResponseWriter
	status int
}

func (n *noter) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (n *noter) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// admit returns the body of a call, if it may pass.
func (p *Proxy) admit(ctx context.Context, r *http.Request, call Call) (body []byte, err error) {
	if p.routes[call.Service] == nil {
		return nil, awsjson.Errorf("UnknownOperationException", "the local run has no service %q (asked for %q)",
			call.Service, call.Operation)
	}
	if call.Body, err = awsjson.ReadBody(r); err != nil {
		return nil, err
	}
	if p.config.Authorize == nil {
		return call.Body, nil
	}
	err = p.config.Authorize(ctx, call)
	if _, ok := errors.AsType[*awsjson.Error](err); err != nil && !ok {
		err = awsjson.Errorf("AccessDeniedException", "%s", err)
	}
	return call.Body, err
}

// signature is the start of a Signature Version 4 Authorization header, which says who calls which service:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
var signature = regexp.MustCompile(
	`^AWS4-HMAC-SHA256 Credential=(\w{1,128})/[0-9]{8}/([a-z0-9-]{1,64})/([a-z0-9-]{1,64})/aws4_request,`)

func (p *Proxy) identify(r *http.Request) (Call, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return Call{}, forbidden("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	scope := signature.FindStringSubmatch(header)
	if scope == nil {
		return Call{}, forbidden("InvalidSignatureException",
			"the Authorization header is not a Signature Version 4 with a credential scope")
	}
	call := Call{
		ID: rand.Text(), Agent: r.UserAgent(), Region: scope[2], Service: scope[3], Operation: awsjson.Operation(r),
	}
	p.mu.RLock()
	known, ok := p.callers[scope[1]]
	p.mu.RUnlock()
	if !ok || subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Amz-Security-Token")),
		[]byte(known.sessionToken)) == 0 {
		return call, forbidden("UnrecognizedClientException",
			"The security token included in the request is invalid.")
	}
	call.Principal, call.Function, call.VPC = known.principal, known.function, known.vpc
	return call, nil
}

func forbidden(code, message string) error {
	return &awsjson.Error{Code: code, Message: message, Status: http.StatusForbidden}
}

// unavailable answers for an endpoint that fails. It tells only what an [endpoint.Error] says, because the text of
// another error may quote the request.
func unavailable(w http.ResponseWriter, r *http.Request, err error) {
	message := awsjson.Operation(r) + " got no answer"
	if e, ok := errors.AsType[*endpoint.Error](err); ok {
		message = e.Error()
	}
	awsjson.WriteError(w, r, &awsjson.Error{
		Code: "ServiceUnavailableException", Status: http.StatusServiceUnavailable, Message: message,
	})
}
