package orders_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

func TestPlace_CommitsOrderAndVaultRow(t *testing.T) {
	w := newWorld(t)
	w.placed()
	row := w.order()
	if token := row["CreditCard"]; len(token) != 36 || strings.Count(token, "-") != 4 {
		t.Errorf("CreditCard = %q, want a UUID", token)
	}
	got, context, err := w.open(row["CreditCard"])
	if err != nil || got.Reveal() != canary {
		t.Errorf("the order's token opens to %v, %v", got, err)
	}
	if diff := cmp.Diff(map[string]string{"order": "1", "user": alice}, context); diff != "" {
		t.Errorf("the card is bound to (-want +got):\n%s", diff)
	}
	delete(row, "CreditCard")
	wantRow := map[string]string{
		"CardBrand": "visa", "CardLastFour": "1111",
		"CustomerOrder": "1", "CustomerName": "Amazon Web Services", "Address": "Reinvent2019, Las Vegas, USA",
		"Sub": alice, "State": "PLACED", "CreatedAt": "2026-01-02T03:04:05Z",
	}
	if diff := cmp.Diff(wantRow, row); diff != "" {
		t.Errorf("order row (-want +got):\n%s", diff)
	}
	w.wantRows(vaultTable, 1)
}

func TestPlace_PlacesOneOrderForTwentyRequestsAtOnce(t *testing.T) {
	w := newWorld(t)
	statuses := concurrently(20, func(int) int { return w.postOrder(alice, "1").StatusCode })
	if diff := cmp.Diff(map[int]int{201: 1, 409: 19}, statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	w.wantRows(orderTable, 1)
	w.wantRows(vaultTable, 1)
}

func TestPlace_TellsTheCallersNumberFromAnothers(t *testing.T) {
	w := newWorld(t)
	w.placed()
	want(t, w.postOrder(alice, "1"), 409, "order-already-placed")
	want(t, w.postOrder(bob, "1"), 409, "order-number-taken")
	w.wantRows(vaultTable, 1)
}

func TestPlace_SucceedsWhenTheAnswerIsLost(t *testing.T) {
	w := newWorld(t)
	w.failWith("place", true, errLost)
	want(t, w.postOrder(alice, "1"), 201, "")
	w.wantRows(vaultTable, 1)
}

func TestPlace_SucceedsWhenTheAnswerIsLostAndTimeIsUp(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.fail = func(call string, done bool) error {
		if call == "place" && done {
			cancel()
			return context.Canceled
		}
		return nil
	}
	want(t, w.handle(ctx, "order", w.place(), event(alice, orderBody("1"))), 201, "")
}

// The SDK repeats a transaction whose answer was lost, and an emulator that ignores the request token refuses it.
func TestPlace_SucceedsWhenARepetitionIsRefused(t *testing.T) {
	w := newWorld(t)
	w.failWith("place", true, cancelled("ConditionalCheckFailed", "ConditionalCheckFailed"))
	want(t, w.postOrder(alice, "1"), 201, "")
}

func TestPlace_WritesNothingWhenTheTransactionFails(t *testing.T) {
	for name, err := range map[string]error{
		"transport": errLost,
		"denied":    &smithy.GenericAPIError{Code: "AccessDeniedException", Message: upstreamText + canary},
		"odd code":  &smithy.GenericAPIError{Code: canary, Message: upstreamText},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.failWith("place", false, err)
			want(t, w.postOrder(alice, "1"), 503, "unavailable")
			w.wantRows(orderTable, 0)
			w.wantRows(vaultTable, 0)
			if named := strings.Contains(w.log.String(), "AccessDeniedException"); named != (name == "denied") {
				t.Errorf("log: %s", w.log)
			}
		})
	}
}

func TestPlace_CanBeRepeatedAfterAnUnknownOutcome(t *testing.T) {
	w := newWorld(t)
	w.fail = func(call string, done bool) error {
		if call == "place" && done || call == "read order" {
			return errLost
		}
		return nil
	}
	want(t, w.postOrder(alice, "1"), 503, "unavailable")
	w.fail = nil
	want(t, w.postOrder(alice, "1"), 409, "order-already-placed")
	want(t, w.postBill(alice, "1"), 200, "")
}

func TestPlace_SealsAgainWhenTheTokenIsTaken(t *testing.T) {
	w := newWorld(t)
	tokens := []string{"taken", "taken", "taken", "free"}
	w.nextToken = func() string { next := tokens[0]; tokens = tokens[1:]; return next }
	want(t, w.postOrder(alice, "0"), 201, "")
	want(t, w.postOrder(alice, "1"), 201, "")
	w.wantRows(orderTable, 2)
	w.wantRows(vaultTable, 2)
	if got, _, err := w.open("free"); err != nil || got.Reveal() != canary {
		t.Errorf("the second order's token opens to %v, %v", got, err)
	}
}

func TestPlace_GivesUpWhenEveryTokenIsTaken(t *testing.T) {
	w := newWorld(t)
	w.nextToken = func() string { return "taken" }
	want(t, w.postOrder(alice, "0"), 201, "")
	want(t, w.postOrder(alice, "1"), 503, "unavailable")
	w.wantRows(orderTable, 1)
	if w.seals != 1+3 {
		t.Errorf("%d seals, want 4", w.seals)
	}
}

func TestPlace_RepeatsTheSameTransactionAfterAConflict(t *testing.T) {
	for _, code := range []string{"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"} {
		t.Run(code, func(t *testing.T) {
			w := newWorld(t)
			spy := &transactions{tables: tables{w}}
			w.failOnce("place", false, cancelled(code, "None"))
			do := orders.PlaceOperation(&orders.Orders{
				Store: &orders.Store{DynamoDB: spy, Table: orderTable}, Sealer: layer{w},
			})
			want(t, w.handle(t.Context(), "order", do, event(alice, orderBody("1"))), 201, "")
			if len(spy.tokens) != 2 || spy.tokens[0] != spy.tokens[1] || len(spy.tokens[0]) != 36 || w.seals != 1 {
				t.Errorf("request tokens %q after %d seals, want the same UUID twice after one", spy.tokens, w.seals)
			}
		})
	}
}

func TestPlace_GivesUpWhenConflictsDoNotEnd(t *testing.T) {
	w := newWorld(t)
	w.failWith("place", false, cancelled("None", "TransactionConflict"))
	want(t, w.postOrder(alice, "1"), 503, "unavailable")
	if n := w.called("place"); n != 5 {
		t.Errorf("%d transactions, want 5", n)
	}
}

func TestPlace_StopsRepeatingWhenTimeIsUp(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.fail = func(call string, done bool) error {
		if call == "place" && !done {
			cancel()
			return cancelled("TransactionConflict", "None")
		}
		return nil
	}
	want(t, w.handle(ctx, "order", w.place(), event(alice, orderBody("1"))), 503, "unavailable")
	if n := w.called("place"); n != 1 {
		t.Errorf("%d transactions, want 1", n)
	}
}

func TestPlace_TranslatesErrorsOfTheTokenizer(t *testing.T) {
	for _, tt := range []struct {
		kind   error
		status int
		code   string
	}{
		{client.ErrUnavailable, 503, "unavailable"},
		{client.ErrDenied, 503, "unavailable"},
		{client.ErrNotReady, 503, "unavailable"},
		{client.ErrInvalid, 500, "internal-error"},
	} {
		t.Run(tt.kind.Error(), func(t *testing.T) {
			w := newWorld(t)
			w.failWith("seal", false, client.NewError(tt.kind, "", upstreamText))
			want(t, w.postOrder(alice, "1"), tt.status, tt.code)
			w.wantRows(orderTable, 0)
			if !strings.Contains(w.log.String(), `"cause":"tokenize: `+tt.kind.Error()+`"`) {
				t.Errorf("log: %s", w.log)
			}
		})
	}
}

// transactions notes the request tokens.
type transactions struct {
	tables
	tokens []string
}

func (s *transactions) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput,
	o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	s.tokens = append(s.tokens, *in.ClientRequestToken)
	return s.tables.TransactWriteItems(ctx, in, o...)
}

func cancelled(codes ...string) error {
	err := &types.TransactionCanceledException{Message: new(upstreamText)}
	for _, c := range codes {
		err.CancellationReasons = append(err.CancellationReasons, types.CancellationReason{Code: &c})
	}
	return err
}

// concurrently calls f n times at once and counts what it returns.
func concurrently[T comparable](n int, f func(i int) T) map[T]int {
	var (
		mu    sync.Mutex
		group sync.WaitGroup
		gate  = make(chan struct{})
		count = map[T]int{}
	)
	for i := range n {
		group.Go(func() {
			<-gate
			got := f(i)
			mu.Lock()
			defer mu.Unlock()
			count[got]++
		})
	}
	close(gate)
	group.Wait()
	return count
}
