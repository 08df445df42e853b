package synth

import (
	"encoding/json"
	"os"
	"testing"
)

// What a local run executes is what the cdk command executes.
func TestGoRun_IsTheAppOfCdkJson(t *testing.T) {
	content, err := os.ReadFile("../../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	var settings struct{ App string }
	if err := json.Unmarshal(content, &settings); err != nil {
		t.Fatal(err)
	}
	if settings.App != goRun {
		t.Errorf("cdk.json's app is %q, and a synthesis runs %q", settings.App, goRun)
	}
}
