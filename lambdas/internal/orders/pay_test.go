package orders_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// paymentOfOrder1 follows from account, table and number of the order, so it never changes.
const paymentOfOrder1 = "d6d3abe6-ff7e-88d0-957f-eb6b087ef0cf"

func TestPay_ChargesAndRecords(t *testing.T) {
	w := newWorld(t)
	w.placed()
	before := w.order()
	w.advance(time.Hour)
	want(t, w.postBill(alice, "1"), 200, "")

	after := before
	after["State"], after["PaidAt"] = "PAID", "2026-01-02T04:04:05Z"
	if diff := cmp.Diff(after, withoutLease(w.order())); diff != "" {
		t.Errorf("order row (-want +got):\n%s", diff)
	}
	wantLedger := []map[string]string{{
		"PaymentId": paymentOfOrder1, "CustomerOrder": "1",
		"CreditCardCharged": "************1111", "ChargedAt": "2026-01-02T04:04:05Z",
	}}
	if diff := cmp.Diff(wantLedger, w.rows(ledgerTable)); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	if len(w.charged) != 1 || w.charged[0].Card.Reveal() != canary {
		t.Errorf("charged %v, want the order's card once", w.charged)
	}
}

func TestPay_ChargesOnceForTwentyRequestsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.placed()
	statuses := concurrently(20, func(int) int { return w.postBill(alice, "1").StatusCode })
	if diff := cmp.Diff(map[int]int{200: 1, 409: 19}, statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	w.wantRows(ledgerTable, 1)
	if len(w.charged) != 1 {
		t.Errorf("processor asked %d times, want once", len(w.charged))
	}
}

func TestPay_RefusesAPaidOrder(t *testing.T) {
	w := newWorld(t)
	w.placed()
	want(t, w.postBill(alice, "1"), 200, "")
	want(t, w.postBill(alice, "1"), 409, "order-already-paid")
	w.wantRows(ledgerTable, 1)
}

func TestPay_HidesOthersOrders(t *testing.T) {
	w := newWorld(t)
	w.placed()
	unknown := w.postBill(bob, "2")
	want(t, unknown, 404, "order-not-found")
	for _, state := range []string{"PLACED", "CHARGING", "PAID"} {
		w.fail = nil
		switch state {
		case "CHARGING":
			w.failWith("charge", false, errLost)
			want(t, w.postBill(alice, "1"), 503, "unavailable")
			w.fail = nil
		case "PAID":
			w.advance(orders.LeaseTime)
			want(t, w.postBill(alice, "1"), 200, "")
		}
		if got := w.order()["State"]; got != state {
			t.Fatalf("state %s, want %s", got, state)
		}
		if diff := cmp.Diff(unknown, w.postBill(bob, "1")); diff != "" {
			t.Errorf("%s: an unknown order is answered differently (-unknown +foreign):\n%s", state, diff)
		}
	}
	if len(w.charged) != 2 { // both are alice's
		t.Errorf("processor asked %d times, want 2", len(w.charged))
	}
}

// A row of the original walkthrough has neither subject nor state.
func TestPay_IgnoresRowsWithoutOwner(t *testing.T) {
	w := newWorld(t)
	w.putOrder(map[string]string{"CustomerOrder": "1", "CreditCard": "token"})
	want(t, w.postBill(alice, "1"), 404, "order-not-found")
}

func TestPay_SaysWhenToRepeatDuringACharge(t *testing.T) {
	for _, tt := range []struct {
		passed time.Duration
		want   string
	}{
		{0, "30"},
		{time.Millisecond, "30"},
		{29 * time.Second, "1"},
		{29*time.Second + 999*time.Millisecond, "1"},
	} {
		t.Run(tt.passed.String(), func(t *testing.T) {
			w := newWorld(t)
			w.placed()
			w.failWith("charge", false, errLost)
			r := w.postBill(alice, "1")
			want(t, r, 503, "unavailable")
			if got := r.Headers["Retry-After"]; got != "30" {
				t.Errorf("Retry-After of the unclear charge %q, want 30", got)
			}
			w.advance(tt.passed)
			r = w.postBill(alice, "1")
			want(t, r, 409, "charge-in-progress")
			if got := r.Headers["Retry-After"]; got != tt.want {
				t.Errorf("Retry-After %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPay_RepeatsAnUnclearChargeWithTheSameKey(t *testing.T) {
	for name, charged := range map[string]bool{"charged": true, "not charged": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.placed()
			w.failWith("charge", charged, errLost)
			want(t, w.postBill(alice, "1"), 503, "unavailable")
			w.fail = nil
			w.advance(orders.LeaseTime) // Retry-After said so
			want(t, w.postBill(alice, "1"), 200, "")
			w.wantRows(ledgerTable, 1)
			if len(w.charged) != 2 || !sameCharge(w.charged[0], w.charged[1]) {
				t.Errorf("charges %v, want two that are alike", w.charged)
			}
		})
	}
}

func TestPay_RecognizesItsOwnLease(t *testing.T) {
	w := newWorld(t)
	w.placed()
	w.failWith("lease", true, errLost)
	want(t, w.postBill(alice, "1"), 200, "")
}

func TestPay_ReadsNoCardWithoutTheLease(t *testing.T) {
	w := newWorld(t)
	w.placed()
	w.failWith("lease", false, errLost)
	want(t, w.postBill(alice, "1"), 503, "unavailable")
	if n := w.called("detokenize"); n != 0 {
		t.Errorf("%d cards read without a lease", n)
	}
	w.fail = func(call string, _ bool) error {
		if call == "lease" || call == "read order" {
			return errLost
		}
		return nil
	}
	want(t, w.postBill(alice, "1"), 503, "unavailable")
	w.fail = nil
	want(t, w.postBill(alice, "1"), 200, "")
}

// The lease may have gone from a row by the time that a refused caller reads it.
func TestPay_SaysToRepeatAfterALeaseThatEnded(t *testing.T) {
	w := newWorld(t)
	w.placed()
	w.failWith("charge", false, errLost)
	want(t, w.postBill(alice, "1"), 503, "unavailable")
	w.fail = func(call string, done bool) error {
		if call == "read order" && !done {
			row := w.order()
			row["State"] = "PLACED"
			w.putOrder(row)
		}
		return nil
	}
	r := w.postBill(alice, "1")
	want(t, r, 409, "charge-in-progress")
	if got := r.Headers["Retry-After"]; got != "1" {
		t.Errorf("Retry-After %q, want 1", got)
	}
}

func TestPay_GivesTheLeaseBackWhenTheCardCannotBeRead(t *testing.T) {
	for _, tt := range []struct {
		kind   error
		status int
		code   string
	}{
		{client.ErrUnavailable, 503, "unavailable"},
		{client.ErrDenied, 503, "unavailable"},
		{client.ErrNotFound, 500, "vault-row-missing"},
		{client.ErrIntegrity, 500, "vault-row-damaged"},
	} {
		t.Run(tt.kind.Error(), func(t *testing.T) {
			w := newWorld(t)
			w.placed()
			before := w.order()
			w.failWith("detokenize", false, client.NewError(tt.kind, "", upstreamText))
			want(t, w.postBill(alice, "1"), tt.status, tt.code)
			if diff := cmp.Diff(before, withoutLease(w.order())); diff != "" {
				t.Errorf("order row (-before +after):\n%s", diff)
			}
			w.fail = nil
			want(t, w.postBill(alice, "1"), 200, "")
		})
	}
}

func TestPay_GivesTheLeaseBackWhenTimeIsUp(t *testing.T) {
	w := newWorld(t)
	w.placed()
	ctx, cancel := context.WithCancel(t.Context())
	w.fail = func(call string, done bool) error {
		if call == "detokenize" && !done {
			cancel()
		}
		return nil
	}
	want(t, w.handle(ctx, "paybill", w.pay(), event(alice, billBody("1"))), 503, "unavailable")
	if got := w.order()["State"]; got != "PLACED" {
		t.Errorf("state %s, want PLACED", got)
	}
}

func TestPay_GivesBackOnlyItsOwnLease(t *testing.T) {
	w := newWorld(t)
	w.placed()
	w.fail = func(call string, done bool) error {
		if call == "detokenize" && done { // the invocation was so slow that another has taken over
			row := w.order()
			row["LeaseId"] = "another"
			w.putOrder(row)
			return client.NewError(client.ErrUnavailable, "", upstreamText)
		}
		return nil
	}
	want(t, w.postBill(alice, "1"), 503, "unavailable")
	if row := w.order(); row["State"] != "CHARGING" || row["LeaseId"] != "another" {
		t.Errorf("order row %v, want the other's lease", row)
	}
}

func TestPay_ReportsAVaultRowWithoutACard(t *testing.T) {
	w := newWorld(t)
	w.placed()
	for row := range w.cards {
		w.cards[row] = "4111111111111112"
	}
	want(t, w.postBill(alice, "1"), 500, "vault-row-damaged")
	w.wantRows(ledgerTable, 0)
	if got := w.order()["State"]; got != "PLACED" {
		t.Errorf("state %s, want PLACED", got)
	}
}

func TestPay_SucceedsWhenTheAnswerToRecordingIsLost(t *testing.T) {
	w := newWorld(t)
	w.placed()
	w.failWith("record", true, errLost)
	want(t, w.postBill(alice, "1"), 200, "")
}

func TestPay_RecordsAfterTimeIsUp(t *testing.T) {
	w := newWorld(t)
	w.placed()
	ctx, cancel := context.WithCancel(t.Context())
	w.fail = func(call string, done bool) error {
		if call == "charge" && done {
			cancel()
		}
		return nil
	}
	want(t, w.handle(ctx, "paybill", w.pay(), event(alice, billBody("1"))), 200, "")
}

func TestPay_RecordsAtTheNextAttempt(t *testing.T) {
	w := newWorld(t)
	w.placed()
	w.failWith("record", false, errLost)
	want(t, w.postBill(alice, "1"), 503, "unavailable")
	w.fail = nil
	want(t, w.postBill(alice, "1"), 409, "charge-in-progress")
	w.advance(orders.LeaseTime)
	want(t, w.postBill(alice, "1"), 200, "")
	w.wantRows(ledgerTable, 1)
}

func TestPay_ReportsAPaymentIDThatPaidSomethingElse(t *testing.T) {
	for name, change := range map[string]string{"CreditCardCharged": "************4242", "CustomerOrder": "2"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.placed()
			entry := map[string]string{
				"PaymentId": paymentOfOrder1, "CustomerOrder": "1", "CreditCardCharged": "************1111",
			}
			entry[name] = change
			w.put(ledgerTable, entry)
			r := w.postBill(alice, "1")
			want(t, r, 500, "payment-id-reused")
			if strings.Contains(r.Body, change) {
				t.Errorf("the answer tells what the other payment was: %s", r.Body)
			}
			if got := w.order()["State"]; got != "CHARGING" {
				t.Errorf("state %s, want CHARGING", got)
			}
		})
	}
}

// A compromised order function can write rows of orders, with any token that it has seen. A card is charged only for
// the order and the user that it was given for.
func TestPay_AForeignTokenIsNotCharged(t *testing.T) {
	for name, change := range map[string]func(w *world, row map[string]string){
		"bob's order with alice's token": func(w *world, row map[string]string) {
			row["CustomerOrder"], row["Sub"] = "666", bob
		},
		"alice's order, taken over by bob": func(w *world, row map[string]string) { row["Sub"] = bob },
		"bob's own order, with alice's token": func(w *world, row map[string]string) {
			want(w.t, w.postOrder(bob, "666"), 201, "")
			row["CustomerOrder"], row["Sub"] = "666", bob
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.placed()
			row := w.order()
			change(w, row)
			w.put(orderTable, row)
			want(t, w.postBill(bob, row["CustomerOrder"]), 500, "card-of-another-order")
			w.wantRows(ledgerTable, 0)
			if len(w.charged) != 0 {
				t.Errorf("the processor was asked %d times", len(w.charged))
			}
			w.noLeak()
		})
	}
}

// Whoever may put orders can put a paid one back to PLACED. The payment's key follows from the order, so the processor
// charges once.
func TestPay_AnOrderThatIsPutBackIsChargedOnce(t *testing.T) {
	w := newWorld(t)
	w.placed()
	placed := w.order()
	want(t, w.postBill(alice, "1"), 200, "")
	placed["PaymentId"] = "11111111-2222-4333-8444-555555555555" // which nobody reads
	w.put(orderTable, placed)
	want(t, w.postBill(alice, "1"), 200, "")
	w.wantRows(ledgerTable, 1)
	if a, b := w.charged[0].IdempotencyKey, w.charged[1].IdempotencyKey; len(w.charged) != 2 || a != b ||
		a != paymentOfOrder1 {
		t.Errorf("charged with the keys %s and %s", a, b)
	}
}

func sameCharge(a, b orders.Charge) bool {
	return a.IdempotencyKey == b.IdempotencyKey && a.Card.Equal(b.Card.Secret) && a.Order == b.Order
}

// withoutLease leaves out what means nothing but while an order is being charged.
func withoutLease(row map[string]string) map[string]string {
	delete(row, "LeaseUntil")
	delete(row, "LeaseId")
	return row
}
