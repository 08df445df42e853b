package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newStages writes an assembly whose stages are apps: each has the directory assembly-NAME.
func newStages(t *testing.T, stages map[string]string) string {
	t.Helper()
	dir, artifacts := t.TempDir(), map[string]any{}
	for name, app := range stages {
		inner := "assembly-" + name
		if err := os.CopyFS(filepath.Join(dir, inner), os.DirFS(app)); err != nil {
			t.Fatal(err)
		}
		for file, change := range map[string]*strings.Replacer{
			"manifest.json": strings.NewReplacer(`"properties":{"template`, `"displayName":"`+name+
				`/S","properties":{"stackName":"`+name+`-S","template`),
			"m.json": strings.NewReplacer("/S/", "/"+name+"/S/"),
		} {
			b, err := os.ReadFile(filepath.Join(app, file))
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, inner, file), change.Replace(string(b)))
		}
		artifacts[inner] = map[string]any{
			"type": "cdk:cloud-assembly", "properties": map[string]any{"directoryName": inner},
		}
	}
	writeJSON(t, filepath.Join(dir, "manifest.json"), map[string]any{"version": "55.0.0", "artifacts": artifacts})
	return dir
}

func TestRun_RunsStages(t *testing.T) {
	named := func(text, name string) code {
		c := python("def handler(event, context): return " + text)
		c.properties = map[string]any{"FunctionName": name}
		return c
	}
	stages := newStages(t, map[string]string{
		"Dev":  newApp(t, map[string]code{"F": named("'dev'", "dev-f")}, nil),
		"Prod": newApp(t, map[string]code{"F": named("'prod'", "prod-f")}, nil),
	})
	got := start(t, "-app", stages, "-invoke", "Prod/S/F", "-invoke", "Dev/S/F", "-invoke", "prod-f")
	if got.err != nil || got.stdout != "\"prod\"\n\"dev\"\n\"prod\"\n" {
		t.Errorf("%+v", got)
	}
	if got := start(t, "-app", stages, "-invoke", "F"); got.err == nil ||
		!strings.Contains(got.err.Error(), `"F" may be any of Dev/S/F, Prod/S/F`) {
		t.Errorf("error = %v", got.err)
	}
	got = start(t, "-app", stages, "-only", "Dev", "-invoke", "F")
	if got.err != nil || got.stdout != "\"dev\"\n" {
		t.Errorf("%+v", got)
	}
}

// Layers of one name are versions of it, and a function has the one that it names.
func TestRun_GivesAFunctionItsVersionOfALayer(t *testing.T) {
	functions, layers := map[string]code{}, templates{}
	for _, name := range []string{"A", "B"} {
		f := python("from value import value\ndef handler(event, context): return value")
		f.properties = map[string]any{"Layers": []any{map[string]any{"Ref": "Layer" + name}}}
		functions["Z"+name] = f // which comes after both layers
		functions["Content"+name] = code{files: map[string]string{"python/value.py": "value = '" + name + "'"}}
		layers["Layer"+name] = map[string]any{"Type": "AWS::Lambda::LayerVersion", "Properties": map[string]any{
			"LayerName": "shared", "Content": map[string]any{"S3Key": "asset.Content" + name},
		}}
	}
	got := start(t, "-app", newApp(t, functions, layers), "-invoke", "ZA", "-invoke", "ZB")
	if got.err != nil || got.stdout != "\"A\"\n\"B\"\n" {
		t.Errorf("%+v", got)
	}
}

func TestRun_NamesTwoResourcesOfOneName(t *testing.T) {
	for kind, property := range map[string]string{
		"AWS::DynamoDB::Table": "TableName", "AWS::SSM::Parameter": "Name", "AWS::KMS::Alias": "AliasName",
		"AWS::IAM::ManagedPolicy": "ManagedPolicyName", "AWS::Lambda::Function": "FunctionName",
		"AWS::IAM::Role": "RoleName",
	} {
		named := templates{"X": map[string]any{"Type": kind, "Properties": map[string]any{property: "n"}}}
		stages := newStages(t, map[string]string{"Dev": newApp(t, nil, named), "Prod": newApp(t, nil, named)})
		got := start(t, "-app", stages)
		want := `Dev/S/X and Prod/S/X both have the name "n", and all stacks run in one account and region here: ` +
			"run one stage or stack with -only, such as -only Dev"
		if got.err == nil || !strings.Contains(got.err.Error(), want) {
			t.Errorf("%s: error = %v", kind, got.err)
		}
	}
}

// CloudFormation has one stack of a name in a region.
func TestRun_NamesTwoStacksOfOneName(t *testing.T) {
	app := newApp(t, nil, nil)
	stages := newStages(t, map[string]string{"Dev": app, "Prod": app})
	for _, stage := range []string{"Dev", "Prod"} {
		file := filepath.Join(stages, "assembly-"+stage, "manifest.json")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, strings.ReplaceAll(string(b), `"`+stage+`-S"`, `"shop"`))
	}
	if got := start(t, "-app", stages); got.err == nil || !strings.Contains(got.err.Error(),
		`the stacks Dev/S and Prod/S both have the name "shop"`) || !strings.Contains(got.err.Error(), "such as -only Dev") {
		t.Errorf("error = %v", got.err)
	}
}

// What has a condition exists if that is true.
func TestRun_EvaluatesConditions(t *testing.T) {
	with := func(condition string) map[string]any { return map[string]any{"Fn::If": []any{condition, "yes", "no"}} }
	f := python("import os\ndef handler(event, context): return os.environ['A'] + os.environ['B']")
	f.properties = map[string]any{"Environment": map[string]any{"Variables": map[string]any{
		"A": with("InDev"), "B": with("InProd"),
	}}}
	queue := func(condition string) any { return map[string]any{"Type": "AWS::SQS::Queue", "Condition": condition} }
	dir := newApp(t, map[string]code{"F": f}, templates{"Here": queue("InDev"), "Elsewhere": queue("InProd")})
	template := filepath.Join(dir, "t.json")
	b, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, template, strings.Replace(string(b), "{", `{"Parameters":{"Stage":{"Type":"String","Default":"dev"}},
		"Conditions":{"InDev":{"Fn::Equals":[{"Ref":"Stage"},"dev"]},
			"InProd":{"Fn::Not":[{"Condition":"InDev"}]}},`, 1))
	got := start(t, "-app", dir, "-invoke", "F", "-v")
	if got.err != nil || got.stdout != "\"yesno\"\n" {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(got.stderr, "S/Here (AWS::SQS::Queue)") || strings.Contains(got.stderr, "S/Elsewhere") {
		t.Errorf("printed %s", got.stderr)
	}
}

// A nested stack gets values of the stack around it, and gives it outputs.
func TestRun_RunsNestedStacks(t *testing.T) {
	ref := func(name string) any { return map[string]any{"Ref": name} }
	get := func(name, attribute string) any { return map[string]any{"Fn::GetAtt": []string{name, attribute}} }
	variable := func(value any) map[string]any {
		return map[string]any{"Environment": map[string]any{"Variables": map[string]any{"V": value}}}
	}
	outer := python("import os\ndef handler(event, context): return os.environ['V']")
	outer.properties = variable(get("Nested", "Outputs.Name"))
	dir := newApp(t, map[string]code{"F": outer, "Code": python(outer.files["index.py"])}, templates{
		"Parameter": map[string]any{"Type": "AWS::SSM::Parameter", "Properties": map[string]any{
			"Name": "/p", "Value": "v",
		}},
		"Nested": map[string]any{"Type": "AWS::CloudFormation::Stack", "Properties": map[string]any{
			"TemplateURL": "https://s3.us-east-1.amazonaws.com/bucket/n.json",
			"Parameters":  map[string]any{"Given": ref("Parameter")},
		}},
	})
	properties := variable(ref("Given"))
	for name, value := range map[string]any{
		"Runtime": "python3.13", "Handler": "index.handler", "Timeout": 60,
		"Code": map[string]any{"S3Key": "asset.Code"},
		"Role": "arn:aws:iam::123456789012:role/r",
	} {
		properties[name] = value
	}
	writeJSON(t, filepath.Join(dir, "n.json"), map[string]any{
		"Parameters": map[string]any{"Given": map[string]any{"Type": "String"}},
		"Resources": map[string]any{
			"F":     map[string]any{"Type": "AWS::Lambda::Function", "Properties": properties},
			"Queue": map[string]any{"Type": "AWS::SQS::Queue"},
		},
		"Outputs": map[string]any{"Name": map[string]any{"Value": ref("F")}},
	})
	for file, change := range map[string]*strings.Replacer{
		"m.json": strings.NewReplacer("{", `{"/S/N.NestedStack/N.NestedStackResource":[{"type":"aws:cdk:logicalId","data":"Nested"}],
			"/S/N/F/Resource":[{"type":"aws:cdk:logicalId","data":"F"}],`),
		"a.json": strings.NewReplacer(`{"files":{`, `{"files":{"n":{"source":{"path":"n.json","packaging":"file"},
			"destinations":{"d":{"objectKey":"n.json"}}},`),
	} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if file == "m.json" { // only the first brace begins the entries
			text = change.Replace(text[:1]) + text[1:]
		} else {
			text = change.Replace(text)
		}
		writeFile(t, filepath.Join(dir, file), text)
	}
	got := start(t, "-app", dir, "-v", "-invoke", "S/N/F", "-invoke", "S/F")
	if got.err != nil || got.stdout != "\"/p\"\n\"S-Nested-F\"\n" ||
		!strings.Contains(got.stderr, "S-Nested/Queue (AWS::SQS::Queue)") {
		t.Errorf("%+v", got)
	}
}
