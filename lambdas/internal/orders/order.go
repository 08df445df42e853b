// Package orders takes orders that are paid by card, and collects their bills, without keeping a card number.
//
// An order is a row of the order table. Its card is a row of the tokenizer layer's vault:
//
//	POST /order    [Orders.Place]    validate, seal the card, commit both rows in one transaction          -> PLACED
//	POST /paybill  [Payments.Pay]    PLACED -> CHARGING (a lease), read the card back, charge, CHARGING -> PAID
//
// Lambda may end either function between any two of these steps, and any answer of DynamoDB may get lost. Three
// promises hold nevertheless: a placed order has a readable token, a row of the vault has an order, and an order is
// charged once, to its own card. A caller who repeats a request always gets it finished: place.go and pay.go say how.
//
// [Gateway] translates between API Gateway's events and these calls. errors.go has every kind of error, with its
// status. No error, log line or answer holds a card number. Only a [Processor] gets to see one.
package orders

import (
	"context"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// Bounds of a request.
const (
	MaxBody    = 16 << 10 // bytes
	MaxNumber  = 64       // characters, as the others
	MaxName    = 200
	MaxAddress = 500
)

// State is how far an order has come.
type State string

// The states. An order is CHARGING while a lease on it runs, and after the holder of a lease has died. It never leaves
// PAID.
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
	// CardBrand and CardLastFour are what people see of the card. PCI DSS 3.5.1 lets them be stored in clear.
	CardBrand, CardLastFour string
	// Sub is the Cognito subject of the caller who placed the order: nobody else may pay it or learn that it exists.
	Sub       string
	State     State
	CreatedAt time.Time
	// Lease says who is charging the order. It is zero unless State is Charging.
	Lease Lease
}

// binding is what the order's card is bound to. It is sealed with the card, and must be named to read the card: a token
// that somebody writes into another order, or that is another user's, does not open there.
func (o Order) binding() map[string]string {
	return map[string]string{"order": o.Number, "user": o.Sub}
}

// Lease is the right of one invocation to charge an order until a point in time.
type Lease struct {
	// ID tells this lease from another that ends in the same millisecond. By it a function that lost DynamoDB's answer
	// can see that it holds the lease.
	ID    string
	Until time.Time
}

// Sealer makes a token for a card, and the vault's row to commit. [client.Client] is one.
type Sealer interface {
	Seal(context.Context, client.SealInput) (client.SealOutput, error)
}

// Revealer returns a card for its token. [client.Client] is one.
type Revealer interface {
	Detokenize(context.Context, client.DetokenizeInput) (client.DetokenizeOutput, error)
}

// Revoker ends a token, and tells whether one is live. [client.Client] is one.
type Revoker interface {
	Validate(context.Context, client.ValidateInput) (client.ValidateOutput, error)
	Revoke(context.Context, client.RevokeInput) (client.RevokeOutput, error)
}
