package orders_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
)

// kinds are all kinds of error.
var kinds = []*orders.Kind{
	orders.ErrInvalid, orders.ErrNoCaller, orders.ErrNotFound, orders.ErrTaken, orders.ErrPlaced, orders.ErrPaid, orders.ErrCharging,
	orders.ErrTooLarge, orders.ErrMediaType, orders.ErrVaultMissing, orders.ErrVaultDamaged, orders.ErrForeignCard, orders.ErrKeyReused, orders.ErrInternal,
	orders.ErrUnavailable,
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
