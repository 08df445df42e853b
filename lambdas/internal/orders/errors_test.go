package orders_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
)

// kinds are all kinds of error.
var kinds = []*orders.Kind{
	orders.ErrInvalid, orders.ErrNoCaller, orders.ErrNotFound, orders.ErrTaken, orders.ErrPlaced, orders.ErrPaid,
	orders.ErrCharging, orders.ErrTooLarge, orders.ErrMediaType, orders.ErrVaultMissing, orders.ErrCardExpired,
	orders.ErrVaultDamaged, orders.ErrForeignCard, orders.ErrKeyReused, orders.ErrInternal, orders.ErrUnavailable,
}

func TestKind_HasACodeOfItsOwnThatIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, kind := range kinds {
		if seen[kind.Code] || kind.Title == "" || kind.Status < 400 || kind.Status > 599 {
			t.Errorf("kind %+v", kind)
		}
		seen[kind.Code] = true
		if !regexp.MustCompile(fmt.Sprintf(`<a id="%s"></a>`, kind.Code)).Match(page) {
			t.Errorf("%s is not documented", kind.Code)
		}
	}
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(regexp.MustCompile(`= &Kind\{`).FindAll(source, -1)); n != len(kinds) {
		t.Errorf("%d kinds in errors.go, %d in this test", n, len(kinds))
	}
}

func TestError_IsOfItsKind(t *testing.T) {
	err := fmt.Errorf("context: %w", &orders.Error{Kind: orders.ErrPaid, Detail: "detail", Cause: "cause"})
	if !errors.Is(err, orders.ErrPaid) || errors.Is(err, orders.ErrPlaced) {
		t.Errorf("%v is of another kind", err)
	}
	if got, want := err.Error(), "context: order already paid: detail: cause"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What a caller sees of an error: the kind and its advice, unless the error says something better.
func TestGateway_AnswersAProblemDocumentForEachKind(t *testing.T) {
	const base = "https://github.com/lambda-tokenizer/lambda-tokenizer/blob/main/docs/api.md#"
	for _, kind := range kinds {
		for _, e := range []*orders.Error{
			{Kind: kind, Cause: "an operation"},
			{Kind: kind, Detail: "a detail", Field: "CustomerOrder", RetryAfter: 1500 * time.Millisecond},
		} {
			t.Run(kind.Code+" "+e.Detail, func(t *testing.T) {
				w := newWorld(t)
				fail := func(context.Context, string, []byte) (orders.Answer, error) {
					return orders.Answer{}, fmt.Errorf("context: %w", e)
				}
				r := w.handle(t.Context(), "order", fail, event(alice, "{}"))
				wanted := map[string]any{
					"type":   base + kind.Code,
					"title":  kind.Title,
					"status": float64(kind.Status),
					"code":   kind.Code,
				}
				retry := ""
				switch {
				case e.Detail != "":
					wanted["detail"], wanted["field"], retry = e.Detail, e.Field, "2"
				case kind.Advice != "":
					wanted["detail"] = kind.Advice
				}
				var got map[string]any
				if err := json.Unmarshal([]byte(r.Body), &got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(wanted, got); diff != "" || r.StatusCode != kind.Status ||
					r.Headers["Retry-After"] != retry {
					t.Errorf("status %d, headers %v, document (-want +got):\n%s", r.StatusCode, r.Headers, diff)
				}
			})
		}
	}
}
