package orders

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/smithy-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
)

// The kinds of error. Every error that leaves this package is an [*Error] of one of them.
var (
	// ErrInvalid: the request is malformed; Error.Field names the member. Mend the request.
	ErrInvalid = errors.New("invalid request")
	// ErrNoCaller: the event has no Cognito subject. The authorizer makes this impossible for requests through API
	// Gateway; somebody who invokes the function directly can see it.
	ErrNoCaller = errors.New("caller not identified")
	// ErrNotFound: there is no such order, or it is somebody else's. The two cannot be told apart.
	ErrNotFound = errors.New("order not found")
	// ErrTaken: the order number belongs to somebody else's order.
	ErrTaken = errors.New("order number taken")
	// ErrPlaced: the same caller has placed an order of this number; perhaps the answer got lost. It can be paid.
	ErrPlaced = errors.New("order already placed")
	// ErrPaid: the order is paid.
	ErrPaid = errors.New("order already paid")
	// ErrCharging: another invocation is charging the order, or died doing so. Try again after Error.RetryAfter.
	ErrCharging = errors.New("charge in progress")
	// ErrTooLarge: the body exceeds MaxBody.
	ErrTooLarge = errors.New("request too large")
	// ErrMediaType: the body is not declared to be JSON.
	ErrMediaType = errors.New("unsupported media type")
	// ErrVaultMissing: the order's token is not in the vault. No caller can mend that.
	ErrVaultMissing = errors.New("vault row missing")
	// ErrVaultDamaged: the vault's row for the order does not open, or holds no card number.
	ErrVaultDamaged = errors.New("vault row damaged")
	// ErrKeyReused: the processor knows the payment with another card or order.
	ErrKeyReused = errors.New("payment id reused")
	// ErrInternal: a defect of this program.
	ErrInternal = errors.New("internal error")
	// ErrUnavailable: store, tokenizer or processor did not do what was asked in time. Try again; nothing happens twice.
	ErrUnavailable = errors.New("temporarily unavailable")
)

// kinds maps each kind to its status, code and what to do. It is the only such table. The last entry is for errors
// that are of no kind.
var kinds = []struct {
	err    error
	status int
	code   string
	advice string
}{
	{ErrInvalid, http.StatusBadRequest, "invalid-request", ""},
	{ErrNoCaller, http.StatusUnauthorized, "caller-unknown", "sign in and send the ID token in the Authorization header"},
	{ErrNotFound, http.StatusNotFound, "order-not-found", "you have no order of this number"},
	{ErrTaken, http.StatusConflict, "order-number-taken", "choose another CustomerOrder"},
	{ErrPlaced, http.StatusConflict, "order-already-placed", "you have placed an order of this number; pay it, or choose another CustomerOrder"},
	{ErrPaid, http.StatusConflict, "order-already-paid", "there is nothing left to pay"},
	{ErrCharging, http.StatusConflict, "charge-in-progress", "try again after the time in Retry-After"},
	{ErrTooLarge, http.StatusRequestEntityTooLarge, "request-too-large", fmt.Sprintf("send at most %d bytes", MaxBody)},
	{ErrMediaType, http.StatusUnsupportedMediaType, "unsupported-media-type", "send Content-Type: application/json"},
	{ErrVaultMissing, http.StatusInternalServerError, "vault-row-missing", ""},
	{ErrVaultDamaged, http.StatusInternalServerError, "vault-row-damaged", ""},
	{ErrKeyReused, http.StatusInternalServerError, "payment-id-reused", ""},
	{ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "try again; nothing happens twice"},
	{ErrInternal, http.StatusInternalServerError, "internal-error", ""},
}

// Error is an error of this package: a kind, and what is safe to tell about it.
type Error struct {
	Kind error
	// Field names the member of the request that is wrong.
	Field string
	// Detail is a fixed text for the caller; "" means the kind's own advice.
	Detail string
	// RetryAfter is how long to wait before trying again; 0 means that nobody knows.
	RetryAfter time.Duration
	// Cause is for the log only: the name of the operation that failed and of the failure, never a message.
	Cause string
}

func (e *Error) Error() string {
	text := e.Kind.Error()
	for _, part := range []string{e.Detail, e.Cause} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func invalid(field, reason string) error {
	return &Error{Kind: ErrInvalid, Field: field, Detail: field + " " + reason}
}

// unavailable says that operation failed with err, of which the log gets the name.
func unavailable(operation string, err error) *Error {
	return &Error{Kind: ErrUnavailable, Cause: operation + ": " + errorName(err)}
}

// fromLayer translates an error of the tokenizer layer.
func fromLayer(operation string, err error) error {
	kind := ErrUnavailable
	switch {
	case errors.Is(err, api.ErrNotFound), errors.Is(err, api.ErrExpired), errors.Is(err, api.ErrUsedUp):
		kind = ErrVaultMissing // orders' tokens neither end nor wear out
	case errors.Is(err, api.ErrIntegrity):
		kind = ErrVaultDamaged
	case errors.Is(err, api.ErrInvalid):
		kind = ErrInternal // we had validated what we sent
	}
	return &Error{Kind: kind, Cause: operation + ": " + errorName(err)}
}

// safeName is what an error's name may look like to be logged. It comes from the answer of a server.
var safeName = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// errorName names err without its text, which may repeat a request: an AWS error code, a kind of the layer's errors, or
// what became of the connection.
func errorName(err error) string {
	if aws, ok := errors.AsType[smithy.APIError](err); ok && safeName.MatchString(aws.ErrorCode()) {
		return aws.ErrorCode()
	}
	if layer, ok := errors.AsType[*api.Error](err); ok {
		return layer.Kind.Error()
	}
	if own, ok := errors.AsType[*Error](err); ok {
		return own.Kind.Error()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "out of time"
	default:
		return "no usable answer"
	}
}

// document returns the problem document for err. An error that is not of this package says no more than that it
// happened.
func document(err error) problem.Document {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Kind: ErrInternal}
	}
	kind := kinds[len(kinds)-1]
	for _, k := range kinds {
		if errors.Is(e.Kind, k.err) {
			kind = k
		}
	}
	detail := e.Detail
	if detail == "" {
		detail = kind.advice
	}
	d := problem.New(kind.status, kind.code, kind.err.Error(), detail, e.Field)
	d.RetryAfter = e.RetryAfter
	return d
}
