package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/tokenizertest"
)

// offered are the SSM parameters and the outputs of the template with its defaults.
func offered(t *testing.T) (parameters, outputs []string) {
	t.Helper()
	made := withoutBundling(t, values{rolePath: "/tokenizer/", reader: "card-reader"})
	for _, resource := range made.resources() {
		if resource["Type"] == "AWS::SSM::Parameter" {
			parameters = append(parameters, resource["Properties"].(object)["Name"].(string))
		}
	}
	for name := range made.template["Outputs"].(object) {
		outputs = append(outputs, name)
	}
	return parameters, outputs
}

// The examples and the page about the template read nothing that the template does not have.
func TestExamples_ReadWhatTheTemplateHas(t *testing.T) {
	parameters, outputs := offered(t)
	ssm := regexp.MustCompile(`(?:vault|state|index)-table|[a-z-]+-arn/[a-z0-9_]+|storage-key-arn|layer-digest/[a-z0-9_]+`)
	output := regexp.MustCompile(`\$\{TokenizerStack\}-(\w+)|exported\("(\w+)"\)|outputs\["(\w+)"\]`)
	for name, want := range map[string]struct{ parameters, outputs int }{
		"examples/sam/template.yaml":           {5, 2},
		"examples/cdk-typescript/tokenizer.ts": {3, 1}, // and two with an architecture
		"examples/terraform/main.tf":           {5, 3},
		"docs/template.md":                     {10, 0},
	} {
		text := kit.Read(t, filepath.Join("../..", name))
		seen := map[string]bool{}
		for _, read := range ssm.FindAllString(text, -1) {
			seen[read] = true
			if !slices.Contains(parameters, "/tokenizer/"+read) {
				t.Errorf("%s reads the parameter %s, which the template has not", name, read)
			}
		}
		read := map[string]bool{}
		for _, match := range output.FindAllStringSubmatch(text, -1) {
			one := match[1] + match[2] + match[3]
			read[one] = true
			if !slices.Contains(outputs, one) {
				t.Errorf("%s reads the output %s, which the template has not", name, one)
			}
		}
		if len(seen) != want.parameters || len(read) != want.outputs {
			t.Errorf("%s reads %v and %v, want %d parameters and %d outputs", name, seen, read, want.parameters,
				want.outputs)
		}
	}
	page := kit.Read(t, "../../docs/template.md")
	for _, name := range outputs {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/template.md does not name the output %s", name)
		}
	}
	for _, p := range templateParameters {
		if !strings.Contains(page, "`"+p.name+"`") {
			t.Errorf("docs/template.md does not name the parameter %s", p.name)
		}
	}
}

// The examples set for the extension what it needs: the settings that Attach sets for a function that tokenizes and has
// no index, but the account's id.
func TestExamples_SetWhatTheExtensionNeeds(t *testing.T) {
	want := []string{
		"TOKENIZER_ACCESS", "TOKENIZER_LAYER_DIGEST", "TOKENIZER_STATE_TABLE", "TOKENIZER_TABLE",
		"TOKENIZER_TOKEN_KEYS",
	}
	for _, name := range []string{"sam/template.yaml", "cdk-typescript/tokenizer.ts", "terraform/main.tf"} {
		got := regexp.MustCompile(`TOKENIZER_\w+`).FindAllString(kit.Read(t, "../../examples/"+name), -1)
		slices.Sort(got)
		if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestExamples_SAMTemplateHasNoLint(t *testing.T) {
	needed.Program(t, "cfn-lint")
	kit.Run(t, "../../examples/sam", "cfn-lint", "template.yaml")
}

// The handler of the examples gives a token that opens to the card.
func TestExamples_HandlerMakesATokenOfTheCard(t *testing.T) {
	needed.Program(t, "python3")
	tok := tokenizertest.Start(t)
	tok.Setenv(t)
	layer, err := filepath.Abs("../../tokenizerlayer/layer/python")
	if err != nil {
		t.Fatal(err)
	}
	const call = `import app; print(app.handler({"card": "4111 1111 1111 1111"}, None)["token"])`
	command := exec.CommandContext(t.Context(), "python3", "-c", call)
	command.Dir = "../../examples/sam/src"
	command.Env = append(os.Environ(), "PYTHONPATH="+layer, "PYTHONDONTWRITEBYTECODE=1")
	token, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	out, err := tok.Client.Detokenize(t.Context(), client.DetokenizeInput{
		Token: strings.TrimSpace(string(token)), Redaction: client.PlainText,
	})
	if err != nil || out.Data.Reveal() != "4111111111111111" {
		t.Errorf("the token %s does not open to the card: %v", token, err)
	}
}

func TestExamples_TerraformIsFormatted(t *testing.T) {
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("terraform is not installed")
	}
	if text, err := exec.CommandContext(t.Context(), "terraform", "fmt", "-check", "-diff",
		"../../examples/terraform").Output(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// The app in TypeScript has no errors of types, and makes a function with the layer, the settings and a role of the
// path that the keys' policies demand.
func TestExamples_TypeScriptAppIsSynthesized(t *testing.T) {
	fulltests.Only(t, "20 seconds, for the types of the whole CDK")
	needed.Program(t, "npm")
	examples := t.TempDir()
	for _, name := range []string{"cdk-typescript", "sam"} { // the app deploys the other's function
		if err := os.CopyFS(filepath.Join(examples, name), os.DirFS("../../examples/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(examples, "cdk-typescript")
	kit.Run(t, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	kit.Run(t, dir, "node", filepath.Join("node_modules", "typescript", "bin", "tsc"), "--noEmit")

	out := t.TempDir()
	command := exec.CommandContext(t.Context(), filepath.Join(dir, "node_modules", ".bin", "tsx"), "app.ts")
	command.Dir = dir
	command.Env = append(os.Environ(), "CDK_OUTDIR="+filepath.Join(out, "cdk.out"))
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	template := kit.Read(t, filepath.Join(out, "cdk.out", "Shop.template.json"))
	for _, want := range []string{
		`"Path": "/tokenizer/tokenize/"`, `"Fn::ImportValue": "tokenizer-TokenizePolicyArn"`,
		`"Default": "/tokenizer/layer-version-arn/arm64"`, `"TOKENIZER_ACCESS": "tokenize"`,
	} {
		if !strings.Contains(template, want) {
			t.Errorf("the template has no %s", want)
		}
	}
}
