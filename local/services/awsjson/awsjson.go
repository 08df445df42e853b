// Package awsjson serves the AWS JSON 1.0 and 1.1 protocols, which KMS, DynamoDB and Cognito speak: every request is a
// POST whose X-Amz-Target header names service and operation ("TrentService.Encrypt"), bodies both ways are JSON, and
// an error is a JSON object whose __type is the exception's name.
//
// A server is a [Service] with one typed function for each operation:
//
//	awsjson.Service{Name: "KMS", Target: "TrentService", Ops: map[string]awsjson.Handler{
//		"Encrypt": awsjson.Op(func(ctx context.Context, in encryptInput) (encryptOutput, error) { … }),
//	}}
//
// For any other operation the answer is an error that names it: a local run must not seem to work where only AWS would.
//
// Source: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
package awsjson

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// MaxBody is the largest request body read, in bytes.
const MaxBody = 1 << 20

// Error is a service's error as a client sees it: SDKs map Code to their typed exceptions.
type Error struct {
	Code    string         // the exception's name, such as NotFoundException
	Message string         // shown to callers: never put secrets in it
	Status  int            // HTTP status; 0 means 400, which almost all exceptions have
	Fields  map[string]any // further members of the exception, such as CancellationReasons
}

// Errorf makes an [Error] with status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Handler answers one operation, given the request's body. Its result is marshalled to JSON.
type Handler func(ctx context.Context, body []byte) (any, error)

// Op makes a [Handler] of a typed function.
func Op[In, Out any](f func(context.Context, In) (Out, error)) Handler {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		if json.Unmarshal(body, &in) != nil { // the error's text may quote the body
			return nil, Errorf("SerializationException", "the request body is not JSON of this operation's shape")
		}
		return f(ctx, in)
	}
}

// Service dispatches requests to its operations.
type Service struct {
	Name   string // for messages: "KMS"
	Target string // X-Amz-Target without the operation: "TrentService"
	Ops    map[string]Handler
}

// Page returns the names that come after one, in order and at most limit of them, and whether there are more.
func Page(names []string, after string, limit int) (page []string, more bool) {
	page = []string{} // never null
	for _, name := range slices.Sorted(slices.Values(names)) {
		switch {
		case name <= after:
		case len(page) == limit:
			return page, true
		default:
			page = append(page, name)
		}
	}
	return page, false
}

// Operation returns the operation that a request names in X-Amz-Target, or "".
func Operation(r *http.Request) string {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return operation
}

// ReadBody reads a request's body, at most [MaxBody] bytes of it. Its error is an [*Error].
func ReadBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &Error{
			"RequestEntityTooLargeException", fmt.Sprintf("the request body is larger than %d bytes", MaxBody),
			http.StatusRequestEntityTooLarge, nil,
		}
	}
	if err != nil {
		return nil, Errorf("SerializationException", "the request body could not be read to its end")
	}
	return body, nil
}

// ServeHTTP answers one request.
func (s Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := s.serve(r)
	if err != nil {
		WriteError(w, r, err)
		return
	}
	write(w, r, http.StatusOK, out)
}

func (s Service) serve(r *http.Request) (any, error) {
	target := r.Header.Get("X-Amz-Target")
	op, known := s.Ops[Operation(r)]
	if !known || target != s.Target+"."+Operation(r) {
		return nil, Errorf("UnknownOperationException",
			"the local %s lacks the operation %q: run this against AWS, or add it", s.Name, target)
	}
	body, err := ReadBody(r)
	if err != nil {
		return nil, err
	}
	return op(r.Context(), body)
}

// WriteError answers r with err. An error that is no [*Error] becomes an InternalFailure without its text.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{
			Code:    "InternalFailure",
			Message: "the local service failed in " + Operation(r),
			Status:  http.StatusInternalServerError,
		}
	}
	members := map[string]any{"__type": e.Code, "message": e.Message}
	maps.Copy(members, e.Fields)
	w.Header().Set("X-Amzn-Errortype", e.Code)
	write(w, r, max(e.Status, http.StatusBadRequest), members)
}

func write(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"__type":"InternalFailure"}`)
	}
	if string(body) == "null" { // an operation without an answer
		body = []byte("{}")
	}
	contentType := "application/x-amz-json-1.1"
	if strings.HasSuffix(r.Header.Get("Content-Type"), "1.0") {
		contentType = "application/x-amz-json-1.0"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	// DynamoDB's clients warn if this is missing.
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone: nobody is left to tell
}
