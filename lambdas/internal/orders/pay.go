package orders

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// LeaseTime is how long one invocation may charge an order. It is longer than the function's timeout (20 s), so the
// holder of a lease that has run out is dead.
const LeaseTime = 30 * time.Second

// Payments collects what orders owe. It is safe for concurrent use.
type Payments struct {
	// Account is the AWS account of the function.
	Account   string
	Store     *Store
	Revealer  Revealer
	Processor Processor
	// Revoker ends the token of an order that is paid; nil means that it is kept.
	Revoker Revoker
	// Log gets what goes wrong without being an error of the payment; it is required with Revoker.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Payment is a bill that was paid.
type Payment struct {
	ID    string
	Order Order
	// Mask shows the last four digits of the card that was charged.
	Mask string
}

// Pay charges the card of the caller's own order. The caller is the Cognito subject.
//
// One invocation at a time holds the order's lease. If something fails before the processor is asked, Pay gives the
// lease back, and nothing has happened. From then on the outcome may be unknown: the lease stays until it runs out, and
// the next attempt repeats the charge with the same idempotency key, which charges once and tells the outcome.
//
// IAM: the layer's Detokenize grant, and Revoke with a Revoker; dynamodb:UpdateItem and GetItem on the order table;
// what the processor needs.
// Errors: ErrInvalid, ErrNoCaller, ErrNotFound, ErrPaid, ErrCharging, ErrVaultMissing, ErrCardExpired, ErrVaultDamaged,
// ErrForeignCard, ErrKeyReused, ErrInternal, ErrUnavailable.
func (p *Payments) Pay(ctx context.Context, caller string, r PayRequest) (Payment, error) {
	if caller == "" {
		return Payment{}, &Error{Kind: ErrNoCaller}
	}
	if err := validNumber(r.CustomerOrder); err != nil {
		return Payment{}, err
	}
	order, err := p.begin(ctx, caller, r.CustomerOrder)
	if err != nil {
		return Payment{}, err
	}
	card, err := p.reveal(ctx, order)
	if err != nil {
		p.giveBack(ctx, order)
		return Payment{}, err
	}
	id := p.paymentID(order)
	charge := Charge{IdempotencyKey: id, Card: card, Order: order.Number}
	if _, err := p.Processor.Charge(ctx, charge); err != nil {
		return Payment{}, p.unsettled("charge", err, order)
	}
	if err := p.finish(ctx, order); err != nil {
		return Payment{}, p.unsettled("record payment", err, order)
	}
	p.retire(ctx, order)
	return Payment{ID: id, Order: order, Mask: card.Mask()}, nil
}

// paymentID is the processor's idempotency key. It follows from the order's place and number and is stored nowhere, so
// that every attempt to pay the order is the same payment, and nobody who may write to the table can make it another:
// an order that is put back to PLACED is charged once, as long as the processor remembers the key.
func (p *Payments) paymentID(order Order) string {
	name := strings.Join([]string{p.Account, p.Store.Table, order.Number}, "/") // none of which has a slash
	return uuid.NewHash(sha256.New(), paymentSpace, []byte(name), 8).String()
}

// paymentSpace is the name space of payments' UUIDs (RFC 9562, version 8). It is random, and must never change.
var paymentSpace = uuid.MustParse("6f2d0f0a-7f3c-4b5a-9d3e-3f9a4a0d6c11")

// begin takes the lease on the order.
func (p *Payments) begin(ctx context.Context, caller, number string) (Order, error) {
	now := clock(p.Now)()
	lease := Lease{ID: uuid.NewString(), Until: now.Add(LeaseTime)}
	order, failure := p.Store.charge(ctx, number, caller, lease, now)
	if failure == nil {
		return order, nil
	}
	ctx, cancel := grace(ctx)
	defer cancel()
	order, found, err := p.Store.get(ctx, number)
	switch {
	case err != nil:
		return Order{}, fromUpstream("read order", err)
	case !found || order.Sub != caller:
		return Order{}, &Error{Kind: ErrNotFound}
	case order.State == Paid:
		p.retireAgain(ctx, order)
		return Order{}, &Error{Kind: ErrPaid}
	case order.State == Charging && order.Lease.ID == lease.ID:
		return order, nil // the lease is ours: only the answer got lost
	case order.State == Charging && order.Lease.Until.After(now), refused(failure):
		// After a refusal there may be no lease any more: it ended between our write and our read.
		return Order{}, &Error{Kind: ErrCharging, RetryAfter: remaining(order.Lease, now)}
	}
	return Order{}, fromUpstream("lease order", failure)
}

// reveal reads the order's card back.
func (p *Payments) reveal(ctx context.Context, order Order) (client.PAN, error) {
	out, err := p.Revealer.Detokenize(ctx, client.DetokenizeInput{
		Token: order.Token, Context: order.binding(), Redaction: client.PlainText, Reason: "payment of an order",
	})
	if err != nil {
		return client.PAN{}, fromTokenizer("detokenize", err)
	}
	card, err := client.ParsePAN(out.Data)
	if err != nil {
		return client.PAN{}, &Error{Kind: ErrVaultDamaged, Cause: "detokenize: not a card number"}
	}
	return card, nil
}

// giveBack ends the lease before its time. If that fails too, the lease runs out by itself.
func (p *Payments) giveBack(ctx context.Context, order Order) {
	ctx, cancel := grace(ctx)
	defer cancel()
	_ = p.Store.release(ctx, order)
}

// finish records that the order is paid. It is attempted even if the request's time is up, because the charge has been
// made.
func (p *Payments) finish(ctx context.Context, order Order) error {
	ctx, cancel := grace(ctx)
	defer cancel()
	failure := p.Store.paid(ctx, order, clock(p.Now)())
	if failure == nil {
		return nil
	}
	there, found, err := p.Store.get(ctx, order.Number)
	if err == nil && found && there.State == Paid {
		return nil // recorded before: by us, while the answer got lost, or by a successor
	}
	return failure
}

// retire ends the token of an order that was paid just now. The payment is a fact, so a failure is logged and nothing
// more: the next request to pay the order tries again.
func (p *Payments) retire(ctx context.Context, order Order) {
	if p.Revoker == nil {
		return
	}
	ctx, cancel := grace(ctx)
	defer cancel()
	if _, err := p.Revoker.Revoke(ctx, client.RevokeInput{
		Token: order.Token, Reason: "the order is paid",
	}); err != nil {
		p.kept("revoke", err)
	}
}

// retireAgain ends the token of an order that was paid before, if that is still live. It asks for the binding first,
// which no read of the card does in this case: whoever may write to the order table could otherwise have any token
// revoked, by an order that says it is paid.
func (p *Payments) retireAgain(ctx context.Context, order Order) {
	if p.Revoker == nil {
		return
	}
	out, err := p.Revoker.Validate(ctx, client.ValidateInput{Token: order.Token, Context: order.binding()})
	switch {
	case err != nil:
		p.kept("validate", err)
	case out.Live:
		p.retire(ctx, order)
	}
}

// kept logs that the token of a paid order may still be live.
func (p *Payments) kept(operation string, err error) {
	p.Log.Warn("the token of a paid order was not revoked", "cause", operation+": "+errorName(err))
}

// unsettled is the error of an order that keeps its lease because its card may have been charged.
func (p *Payments) unsettled(operation string, err error, order Order) error {
	if errors.Is(err, ErrKeyReused) {
		return err // this outcome is known
	}
	e := fromUpstream(operation, err)
	e.RetryAfter = remaining(order.Lease, clock(p.Now)())
	return e
}

// remaining is how long to wait for a lease to run out, at least the one second that Retry-After can express.
func remaining(l Lease, now time.Time) time.Duration {
	return max(l.Until.Sub(now), time.Second)
}
