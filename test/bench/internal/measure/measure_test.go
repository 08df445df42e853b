package measure

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/upstream"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

func TestGroups_AreAllMeasured(t *testing.T) {
	listed := map[figures.Group]bool{}
	for _, g := range figures.Groups(figures.Full) {
		listed[g] = true
		if groups[g] == nil {
			t.Errorf("nothing measures %s", g)
		}
	}
	if len(listed) != len(groups) {
		t.Error("a measurement is never taken")
	}
}

func TestCard_HasAValidCheckDigit(t *testing.T) {
	seen := map[string]bool{}
	for n := range 200 {
		c := card(n)
		if _, err := client.ParsePAN(client.NewSecret(c)); err != nil || len(c) != 16 || seen[c] {
			t.Fatalf("%d: %s %v", n, c, err)
		}
		seen[c] = true
	}
}

func TestBenchmarks_AreReadFromTheirOutput(t *testing.T) {
	got := benchmarks(
		[]byte(
			"goos: linux\nBenchmarkSeal-2   \t  100\t  12500 ns/op\nBenchmarkSeal-2   \t  100\t  13500.5 ns/op\t 8 B/op\nBenchmarkOpen \t 10\t 1000 ns/op\nPASS\n"))
	if len(got["Seal"]) != 2 || got["Seal"][0] != 12.5 || got["Open"][0] != 1 {
		t.Error(got)
	}
}

func TestTurns_DivideNeighbours(t *testing.T) {
	row := turns{subject: []float64{2, 8, 3}, floor: []float64{1, 2, 1}}.row("size")
	if row.Ratio.Value != 3 || row.Ratio.Max != 4 || row.Subject.Value != 3 || row.Baseline != nil ||
		row.BaselineRatio != nil {
		t.Errorf("%+v", row)
	}
}

func TestTokenOf_ReadsAnAnswer(t *testing.T) {
	if got, err := tokenOf([]byte(`{"token":"abc","expires_at":"x"}`), nil); got != "abc" || err != nil {
		t.Error(got, err)
	}
	for _, bad := range []string{`{}`, `{"token":"`, `{"token":""}`} {
		if _, err := tokenOf([]byte(bad), nil); err == nil {
			t.Errorf("%s has a token", bad)
		}
	}
}

func TestDecodeItem_GivesTheSDKsTypes(t *testing.T) {
	got, err := decodeItem([]byte(`{"a":{"S":"x"},"b":{"N":"3"},"c":{"B":"AAE="}}`))
	if err != nil || len(got["c"].(*types.AttributeValueMemberB).Value) != 2 ||
		got["b"].(*types.AttributeValueMemberN).Value != "3" {
		t.Error(got, err)
	}
	for _, bad := range []string{`[`, `{"a":{"BOOL":true}}`, `{"a":{"B":"?"}}`} {
		if _, err := decodeItem([]byte(bad)); err == nil {
			t.Errorf("%s is an item", bad)
		}
	}
}

func TestWhere_NamesTestsAndPackagesOnly(t *testing.T) {
	const pkg = "github.com/lambda-tokenizer/lambda-tokenizer/"
	for name, tt := range map[string]struct{ output, want string }{
		"nothing failed": {"ok  \t" + pkg + "local\t1s\n", ""},
		"no go test":     {"Error: no app.go\nFAIL\n", ""},
		"tests": {"ok  \t" + pkg + "local\t1s\n--- FAIL: TestA (0.00s)\n    a_test.go:1: card 4111111111111111\n" +
			"    --- FAIL: TestA/4111111111111111 (0.00s)\n--- FAIL: TestB (0.00s)\nFAIL\nFAIL\t" + pkg + "test/crash\t2s\n" +
			"--- FAIL: TestC (0.00s)\nFAIL\t" + pkg + "test/endtoend\t2s\nFAIL\n",
			" in test/crash (TestA, TestB), test/endtoend (TestC)"},
		"a package that does not compile": {"# " + pkg + "local\nlocal/x.go:1: secret\nFAIL\t" + pkg +
			"local [build failed]\nFAIL\n", " in local"},
		"many": {strings.Repeat("FAIL\tp\t1s\n", 12), " in p, p, p, p, p, p, p, p, p, p, and 2 more"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := where([]byte(tt.output)); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestTimed_TellsWhatHasNoTime(t *testing.T) {
	needed.Program(t, "go")
	for name, tt := range map[string]struct {
		command        []string
		rows           int
		note, failures []string
	}{
		"a program that works": {[]string{"go", "version"}, 1, nil, nil},
		"a program that fails": {[]string{"go", "no-such-command"}, 0, nil, []string{"`go test ./...` failed"}},
		"a program that is absent": {[]string{"no-such-program"}, 0,
			[]string{"go test ./... is not measured: no-such-program is not on the PATH"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(Config{Root: t.TempDir()})
			err := l.timed(t.Context(), "tests", tt.command[0], tt.command[1:]...)
			if err != nil || len(l.rows) != tt.rows || !slices.Equal(l.notes, tt.note) ||
				!slices.Equal(l.failures, tt.failures) {
				t.Errorf("%v, %d rows, notes %q, failures %q", err, len(l.rows), l.notes, l.failures)
			}
		})
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := New(Config{Root: t.TempDir()}).timed(ended, "tests", "go", "version"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// A machine without Python and Node measures the function in Go.
func TestInvocations_NameTheRuntimesThatAreAbsent(t *testing.T) {
	needed.Program(t, "go")
	root, err := process.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := New(Config{
		Root: root, Subject: filepath.Join(dir, "extension"), Bare: filepath.Join(dir, "bare"), Extent: figures.Quick,
	})
	for output, pkg := range map[string]string{l.Subject: "./tokenizerlayer/extension", l.Bare: "./test/bench/bare"} {
		if err := process.Build(t.Context(), root, pkg, output, ""); err != nil {
			t.Fatal(err)
		}
	}
	if l.services, err = upstream.Listen(); err != nil {
		t.Fatal(err)
	}
	defer l.services.Close()
	onlyGo(t)
	if err := l.invocationTurns(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if len(l.rows) != 2 || l.rows[0].ID != "invoke-cold-go" || l.rows[1].ID != "invoke-warm-go" {
		t.Errorf("%+v", l.rows)
	}
	for _, row := range l.rows {
		if row.Subject == nil || row.Ratio == nil || row.Ratio.N != 1 {
			t.Errorf("%+v", row)
		}
	}
	if len(l.notes) != 2 || !strings.Contains(l.notes[0], "in Python are absent") ||
		!strings.Contains(l.notes[1], "node is not on the PATH: install") {
		t.Errorf("%q", l.notes)
	}
}

// onlyGo leaves nothing on the PATH but the go command.
func onlyGo(t *testing.T) {
	t.Helper()
	program, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(program, filepath.Join(dir, "go")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

// Every runtime that is installed has a floor: a program that ends by itself, and without an error.
func TestEmptyStart_StartsAnEmptyProgram(t *testing.T) {
	needed.Program(t, "go")
	needed.Program(t, "python3")
	needed.Program(t, "node")
	root, err := process.Root()
	if err != nil {
		t.Fatal(err)
	}
	l := New(Config{Root: root, Bare: filepath.Join(t.TempDir(), "bare")})
	if err := process.Build(t.Context(), root, "./test/bench/bare", l.Bare, ""); err != nil {
		t.Fatal(err)
	}
	if l.services, err = upstream.Listen(); err != nil {
		t.Fatal(err)
	}
	defer l.services.Close()
	list := l.installed(t.Context(), t.TempDir())
	if len(list) != len(figures.Runtimes) {
		t.Fatalf("%d runtimes, notes %q", len(list), l.notes)
	}
	for _, r := range list {
		if taken, err := l.emptyStart(t.Context(), r); err != nil || taken <= 0 {
			t.Errorf("%s: %v %v", r.Name, taken, err)
		}
	}
}
