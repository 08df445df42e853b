// Package endpoint tells what is wrong with the endpoint of a service: that nobody answers, that something else does, or that
// what answers lacks an operation. Each is an [Error] that says so, with what to do, in place of an SDK's "EOF".
//
//	client := &http.Client{Transport: &endpoint.Transport{Service: "kms", URL: u, Setting: "AWS_ENDPOINT_URL_KMS"}}
//
// An error that the service's own API defines passes unchanged.
package endpoint

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// Error says which operation failed where. It quotes nothing of request or answer but the name of the exception.
type Error struct {
	Service, Operation string
	Endpoint           string // without credentials
	Setting            string // the variable that named the endpoint; empty if the local run serves it itself
	Problem            string
	// Missing says that the endpoint speaks the service's API, without this operation.
	Missing bool
	cause   error
}

func (e *Error) Error() string {
	todo := ""
	if e.Setting != "" {
		todo = fmt.Sprintf(" (set by %s: mend it there, or unset it to have %s served in process)", e.Setting, e.Service)
	}
	return fmt.Sprintf("%s %s: %s %s%s", e.Service, e.Operation, e.Endpoint, e.Problem, todo)
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

// Transport is an http.RoundTripper to one service.
type Transport struct {
	Service string // signing name, such as kms
	URL     *url.URL
	Setting string
	// Report is told of every Error; nil: nobody is.
	Report func(error)
	// Base makes the connections. It must be set.
	Base http.RoundTripper
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
	e.Service, e.Operation, e.Endpoint, e.Setting = t.Service, awsjson.Operation(r), t.URL.Redacted(), t.Setting
	if t.Report != nil {
		t.Report(e)
	}
	return nil, e
}

// maxError bounds what is read of an answer that is an error, in bytes.
const maxError = 64 << 10

// missing are the exceptions by which implementations say that they lack an operation.
var missing = []string{"UnknownOperationException", "UnknownOperation", "InvalidAction", "NotImplemented", "NotImplementedException"}

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
	foreign := &Error{Problem: fmt.Sprintf("answered with status %d and no JSON of this API: it speaks something else, or lacks or fails in this operation", resp.StatusCode)}
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
