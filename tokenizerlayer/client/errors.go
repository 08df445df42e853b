package client

import (
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// The kinds of error. Test for one with errors.Is.
var (
	// ErrInvalid: the request is malformed. [Error.Field] names the member to correct.
	ErrInvalid error = failure.Invalid
	// ErrUnauthorized: the session token is not this function's.
	ErrUnauthorized error = failure.Unauthorized
	// ErrForwarded: the request went through a proxy or a browser.
	ErrForwarded error = failure.Forwarded
	// ErrDenied: the function's role lacks a permission. [Error.Detail] names the AWS operation.
	ErrDenied error = failure.Denied
	// ErrNotFound: the token does not exist, or belongs to another account.
	ErrNotFound error = failure.NotFound
	// ErrKeyReused: the idempotency key came with another request before.
	ErrKeyReused error = failure.KeyReused
	// ErrInFlight: another request for the same token is being carried out. Try again after [Error.RetryAfter].
	ErrInFlight error = failure.InFlight
	// ErrExpired: the token's time to live has passed.
	ErrExpired error = failure.Expired
	// ErrUsedUp: the token has been detokenized as often as it may be.
	ErrUsedUp error = failure.UsedUp
	// ErrTooLarge: the request exceeds the extension's limit, 32 KiB by default.
	ErrTooLarge error = failure.TooLarge
	// ErrRateLimited: this environment reads more tokens than it may. Try again after [Error.RetryAfter].
	ErrRateLimited error = failure.RateLimited
	// ErrIntegrity: the stored row was altered, or belongs to another token. Nothing was released. Tell the security team.
	ErrIntegrity error = failure.Integrity
	// ErrInternal: a defect of the layer, or something else than the extension listens on the port.
	ErrInternal error = failure.Internal
	// ErrUnavailable: the extension, KMS or DynamoDB did not answer in time. Try again.
	ErrUnavailable error = failure.Unavailable
	// ErrNotReady: a setting of the extension is wrong. [Error.Detail] names it.
	ErrNotReady error = failure.NotReady
)

// Error is what every method of a [Client] returns when it fails. It holds no value of the request.
type Error struct {
	// Code names the kind of error for programs, such as "token-not-found". It never changes.
	Code string
	// Status is the HTTP status that goes with the kind.
	Status int
	// Field names the member of the request that is wrong; "" if none is.
	Field string
	// Detail says what to do; "" if the kind says it all.
	Detail string
	// RetryAfter is when trying again may succeed, in whole seconds; 0 means that this is not known.
	RetryAfter time.Duration
	// RequestID is the request's name in the extension's log; "" if the request did not get that far.
	RequestID string

	failure *failure.Error
}

func newError(f *failure.Error) *Error {
	return &Error{Code: f.Kind.Code, Status: f.Kind.Status, Field: f.Field, Detail: f.Detail, RetryAfter: f.RetryAfter, failure: f}
}

// NewError returns an error of a kind, which is one of the Err variables, for a test's fake of a [Tokenizer].
func NewError(kind error, field, detail string) *Error {
	k, ok := kind.(*failure.Kind)
	if !ok {
		k = failure.Internal
	}
	return newError(&failure.Error{Kind: k, Field: field, Detail: detail})
}

// Error says what happened and what to do.
func (e *Error) Error() string {
	if e.failure == nil {
		return failure.KindOf(e.Code).Error()
	}
	return e.failure.Error()
}

// Unwrap returns the kind, which is one of the Err variables.
func (e *Error) Unwrap() error {
	if e.failure == nil {
		return failure.KindOf(e.Code)
	}
	return e.failure.Kind
}
