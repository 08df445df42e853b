package audit

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain runs the package's tests in a zone that is two hours ahead of UTC: no answer, row or line of the log may
// show it.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("two hours ahead", 2*60*60)
	m.Run()
}

func TestEvent_LineHasEveryMember(t *testing.T) {
	now := time.Date(2026, 1, 2, 5, 4, 5, 678_900_000, time.FixedZone("", 2*60*60))
	all := Event{
		Operation: "detokenize", Outcome: "token-expired", Detail: "its \"time\" is over", RequestID: "r-1", Ref: "ref",
		Type: "card", Purpose: "refund",
		Redaction: "MASKED", Lookup: "idempotency", Reason: "Straße €, 😀", Duration: 1234567 * time.Nanosecond,
	}
	want :=
		`{"time":"2026-01-02T03:04:05.6789Z","level":"WARN","msg":"tokenizer","operation":"detokenize","outcome":"token-expired",` +
			`"detail":"its \"time\" is over","actor":"f","account":"123456789012","request_id":"r-1","ref":"ref","type":"card","purpose":"refund",` +
			`"redaction":"MASKED","lookup":"idempotency","reason":"Straße €, 😀","duration_ms":1.234}` + "\n"
	if got := string(all.line(now, "f", "123456789012")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	least :=
		`{"time":"2026-01-02T03:04:05.6789Z","level":"INFO","msg":"tokenizer","operation":"revoke","outcome":"ok","duration_ms":2000}` + "\n"
	if got := string(
		Event{Operation: "revoke", Outcome: "ok", Duration: 2 * time.Second}.line(now, "", "")); got != least {
		t.Errorf("got  %s\nwant %s", got, least)
	}
	for position, want := range map[int]string{0: `"outcome":"ok","item":0,"duration_ms":0}`,
		12: `"outcome":"ok","item":12,"duration_ms":0}`} {
		if got := string(Event{Outcome: "ok", Item: &position}.line(now, "", "")); !strings.Contains(got, want) {
			t.Errorf("item %d of a batch: %s", position, got)
		}
	}
	finding := string(Event{Outcome: "token-revoked", Finding: "revoked-row-returned"}.line(now, "", ""))
	if !strings.Contains(finding, `"level":"ERROR"`) || !strings.Contains(finding, `"finding":"revoked-row-returned"`) {
		t.Errorf("a finding is no error: %s", finding)
	}
}

// The race detector sees what the two would do to each other.
func TestLog_RecordsWhileTheAccountIsSet(t *testing.T) {
	var out bytes.Buffer // a line at a time: the log sees to that
	l := New(&out, slog.LevelInfo, "f")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				if err := l.Record(Event{Operation: "tokenize", Outcome: "ok"}); err != nil {
					t.Error(err)
				}
				l.Notice(t.Context(), slog.LevelInfo, "notice")
			}
		})
		wg.Go(func() {
			for range 25 {
				l.SetAccount("123456789012")
			}
		})
	}
	wg.Wait()
	if err := l.Record(Event{Operation: "last", Outcome: "ok"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line that is no JSON: %s", line)
		}
	}
	if len(lines) != 4*25*2+1 || !strings.Contains(lines[len(lines)-1], `"account":"123456789012"`) {
		t.Errorf("%d lines, the last %s", len(lines), lines[len(lines)-1])
	}
}

func TestLog_TimesAreInUTCWhateverTheZone(t *testing.T) {
	var out bytes.Buffer
	l := New(&out, slog.LevelInfo, "f")
	before := time.Now().Truncate(time.Millisecond)
	if err := l.Record(Event{Outcome: "ok"}); err != nil {
		t.Fatal(err)
	}
	l.Notice(t.Context(), slog.LevelWarn, "notice")
	for line := range strings.Lines(out.String()) {
		var e struct{ Time string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339Nano, e.Time)
		if err != nil || !strings.HasSuffix(e.Time, "Z") || at.Before(before) || at.After(time.Now()) {
			t.Errorf("%v, in %s", err, line)
		}
	}
}

func TestLog_NoticesFromTheLevelOn(t *testing.T) {
	var out bytes.Buffer
	l := New(&out, slog.LevelWarn, "f")
	l.Notice(t.Context(), slog.LevelInfo, "below")
	l.Notice(t.Context(), slog.LevelWarn, "at", slog.Int("n", 7))
	l.Notice(t.Context(), slog.LevelError, "above")
	got := out.String()
	if strings.Contains(got, "below") || !strings.Contains(got, `"msg":"at","n":7}`) ||
		!strings.Contains(got, `"msg":"above"`) || strings.Contains(got, "source") {
		t.Errorf("notices:\n%s", got)
	}
}

// A writer that takes nothing keeps a caller for writeLimit. That and the vault's 4 s are less than the clients' 5 s.
func TestLog_WritesWithinHalfASecond(t *testing.T) {
	if l := New(io.Discard, slog.LevelInfo, "f"); l.lines.limit != 500*time.Millisecond {
		t.Errorf("limit %v", l.lines.limit)
	}
}
