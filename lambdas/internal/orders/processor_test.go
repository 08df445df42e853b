package orders_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// The simulated processor keeps the contract of orders.Processor.

func TestSimulatedProcessor_ChargesOncePerKey(t *testing.T) {
	w := newWorld(t)
	p := &orders.SimulatedProcessor{DynamoDB: tables{w}, Table: ledgerTable, Now: w.clock}
	charge := orders.Charge{IdempotencyKey: "key", Card: number(t, canary), Order: "1"}
	first, err := p.Charge(t.Context(), charge)
	if err != nil {
		t.Fatal(err)
	}
	wanted := orders.Receipt{PaymentID: "key", Order: "1", Mask: "************1111", ChargedAt: w.clock()}
	if diff := cmp.Diff(wanted, first); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	w.advance(time.Hour)
	receipts := concurrently(20, func(int) orders.Receipt {
		r, err := p.Charge(t.Context(), charge)
		if err != nil {
			t.Error(err)
		}
		return r
	})
	if diff := cmp.Diff(map[orders.Receipt]int{first: 20}, receipts); diff != "" {
		t.Errorf("receipts of repeated charges (-want +got):\n%s", diff)
	}
	w.wantRows(ledgerTable, 1)
}

func TestSimulatedProcessor_RefusesAReusedKey(t *testing.T) {
	w := newWorld(t)
	p := &orders.SimulatedProcessor{DynamoDB: tables{w}, Table: ledgerTable}
	charge := orders.Charge{IdempotencyKey: "key", Card: number(t, canary), Order: "1"}
	if _, err := p.Charge(t.Context(), charge); err != nil {
		t.Fatal(err)
	}
	otherCard, otherOrder := charge, charge
	otherCard.Card, otherOrder.Order = number(t, "5555555555554444"), "2"
	for name, c := range map[string]orders.Charge{"card": otherCard, "order": otherOrder} {
		if _, err := p.Charge(t.Context(), c); !errors.Is(err, orders.ErrKeyReused) {
			t.Errorf("another %s: %v, want %v", name, err, orders.ErrKeyReused)
		}
	}
	w.wantRows(ledgerTable, 1)
}

func TestSimulatedProcessor_ReturnsErrorsOfTheLedger(t *testing.T) {
	w := newWorld(t)
	p := &orders.SimulatedProcessor{DynamoDB: tables{w}, Table: ledgerTable}
	charge := orders.Charge{IdempotencyKey: "key", Card: number(t, canary), Order: "1"}
	w.failWith("charge", true, errLost)
	if _, err := p.Charge(t.Context(), charge); !errors.Is(err, errLost) {
		t.Errorf("put failed: %v", err)
	}
	w.failWith("read ledger", false, errLost)
	if _, err := p.Charge(t.Context(), charge); !errors.Is(err, errLost) {
		t.Errorf("get failed: %v", err)
	}
	w.fail = nil
	if r, err := p.Charge(t.Context(), charge); err != nil || r.Order != "1" {
		t.Errorf("repeated: %v, %v", r, err)
	}
}

func number(t *testing.T, digits string) client.PAN {
	t.Helper()
	n, err := client.ParsePAN(client.NewSecret(digits))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
