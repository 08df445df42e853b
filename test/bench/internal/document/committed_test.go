package document

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
)

// What is committed is what the committed run gives.
func TestCommittedDocument_IsThatOfTheCommittedRun(t *testing.T) {
	root, err := process.Root()
	if err != nil {
		t.Fatal(err)
	}
	docs := filepath.Join(root, "docs")
	run, err := record.Read(filepath.Join(docs, "performance.json"))
	if errors.Is(err, os.ErrNotExist) {
		t.Fatal("there is no committed run: go run ./test/bench -write")
	}
	if err != nil {
		t.Fatal(err)
	}
	const advice = "go run ./test/bench -write -from docs/performance.json"
	compare := func(file string, want []byte) {
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v: %s", err, advice)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is stale: %s\n%s", file, advice, diff)
		}
	}
	compare(filepath.Join(docs, Name), Markdown(run, "images"))
	for name, svg := range Plots(run) {
		compare(filepath.Join(docs, "images", name), svg)
	}
}
