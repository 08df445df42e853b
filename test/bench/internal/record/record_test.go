package record

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

func ratio(id string, value float64) Row {
	return Row{ID: id, Subject: stat.Exact(value), Floor: stat.Exact(1), Ratio: stat.Exact(value)}
}

func TestRun_SurvivesAFile(t *testing.T) {
	run := &Run{
		Date:    time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC),
		Commit:  "abc",
		Extent:  "standard",
		Notes:   []string{"a {note\n [with] }brackets"},
		Subject: "s",
		Machine: Machine{CPU: "c", Cores: 2, Go: "go", System: "linux", Load: 0.5}, Rows: []Row{ratio("size", 2)},
		Samples: []Sample{{"a", []float64{1, 2}}}, Previous: &Run{Commit: "before"},
	}
	file := filepath.Join(t.TempDir(), "below", "run.json")
	if err := run.Write(file); err != nil {
		t.Fatal(err)
	}
	got, err := Read(file)
	if err != nil || !reflect.DeepEqual(run, got) {
		t.Errorf("%+v %v", got, err)
	}
	if b, err := run.Encode(); err != nil ||
		!strings.Contains(string(b), `"subject": { "value": 2, "min": 2, "max": 2, "n": 1 }`) {
		t.Errorf("%s %v", b, err)
	}
	if slim := run.Slim(); slim.Previous != nil || slim.Samples != nil || run.Previous == nil ||
		slim.Row("size") == nil {
		t.Error("Slim")
	}
	if err := os.WriteFile(file, []byte(`{"other": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(file); err == nil {
		t.Error("another file is read as a run")
	}
}

func TestCompare_FailsWhatIsWorseByHalf(t *testing.T) {
	value := func(id string, v float64) Row { return Row{ID: id, Subject: stat.Exact(v)} }
	for name, tt := range map[string]struct {
		was, is Row
		worse   bool
	}{
		"a ratio a little higher":    {ratio("tokenize-p50-8", 1.1), ratio("tokenize-p50-8", 1.5), false},
		"a ratio higher by half":     {ratio("tokenize-p50-8", 1.1), ratio("tokenize-p50-8", 1.8), true},
		"a p99":                      {ratio("tokenize-p99-8", 1), ratio("tokenize-p99-8", 9), false},
		"64 clients":                 {ratio("tokenize-p50-64", 1), ratio("tokenize-p50-64", 9), false},
		"a rate that is better":      {ratio("rate-tokenize", 0.2), ratio("rate-tokenize", 0.9), false},
		"a rate lower by half":       {ratio("rate-tokenize", 0.2), ratio("rate-tokenize", 0.1), true},
		"a count of none":            {value("kms-wait", 0), value("kms-wait", 0), false},
		"a count near none":          {value("kms-wait", 0), value("kms-wait", 0.04), false},
		"a count that was none":      {value("kms-wait", 0), value("kms-wait", 0.2), true},
		"an absolute time":           {value("seal", 1), value("seal", 100), false},
		"a row of the first run":     {value("size", 1), ratio("invoke-warm-go", 9), false},
		"a first invocation":         {ratio("invoke-cold-go", 2), ratio("invoke-cold-go", 4), true},
		"a row that is not measured": {value("size", 1), value("kms-wait", 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			worse := Compare(&Run{Rows: []Row{tt.is}}, &Run{Rows: []Row{tt.was}})
			if (len(worse) > 0) != tt.worse {
				t.Error(worse)
			}
		})
	}
}

func TestBetter_GoesByWhatIsCompared(t *testing.T) {
	if Better(ratio("tokenize-p50-8", 2), ratio("tokenize-p50-8", 1)).Ratio.Value != 1 {
		t.Error("the lower ratio is better")
	}
	if Better(ratio("rate-tokenize", 2), ratio("rate-tokenize", 1)).Ratio.Value != 2 {
		t.Error("the higher rate is better")
	}
}
