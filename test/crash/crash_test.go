// Package crash_test holds the functions to their promise: a crash at any moment loses nothing and
// charges nothing twice.
//
// It runs the synthesized system, with real processes, the real extension and the real SDK. A fault ends a process with
// SIGKILL, or loses a call or its answer. A caller then does what a person does: the same again, and later if the
// answer says so.
package crash_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// request is something that a caller wants in a situation.
type request struct {
	name    string
	prepare func(*system, *testing.T, *order) // the situation; nil: a new order
	ask     func(*system, *testing.T, *order)
	calls   int // that it makes undisturbed, so that the test cannot shrink unnoticed
	waits   int // how often, at least, a function dies with a lease, for which the caller must wait
	sampled int // the same of the sample
}

// figures are what the test did.
type figures struct{ killed, lost, retries, waits, orders, charges, orphans int }

// Every call of every request gets a fault in any case. With all tests it gets each victim at each moment; otherwise,
// both victims at one moment, which is another for the next call, and the connection is lost at one moment.
func TestSystem_SurvivesAFaultAtEveryCall(t *testing.T) {
	app := synthesize(t)
	began := time.Now()
	var sum figures
	kinds := map[[2]string]bool{} // victims and moments
	position := 0
	for _, r := range []request{
		{"order", nil, (*system).place, 2, 0, 0},
		{"order again", (*system).place, (*system).place, 3, 0, 0},
		{"pay", (*system).place, (*system).pay, 6, 12, 4},
		{"pay what is charged but not recorded", (*system).chargedUnrecorded, (*system).pay, 7, 15, 5},
	} {
		t.Run(r.name, func(t *testing.T) { // on a system of its own, because looking at full tables takes long
			s := newSystem(t, app)
			for _, call := range slices.Sorted(slices.Values(s.undisturbed(t, r))) { // some are made side by side
				kills, losses := faults(call)
				if !fulltests.Enabled() {
					kills, losses = sample(position, kills, losses)
				}
				position++
				for _, f := range slices.Concat(kills, losses) {
					kinds[[2]string{f.ends, string(f.when)}] = true
					t.Run(fmt.Sprintf("%s ends %s %s", f.ends, f.when, call), func(t *testing.T) {
						s.disturbed(t, r, f)
					})
				}
				sum.killed += len(kills)
				sum.lost += len(losses)
			}
			sum.charges += s.finally(t)
			waits := r.waits
			if !fulltests.Enabled() {
				waits = r.sampled
			}
			if s.waits < waits {
				t.Errorf("%d leases were waited for, want %d at least", s.waits, waits)
			}
			sum.retries += s.retries
			sum.waits += s.waits
			sum.orders += len(s.orders)
			sum.orphans += len(s.orphans)
		})
	}
	killed, lost := 108, 20 // 18 calls, 2 victims, 3 moments; 10 calls of functions, lost before and after
	if !fulltests.Enabled() {
		killed, lost = 36, 10
	}
	if sum.killed != killed || sum.lost != lost || len(kinds) != 8 {
		t.Errorf("%d kill points and %d lost calls of %d kinds, want %d and %d of 8", sum.killed, sum.lost, len(kinds),
			killed, lost)
	}
	t.Logf("kill points %d, lost calls %d, retries %d (%d after a lease), orders %d, charges %d, orphans %d, in %v",
		sum.killed, sum.lost, sum.retries, sum.waits, sum.orders, sum.charges, sum.orphans,
		time.Since(began).Round(time.Second))
}

// faults are all that can happen at a call: kills[i] and kills[i+3] are those of the two victims at one moment.
func faults(call string) (kills, losses []fault) {
	kills = []fault{
		{function, call, before}, {function, call, carriedOut}, {function, call, answered},
		{extension, call, before}, {extension, call, carriedOut}, {extension, call, answered},
	}
	if strings.HasPrefix(call, function) { // the extension's calls change nothing
		losses = []fault{{connection, call, before}, {connection, call, carriedOut}}
	}
	return kills, losses
}

// sample takes those of one moment, by the position of the call in the test.
func sample(position int, kills, losses []fault) (someKills, someLosses []fault) {
	moment := position % 3
	someKills = []fault{kills[moment], kills[moment+3]}
	if len(losses) > 0 {
		someLosses = []fault{losses[position%2]}
	}
	return someKills, someLosses
}

// undisturbed finds out which calls a request makes.
func (s *system) undisturbed(t *testing.T, r request) []string {
	t.Helper()
	o := s.prepared(t, r)
	s.plan(nil)
	r.ask(s, t, o)
	calls, _ := s.made()
	if len(calls) != r.calls {
		t.Fatalf("%d calls, want %d: %q", len(calls), r.calls, calls)
	}
	s.pay(t, o)
	return calls
}

// disturbed makes a request into a fault, and lets the caller finish.
func (s *system) disturbed(t *testing.T, r request, f fault) {
	o := s.prepared(t, r)
	s.plan(&f)
	r.ask(s, t, o)
	if made, happened := s.made(); !happened {
		t.Errorf("the fault did not happen: %q", made)
	}
	s.plan(nil)
	s.place(t, o)
	s.pay(t, o)
}

func (s *system) prepared(t *testing.T, r request) *order {
	t.Helper()
	o := s.newOrder()
	if r.prepare != nil {
		r.prepare(s, t, o)
	}
	return o
}

// chargedUnrecorded leaves o as it is after a function has died between charging and recording, and its lease has run
// out.
func (s *system) chargedUnrecorded(t *testing.T, o *order) {
	t.Helper()
	s.place(t, o)
	s.plan(&fault{function, strings.Join([]string{function, "dynamodb", "PutItem", ledgerTable}, " "), carriedOut})
	if got := s.postBill(t, o); got.status != http.StatusBadGateway {
		t.Fatalf("%d %s, want no answer", got.status, got.code)
	}
	if charges := s.charges(o.number); len(charges) != 1 || !charges[0].entered {
		t.Fatalf("not charged: %v", charges)
	}
	s.plan(nil)
	got := s.postBill(t, o)
	if got.code != "charge-in-progress" || got.retryAfter == 0 {
		t.Fatalf("%d %s, want to be told how long the lease lasts", got.status, got.code)
	}
	s.advance(t, got.retryAfter)
}

// consistent checks what must hold at every moment, of the vault as a whole and of o.
func (s *system) consistent(t *testing.T, o *order) (charges int) {
	t.Helper()
	s.still.Lock()
	defer s.still.Unlock()
	referred, paid := map[string]bool{}, false
	for _, row := range s.rows(t, orderTable) {
		referred[kit.Text(row["CreditCard"])] = true
		if kit.Text(row["CustomerOrder"]) == o.number {
			s.readable(t, o, kit.Text(row["CreditCard"]), kit.Text(row["Sub"]))
			paid = kit.Text(row["State"]) == "PAID"
		}
	}
	for _, row := range s.rows(t, vaultTable) {
		if token := kit.Text(row["Hash_Key"]); !referred[token] && !s.orphans[token] {
			t.Errorf("%s: a vault row that no order refers to", o.number)
			s.orphans[token] = true
		}
	}
	entries := 0
	for _, row := range s.rows(t, ledgerTable) {
		if kit.Text(row["CustomerOrder"]) != o.number {
			continue
		}
		if entries++; kit.Text(row["CreditCardCharged"]) != o.mask() {
			t.Errorf("%s: another card is charged", o.number)
		}
	}
	charges = s.onePayment(t, o, entries)
	if paid && charges == 0 {
		t.Errorf("%s: recorded as paid, but not charged", o.number)
	}
	return charges
}

// readable checks that a token opens to the order's own card.
func (s *system) readable(t *testing.T, o *order, token, user string) {
	t.Helper()
	out, err := s.tokenizer.Detokenize(t.Context(), client.DetokenizeInput{
		Token: token, Context: map[string]string{"order": o.number, "user": user}, Redaction: client.PlainText,
	})
	if err != nil {
		t.Errorf("%s: no readable token: %v", o.number, err)
	} else if out.Data.Reveal() != o.card {
		t.Errorf("%s: the token of another card", o.number)
	}
}

// onePayment checks the attempts to charge an order: at most one is entered, and all are the same payment with the same
// card.
func (s *system) onePayment(t *testing.T, o *order, entries int) (entered int) {
	t.Helper()
	attempts := s.charges(o.number)
	for _, c := range attempts {
		if c.entered {
			entered++
		}
		if c.paymentID != attempts[0].paymentID || c.mask != o.mask() {
			t.Errorf("%s: an attempt to charge another payment or another card", o.number)
		}
	}
	if entered > 1 || entries != entered {
		t.Errorf("%s: charged %d times, with %d entries in the ledger", o.number, entered, entries)
	}
	return entered
}

// finally checks that every order is paid, counts the charges, and looks for the cards in everything that came out.
func (s *system) finally(t *testing.T) (charges int) {
	t.Helper()
	for _, o := range s.orders {
		charges += s.consistent(t, o)
	}
	stored := s.stored(t)
	s.noCard(t, map[string]string{"log": s.log.String(), "tables": stored, "answers": s.answers.String()})
	s.logIsComplete(t)
	return charges
}

// stored is the content of all tables as text. Each order has a row in each table, and is paid.
func (s *system) stored(t *testing.T) string {
	t.Helper()
	logged, content := s.log.String(), &strings.Builder{}
	for _, table := range []string{orderTable, vaultTable, ledgerTable} {
		rows := s.rows(t, table)
		if len(rows) != len(s.orders) {
			t.Errorf("%s has %d rows for %d orders", table, len(rows), len(s.orders))
		}
		for _, row := range rows {
			if table == orderTable && kit.Text(row["State"]) != "PAID" {
				t.Errorf("%s is not paid", kit.Text(row["CustomerOrder"]))
			}
			if token := kit.Text(row["Hash_Key"]); token != "" && strings.Contains(logged, token) {
				t.Error("a token was logged")
			}
			for name, v := range row {
				value := kit.Text(v)
				if b, ok := v.(*types.AttributeValueMemberB); ok {
					value = string(b.Value)
				}
				fmt.Fprintln(content, name, value)
			}
		}
	}
	return content.String()
}

// noCard looks for every order's card, however it is written.
func (s *system) noCard(t *testing.T, places map[string]string) {
	t.Helper()
	for place, content := range places {
		for _, o := range s.orders {
			for _, card := range o.written() {
				if strings.Contains(content, card) {
					t.Errorf("the card of %s is in the %s", o.number, place)
				}
			}
		}
	}
}

// logIsComplete checks that the log is the functions', extensions' and API's: otherwise nothing found in it would prove
// nothing.
func (s *system) logIsComplete(t *testing.T) {
	t.Helper()
	logged := s.log.String()
	for _, line := range []string{
		"POST /order 201", "POST /paybill 200", `"operation":"paybill"`, `"operation":"detokenize"`,
		"signal: killed",
	} {
		if !strings.Contains(logged, line) {
			t.Errorf("the log lacks %s", line)
		}
	}
	if strings.Contains(logged, "DATA RACE") {
		t.Errorf("a function has a data race:\n%s", logged)
	}
}
