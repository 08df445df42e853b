package fulltests_test

import (
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
)

func TestOnly_SkipsUnlessAllTestsAreAskedFor(t *testing.T) {
	for value, run := range map[string]bool{"full": true, "": false, "short": false} {
		t.Run(value, func(t *testing.T) {
			t.Setenv(fulltests.Variable, value)
			var skipped bool
			t.Run("test", func(t *testing.T) {
				defer func() { skipped = t.Skipped() }()
				fulltests.Only(t, "a minute")
			})
			if skipped == run {
				t.Errorf("%s=%q: skipped %t, want %t", fulltests.Variable, value, skipped, !run)
			}
		})
	}
}
