package endpoint

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// Endpoint is where one service is.
type Endpoint struct {
	Service string // its signing name
	URL     *url.URL
	Setting string // the environment variable that names the URL; "" if the local run serves the service itself
}

// Error says which operation failed where. Of request and answer it quotes only the name of the exception.
type Error struct {
	Endpoint
	Operation string
	Problem   string
	// Missing says that the endpoint speaks the service's API, without this operation.
	Missing bool
	cause   error
}

func (e *Error) Error() string {
	todo := ""
	if e.Setting != "" {
		todo = fmt.Sprintf(" (set by %s: correct it there, or unset it to have %s served in process)", e.Setting,
			e.Service)
	}
	return fmt.Sprintf("%s %s: %s %s%s", e.Service, e.Operation, e.URL.Redacted(), e.Problem, todo)
}

// Explain returns the Error within err in place of what an SDK says around it, or err if there is none.
func Explain(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return err
}

// Unwrap gives the transport's error, which decides whether a call is worth repeating.
func (e *Error) Unwrap() error { return e.cause }

// Transport is an http.RoundTripper to one endpoint.
type Transport struct {
	Endpoint
	Base   http.RoundTripper // makes the connections
	Report func(error)       // gets every [Error] as well; may be nil
}

// Transport returns a transport to the endpoint. Report, unless it is nil, gets every [Error] as well.
func (e Endpoint) Transport(report func(error)) *Transport {
	return &Transport{e, NewTransport(), report}
}

// NewTransport returns a transport that ignores the proxy settings of this machine: they must not lead calls elsewhere.
func NewTransport() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		ResponseHeaderTimeout: 5 * time.Second,
		MaxIdleConnsPerHost:   64, IdleConnTimeout: 30 * time.Second,
		DisableCompression: true, // answers pass unchanged
	}
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.Base.RoundTrip(r)
	if errors.Is(err, context.Canceled) {
		return nil, err // the caller has gone, not the endpoint
	}
	e := &Error{Problem: "does not answer: check that it runs", cause: err}
	if err == nil {
		if e = inspect(resp); e == nil {
			return resp, nil
		}
		_ = resp.Body.Close()
	}
	e.Endpoint, e.Operation = t.Endpoint, awsjson.Operation(r)
	if t.Report != nil {
		t.Report(e)
	}
	return nil, e
}

// maxError bounds what is read of an answer that is an error, in bytes.
const maxError = 64 << 10

// missing are the exceptions by which implementations say that they lack an operation.
var missing = []string{
	"UnknownOperationException", "UnknownOperation", "InvalidAction", "NotImplemented", "NotImplementedException",
}

// inspect says what is wrong with an answer, and leaves one with nothing wrong as it was.
func inspect(resp *http.Response) *Error {
	body := bufio.NewReaderSize(resp.Body, maxError)
	peek := len("null") // which some answer where AWS answers nothing
	if resp.StatusCode >= http.StatusBadRequest {
		peek = maxError
	}
	start, err := body.Peek(peek)
	if err != nil && err != io.EOF {
		return &Error{Problem: "broke off its answer: check its log", cause: err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{body, resp.Body}
	foreign := &Error{Problem: fmt.Sprintf("answered with status %d and no JSON of this API: it speaks something "+
		"else, or lacks or fails in this operation", resp.StatusCode)}
	if resp.StatusCode < http.StatusBadRequest {
		if len(start) > 0 && start[0] != '{' && string(start) != "null" {
			return foreign
		}
		return nil
	}
	var exception struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal(start, &exception) != nil || exception.Type == "" {
		return foreign
	}
	name := exception.Type[strings.LastIndexByte(exception.Type, '#')+1:]
	if slices.Contains(missing, name) || resp.StatusCode == http.StatusNotImplemented {
		return &Error{Problem: "lacks this operation (" + name + "): use an implementation that has it", Missing: true}
	}
	return nil
}
