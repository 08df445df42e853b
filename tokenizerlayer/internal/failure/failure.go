// Package failure has the layer's errors. They say what went wrong without a card, a token or the text of another
// service.
//
// An [Error] is of one [Kind]. The kind is itself an error, so errors.Is(err, failure.NotFound) works, in the extension
// and, after a trip over HTTP, in the function. How an error is shown to a caller is another package's business: see
// package problem.
package failure

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Kind is a kind of error. There is one variable for each kind, and kinds are compared by identity.
type Kind struct {
	// Code names the kind for programs. It never changes.
	Code string
	// Title is the kind in words.
	Title string
	// Status is the HTTP status of an answer that reports the kind.
	Status int
}

func (k *Kind) Error() string { return k.Title }

// The kinds of error.
var (
	// Invalid: the request is malformed. Error.Field names the member to correct.
	Invalid = &Kind{"invalid-request", "invalid request", http.StatusBadRequest}
	// Unauthorized: the X-Tokenizer-Token header is missing or wrong.
	Unauthorized = &Kind{"unauthorized", "unauthorized", http.StatusUnauthorized}
	// Forwarded: the request came through a proxy or a browser.
	Forwarded = &Kind{"forwarded-request", "forwarded request refused", http.StatusForbidden}
	// Denied: the function's role lacks a permission. Error.Detail names the operation.
	Denied = &Kind{"permission-denied", "permission denied", http.StatusForbidden}
	// BindingMismatch: the token is bound to another context than the request names.
	BindingMismatch = &Kind{"binding-mismatch", "binding mismatch", http.StatusForbidden}
	// NotFound: the token does not exist, or belongs to another account.
	NotFound = &Kind{"token-not-found", "token not found", http.StatusNotFound}
	// NoEndpoint: the API has no such path or method.
	NoEndpoint = &Kind{"no-such-endpoint", "no such endpoint", http.StatusNotFound}
	// KeyReused: the Idempotency-Key was used for another request before.
	KeyReused = &Kind{"idempotency-key-reused", "idempotency key reused", http.StatusConflict}
	// InFlight: another request for the same token is being carried out. Try again after Error.RetryAfter.
	InFlight = &Kind{"request-in-flight", "same request in flight", http.StatusConflict}
	// Revoked: the token was revoked.
	Revoked = &Kind{"token-revoked", "token revoked", http.StatusGone}
	// Expired: the token's time to live has passed.
	Expired = &Kind{"token-expired", "token expired", http.StatusGone}
	// UsedUp: the token has been detokenized as often as it may be.
	UsedUp = &Kind{"token-used-up", "token used up", http.StatusGone}
	// TooLarge: the body exceeds its limit.
	TooLarge = &Kind{"request-too-large", "request too large", http.StatusRequestEntityTooLarge}
	// RateLimited: more reads than this environment serves. Try again after Error.RetryAfter.
	RateLimited = &Kind{"rate-limited", "rate limited", http.StatusTooManyRequests}
	// Integrity: the stored row does not open. It was altered, or belongs to another token.
	Integrity = &Kind{"integrity", "stored row failed verification", http.StatusInternalServerError}
	// Internal: a defect of the layer. The extension's log has the operation.
	Internal = &Kind{"internal-error", "internal error", http.StatusInternalServerError}
	// Unavailable: KMS or DynamoDB did not answer in time. Try again.
	Unavailable = &Kind{"unavailable", "store or key service unavailable", http.StatusServiceUnavailable}
	// NotReady: a setting of the extension is wrong. Error.Detail names it.
	NotReady = &Kind{"not-configured", "tokenizer is not configured", http.StatusServiceUnavailable}
)

var kinds = []*Kind{
	Invalid, Unauthorized, Forwarded, Denied, BindingMismatch, NotFound, NoEndpoint, KeyReused, InFlight, Revoked,
	Expired, UsedUp, TooLarge, RateLimited, Integrity, Internal, Unavailable, NotReady,
}

// Kinds returns every kind of error.
func Kinds() []*Kind { return slices.Clone(kinds) }

// KindOf returns the kind with a code, or [Internal] if there is none.
func KindOf(code string) *Kind {
	for _, k := range kinds {
		if k.Code == code {
			return k
		}
	}
	return Internal
}

// Error is an error of one kind, and what is safe to tell about it.
type Error struct {
	Kind *Kind
	// Field names the member of the request that is wrong; "" if none is.
	Field string
	// Detail is a fixed text that says what to do; "" if the kind says it all.
	Detail string
	// RetryAfter is when trying again may succeed; 0 means that this is not known.
	RetryAfter time.Duration
}

// New returns an Error. Neither field nor arguments may come from a request's values or from another service's error.
func New(kind *Kind, field, format string, args ...any) *Error {
	return &Error{Kind: kind, Field: field, Detail: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	text := e.Kind.Title
	for _, part := range []string{e.Field, e.Detail} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }
