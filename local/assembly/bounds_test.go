package assembly

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeAssembly writes files of an assembly, by their paths.
func writeAssembly(t *testing.T, files map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		b, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Each of forty stacks depends on all before it, as the CDK writes it for a chain. There are more paths through them
// than anybody could follow.
func TestLoadApp_FollowsEachDependencyOnce(t *testing.T) {
	artifacts, files := map[string]any{}, map[string]any{}
	var earlier, names []string
	for i := range 40 {
		name := fmt.Sprintf("S%02d", i)
		artifacts[name] = map[string]any{
			"type": "aws:cloudformation:stack", "dependencies": slices.Clone(earlier),
			"properties": map[string]any{"templateFile": name + ".json"},
		}
		files[name+".json"] = map[string]any{
			"Resources": map[string]any{"P": map[string]any{
				"Type": "AWS::SSM::Parameter", "Properties": map[string]any{"Name": "/" + name, "Value": "v"},
			}},
			"Parameters": map[string]any{"Q": map[string]any{"Type": typeOfSSM, "Default": "/elsewhere"},
				"R": map[string]any{"Type": typeOfSSM, "Default": "/S39"}},
		}
		earlier, names = append(earlier, name), append(names, name)
	}
	files["manifest.json"] = map[string]any{"artifacts": artifacts}
	a, err := LoadApp(writeAssembly(t, files), "S39")
	if err != nil || !slices.Equal(pathsOf(a), names) {
		t.Errorf("%v, got %v", err, a)
	}
}

// writeTemplate writes an app with one stack.
func writeTemplate(t *testing.T, template map[string]any) *Assembly {
	t.Helper()
	if template["Resources"] == nil {
		template["Resources"] = map[string]any{}
	}
	a, err := LoadApp(writeAssembly(t, map[string]any{
		"manifest.json": map[string]any{"artifacts": map[string]any{"S": map[string]any{
			"type": "aws:cloudformation:stack", "properties": map[string]any{"templateFile": "t.json"},
		}}},
		"t.json": template,
	}), "")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestHolds_EvaluatesEachConditionOnce(t *testing.T) {
	conditions := map[string]any{"C0": map[string]any{"Fn::Equals": []any{"a", "a"}}}
	for i := range 60 {
		before := map[string]any{"Condition": fmt.Sprint("C", i)}
		conditions[fmt.Sprint("C", i+1)] = map[string]any{"Fn::And": []any{before, before}}
	}
	a := writeTemplate(t, map[string]any{"Conditions": conditions})
	if holds, err := NewResolver(a, "123456789012", "us-east-1").Holds(a.Stacks[0], "C60"); err != nil || !holds {
		t.Errorf("%v, %v", holds, err)
	}
}

// A template of a few kilobytes could ask for a text that fits in no memory.
func TestResolve_BoundsTheLengthOfATextAndTheWorkForIt(t *testing.T) {
	outputs := map[string]any{}
	nested := any(strings.Repeat(`"`, 1000))
	for range 60 {
		nested = map[string]any{"Fn::ToJsonString": []any{nested}}
	}
	base64 := any(strings.Repeat("a", 1000))
	for range 200 {
		base64 = map[string]any{"Fn::Base64": base64}
	}
	for name, value := range map[string]any{
		"Join": map[string]any{"Fn::Join": []any{strings.Repeat("-", 100_000), make([]string, 1_000)}},
		"Sub": map[string]any{"Fn::Sub": []any{strings.Repeat("${A}", 10_000), map[string]any{
			"A": strings.Repeat("a", 10_000)}}},
		"ToJsonString": nested, "Base64": base64,
	} {
		outputs[name] = map[string]any{"Value": value}
	}
	a := writeTemplate(t, map[string]any{"Outputs": outputs})
	r := NewResolver(a, "123456789012", "us-east-1")
	for name, output := range a.Stacks[0].Template.Outputs {
		text, err := r.String(a.Stacks[0], name, output.Value)
		if err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%s: %v, %d bytes", name, err, len(text))
		}
	}
}

func TestResolve_BoundsWhatOutputsTakeFromEachOther(t *testing.T) {
	files, artifacts := map[string]any{}, map[string]any{}
	for i := range 40 { // each takes what the one before exports, many times
		name := fmt.Sprintf("S%02d", i)
		artifacts[name] = map[string]any{
			"type": "aws:cloudformation:stack", "properties": map[string]any{"templateFile": name + ".json"},
		}
		value := any("")
		if i > 0 {
			before := map[string]any{"Fn::ImportValue": fmt.Sprintf("S%02d", i-1)}
			value = map[string]any{"Fn::Join": []any{"", []any{before, before, before}}}
		}
		files[name+".json"] = map[string]any{"Resources": map[string]any{}, "Outputs": map[string]any{
			"O": map[string]any{"Value": value, "Export": map[string]any{"Name": name}},
		}}
	}
	files["manifest.json"] = map[string]any{"artifacts": artifacts}
	a, err := LoadApp(writeAssembly(t, files), "")
	if err != nil {
		t.Fatal(err)
	}
	last := a.Stacks[39]
	_, err = NewResolver(a, "123456789012", "us-east-1").String(last, "O", last.Template.Outputs["O"].Value)
	if err == nil || !strings.Contains(err.Error(), "outputs") {
		t.Errorf("error = %v", err)
	}
}

// Nobody could evaluate a condition that decides about an output that it depends on.
func TestHolds_RefusesOutputs(t *testing.T) {
	for _, function := range []map[string]any{
		{"Fn::ImportValue": "x"}, {"Fn::GetStackOutput": map[string]any{"StackName": "S", "OutputName": "O"}},
	} {
		a := writeTemplate(t, map[string]any{
			"Conditions": map[string]any{"C": map[string]any{"Fn::Equals": []any{function, ""}}},
			"Outputs": map[string]any{
				"O": map[string]any{"Value": "v", "Condition": "C", "Export": map[string]any{"Name": "x"}},
			},
		})
		_, err := NewResolver(a, "123456789012", "us-east-1").Holds(a.Stacks[0], "C")
		if err == nil || !strings.Contains(err.Error(), "a condition cannot refer to outputs of stacks") {
			t.Errorf("error = %v", err)
		}
	}
}
