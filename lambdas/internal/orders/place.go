package orders

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// How often Place tries again.
const (
	maxSeals   = 3 // in case a random token is taken, which practically never happens once
	maxCommits = 5 // transactions on one order number cancel each other
)

// errTokenTaken: the vault has a row of this token. Nothing was written.
var errTokenTaken = errors.New("token taken")

// Orders takes orders. It is safe for concurrent use.
type Orders struct {
	Store  *Store
	Sealer Sealer
	// TokenLife is how long a card is kept. The order cannot be paid afterwards. 0 means that it does not end.
	TokenLife time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Place validates a request, seals its card, and commits the order together with the vault's row, or neither. The
// caller is the Cognito subject.
//
// IAM: the layer's Tokenize grant; dynamodb:PutItem and GetItem on the order table.
// Errors: ErrInvalid, ErrNoCaller, ErrTaken, ErrPlaced, ErrInternal, ErrUnavailable. After ErrUnavailable the order may
// have been placed; repeating the request then returns ErrPlaced.
func (p *Orders) Place(ctx context.Context, caller string, r PlaceRequest) (Order, error) {
	if caller == "" {
		return Order{}, &Error{Kind: ErrNoCaller}
	}
	card, err := r.validate()
	if err != nil {
		return Order{}, err
	}
	order := Order{
		Number: r.CustomerOrder, CustomerName: r.CustomerName, Address: r.Address,
		Sub: caller, State: Placed, CreatedAt: clock(p.Now)(),
	}
	for range maxSeals {
		sealed, err := p.Sealer.Seal(ctx, client.SealInput{
			Data: card.Secret, TTL: p.TokenLife, Context: order.binding(),
		})
		if err != nil {
			return Order{}, fromTokenizer("tokenize", err)
		}
		order.Token, order.CardBrand, order.CardLastFour = sealed.Token, sealed.Card.Brand, sealed.Card.LastFour
		if err := p.commit(ctx, order, sealed.Put); !errors.Is(err, errTokenTaken) {
			return order, err
		}
	}
	return Order{}, &Error{Kind: ErrUnavailable, Cause: "every token is taken"}
}

// commit writes both rows, and finds out what happened if the store does not say. After a conflict it repeats the very
// same transaction: if an earlier attempt was carried out although its answer got lost, the request token makes the
// repetition the same one.
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
			return fromUpstream("place", failure)
		}
		if err := pause(ctx, attempt); err != nil {
			return fromUpstream("place", err)
		}
	}
	return &Error{Kind: ErrUnavailable, Cause: "place: conflicts do not end"}
}

// lookUp reads the row of the order's number after a failure. If the row has our token, the order is placed, whatever
// the store said: its answer got lost, or the SDK repeated a transaction that had been carried out. The token is
// random, so nobody else can have written it.
func (p *Orders) lookUp(ctx context.Context, order Order) (found bool, err error) {
	ctx, cancel := grace(ctx)
	defer cancel()
	there, found, err := p.Store.get(ctx, order.Number)
	switch {
	case err != nil:
		return false, fromUpstream("read order", err)
	case !found:
		return false, nil
	case there.Token == order.Token:
		return true, nil
	case there.Sub == order.Sub:
		return true, &Error{Kind: ErrPlaced}
	}
	return true, &Error{Kind: ErrTaken}
}
