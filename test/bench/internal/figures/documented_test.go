package figures

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/configuration.md tells the targets and the prices of this list.
func TestConfigurationPage_TellsTheTargetsAndThePrices(t *testing.T) {
	b, err := os.ReadFile("../../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	want := []string{"November 2026"}
	for _, price := range Prices() {
		if price.Date != "November 2026" || !strings.Contains(page, price.Source) {
			t.Errorf("%s: the page tells another date or source", price.What)
		}
		amount, _, _ := strings.Cut(price.Text, " for")
		want = append(want, amount)
	}
	for id, row := range map[string]string{
		"tokenize-p50-1":   "| latency of a tokenize | at most %v times",
		"detokenize-p50-1": "| latency of a detokenize | at most %v times",
		"batch-one-client": "| a batch of 100 tokenizes | at most %v times",
		"start-register":   "| cold start | at most %v times",
		"rss-5000":         "| memory | at most %v MiB",
	} {
		f, ok := ByID(id)
		if !ok || f.Target == nil {
			t.Fatalf("%s has no target", id)
		}
		want = append(want, fmt.Sprintf(row, f.Target.Limit))
	}
	for _, row := range []struct {
		text               string
		kms, writes, reads float64
	}{
		{"| a token | 1 call of KMS and 1 write unit: %.3f USD", 1, 1, 0},
		{"| a detokenize | 1 call of KMS and 2 read units: %.3f USD", 1, 0, 2},
		{"| a detokenize of a token with `max_uses` | 1 call of KMS, 2 read units and 1 write unit: %.3f USD", 1, 1, 2},
	} {
		want = append(want, fmt.Sprintf(row.text, Cost(row.kms, row.writes, row.reads)))
	}
	for _, text := range want {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
}
