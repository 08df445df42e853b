package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/api"
)

func TestErrorsSurviveHTTP(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []error{
		api.ErrInvalid, api.ErrUnauthorized, api.ErrForwarded, api.ErrTooLarge, api.ErrNotFound, api.ErrDenied,
		api.ErrIntegrity, api.ErrUnavailable, api.ErrNotReady, api.ErrNoEndpoint, api.ErrInternal,
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

func TestAForeignErrorTellsNothing(t *testing.T) {
	doc := api.Problem(errors.New("upstream said 4111111111111111"))
	if doc.Status != 500 || strings.Contains(string(doc.Body()), "4111") || strings.Contains(string(doc.Body()), "upstream") {
		t.Errorf("document: %s", doc.Body())
	}
}
