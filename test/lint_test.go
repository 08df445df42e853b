package test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
)

func TestTemplates_CDKValidationFindsNothing(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		if len(assembly.validation) > 0 {
			t.Errorf("the CDK's own validation says: %v", assembly.validation)
		}
	})
}

func TestTemplates_LintFindsOnlyWhatTheCDKGenerates(t *testing.T) {
	needed.Program(t, "cfn-lint")
	for _, name := range []string{"prod", "everything"} {
		dir := t.TempDir()
		if _, err := synthesize(dir, configurations[name], nil); err != nil {
			t.Fatal(err)
		}
		templates, err := filepath.Glob(filepath.Join(dir, "*.template.json"))
		if err != nil || len(templates) != 3 {
			t.Fatalf("templates %v (%v)", templates, err)
		}
		// It ends with a status that says how bad the worst finding is.
		output, _ := exec.Command("cfn-lint", append([]string{"--format", "json"}, templates...)...).Output()
		var findings []struct {
			Message  string
			Rule     struct{ ID string }
			Location struct{ Path []any }
		}
		if err := json.Unmarshal(output, &findings); err != nil {
			t.Fatalf("cfn-lint's answer: %v\n%s", err, output)
		}
		for _, finding := range findings {
			// The CDK makes functions wait for their role, which they refer to anyway.
			if path := finding.Location.Path; finding.Rule.ID != "W3005" || len(path) < 3 || path[2] != "DependsOn" {
				t.Errorf("%s: %s at %v: %s", name, finding.Rule.ID, path, finding.Message)
			}
		}
	}
}
