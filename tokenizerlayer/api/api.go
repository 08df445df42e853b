// Package api holds the wire types of the layer's loopback API, version 1, and its errors.
//
// Server and client share it: a kind of error (one of the Err sentinels) becomes a problem document on one side and the
// same sentinel on the other, so errors.Is works across HTTP. docs/api.md describes the API for people.
package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/problem"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/sensitive"
)

// Where the API is. Use the address, not the name localhost, which may mean IPv6.
const (
	Host           = "127.0.0.1"
	DefaultPort    = 2774
	PathTokenize   = "/v1/tokenize"
	PathDetokenize = "/v1/detokenize"
	PathPing       = "/ping"
)

// TokenHeader must carry the function's AWS_SESSION_TOKEN, which a request that was merely reflected to the loopback
// address cannot know.
const TokenHeader = "X-Tokenizer-Token"

// MaxBody bounds a request's and an answer's body, in bytes.
const MaxBody = 16 << 10

// MinBodyLimit is the smallest bound that an extension may be given for the bodies of requests, in bytes.
const MinBodyLimit = 64

// TokenizeRequest is the body of POST /v1/tokenize.
type TokenizeRequest struct {
	// Data is the card number.
	Data sensitive.Wire `json:"data"`
	// Store false leaves the row to the caller, who commits it with rows of its own; nil means true.
	Store *bool `json:"store,omitempty"`
}

// TokenizeResponse answers POST /v1/tokenize.
type TokenizeResponse struct {
	Token string `json:"token"`
	// Row is what the caller has to put when Store was false. It is nil otherwise.
	Row *Row `json:"row,omitempty"`
}

// Row is a sealed row of the vault: the input of a conditional put, in DynamoDB's own JSON.
type Row struct {
	TableName string `json:"table_name"`
	Item      Item   `json:"item"`
	// ConditionExpression must go with the put: it keeps a token from being overwritten.
	ConditionExpression string `json:"condition_expression"`
}

// Item is a DynamoDB item of the attribute types that the vault uses.
type Item map[string]AttributeValue

// AttributeValue holds exactly one of its members.
type AttributeValue struct {
	S *string `json:"S,omitempty"`
	N *string `json:"N,omitempty"`
	B []byte  `json:"B,omitempty"`
}

// Redaction says how much of the data an answer shows.
type Redaction string

// The redactions. Masked is what an absent one means.
const (
	Masked    Redaction = "MASKED"
	PlainText Redaction = "PLAIN_TEXT"
)

// DetokenizeRequest is the body of POST /v1/detokenize.
type DetokenizeRequest struct {
	Token     string    `json:"token"`
	Redaction Redaction `json:"redaction,omitempty"`
}

// DetokenizeResponse answers POST /v1/detokenize.
type DetokenizeResponse struct {
	Data      sensitive.Wire `json:"data"`
	Redaction Redaction      `json:"redaction"`
}

// PingResponse answers GET /ping.
type PingResponse struct {
	Status string `json:"status"`
	// Release is the digest of the layer's content, the same as the function's TOKENIZER_LAYER_DIGEST.
	Release string `json:"release"`
}

// The kinds of error.
var (
	// ErrInvalid: the request is malformed; Error.Field names the member. Mend the request.
	ErrInvalid = errors.New("invalid request")
	// ErrUnauthorized: the X-Tokenizer-Token header is missing or wrong.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForwarded: the request came through a proxy or a browser.
	ErrForwarded = errors.New("forwarded request refused")
	// ErrTooLarge: the body exceeds MaxBody.
	ErrTooLarge = errors.New("request too large")
	// ErrNotFound: no such token, or another account's.
	ErrNotFound = errors.New("token not found")
	// ErrDenied: the function's role lacks a permission; the text names the operation.
	ErrDenied = errors.New("permission denied")
	// ErrIntegrity: the stored row does not open: it was altered, or belongs to another token.
	ErrIntegrity = errors.New("stored row failed verification")
	// ErrUnavailable: KMS or DynamoDB did not answer in time. Try again.
	ErrUnavailable = errors.New("store or key service unavailable")
	// ErrNotReady: the extension's settings are wrong; the text names them.
	ErrNotReady = errors.New("tokenizer is not configured")
	// ErrNoEndpoint: there is no such path or method.
	ErrNoEndpoint = errors.New("no such endpoint")
	// ErrInternal: a defect; the extension's log has the operation.
	ErrInternal = errors.New("internal error")
)

// kinds maps each kind to its status and code. It is the only such table.
var kinds = []struct {
	err    error
	code   string
	status int
}{
	{ErrInvalid, "invalid-request", http.StatusBadRequest},
	{ErrUnauthorized, "unauthorized", http.StatusUnauthorized},
	{ErrForwarded, "forwarded-request", http.StatusForbidden},
	{ErrDenied, "permission-denied", http.StatusForbidden},
	{ErrNotFound, "token-not-found", http.StatusNotFound},
	{ErrNoEndpoint, "no-such-endpoint", http.StatusNotFound},
	{ErrTooLarge, "request-too-large", http.StatusRequestEntityTooLarge},
	{ErrIntegrity, "integrity", http.StatusInternalServerError},
	{ErrInternal, "internal-error", http.StatusInternalServerError},
	{ErrUnavailable, "unavailable", http.StatusServiceUnavailable},
	{ErrNotReady, "not-configured", http.StatusServiceUnavailable},
}

// Error is an error of the API: a kind, and what is safe to tell about it.
type Error struct {
	Kind   error
	Field  string
	Detail string
}

// Errorf returns an Error of the given kind. Neither field nor arguments may come from a request's values or from an
// upstream error.
func Errorf(kind error, field, format string, args ...any) *Error {
	return &Error{Kind: kind, Field: field, Detail: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	parts := []string{e.Kind.Error(), e.Field, e.Detail}
	return strings.Join(compact(parts), ": ")
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func compact(parts []string) []string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

// Problem is the document that answers err. An error that is not of this package says no more than that it happened.
func Problem(err error) problem.Document {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Kind: ErrInternal}
	}
	for _, k := range kinds {
		if errors.Is(e.Kind, k.err) {
			return problem.New(k.status, k.code, k.err.Error(), e.Detail, e.Field)
		}
	}
	return problem.New(http.StatusInternalServerError, "internal-error", ErrInternal.Error(), "", "")
}

// FromProblem is the inverse of Problem.
func FromProblem(d problem.Document) error {
	for _, k := range kinds {
		if d.Code == k.code {
			return &Error{Kind: k.err, Field: d.Field, Detail: d.Detail}
		}
	}
	return &Error{Kind: ErrInternal}
}
