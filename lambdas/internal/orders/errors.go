package orders

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind is a kind of error. There is one variable for each kind, and kinds are compared by identity: errors.Is(err,
// ErrNotFound).
type Kind struct {
	// Code names the kind for programs. It never changes.
	Code string
	// Title is the kind in words.
	Title string
	// Status is the HTTP status of the kind.
	Status int
	// Advice tells the caller what to do; "" if the kind says it all.
	Advice string
}

func (k *Kind) Error() string { return k.Title }

// The kinds of error. Every error that leaves this package is an [*Error] of one of them.
var (
	// ErrInvalid: the request is malformed. Error.Field names the member to correct.
	ErrInvalid = &Kind{"invalid-request", "invalid request", http.StatusBadRequest, ""}
	// ErrNoCaller: the event has no Cognito subject. The authorizer lets no such request through API Gateway, but
	// somebody may invoke the function directly.
	ErrNoCaller = &Kind{"caller-unknown", "caller not identified", http.StatusUnauthorized,
		"sign in and send the ID token in the Authorization header"}
	// ErrNotFound: the order does not exist, or is another caller's. The two look the same.
	ErrNotFound = &Kind{"order-not-found", "order not found", http.StatusNotFound, "you have no order of this number"}
	// ErrTaken: the order number belongs to another caller's order.
	ErrTaken = &Kind{"order-number-taken", "order number taken", http.StatusConflict, "choose another CustomerOrder"}
	// ErrPlaced: the caller has placed an order of this number before; perhaps the answer got lost. The order can be
	// paid.
	ErrPlaced = &Kind{"order-already-placed", "order already placed", http.StatusConflict,
		"you have placed an order of this number; pay it, or choose another CustomerOrder"}
	// ErrPaid: the order is paid.
	ErrPaid = &Kind{"order-already-paid", "order already paid", http.StatusConflict, "there is nothing left to pay"}
	// ErrCharging: another invocation is charging the order, or died while it did. Try again after Error.RetryAfter.
	ErrCharging = &Kind{
		"charge-in-progress", "charge in progress", http.StatusConflict, "try again after the time in Retry-After",
	}
	// ErrTooLarge: the body exceeds MaxBody.
	ErrTooLarge = &Kind{
		"request-too-large", "request too large", http.StatusRequestEntityTooLarge,
		fmt.Sprintf("send at most %d bytes", MaxBody),
	}
	// ErrMediaType: the request does not declare its body to be JSON.
	ErrMediaType = &Kind{"unsupported-media-type", "unsupported media type", http.StatusUnsupportedMediaType,
		"send Content-Type: application/json"}
	// ErrVaultMissing: the order's token is not in the vault. No caller can correct that.
	ErrVaultMissing = &Kind{"vault-row-missing", "vault row missing", http.StatusInternalServerError, ""}
	// ErrCardExpired: the order's token had a life time, which is over. The card is not kept any more.
	ErrCardExpired = &Kind{
		"card-expired", "card no longer kept", http.StatusGone, "place the order again, with another CustomerOrder",
	}
	// ErrVaultDamaged: the vault's row for the order does not open, or holds no card number.
	ErrVaultDamaged = &Kind{"vault-row-damaged", "vault row damaged", http.StatusInternalServerError, ""}
	// ErrForeignCard: the order's token is bound to another order or user. Somebody has written it there. Nothing was
	// charged.
	ErrForeignCard = &Kind{"card-of-another-order", "card of another order", http.StatusInternalServerError, ""}
	// ErrKeyReused: the processor knows the payment with another card or order.
	ErrKeyReused = &Kind{"payment-id-reused", "payment id reused", http.StatusInternalServerError, ""}
	// ErrInternal: a defect of this program.
	ErrInternal = &Kind{"internal-error", "internal error", http.StatusInternalServerError, ""}
	// ErrUnavailable: store, tokenizer or processor did not do what was asked in time. Try again.
	ErrUnavailable = &Kind{
		"unavailable", "temporarily unavailable", http.StatusServiceUnavailable, "try again; nothing happens twice",
	}
)

// Error is an error of one kind, and what is safe to tell about it.
type Error struct {
	Kind *Kind
	// Field names the member of the request that is wrong; "" if none is.
	Field string
	// Detail is a fixed text for the caller; "" means the kind's advice.
	Detail string
	// RetryAfter is how long to wait before trying again; 0 means that this is not known.
	RetryAfter time.Duration
	// Cause is for the log only. It names the operation that failed and the failure, and is never a message of another
	// service.
	Cause string
}

func (e *Error) Error() string {
	message := e.Kind.Title
	for _, part := range []string{e.Detail, e.Cause} {
		if part != "" {
			message += ": " + part
		}
	}
	return message
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

// known returns err as an error of this package. An error of another package is a defect, and becomes one that says
// nothing.
func known(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: ErrInternal}
}

// invalid is the error of a request. Field is the member that is wrong, or "" for the body as a whole.
func invalid(field, reason string) *Error {
	subject := field
	if subject == "" {
		subject = "the body"
	}
	return &Error{Kind: ErrInvalid, Field: field, Detail: subject + " " + reason}
}
