package assembly

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeStages writes an app with the stages Dev and Prod, with the files that aws-cdk-lib writes for them: each stage
// has a stack App that is based on a stack Base, and both stages have the same asset.
func writeStages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"manifest.json": `{"version":"55.0.0","artifacts":{
			"assembly-Dev":{"type":"cdk:cloud-assembly",
				"properties":{"directoryName":"assembly-Dev","displayName":"Dev"}},
			"assembly-Prod":{"type":"cdk:cloud-assembly",
				"properties":{"directoryName":"assembly-Prod","displayName":"Prod"}}}}`,
		"asset.a/index.py": "",
	}
	for _, stage := range []string{"Dev", "Prod"} {
		base := "assembly-" + stage + "/"
		files[base+"manifest.json"] = `{"version":"55.0.0","artifacts":{
			"XApp.assets":{"type":"cdk:asset-manifest","properties":{"file":"a.json"}},
			"XBase":{"type":"aws:cloudformation:stack","displayName":"X/Base","properties":{"templateFile":"t.json"}},
			"XApp":{"type":"aws:cloudformation:stack","displayName":"X/App","dependencies":["XBase","XApp.assets"],
				"environment":"aws://123456789012/eu-west-1","properties":{"templateFile":"t.json","stackName":"App"},
				"metadata":{"/X/App/F/Resource":[{"type":"aws:cdk:logicalId","data":"F"}]}}}}`
		files[base+"manifest.json"] = strings.ReplaceAll(files[base+"manifest.json"], "X", stage)
		files[base+"t.json"] = `{"Resources":{"F":{"Type":"T"},"G":{"Type":"T"}}}`
		files[base+"a.json"] = `{"files":{"a":{"source":{"path":"../asset.a","packaging":"zip"},
			"destinations":{"d":{"objectKey":"a.zip"}}}}}`
	}
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func pathsOf(a *Assembly) (paths []string) {
	for _, s := range a.Stacks {
		paths = append(paths, s.Path)
	}
	return paths
}

func TestLoadApp_ReadsStages(t *testing.T) {
	dir := writeStages(t)
	a, err := LoadApp(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"Dev/Base", "Dev/App", "Prod/Base", "Prod/App"}, pathsOf(a)); d != "" {
		t.Fatal(d)
	}
	app := a.Stacks[3]
	asset, err := app.AssetPath("a.zip")
	if err != nil || asset != filepath.Join(dir, "asset.a") {
		t.Errorf("asset %q, %v", asset, err)
	}
	if got := app.ConstructPath("F") + " " + app.ConstructPath("G"); got != "Prod/App/F/Resource Prod/App/G" {
		t.Errorf("paths %s", got)
	}
	if app.Name != "App" || app.Region != "eu-west-1" {
		t.Errorf("got the stack %+v", app)
	}
	r := NewResolver(a, "123456789012", "us-east-1") // to which stacks of one name are two
	r.SetResource(a.Stacks[1], "F", "dev", nil)
	r.SetResource(a.Stacks[3], "F", "prod", nil)
	if got, err := r.String(a.Stacks[1], "Here", map[string]any{"Ref": "F"}); err != nil || got != "dev" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLoadApp_CanBeLimited(t *testing.T) {
	dir := writeStages(t)
	for only, want := range map[string][]string{
		"Prod": {"Prod/Base", "Prod/App"}, "Prod/": {"Prod/Base", "Prod/App"}, "Dev/Base": {"Dev/Base"},
		"Dev/App": {"Dev/Base", "Dev/App"}, // which depends on the other
	} {
		a, err := LoadApp(dir, only)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, pathsOf(a)); d != "" {
			t.Errorf("%s: %s", only, d)
		}
	}
	for _, only := range []string{"Pro", "App", "prod"} {
		if _, err := LoadApp(dir, only); err == nil || !strings.Contains(err.Error(),
			`no stage and no stack "`+only+`": it has the stacks Dev/Base, Dev/App, Prod/Base, Prod/App`) {
			t.Errorf("%s: error = %v", only, err)
		}
	}
}

func TestLoadApp_SaysWhichStageIsUnusable(t *testing.T) {
	stage := func(properties string) string {
		return `{"artifacts":{"s":{"type":"cdk:cloud-assembly","properties":{` + properties + `}}}}`
	}
	for want, change := range map[string]map[string]string{
		"manifest.json: the stage s has no directory of its own": {"manifest.json": stage("")},
		"gone/manifest.json":           {"manifest.json": stage(`"directoryName":"gone"`)},
		"the stage s has no directory": {"manifest.json": stage(`"directoryName":"../other"`)},
		"the stage s has no": {
			"manifest.json": stage(`"directoryName":"assembly-Dev/.."`),
		},
		"assembly-Dev/manifest.json: its schema has version 99": {"assembly-Dev/manifest.json": `{"version":"99.0.0"}`},
		"assembly-Dev/manifest.json: the app looks things up":   {"assembly-Dev/manifest.json": `{"missing":[{}]}`},
		"assembly-Prod/t.json: malformed":                       {"assembly-Prod/t.json": `{`},
		"assembly-Prod/t.json: resource R":                      {"assembly-Prod/t.json": `{"Resources":{"R":{}}}`},
		"cycle: s -> s": {"manifest.json": `{"artifacts":{
			"s":{"dependencies":["s"]}}}`},
	} {
		dir := writeStages(t)
		for name, content := range change {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := LoadApp(dir, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

// A stage's own directory lacks the assets, which are those of the app.
func TestAssetPath_SaysWhereTheAssetsOfAStageAre(t *testing.T) {
	a, err := LoadApp(filepath.Join(writeStages(t), "assembly-Dev"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Stacks[1].AssetPath("a.zip"); err == nil ||
		!strings.Contains(err.Error(), "if this is the directory of a stage, name the one that it is in") {
		t.Errorf("error = %v", err)
	}
}

// writeNested writes an app with the files that aws-cdk-lib writes for a stack in a stack. Both have a construct F, and
// so the same logical id.
func writeNested(t *testing.T, inner string) string {
	t.Helper()
	const stack = `{"Type":"AWS::CloudFormation::Stack","Properties":{"TemplateURL":{"Fn::Join":["",["https://s3.",
		{"Ref":"AWS::Region"},"/bucket/hash.json"]]},"Parameters":{"P":{"Ref":"F"}}}}`
	return writeFiles(t, map[string]string{
		"manifest.json": `{"artifacts":{
			"S":{"type":"aws:cloudformation:stack","dependencies":["S.assets"],"properties":{"templateFile":"t.json"},
				"additionalMetadataFile":"m.json"},
			"S.assets":{"type":"cdk:asset-manifest","properties":{"file":"a.json"}}}}`,
		"t.json": `{"Resources":{"F":{"Type":"T"},"Nested":` + stack + `}}`,
		"m.json": `{"/S/F/Resource":[{"type":"aws:cdk:logicalId","data":"F"}],
			"/S/N.NestedStack/N.NestedStackResource":[{"type":"aws:cdk:logicalId","data":"Nested"}],
			"/S/N/F/Resource":[{"type":"aws:cdk:logicalId","data":"F"}],
			"/S/N/N.NestedStack/N.NestedStackResource":[{"type":"aws:cdk:logicalId","data":"Nested"}]}`,
		"a.json": `{"files":{"n":{"source":{"path":"n.json","packaging":"file"},
			"destinations":{"d":{"objectKey":"prefix/hash.json"}}}}}`,
		"n.json": strings.ReplaceAll(inner, "STACK", stack),
	})
}

func TestLoadApp_ReadsNestedStacks(t *testing.T) {
	a, err := LoadApp(writeNested(t, `{"Resources":{"F":{"Type":"T"}},"Parameters":{"P":{"Type":"String"}}}`), "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, stack := range a.All() {
		got = append(got, stack.Name+": "+stack.ConstructPath("F"))
	}
	if d := cmp.Diff([]string{"S: S/F/Resource", "S-Nested: S/N/F/Resource"}, got); d != "" {
		t.Error(d)
	}
	nested := a.Stacks[0].Nested["Nested"]
	r := NewResolver(a, "123456789012", "us-east-1")
	r.SetValues(nested, map[string]any{"P": "given"})
	if got, err := r.String(nested, "Here", map[string]any{"Ref": "P"}); err != nil || got != "given" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLoadApp_BoundsHowDeepStacksAreNested(t *testing.T) {
	file := writeNested(t, `{"Resources":{"F":{"Type":"T"},"Nested":STACK}}`) // which is nested in itself
	m := `{"/S` + strings.Repeat("/N", 12) + `/F":[]`
	for path := "/S"; len(path) < 30; path += "/N" {
		m += `,"` + path + `/N.NestedStack/N.NestedStackResource":[{"type":"aws:cdk:logicalId","data":"Nested"}]`
	}
	if err := os.WriteFile(filepath.Join(file, "m.json"), []byte(m+"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadApp(file, ""); err == nil ||
		!strings.Contains(err.Error(), "n.json: more than 10 stacks are nested in each other") {
		t.Errorf("error = %v", err)
	}
}

func TestLoadApp_SaysWhatIsWrongWithANestedStack(t *testing.T) {
	if _, err := LoadApp(writeNested(t, `{"Resources":{"F":{}}}`), ""); err == nil ||
		!strings.Contains(err.Error(), "n.json: resource F") {
		t.Errorf("error = %v", err)
	}
}
