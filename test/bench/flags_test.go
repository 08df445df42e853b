package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/measure"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
)

func TestParse_SaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"-quick -full", "exclude each other"},
		{"-write -quick", "a whole run"},
		{"-write -only size", "a whole run"},
		{"-write -json x", "where the files go"},
		{"-from " + file, "can only be used with -write"},
		{"-anyway", "can only be used with -write"},
		{"-ext /nowhere", "-ext /nowhere is not an executable file"},
		{"-baseline " + file, "is not an executable file"},
		{"-peer .", "is not an executable file"},
		{"-compare /nowhere", "-compare /nowhere: there is no such file"},
		{"-only speed", "there are size, starts"},
		{"-env x", "NAME=VALUE"},
		{"-unknown", "not defined"},
		{"argument", "there are flags only"},
	} {
		if _, err := parse(strings.Fields(tt.args), io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.args, err)
		}
	}
}

func TestParse_ChoosesWhatIsMeasured(t *testing.T) {
	for args, want := range map[string][]figures.Group{
		"":                                       figures.Groups(figures.Standard),
		"-quick":                                 figures.Groups(figures.Quick),
		"-full":                                  figures.Groups(figures.Full),
		"-only size,units -peer none -env A=B=C": {figures.Size, figures.Units},
	} {
		o, err := parse(strings.Fields(args), io.Discard)
		if err != nil || !slices.Equal(o.groups(), want) {
			t.Errorf("%s: %v %v", args, o.groups(), err)
		}
	}
}

func TestLoadAverage_IsTheFirstNumber(t *testing.T) {
	for line, want := range map[string]float64{"1.25 0.5 0.1 1/99 5": 1.25, "": 0, "x": 0} {
		if got := loadAverage(line); got != want {
			t.Errorf("%q is %v", line, got)
		}
	}
}

func TestFailure_NamesWhatIsWorse(t *testing.T) {
	f, _ := figures.ByID("size")
	if err := failure([]record.Worse{{Figure: f, Was: 10, Is: 20}}, "file"); err == nil ||
		!strings.Contains(err.Error(), "size of the binary: value 20, was 10") {
		t.Error(err)
	}
	if failure(nil, "file") != nil {
		t.Error("nothing is worse")
	}
}

func TestPublish_KeepsTheRunBefore(t *testing.T) {
	root := t.TempDir()
	first := &record.Run{Commit: "first", Extent: "standard"}
	second := &record.Run{Commit: "second", Extent: "standard", Date: first.Date.AddDate(1, 0, 0)}
	for _, r := range []*record.Run{first, second} {
		if err := publish(r, root, false); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(root, "docs", "performance.json")
	if err := rewrite(file, root, false); err != nil { // the same run again
		t.Fatal(err)
	}
	got, err := record.Read(file)
	if err != nil || got.Commit != "second" || got.Previous == nil || got.Previous.Commit != "first" {
		t.Errorf("%+v %v", got, err)
	}
	quick := filepath.Join(root, "quick.json")
	if err := (&record.Run{Extent: "quick"}).Write(quick); err != nil {
		t.Fatal(err)
	}
	if rewrite(quick, root, false) == nil {
		t.Error("a quick run is committed")
	}
}

func TestCollect_KeepsWhatEachGroupGives(t *testing.T) {
	r := &record.Run{}
	for _, failure := range []string{"a", "b"} {
		collect(r, measure.Result{
			Rows: []record.Row{{ID: failure}}, Samples: []record.Sample{{Name: failure}}, Notes: []string{"the same"},
			Failures: []string{failure},
		})
	}
	if len(r.Rows) != 2 || len(r.Samples) != 2 || len(r.Notes) != 1 || !slices.Equal(r.Failures, []string{"a", "b"}) {
		t.Errorf("%+v", r)
	}
}

func TestSave_DoesNotCommitARunInWhichTheTestsFailed(t *testing.T) {
	root, out := t.TempDir(), t.TempDir()
	committed := filepath.Join(root, "docs", "performance.json")
	good := &record.Run{Commit: "good", Extent: "full"}
	failed := &record.Run{Commit: "failed", Extent: "full", Date: good.Date.AddDate(1, 0, 0),
		Failures: []string{"`go test ./...` failed in test/crash (TestKill)"}}
	o := options{write: true, full: true, out: out}
	notes := progress.New(io.Discard)
	if err := save(good, o, root, notes); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(out, "performance.json")
	err := save(failed, o, root, notes)
	if !errors.Is(err, errUnfit) || !strings.Contains(err.Error(), "test/crash (TestKill)") ||
		!strings.Contains(err.Error(), "-anyway -from "+kept) {
		t.Errorf("error = %v", err)
	}
	commitOf := func(file string) string {
		t.Helper()
		r, err := record.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		return r.Commit
	}
	if commitOf(committed) != "good" || commitOf(kept) != "failed" {
		t.Error("the run is committed, or what was measured is lost")
	}
	if err := rewrite(kept, root, false); !errors.Is(err, errUnfit) {
		t.Errorf("from its file, error = %v", err)
	}
	if err := rewrite(kept, root, true); err != nil || commitOf(committed) != "failed" {
		t.Errorf("anyway: %v", err)
	}
	if err := rewrite(committed, root, false); err != nil { // only the page's text changes
		t.Errorf("what is committed cannot be written again: %v", err)
	}
}
