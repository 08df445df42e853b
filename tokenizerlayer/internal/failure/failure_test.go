package failure_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

func TestKindOf_FindsEveryKindByItsCode(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range failure.Kinds() {
		if got := failure.KindOf(kind.Code); got != kind {
			t.Errorf("%s is the code of %v", kind.Code, got)
		}
		if kind.Code == "" || kind.Title == "" || seen[kind.Code] {
			t.Errorf("%+v has no code of its own, or no title", kind)
		}
		seen[kind.Code] = true
	}
	for _, code := range []string{"", "no-such-code", "Invalid-Request"} {
		if got := failure.KindOf(code); got != failure.Internal {
			t.Errorf("%q is the code of %v", code, got)
		}
	}
}

func TestKinds_IsTheCallersOwn(t *testing.T) {
	clear(failure.Kinds())
	if failure.Kinds()[0] == nil {
		t.Error("a caller changes the kinds of others")
	}
}

// The text has the kind, the field and what to do, as far as there are any.
func TestError_TellsWhatItHas(t *testing.T) {
	for want, e := range map[string]*failure.Error{
		"token revoked":                        failure.New(failure.Revoked, "", ""),
		"invalid request: data":                failure.New(failure.Invalid, "data", ""),
		"permission denied: kms:Decrypt":       failure.New(failure.Denied, "", "kms:%s", "Decrypt"),
		"invalid request: ttl: must be 1 to 9": failure.New(failure.Invalid, "ttl", "must be %d to %d", 1, 9),
	} {
		if e.Error() != want {
			t.Errorf("got %q, want %q", e.Error(), want)
		}
		if wrapped := fmt.Errorf("context: %w", e); !errors.Is(wrapped, e.Kind) ||
			errors.Is(wrapped, failure.Internal) {
			t.Errorf("%q is of another kind than %v", want, e.Kind)
		}
	}
}
