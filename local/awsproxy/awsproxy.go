// Package awsproxy is the one way from local functions to AWS services. It knows each function by its credentials, can refuse
// a call before the service sees it, and passes what is left on to the service's endpoint, be it a local server or another
// implementation.
//
//	proxy := awsproxy.New(awsproxy.Config{Targets: map[string]*url.URL{"kms": kmsURL, "dynamodb": dynamoURL}})
//	proxy.Register("AKIDORDER", orderSessionToken, "arn:aws:iam::123456789012:role/order", "arn:aws:lambda:us-east-1:123456789012:function:order")
//	// then start the function with AWS_ENDPOINT_URL and these credentials in its environment
//
// A caller is who its access key id and session token say; the signature itself is not verified, since the token is a secret
// of the caller's own. Bodies are read (at most [awsjson.MaxBody] bytes) and never logged.
package awsproxy

import (
	"bytes"
	"context"
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
	// Trouble is told of every call that an endpoint did not answer as the service would; nil: nobody is.
	Trouble func(error)
	// Authorize decides whether a call may pass; nil lets all pass. An [*awsjson.Error] is answered as it is, another error
	// as AccessDeniedException with its text.
	Authorize func(context.Context, Call) error
	// Around, if set, gets every call that may pass, to carry it out with next, the way to the service. It is for tests that
	// watch calls or lose them: by panicking with [http.ErrAbortHandler] it breaks the caller's connection off.
	Around Around
	// Timeout bounds one call, from connecting to the answer's last byte. 0 means 10 seconds.
	Timeout time.Duration
}

// Around carries a call out. The request has the call's body, to be read once.
type Around func(w http.ResponseWriter, r *http.Request, call Call, next http.Handler)

// Call is one request of a known caller.
type Call struct {
	Principal string // the ARN that the caller was registered with
	Function  string // the ARN of its function
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

type caller struct{ sessionToken, principal, function string }

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
			ErrorLog:     log.New(io.Discard, "", 0), // of an answer that broke off the caller learns itself
		}
	}
	return p
}

// Register makes a caller known by its credentials. Registering an access key id again replaces what it stood for.
func (p *Proxy) Register(accessKeyID, sessionToken, principalARN, functionARN string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.callers[accessKeyID] = caller{sessionToken, principalARN, functionARN}
}

// ServeHTTP passes one call on, or refuses it in the form of the service's own errors.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), p.config.Timeout)
	defer cancel()
	call, err := p.admit(ctx, r)
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

// admit finds out who calls what, and whether that may be.
func (p *Proxy) admit(ctx context.Context, r *http.Request) (Call, error) {
	call, err := p.identify(r)
	if err != nil {
		return Call{}, err
	}
	if p.routes[call.Service] == nil {
		return Call{}, awsjson.Errorf("UnknownOperationException", "the local run has no service %q (asked for %q)", call.Service, call.Operation)
	}
	if call.Body, err = awsjson.ReadBody(r); err != nil {
		return Call{}, err
	}
	if p.config.Authorize == nil {
		return call, nil
	}
	if err := p.config.Authorize(ctx, call); err != nil {
		return Call{}, denied(err)
	}
	return call, nil
}

// signature is the Authorization header of Signature Version 4, as far as it says who calls what:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
var signature = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=(\w{1,128})/[0-9]{8}/([a-z0-9-]{1,64})/([a-z0-9-]{1,64})/aws4_request,`)

func (p *Proxy) identify(r *http.Request) (Call, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return Call{}, forbidden("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	scope := signature.FindStringSubmatch(header)
	if scope == nil {
		return Call{}, forbidden("InvalidSignatureException", "the Authorization header is not a Signature Version 4 with a credential scope")
	}
	p.mu.RLock()
	known, ok := p.callers[scope[1]]
	p.mu.RUnlock()
	if !ok || subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Amz-Security-Token")), []byte(known.sessionToken)) == 0 {
		return Call{}, forbidden("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	return Call{Principal: known.principal, Function: known.function, Region: scope[2], Service: scope[3], Operation: awsjson.Operation(r)}, nil
}

func forbidden(code, message string) error {
	return &awsjson.Error{Code: code, Message: message, Status: http.StatusForbidden}
}

func denied(err error) error {
	if e, ok := errors.AsType[*awsjson.Error](err); ok {
		return e
	}
	return awsjson.Errorf("AccessDeniedException", "%s", err)
}

// unavailable answers for an endpoint that does not. Of the cause only what [endpoint.Error] says is told: another's text may
// quote what was sent.
func unavailable(w http.ResponseWriter, r *http.Request, err error) {
	message := awsjson.Operation(r) + " got no answer"
	if e, ok := errors.AsType[*endpoint.Error](err); ok {
		message = e.Error()
	}
	awsjson.WriteError(w, r, &awsjson.Error{Code: "ServiceUnavailableException", Status: http.StatusServiceUnavailable, Message: message})
}
