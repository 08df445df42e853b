package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// withoutBundling synthesizes the template without compiling the layer: its digest is a stand-in.
func withoutBundling(t *testing.T, v values) installation {
	t.Helper()
	dir := t.TempDir()
	var file struct{ Context map[string]any }
	if err := json.Unmarshal([]byte(kit.Read(t, "../../cdk.json")), &file); err != nil {
		t.Fatal(err)
	}
	file.Context["aws:cdk:bundling-stacks"] = []string{}
	content, err := json.Marshal(object{"context": file.Context})
	if err != nil {
		t.Fatal(err)
	}
	kit.Write(t, filepath.Join(dir, "cdk.json"), string(content))
	// the module of the layer, which is found from there
	kit.Write(t, filepath.Join(dir, "go.mod"), "module x\n")
	made, err := synthesize(t.TempDir(), dir, v)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// With values for its parameters, the template is what the constructs make of these values.
func TestTemplate_IsWhatTheConstructsMake(t *testing.T) {
	template := withoutBundling(t, parameters).parametrized()
	if err := checkParametrized(template); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]values{
		"defaults": {rolePath: "/tokenizer/", reader: "card-reader"},
		"others":   {prefix: "acme-", rolePath: "/acme/cards/", reader: "Pay_1"},
	} {
		t.Run(name, func(t *testing.T) {
			want := withoutBundling(t, v).template
			got := filled(template, map[string]string{
				"Prefix": v.prefix, "RolePath": v.rolePath, "ReaderFunctionName": v.reader,
			}).(object)
			declared := got["Parameters"].(object)
			delete(got, "Parameters")
			if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
				t.Errorf("template (-constructs +parameters filled in):\n%s", diff)
			}
			if name == "defaults" {
				defaults := [3]any{}
				for i, name := range []string{"Prefix", "RolePath", "ReaderFunctionName"} {
					defaults[i] = declared[name].(object)["Default"]
				}
				if want := [3]any{v.prefix, v.rolePath, v.reader}; defaults != want {
					t.Errorf("defaults are %v, want %v", defaults, want)
				}
			}
		})
	}
}

// filled is a value of a template with values for the parameters in every Fn::Sub.
func filled(v any, parameters map[string]string) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = filled(v[i], parameters)
		}
		return list
	case object:
		if text, ok := v["Fn::Sub"].(string); ok {
			for name, value := range parameters {
				text = strings.ReplaceAll(text, "${"+name+"}", value)
			}
			return strings.ReplaceAll(text, "${!", "${")
		}
		out := object{}
		for name, member := range v {
			out[name] = filled(member, parameters)
		}
		return out
	}
	return v
}

// sorted is a template with lists of actions and resources in one order: the CDK sorts statements' members by their
// text, which the stand-ins change.
func sorted(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = sorted(v[i])
		}
		text := func(v any) string { b, _ := json.Marshal(v); return string(b) }
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(text(a), text(b)) })
		return list
	case object:
		out := object{}
		for name, member := range v {
			if _, literal := v["Fn::Join"]; literal {
				return v
			}
			out[name] = sorted(member)
		}
		return out
	}
	return v
}

// The template has no asset, and whoever deploys it needs no bucket for it.
func TestTemplate_DeploysByItself(t *testing.T) {
	template := withoutBundling(t, parameters).parametrized()
	name := filepath.Join(t.TempDir(), templateFile)
	if err := writeJSON(name, template); err != nil {
		t.Fatal(err)
	}
	text := kit.Read(t, name)
	const largest = 51_200 // of a template in a request to CloudFormation
	if len(text) > largest {
		t.Errorf("the template has %d bytes, want %d at most", len(text), largest)
	}
	for _, of := range []string{"cdk-hnb659fds", "BootstrapVersion", "aws:cdk", "aws:asset"} {
		if strings.Contains(text, of) {
			t.Errorf("the template has %s", of)
		}
	}
	needed.Program(t, "cfn-lint")
	if output, err := exec.CommandContext(t.Context(), "cfn-lint", name).CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, output)
	}
}

// The patterns of the parameters are Java's. For what they use, Python's are the same, and Go's lack something.
func TestTemplate_RefusesValuesThatCannotBeDeployed(t *testing.T) {
	needed.Program(t, "python3")
	declared := withoutBundling(t, parameters).parametrized()["Parameters"].(object)
	var cases [][2]string
	var want []string
	for name, values := range map[string]struct{ good, bad []string }{
		"Prefix": {
			[]string{"", "acme-", "a-aws-", "1"},
			[]string{"aws-", "ssm", "Acme-", "a/", "abcdefghijklmnopqrstu", "*"},
		},
		"RolePath": {
			[]string{"/tokenizer/", "/acme/cards/"}, []string{"", "/", "acme/", "/acme", "/a*/", "/a//"},
		},
		"ReaderFunctionName": {[]string{"card-reader", "Pay_1"}, []string{"", "a:b", "a b", "*"}},
		"LayerBucket":        {[]string{"acme.layers-1"}, []string{"", "s3://acme", "Acme"}},
		"LayerKeyArm64":      {[]string{"0123/tokenizer-layer-arm64.zip"}, []string{""}},
	} {
		pattern := declared[name].(object)["AllowedPattern"].(string)
		for fits, list := range map[string][]string{"True": values.good, "False": values.bad} {
			for _, value := range list {
				cases = append(cases, [2]string{pattern, value})
				want = append(want, fits)
			}
		}
	}
	list, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	const script = "import json, re, sys\nfor c in json.loads(sys.argv[1]): print(bool(re.fullmatch(*c)))"
	got := strings.Fields(kit.Run(t, ".", "python3", "-c", script, string(list)))
	if len(got) != len(want) {
		t.Fatalf("%d answers for %d values", len(got), len(want))
	}
	for i, fits := range want {
		if got[i] != fits {
			t.Errorf("%q fits %s: %s, want %s", cases[i][1], cases[i][0], got[i], fits)
		}
	}
}

// Each file has the actions of one access, on what the names in capitals stand for.
func TestPolicies_HaveTheActionsOfTheGrants(t *testing.T) {
	dir := t.TempDir()
	if err := writePolicies(t.TempDir(), dir); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text := kit.Read(t, filepath.Join(dir, entry.Name()))
		if strings.Contains(text, standInAccount) || strings.Contains(text, standInRegion) {
			t.Errorf("%s has a stand-in", entry.Name())
		}
		var policy struct {
			Statement []struct{ Action, Resource any }
		}
		if err := json.Unmarshal([]byte(text), &policy); err != nil {
			t.Fatal(err)
		}
		for _, s := range policy.Statement {
			resource, _ := s.Resource.(string)
			actions, many := s.Action.([]any)
			if !many {
				actions = []any{s.Action}
			}
			for _, action := range actions {
				got[entry.Name()] = append(got[entry.Name()],
					action.(string)+" "+resource[strings.LastIndex(resource, "/")+1:])
			}
		}
		slices.Sort(got[entry.Name()])
	}
	const storage, describe = "kms:Decrypt STORAGE-KEY-ID", "kms:DescribeKey STORAGE-KEY-ID"
	want := map[string][]string{
		"tokenize.json": {
			"dynamodb:PutItem VAULT-TABLE", storage, describe, "kms:GenerateDataKey TOKEN-KEY-ID",
		},
		"index.json": {
			"dynamodb:GetItem INDEX-TABLE", "dynamodb:PutItem INDEX-TABLE", storage, describe,
			"kms:GenerateMac FINGERPRINT-KEY-ID",
		},
		"detokenize.json": {
			"dynamodb:GetItem STATE-TABLE", "dynamodb:GetItem VAULT-TABLE", "dynamodb:UpdateItem STATE-TABLE",
			storage, storage, "kms:Decrypt TOKEN-KEY-ID", describe,
		},
	}
	for name, actions := range want {
		if diff := cmp.Diff(actions, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if len(got) != 4 || len(got["revoke.json"]) == 0 {
		t.Errorf("policies: %v", got)
	}
}
