package problem_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
)

func TestDocument_KeepsTheErrorAcrossHTTP(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range failure.Kinds() {
		sent := failure.New(kind, "data", "detail %d", 1)
		doc := problem.Of(fmt.Errorf("context: %w", sent))
		if doc.Status < 400 || doc.Title != kind.Error() || !strings.HasSuffix(doc.Type, "#"+doc.Code) ||
			seen[doc.Code] {
			t.Errorf("%v: document %+v", kind, doc)
		}
		seen[doc.Code] = true
		got := doc.Err()
		if !errors.Is(got, kind) {
			t.Errorf("%v came back as %v", kind, got)
		}
		if diff := cmp.Diff(sent.Error(), got.Error()); diff != "" {
			t.Error(diff)
		}
	}
}

// Programs act on these.
func TestKinds_HaveTheirStatus(t *testing.T) {
	statuses := map[*failure.Kind]int{
		failure.Invalid:         400,
		failure.Unauthorized:    401,
		failure.Forwarded:       403,
		failure.Denied:          403,
		failure.BindingMismatch: 403,
		failure.NotFound:        404,
		failure.NoEndpoint:      404,
		failure.KeyReused:       409,
		failure.InFlight:        409,
		failure.Revoked:         410,
		failure.Expired:         410,
		failure.UsedUp:          410,
		failure.TooLarge:        413,
		failure.RateLimited:     429,
		failure.Integrity:       500, failure.Internal: 500, failure.Unavailable: 503, failure.NotReady: 503,
	}
	for _, kind := range failure.Kinds() {
		want, listed := statuses[kind]
		if got := problem.Of(failure.New(kind, "", "")).Status; !listed || got != want {
			t.Errorf("%v: status %d, want %d", kind, got, want)
		}
	}
}

func TestDocument_RoundsRetryAfterUpToSeconds(t *testing.T) {
	for given, want := range map[time.Duration]string{
		0: "", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2",
	} {
		doc := problem.Of(&failure.Error{Kind: failure.InFlight, RetryAfter: given})
		if got := doc.Header().Get("Retry-After"); got != want {
			t.Errorf("%v: Retry-After %q, want %q", given, got, want)
		}
		if has := strings.Contains(string(doc.Body()), `"retry_after":`+want); has != (want != "") {
			t.Errorf("%v: the document says %s", given, doc.Body())
		}
		read, ok := problem.Parse(doc.Body())
		if !ok || read != doc || read.Err().RetryAfter != time.Duration(doc.RetryAfter)*time.Second {
			t.Errorf("%v came back as %+v", given, read)
		}
	}
}

func TestOf_TellsNothingAboutAForeignError(t *testing.T) {
	doc := problem.Of(errors.New("upstream said 4111111111111111"))
	if doc.Status != 500 || strings.Contains(string(doc.Body()), "4111") ||
		strings.Contains(string(doc.Body()), "upstream") {
		t.Errorf("document: %s", doc.Body())
	}
}
