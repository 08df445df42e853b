package record

import (
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

func TestTable_HasWhatWasMeasured(t *testing.T) {
	run := &Run{Baseline: "old", Rows: []Row{
		ratio("tokenize-p50-8", 1.2), {ID: "rate-tokenize", Subject: stat.Of(4000, 5123.4)},
	}}
	var out strings.Builder
	if err := run.Table(&out); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{
		"tokenize, median, 8 clients", "≤ 1.15 x", "missed", "4,562", "4,000…5,123", "≥ 4,000 1/s", "met", "before",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "revoke") || strings.Contains(got, "peer") {
		t.Error("the table has what was not measured")
	}
}

func TestThousands_GroupsDigits(t *testing.T) {
	for in, want := range map[string]string{
		"1":         "1",
		"999":       "999",
		"1000":      "1,000",
		"-1000.25":  "-1,000.25",
		"1234567.1": "1,234,567.1",
		"-100":      "-100",
	} {
		if got := thousands(in); got != want {
			t.Errorf("%s becomes %s", in, got)
		}
	}
}

func TestVerdict_NeedsWhatTheTargetIsAbout(t *testing.T) {
	f, _ := figures.ByID("tokenize-p50-8")
	if Verdict(f, nil) != "" || Verdict(f, &Row{Subject: stat.Exact(1)}) != "" {
		t.Error("a verdict without a ratio")
	}
}
