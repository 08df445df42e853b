package problem_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
)

// A document that is answered comes back whole, its texts beyond ASCII and the time to wait included.
func TestDocument_IsReadBackFromAnAnswer(t *testing.T) {
	for name, e := range map[string]*failure.Error{
		"all":       {Kind: failure.InFlight, Field: "data", Detail: "naïve – 値", RetryAfter: 12 * time.Second},
		"kind only": {Kind: failure.Revoked},
	} {
		t.Run(name, func(t *testing.T) {
			sent := problem.Of(e)
			w := httptest.NewRecorder()
			sent.Write(w)
			if w.Code != e.Kind.Status || w.Header().Get("Content-Type") != "application/problem+json" ||
				w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("status %d, headers %v", w.Code, w.Header())
			}
			got, ok := problem.Parse(w.Body.Bytes())
			if diff := cmp.Diff(sent, got); !ok || diff != "" {
				t.Errorf("found %v (-want +got):\n%s", ok, diff)
			}
			if diff := cmp.Diff(e.Error(), got.Err().Error()); diff != "" || got.Err().RetryAfter != e.RetryAfter {
				t.Errorf("came back as %v after %v\n%s", got.Err(), got.Err().RetryAfter, diff)
			}
		})
	}
}

func TestParse_TellsWhatIsNoDocument(t *testing.T) {
	for body, want := range map[string]bool{
		`{"code":"internal-error"}`:              true,
		`{"code":"x","retry_after":3}`:           true,
		`{"code":""}`:                            false,
		`{"title":"x"}`:                          false,
		`{}`:                                     false,
		``:                                       false,
		`<html>`:                                 false,
		`{"code":"internal-error"`:               false,
		`{"code":"internal-error","status":"5"}`: false, // decoded in part
		`{"code":"x","retry_after":"3"}`:         false,
	} {
		d, ok := problem.Parse([]byte(body))
		if ok != want || !want && d != (problem.Document{}) {
			t.Errorf("%s: %v, %+v", body, ok, d)
		}
		if wait := d.Err().RetryAfter; ok && wait != 3*time.Second*time.Duration(strings.Count(body, "retry_after")) {
			t.Errorf("%s: to be tried again after %v", body, wait)
		}
	}
}

// The header is in whole seconds and never earlier than asked, from the shortest time on.
func TestHeader_CountsSecondsInDecimal(t *testing.T) {
	for given, want := range map[time.Duration]string{
		-time.Second: "", time.Nanosecond: "1", time.Second + time.Nanosecond: "2", 10 * time.Second: "10",
		59*time.Minute + 59*time.Second: "3599",
	} {
		doc := problem.Of(&failure.Error{Kind: failure.RateLimited, RetryAfter: given})
		if got := doc.Header().Get("Retry-After"); got != want {
			t.Errorf("%v: Retry-After %q, want %q", given, got, want)
		}
	}
}
