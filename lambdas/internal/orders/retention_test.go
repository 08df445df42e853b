package orders_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/tokenizertest"
)

// retention is a world with the extension's own vault behind it, and a function that revokes.
type retention struct {
	*world
	tok *tokenizertest.Tokenizer
	// revoker is what paybill has; nil for an installation that keeps tokens.
	revoker orders.Revoker
}

func newRetention(t *testing.T) *retention {
	w, tok := newWorld(t), tokenizertest.Start(t)
	return &retention{w, tok, tok.Client}
}

// vaulted stores the vault's rows in the tokenizer too.
type vaulted struct {
	tables
	tok *tokenizertest.Tokenizer
}

func (v vaulted) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput,
	opts ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if err := v.tok.Commit(in.TransactItems...); err != nil {
		return nil, err
	}
	return v.tables.TransactWriteItems(ctx, in, opts...)
}

func (r *retention) store() *orders.Store {
	return &orders.Store{DynamoDB: vaulted{tables{r.world}, r.tok}, Table: orderTable}
}

// place places alice's order 1 with a token of this life.
func (r *retention) place(life time.Duration) {
	r.t.Helper()
	do := orders.PlaceOperation(&orders.Orders{Store: r.store(), Sealer: r.tok.Client, TokenLife: life, Now: r.clock})
	want(r.t, r.handle(r.t.Context(), "order", do, event(alice, orderBody("1"))), 201, "")
}

// pay pays alice's order 1 and wants this answer.
func (r *retention) pay(status int, code string) {
	r.t.Helper()
	do := orders.PayOperation(&orders.Payments{
		Account: "123456789012", Store: r.store(), Revealer: r.tok.Client, Revoker: r.revoker,
		Processor: witness{r.world, &orders.SimulatedProcessor{
			DynamoDB: tables{r.world}, Table: ledgerTable, Now: r.clock,
		}},
		Log: slog.New(slog.NewJSONHandler(r.log, nil)), Now: r.clock,
	})
	want(r.t, r.handle(r.t.Context(), "paybill", do, event(alice, billBody("1"))), status, code)
}

// read reads the card of alice's order 1 back.
func (r *retention) read() error {
	r.t.Helper()
	_, err := r.tok.Client.Detokenize(r.t.Context(), client.DetokenizeInput{
		Token: r.order()["CreditCard"], Context: map[string]string{"order": "1", "user": alice},
	})
	return err
}

func TestPlace_SealsALifeTimeIntoTheToken(t *testing.T) {
	const life = 30 * 24 * time.Hour
	for _, tt := range []struct {
		name    string
		life    time.Duration
		passes  time.Duration
		status  int
		code    string
		charges int
	}{
		{"before it is over", life, life - time.Minute, 200, "", 1},
		{"after it is over", life, life + time.Minute, 410, "card-expired", 0},
		{"without one", 0, 9 * 365 * 24 * time.Hour, 200, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRetention(t)
			r.place(tt.life)
			r.tok.Advance(tt.passes)
			r.pay(tt.status, tt.code)
			if len(r.charged) != tt.charges {
				t.Errorf("charged %d times, want %d", len(r.charged), tt.charges)
			}
		})
	}
}

func TestPay_RevokesTheTokenOfAPaidOrder(t *testing.T) {
	r := newRetention(t)
	r.place(0)
	r.pay(200, "")
	if err := r.read(); !errors.Is(err, client.ErrRevoked) {
		t.Errorf("the card of the paid order: error %v, want ErrRevoked", err)
	}
	r.pay(409, "order-already-paid")
	r.wantRows(ledgerTable, 1)
}

func TestPay_KeepsTheTokenWithoutARevoker(t *testing.T) {
	r := newRetention(t)
	r.revoker = nil
	r.place(0)
	r.pay(200, "")
	r.pay(409, "order-already-paid")
	if err := r.read(); err != nil {
		t.Errorf("the card of the paid order: %v", err)
	}
}

// unwilling refuses to revoke, or to validate.
type unwilling struct {
	orders.Revoker
	validate error
}

func (u unwilling) Validate(ctx context.Context, in client.ValidateInput) (client.ValidateOutput, error) {
	if u.validate != nil {
		return client.ValidateOutput{}, u.validate
	}
	return u.Revoker.Validate(ctx, in)
}

func (unwilling) Revoke(context.Context, client.RevokeInput) (client.RevokeOutput, error) {
	return client.RevokeOutput{}, client.NewError(client.ErrUnavailable, "", upstreamText)
}

func TestPay_IsPaidThoughTheTokenCannotBeRevoked(t *testing.T) {
	r := newRetention(t)
	r.place(0)
	r.revoker = unwilling{r.tok.Client, nil}
	r.pay(200, "")
	const note = `"msg":"the token of a paid order was not revoked","cause":"revoke: `
	if !strings.Contains(r.log.String(), note) || r.order()["State"] != "PAID" {
		t.Errorf("state %s, and the log lacks %s:\n%s", r.order()["State"], note, r.log)
	}
	r.pay(409, "order-already-paid") // tries again, in vain
	r.revoker = unwilling{r.tok.Client, client.NewError(client.ErrRateLimited, "", upstreamText)}
	r.pay(409, "order-already-paid")
	if err := r.read(); err != nil {
		t.Fatalf("the card can be read still: %v", err)
	}
	r.revoker = r.tok.Client
	r.pay(409, "order-already-paid")
	if err := r.read(); !errors.Is(err, client.ErrRevoked) {
		t.Errorf("after the repetition: error %v, want ErrRevoked", err)
	}
	r.wantRows(ledgerTable, 1)
}

// Whoever may write to the order table makes an order of its own, which says that it is paid, with somebody else's
// token.
func TestPay_DoesNotRevokeTheTokenOfAnotherOrder(t *testing.T) {
	r := newRetention(t)
	r.place(0)
	r.putOrder(map[string]string{
		"CustomerOrder": "2", "Sub": bob, "State": "PAID", "CreditCard": r.order()["CreditCard"],
	})
	do := orders.PayOperation(&orders.Payments{
		Account:  "123456789012",
		Store:    r.store(),
		Revealer: r.tok.Client,
		Revoker:  r.tok.Client,
		Log:      slog.New(slog.NewJSONHandler(r.log, nil)),
		Now:      r.clock,
	})
	want(t, r.handle(t.Context(), "paybill", do, event(bob, billBody("2"))), 409, "order-already-paid")
	if !strings.Contains(r.log.String(), `"cause":"validate: `) {
		t.Errorf("nothing in the log:\n%s", r.log)
	}
	r.pay(200, "")
}
