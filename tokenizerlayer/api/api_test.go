package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/api"
)

func TestErrorsSurviveHTTP(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []error{
		api.ErrInvalid, api.ErrUnauthorized, api.ErrForwarded, api.ErrTooLarge, api.ErrNotFound, api.ErrDenied,
		api.ErrIntegrity, api.ErrUnavailable, api.ErrNotReady, api.ErrNoEndpoint, api.ErrInternal,
		api.ErrExpired, api.ErrUsedUp, api.ErrKeyReused, api.ErrInFlight, api.ErrRateLimited,
	} {
		sent := api.Errorf(kind, "data", "detail %d", 1)
		doc := api.Problem(fmt.Errorf("context: %w", sent))
		if doc.Status < 400 || doc.Title != kind.Error() || !strings.HasSuffix(doc.Type, "#"+doc.Code) || seen[doc.Code] {
			t.Errorf("%v: document %+v", kind, doc)
		}
		seen[doc.Code] = true
		got := api.FromProblem(doc)
		if !errors.Is(got, kind) {
			t.Errorf("%v came back as %v", kind, got)
		}
		if diff := cmp.Diff(sent.Error(), got.Error()); diff != "" {
			t.Error(diff)
		}
	}
}

// Programs act on these.
func TestEveryKindHasItsStatus(t *testing.T) {
	for kind, want := range map[error]int{
		api.ErrInvalid: 400, api.ErrUnauthorized: 401, api.ErrForwarded: 403, api.ErrDenied: 403, api.ErrNotFound: 404, api.ErrNoEndpoint: 404,
		api.ErrKeyReused: 409, api.ErrInFlight: 409, api.ErrExpired: 410, api.ErrUsedUp: 410, api.ErrTooLarge: 413, api.ErrRateLimited: 429,
		api.ErrIntegrity: 500, api.ErrInternal: 500, api.ErrUnavailable: 503, api.ErrNotReady: 503,
	} {
		if got := api.Problem(api.Errorf(kind, "", "")).Status; got != want {
			t.Errorf("%v: status %d, want %d", kind, got, want)
		}
	}
}

func TestWhenToTryAgainIsRoundedUpToSeconds(t *testing.T) {
	for given, want := range map[time.Duration]string{0: "", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2"} {
		doc := api.Problem(&api.Error{Kind: api.ErrInFlight, RetryAfter: given})
		if got := doc.Header().Get("Retry-After"); got != want {
			t.Errorf("%v: Retry-After %q, want %q", given, got, want)
		}
	}
}

func TestAForeignErrorTellsNothing(t *testing.T) {
	doc := api.Problem(errors.New("upstream said 4111111111111111"))
	if doc.Status != 500 || strings.Contains(string(doc.Body()), "4111") || strings.Contains(string(doc.Body()), "upstream") {
		t.Errorf("document: %s", doc.Body())
	}
}
