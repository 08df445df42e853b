package document

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

// whole is a run that has every figure.
func whole() *record.Run {
	r := &record.Run{
		Date:    time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC),
		Commit:  "abc",
		Subject: "the extension of this tree",
		Notes:   []string{"the peer is absent."},

		Failures: []string{"the tests failed in test/crash"},
		Machine:  record.Machine{Cores: 2, Load: 3},
		Samples:  []record.Sample{{Name: "start this", Values: []float64{1, 2}}},
	}
	for i, f := range figures.All() {
		row := record.Row{ID: f.ID, Subject: stat.Of(float64(i+1), float64(i+2), float64(i+3))}
		if f.Floor != "" {
			row.Floor, row.Ratio = stat.Exact(2), stat.Of(0.5, 1, 2)
		}
		r.Rows = append(r.Rows, row)
	}
	r.Previous = &record.Run{Commit: "before", Rows: r.Rows}
	return r
}

func TestMarkdown_HasEveryFigureThatWasMeasured(t *testing.T) {
	got := string(Markdown(whole(), "images"))
	for _, f := range figures.All() {
		if !strings.Contains(got, "| "+f.Name+" |") {
			t.Errorf("no row of %s", f.ID)
		}
		if !strings.Contains(got, f.Limits) {
			t.Errorf("nothing says what limits %s", f.ID)
		}
	}
	for _, want := range []string{
		"abc", "run before", "the peer is absent", "machine was busy", "vendor: ", "*own*",
		"**Failed**: the tests failed in test/crash while",
		"(images/performance-cpu.svg)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if !bytes.Equal([]byte(got), Markdown(whole(), "images")) {
		t.Error("the same run gives another document")
	}
}

func TestMarkdown_LeavesOutWhatWasNotMeasured(t *testing.T) {
	r := &record.Run{Rows: []record.Row{{ID: "size", Subject: stat.Exact(1)}}}
	got := string(Markdown(r, ""))
	for _, absent := range []string{"## Latency", "ratio", "run before", "performance-latency", "HashiCorp's |"} {
		if strings.Contains(strings.ReplaceAll(got, "a ratio", ""), "| "+absent) ||
			strings.Contains(got, absent+".svg") {
			t.Errorf("has %q", absent)
		}
	}
	if len(Plots(r)) != 0 {
		t.Error("plots of nothing")
	}
}

func TestPlots_AreMadeOfAWholeRun(t *testing.T) {
	if got := Plots(whole()); len(got) != len(plots) {
		t.Errorf("%d plots", len(got))
	}
}
