package measure

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
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
