package client

import (
	"errors"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// The kinds of error. Test for one with errors.Is.
var (
	// ErrInvalid: the request is malformed. [Error.Field] names the member of the request to correct.
	ErrInvalid error = failure.Invalid
	// ErrUnauthorized: the session token is not this function's.
	ErrUnauthorized error = failure.Unauthorized
	// ErrForwarded: the request went through a proxy or came from a browser.
	ErrForwarded error = failure.Forwarded
	// ErrDenied: the function's role lacks a permission. [Error.Detail] names the AWS operation.
	ErrDenied error = failure.Denied
	// ErrBindingMismatch: the token is bound to another context than the request names. Nothing was released. Tell the
	// security team.
	ErrBindingMismatch error = failure.BindingMismatch
	// ErrNotFound: the token does not exist, or belongs to another account.
	ErrNotFound error = failure.NotFound
	// ErrNoEndpoint: the extension does not know the operation. It is of an older release than this package.
	ErrNoEndpoint error = failure.NoEndpoint
	// ErrKeyReused: the idempotency key was used for another request before.
	ErrKeyReused error = failure.KeyReused
	// ErrInFlight: another request for the same token is being carried out. Try again after [Error.RetryAfter].
	ErrInFlight error = failure.InFlight
	// ErrRevoked: the token was revoked.
	ErrRevoked error = failure.Revoked
	// ErrExpired: the token's time to live has passed.
	ErrExpired error = failure.Expired
	// ErrUsedUp: the token has been detokenized as often as it may be.
	ErrUsedUp error = failure.UsedUp
	// ErrTooLarge: the request exceeds the extension's limit, 32 KiB unless TOKENIZER_MAX_BODY_BYTES sets a lower one.
	ErrTooLarge error = failure.TooLarge
	// ErrRateLimited: this environment reads more tokens a second than its limit. Try again after [Error.RetryAfter].
	ErrRateLimited error = failure.RateLimited
	// ErrIntegrity: the stored row was altered, or belongs to another token. Nothing was released. Tell the security
	// team.
	ErrIntegrity error = failure.Integrity
	// ErrInternal: a defect of the layer, or the port belongs to something else than the extension.
	ErrInternal error = failure.Internal
	// ErrUnavailable: the extension, KMS or DynamoDB did not answer in time, or the call's context ended. Try again.
	ErrUnavailable error = failure.Unavailable
	// ErrNotReady: a setting of the extension is wrong or missing. [Error.Detail] names it.
	ErrNotReady error = failure.NotReady
)

// Error is what every method of a [Client] returns when it fails. It holds no value of the request.
type Error struct {
	// Code names the kind of error for programs, such as "token-not-found". It never changes.
	Code string
	// Status is the HTTP status of the kind, such as 404.
	Status int
	// Field names the member of the request that is wrong, as the loopback API calls it, such as "max_uses"; "" if none
	// is.
	Field string
	// Detail says more than the kind does, such as what to do; it may be "".
	Detail string
	// RetryAfter is how long to wait before trying again, in whole seconds; 0 means that this is not known.
	RetryAfter time.Duration
	// RequestID names the request in the extension's log; "" if the request did not get that far.
	RequestID string
}

// NewError returns an error for a test's fake of a [Tokenizer]. Kind is one of the Err variables; anything else means
// [ErrInternal].
func NewError(kind error, field, detail string) *Error {
	k, ok := errors.AsType[*failure.Kind](kind)
	if !ok {
		k = failure.Internal
	}
	return newError(&failure.Error{Kind: k, Field: field, Detail: detail})
}

func newError(f *failure.Error) *Error {
	return &Error{Code: f.Kind.Code, Status: f.Kind.Status, Field: f.Field, Detail: f.Detail, RetryAfter: f.RetryAfter}
}

// Error says what happened: the kind, the field and the detail.
func (e *Error) Error() string {
	return (&failure.Error{Kind: failure.KindOf(e.Code), Field: e.Field, Detail: e.Detail}).Error()
}

// Unwrap returns the kind, which is one of the Err variables.
func (e *Error) Unwrap() error { return failure.KindOf(e.Code) }
