package orders

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
)

// How often Place tries again.
const (
	maxSeals   = 3 // a random token is taken: once would be a sensation
	maxCommits = 5 // transactions on one order number cancel each other
)

// firstPause is the longest pause after a first conflict; each further one may be twice as long.
const firstPause = 40 * time.Millisecond

// errTokenTaken: the vault has a row of this token. Nothing was written.
var errTokenTaken = errors.New("token taken")

// Orders takes orders. It is safe for concurrent use.
type Orders struct {
	Store  *Store
	Sealer Sealer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Place validates a request, seals its card and commits the order together with its vault row, or neither. caller is
// the Cognito subject.
//
// IAM: the layer's Tokenize grant; dynamodb:PutItem and GetItem on the order table.
// Errors: ErrInvalid, ErrNoCaller, ErrTaken, ErrPlaced, ErrUnavailable. After ErrUnavailable the order may have been
// placed; repeating the request then says ErrPlaced.
func (p *Orders) Place(ctx context.Context, caller string, r PlaceRequest) (Order, error) {
	if caller == "" {
		return Order{}, &Error{Kind: ErrNoCaller}
	}
	number, err := r.validate()
	if err != nil {
		return Order{}, err
	}
	order := Order{
		Number: r.CustomerOrder, CustomerName: r.CustomerName, Address: r.Address,
		Sub: caller, State: Placed, PaymentID: uuid.NewString(), CreatedAt: clock(p.Now)(),
	}
	for range maxSeals {
		sealed, err := p.Sealer.Seal(ctx, number.String)
		if err != nil {
			return Order{}, fromLayer("tokenize", err)
		}
		order.Token = sealed.Token
		if err := p.commit(ctx, order, sealed.Put); !errors.Is(err, errTokenTaken) {
			return order, err
		}
	}
	return Order{}, &Error{Kind: ErrUnavailable, Cause: "every token is taken"}
}

// commit writes both rows and finds out what happened if the store does not say. It repeats the very same transaction
// after a conflict: should an earlier one have been carried out unheard, the request token makes it the same one.
func (p *Orders) commit(ctx context.Context, order Order, vaultRow types.TransactWriteItem) error {
	requestToken := uuid.NewString()
	for attempt := range maxCommits {
		failure := p.Store.place(ctx, order, vaultRow, requestToken)
		if failure == nil {
			return nil
		}
		found, err := p.lookUp(ctx, order)
		switch {
		case found || err != nil:
			return err
		case tokenTaken(failure):
			return errTokenTaken
		case !conflicting(failure):
			return unavailable("place", failure)
		}
		if err := pause(ctx, attempt); err != nil {
			return unavailable("place", err)
		}
	}
	return &Error{Kind: ErrUnavailable, Cause: "place: conflicts do not end"}
}

// lookUp reads the row of order's number after a failure. A row with our token is our success, whatever the store said:
// its answer got lost, or the SDK repeated a transaction that had been carried out. The token is random, so nobody else
// can have written it.
func (p *Orders) lookUp(ctx context.Context, order Order) (found bool, err error) {
	ctx, cancel := grace(ctx)
	defer cancel()
	there, found, err := p.Store.get(ctx, order.Number)
	switch {
	case err != nil:
		return false, unavailable("read order", err)
	case !found:
		return false, nil
	case there.Token == order.Token:
		return true, nil
	case there.Sub == order.Sub:
		return true, &Error{Kind: ErrPlaced}
	}
	return true, &Error{Kind: ErrTaken}
}

// pause waits a random while, the longer the more attempts there were, so that rivals do not meet again.
func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(rand.N(firstPause << attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func clock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}
