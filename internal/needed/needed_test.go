package needed_test

import (
	"cmp"
	"path/filepath"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
)

// tester is a test that is under test.
type tester struct {
	testing.TB
	outcome string
}

func (t *tester) Helper() {}

func (t *tester) Skipf(string, ...any) { t.outcome = cmp.Or(t.outcome, "skipped") }

func (t *tester) Fatalf(string, ...any) { t.outcome = cmp.Or(t.outcome, "failed") }

func TestNeeded_SkipsOrFailsInCI(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there")
	for name, tt := range map[string]struct {
		need func(t testing.TB)
		want bool
	}{
		"a program":         {func(t testing.TB) { needed.Program(t, "no-such-program") }, true},
		"a program that is": {func(t testing.TB) { needed.Program(t, "go") }, false},
		"a file":            {func(t testing.TB) { needed.NPMFile(t, there) }, true},
	} {
		for ci, outcome := range map[string]string{"": "skipped", "true": "failed"} {
			t.Run(name+" CI="+ci, func(t *testing.T) {
				t.Setenv("CI", ci)
				tb := &tester{TB: t}
				tt.need(tb)
				if want := map[bool]string{true: outcome}[tt.want]; tb.outcome != want {
					t.Errorf("%q, want %q", tb.outcome, want)
				}
			})
		}
	}
}
