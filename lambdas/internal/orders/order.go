// Package orders takes orders that are paid by card, and collects their bills, without keeping a card number.
//
// An order lives in one row of the order table, and its card in one row of the tokenizer layer's vault:
//
//	POST /order    [Orders.Place]    validate, seal the card, commit both rows in one transaction      -> PLACED
//	POST /paybill  [Payments.Pay]    PLACED -> CHARGING (a lease), read the card back, charge, CHARGING -> PAID
//
// Either function may be killed between any two of these steps, and any answer of the store may get lost. What holds
// at every moment: a placed order has a readable token, a vault row has an order, and an order is charged once, to its
// own card. A caller who repeats the request always gets to the end: see place.go and pay.go for how.
//
// [Gateway] translates between API Gateway's events and these calls. errors.go has every kind of failure with its
// status. No error, log line or answer holds a card number; the only thing that ever sees one is a [Processor].
package orders

import (
	"context"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
)

// State is how far an order has come.
type State string

// The states. An order is CHARGING only while a lease on it runs or after one was lost; it leaves PAID never.
const (
	Placed   State = "PLACED"
	Charging State = "CHARGING"
	Paid     State = "PAID"
)

// Order is a row of the order table.
type Order struct {
	// Number is the caller's own name for the order, unique among all callers.
	Number       string
	CustomerName string
	Address      string
	// Token stands for the card.
	Token string
	// Sub is the Cognito subject of the caller who placed the order: nobody else may pay it or learn that it exists.
	Sub   string
	State State
	// PaymentID is the processor's idempotency key. It is fixed with the order, so that every attempt to pay the order
	// is the same payment.
	PaymentID string
	CreatedAt time.Time
	// Lease is who is charging the order; zero unless State is Charging.
	Lease Lease
}

// Lease is the right of one invocation to charge an order until a point in time.
type Lease struct {
	// ID tells this lease from another that ends in the same millisecond, so that a function whose answer from the
	// store got lost can see that it holds the lease after all.
	ID    string
	Until time.Time
}

// Sealer makes a token for a card and the vault row to commit. The layer's client is one.
type Sealer interface {
	Seal(ctx context.Context, data sensitive.String, options ...client.Option) (client.Sealed, error)
}

// Revealer gives a card back for its token. The layer's client is one.
type Revealer interface {
	Detokenize(ctx context.Context, token string, redaction api.Redaction, options ...client.Option) (sensitive.String, error)
}

// graceTime is what work gets that must be attempted although the request's time is up. The gateway cuts a request
// short by answerMargin, which is longer.
const graceTime = 1500 * time.Millisecond

// grace returns a context for such work: giving a lease back, finding out what became of a write. It outlives ctx, and
// ends when ctx would have ended or after graceTime, whichever is later.
func grace(ctx context.Context) (context.Context, context.CancelFunc) {
	until := time.Now().Add(graceTime)
	if deadline, ok := ctx.Deadline(); ok && deadline.After(until) {
		until = deadline
	}
	return context.WithDeadline(context.WithoutCancel(ctx), until)
}
