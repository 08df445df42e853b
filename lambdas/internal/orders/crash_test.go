package orders_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
)

// errKilled is what a killed function panics with. The gateway adapter, which recovers, is left out: a dead process
// cleans nothing up.
var errKilled = errors.New("killed")

// killedAt runs an operation that dies at its n-th upstream call, before it is sent or after it was carried out. It
// reports false if the operation has fewer calls.
func (w *world) killedAt(n int, after bool, do orders.Operation, body string) (died bool) {
	calls := 0
	w.fail = func(_ string, done bool) error {
		if !done {
			calls++
		}
		if calls == n && done == after {
			panic(errKilled)
		}
		return nil
	}
	defer func() {
		w.fail = nil
		if p := recover(); p != nil {
			if p != errKilled {
				panic(p)
			}
			died = true
		}
	}()
	if _, err := do(w.t.Context(), alice, []byte(body)); err != nil {
		w.t.Errorf("undisturbed: %v", err)
	}
	return false
}

func TestKilledAtEveryUpstreamCall(t *testing.T) {
	points := 0
	for _, operation := range []string{"order", "paybill"} {
		for _, after := range []bool{false, true} {
			for n := 1; ; n++ {
				w := newWorld(t)
				number := strconv.Itoa(n)
				died := false
				if operation == "order" {
					died = w.killedAt(n, after, w.place(), orderBody(number))
				} else {
					want(t, w.postOrder(alice, number), 201, "")
					died = w.killedAt(n, after, w.pay(), billBody(number))
				}
				if !died {
					break
				}
				points++
				w.consistent()
				w.callerFinishes(number)
				w.consistent()
				w.wantRows(orderTable, 1)
				w.wantRows(ledgerTable, 1)
			}
		}
	}
	if wantPoints := 2 * (2 + 4); points != wantPoints { // seal, place; lease, detokenize, charge, record
		t.Errorf("%d kill points, want %d", points, wantPoints)
	}
	t.Logf("%d kill points, each retried to the end: 1 order, 1 charge, 0 orphans", points)
}

// callerFinishes does what a caller does who got no answer: place the order, wait as told, pay it.
func (w *world) callerFinishes(number string) {
	w.t.Helper()
	if r := w.postOrder(alice, number); r.StatusCode != 201 {
		want(w.t, r, 409, "order-already-placed")
	}
	for range 2 {
		r := w.postBill(alice, number)
		if r.StatusCode == 200 {
			return
		}
		if retryAfter, err := strconv.Atoi(r.Headers["Retry-After"]); err == nil {
			want(w.t, r, 409, "charge-in-progress")
			w.advance(time.Duration(retryAfter) * time.Second)
			continue
		}
		want(w.t, r, 409, "order-already-paid")
		return
	}
	w.t.Errorf("order %s cannot be paid", number)
}

// consistent checks what must hold at every moment.
func (w *world) consistent() {
	w.t.Helper()
	referred := map[string]bool{}
	for _, row := range w.rows(orderTable) {
		referred[row["CreditCard"]] = true
		if got, err := w.open(row["CreditCard"]); err != nil || got.Reveal() != canary {
			w.t.Errorf("order %s has no readable token", row["CustomerOrder"])
		}
	}
	for _, row := range w.rows(vaultTable) {
		if !referred[row["Hash_Key"]] {
			w.t.Error("a vault row that no order refers to")
		}
	}
	if n := len(w.rows(ledgerTable)); n > 1 {
		w.t.Errorf("%d charges", n)
	}
	for _, c := range w.charged {
		if c.Card.Reveal() != canary {
			w.t.Error("another card was charged")
		}
	}
}
