package orders_test

import (
	"strings"
	"testing"
	"time"
)

// TestMain runs the package's tests in a zone that is two hours ahead of UTC: no answer, row or line of the log may
// show it.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("two hours ahead", 2*60*60)
	m.Run()
}

// Times in rows and answers are in UTC, wherever the process and its clock think they are, and are the right instants.
func TestOrders_TimesAreInUTCWhateverTheZone(t *testing.T) {
	w := newWorld(t)
	w.now = time.Date(2026, 1, 2, 5, 4, 5, 0, time.Local)
	w.placed()
	if got := w.order()["CreatedAt"]; got != "2026-01-02T03:04:05Z" {
		t.Errorf("CreatedAt is %s", got)
	}
	answer := w.postBill(alice, "1")
	if answer.StatusCode != 200 {
		t.Fatalf("%d %s", answer.StatusCode, answer.Body)
	}
	if got := w.order()["PaidAt"]; got != "2026-01-02T03:04:05Z" {
		t.Errorf("PaidAt is %s", got)
	}
	for _, row := range append(w.rows(orderTable), w.rows(ledgerTable)...) {
		for name, value := range row {
			if strings.Contains(value, "+02:00") || strings.HasSuffix(name, "At") && !strings.HasSuffix(value, "Z") {
				t.Errorf("%s is %s", name, value)
			}
		}
	}
	if strings.Contains(answer.Body, "+02:00") {
		t.Errorf("answer %s", answer.Body)
	}
}
