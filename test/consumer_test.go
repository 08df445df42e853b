package test

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// repository is the absolute path of this module, for the replace directives of others.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

const modulePath = "github.com/lambda-tokenizer/lambda-tokenizer"

// consumer makes a module outside the repository that requires this one and, beside it, what requirements say.
func consumer(t *testing.T, requirements ...string) string {
	t.Helper()
	dir := t.TempDir()
	goMod := "module example.com/consumer\n\ngo 1.26\n\n"
	for _, requirement := range append([]string{modulePath + " v0.0.0"}, requirements...) {
		goMod += "require " + requirement + "\n"
	}
	write(t, filepath.Join(dir, "go.mod"), goMod+fmt.Sprintf("\nreplace %s => %q\n", modulePath, repository(t)))
	write(t, filepath.Join(dir, "go.sum"), read(t, filepath.Join(moduleRoot, "go.sum")))
	return dir
}

// layerDigests builds the layer as an app in a module does; no architectures mean both.
func layerDigests(t *testing.T, moduleDir string, architectures ...tokenizerlayer.Architecture) map[string]string {
	t.Helper()
	layer, err := tokenizerlayer.NewLayer(bundledStack(t), "Layer",
		&tokenizerlayer.LayerProps{ModuleDir: moduleDir, Architectures: architectures})
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]string{}
	for _, architecture := range layer.Architectures() {
		digests[string(architecture)] = layer.Digest(architecture)
	}
	return digests
}

// Whoever has a release of the layer can compare its digest with the one that was reviewed.
func TestLayer_IsTheSameWhoeverBuildsIt(t *testing.T) {
	// The other architecture is built the same way.
	digest := func(moduleDir string) string { return layerDigests(t, moduleDir, tokenizerlayer.ARM64)["arm64"] }
	want := digest(moduleRoot)
	t.Logf("%s by the repository itself", want)
	t.Run("newer dependencies", func(t *testing.T) {
		newer := []string{
			"github.com/aws/aws-sdk-go-v2 v1.47.8", "github.com/aws/aws-sdk-go-v2/service/dynamodb v1.73.2",
			"github.com/aws/aws-sdk-go-v2/service/kms v1.62.5", "github.com/aws/smithy-go v1.28.9",
			"golang.org/x/net v0.58.0", "golang.org/x/time v0.14.0",
		}
		dir := consumer(t, newer...)
		for _, requirement := range newer {
			path, version, _ := strings.Cut(requirement, " ")
			own := strings.TrimSpace(run(t, moduleRoot, "go", "list", "-m", "-f", "{{.Version}}", path))
			if own == version {
				t.Errorf("%s is the repository's own version of %s: require another", version, path)
			}
		}
		got := digest(dir)
		t.Logf("%s by a module that requires %s", got, strings.Join(newer, ", "))
		if got != want {
			t.Errorf("digest is %s, want %s", got, want)
		}
	})
	t.Run("a release in the module cache, which is read-only", func(t *testing.T) {
		cache := strings.TrimSpace(run(t, moduleRoot, "go", "env", "GOMODCACHE"))
		dir := consumer(t)
		write(t, filepath.Join(dir, "go.mod"),
			"module example.com/consumer\n\ngo 1.26\n\nrequire "+modulePath+" v0.1.0\n")
		t.Setenv("GOPROXY", "file://"+publish(t, "v0.1.0")+",file://"+filepath.Join(cache, "cache", "download"))
		t.Setenv("GOMODCACHE", filepath.Join(t.TempDir(), "cache"))
		t.Setenv("GONOSUMDB", "*")
		t.Setenv("GOTOOLCHAIN", "local")
		t.Cleanup(func() { run(t, dir, "go", "clean", "-modcache") }) // the directories, too, are read-only
		run(t, dir, "go", "mod", "download", modulePath)
		got := digest(dir)
		t.Logf("%s in %s", got, run(t, dir, "go", "list", "-m", "-f", "{{.Dir}}", modulePath))
		if got != want {
			t.Errorf("digest is %s, want %s", got, want)
		}
	})
	const another = "go1.26.7"
	t.Run("another release of Go", func(t *testing.T) {
		goroot := toolchainRoot(t, another)
		t.Setenv("PATH", filepath.Join(goroot, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
		t.Setenv("GOROOT", goroot)
		t.Setenv("GOTOOLCHAIN", another)
		if got := run(t, moduleRoot, "go", "version"); !strings.Contains(got, another) {
			t.Fatalf("the go command is %s, want %s", got, another)
		}
		got := digest(consumer(t))
		t.Logf("%s by an app that %s runs", got, another)
		if got != want {
			t.Errorf("digest is %s, want %s", got, want)
		}
	})
	t.Run("a GOROOT of another release", func(t *testing.T) {
		t.Setenv("GOROOT", toolchainRoot(t, another))
		if got := digest(consumer(t)); got != want {
			t.Errorf("digest is %s, want %s", got, want)
		}
	})
}

// publish makes a module proxy in files, with this module as a release.
func publish(t *testing.T, version string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	versions := filepath.Join(dir, filepath.FromSlash(modulePath), "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(versions, version+".info"), `{"Version":"`+version+`"}`)
	write(t, filepath.Join(versions, version+".mod"), read(t, filepath.Join(moduleRoot, "go.mod")))
	file, err := os.Create(filepath.Join(versions, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	archive := zip.NewWriter(file)
	source := copyModule(t)
	walk(t, source, func(path string, info fs.FileInfo) {
		if info.IsDir() {
			return
		}
		name, err := filepath.Rel(source, path)
		if err != nil {
			t.Fatal(err)
		}
		w, err := archive.Create(modulePath + "@" + version + "/" + filepath.ToSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, read(t, path)); err != nil {
			t.Fatal(err)
		}
	})
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// toolchainRoot is where a release of Go is, which the go command downloads if it is missing.
func toolchainRoot(t *testing.T, release string) string {
	t.Helper()
	command := exec.Command("go", "env", "GOROOT")
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), "GOTOOLCHAIN="+release, "GOROOT=")
	output, err := command.CombinedOutput()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s cannot be downloaded: %v\n%s", release, err, output)
		}
		t.Skipf("%s cannot be downloaded: %v\n%s", release, err, output)
	}
	lines := strings.Fields(string(output)) // before it, what was downloaded
	return lines[len(lines)-1]
}

// synthesizeConsumer runs one of the apps of a consumer's module, and reads the template of its only stack.
func synthesizeConsumer(t *testing.T, dir, app, stack string, environment ...string) assembly {
	t.Helper()
	out := filepath.Join(t.TempDir(), "cdk.out")
	command := exec.Command("go", "run", "./"+app)
	command.Dir = dir
	command.Env = append(os.Environ(), "CDK_OUTDIR="+out,
		`CDK_CONTEXT_JSON={"@aws-cdk/aws-iam:minimizePolicies":true,"@aws-cdk/core:enablePartitionLiterals":true}`,
		"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20")
	command.Env = append(command.Env, environment...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", app, err, output)
	}
	var parsed template
	if err := json.Unmarshal([]byte(read(t, filepath.Join(out, stack+".template.json"))), &parsed); err != nil {
		t.Fatal(err)
	}
	return assembly{dir: out, templates: map[string]template{stack: parsed}}
}

// Two apps in a module of their own: one makes vault and layer, the other attaches functions to them by their
// attributes.
func TestConsumer_SynthesizesInAModuleOfItsOwn(t *testing.T) {
	dir := consumer(t)
	const source = "testdata/consumer"
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	for _, app := range []string{"security", "shop", "function"} {
		dependsOn(t, filepath.Join(source, app, "main.go"))
	}
	// completes go.mod, as `go mod tidy` does, without asking for tests
	run(t, dir, "go", "list", "-mod=mod", "-deps", "./...")

	security := synthesizeConsumer(t, dir, "security", "Security")
	digests := checkLayer(t, security)
	own := layerDigests(t, moduleRoot)
	if diff := cmp.Diff(own, digests); diff != "" || len(own) != 2 {
		t.Errorf("digests (-the repository's own +the consumer's):\n%s", diff)
	}
	t.Logf("digests of the consumer: %v", digests)
	outputs := map[string]string{}
	for name, output := range security.templates["Security"].Outputs {
		outputs[name] = security.text(t, output["Value"])
	}
	if diff := cmp.Diff(map[string]string{"DigestArm64": digests["arm64"], "DigestX8664": digests["x86_64"]},
		outputs); diff != "" {
		t.Errorf("what ILayer.Digest says (-layer +output):\n%s", diff)
	}
	const onToken = " on ${TokenKey.Arn}"
	for function, want := range map[string]string{
		"Python": "kms:GenerateDataKey" + onToken,
		"Node":   "kms:Decrypt" + onToken,
		"Go":     "kms:GenerateDataKey" + onToken,
	} {
		path := "/tokenizer/tokenize/" // where a function states no role, the one that Attach sets
		if function == "Node" {
			path = "/tokenizer/detokenize/"
		}
		if id, role := security.one(t, "AWS::IAM::Role", function); role.Properties["Path"] != path {
			t.Errorf("%s has path %v, want %s", id, role.Properties["Path"], path)
		}
		_, lambda := security.one(t, "AWS::Lambda::Function", function)
		if layers := security.text(t, lambda.Properties["Layers"]); layers != "${LayerVersionX8664}" ||
			lambda.Properties["Timeout"] != 10.0 {
			t.Errorf("%s has layers %s and timeout %v", function, layers, lambda.Properties["Timeout"])
		}
		var found []string
		for _, policy := range security.ofType(t, "AWS::IAM::Policy") {
			if strings.HasPrefix(security.text(t, policy.Properties["Roles"]), "${"+function) {
				for _, s := range security.statements(t, policy.Properties["PolicyDocument"]) {
					found = append(found, s.actions+" on "+s.resource)
				}
			}
		}
		if !slices.Contains(found, want) {
			t.Errorf("%s may %v, want %s", function, found, want)
		}
	}

	shop := synthesizeConsumer(t, dir, "shop", "Shop", "DIGEST_ARM64="+digests["arm64"],
		"DIGEST_X86_64="+digests["x86_64"])
	for function, want := range map[string]string{
		"Usual":    digests["x86_64"] + " of ${SsmParameterValuetokenizerlayerversionarnx8664",
		"Graviton": digests["arm64"] + " of ${SsmParameterValuetokenizerlayerversionarnarm64",
	} {
		_, lambda := shop.one(t, "AWS::Lambda::Function", function)
		variables := lambda.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)
		got := fmt.Sprint(variables["TOKENIZER_LAYER_DIGEST"], " of ", shop.text(t, lambda.Properties["Layers"]))
		if !strings.HasPrefix(got, want) || variables["TOKENIZER_TABLE"] != tokenizerlayer.DefaultVaultTable {
			t.Errorf("%s has layer %s, want %s; table %v", function, got, want, variables["TOKENIZER_TABLE"])
		}
	}
	for _, kind := range []string{"AWS::Lambda::LayerVersion", "AWS::DynamoDB::Table", "AWS::KMS::Key"} {
		if made := shop.anyOfType(kind); len(made) > 0 {
			t.Errorf("the shop makes %s: %v", kind, made)
		}
	}
}

// What can be imported is what is meant to be, and has to stay.
func TestPublicPackages_AreTheDocumentedOnes(t *testing.T) {
	var got []string
	for path := range strings.Lines(run(t, moduleRoot, "go", "list", "-e", "./tokenizerlayer/...")) {
		if path = strings.TrimSpace(path); !strings.Contains(path, "/internal/") {
			got = append(got, strings.TrimPrefix(path, modulePath+"/"))
		}
	}
	want := []string{
		"tokenizerlayer", "tokenizerlayer/client", "tokenizerlayer/extension", "tokenizerlayer/tokenizer-dev",
		"tokenizerlayer/tokenizertest",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("public packages (-want +got):\n%s", diff)
	}
}
