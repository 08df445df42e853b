package test

import (
	"cmp"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// A new release of the layer must reach the functions, and must not be blocked by an export that they import.
func TestLayer_ChangeReachesTheAppAndChangesNoExport(t *testing.T) {
	before, changed := copyModule(t), copyModule(t)
	main := filepath.Join(changed, "tokenizerlayer", "extension", "main.go")
	source := read(t, main)
	write(t, main, strings.Replace(source, "\nfunc main() {\n", "\nfunc main() {\n\tprintln(\"one more line\")\n", 1))
	if read(t, main) == source {
		t.Fatal("the extension has no `func main() {` to add a line to")
	}

	one := []string{"arm64"} // the other is built the same way
	oldApp := synth(t, stacks.Config{ModuleDir: before, LayerArchitectures: one}, "TokenizerStack")
	changedApp := synth(t, stacks.Config{ModuleDir: changed, LayerArchitectures: one}, "TokenizerStack")
	if reflect.DeepEqual(oldApp.templates["TokenizerStack"], changedApp.templates["TokenizerStack"]) {
		t.Error("TokenizerStack's template did not change: there is no new layer version")
	}
	if reflect.DeepEqual(oldApp.templates["AppStack"], changedApp.templates["AppStack"]) {
		t.Error("AppStack's template did not change: `cdk deploy` would leave the functions on the old layer")
	}
	if diff := gocmp.Diff(oldApp.exports(), changedApp.exports()); diff != "" {
		t.Errorf("exports changed, which CloudFormation refuses while they are imported (-old +new):\n%s", diff)
	}
	// An export's expression can stay while its value changes, with the resource that it refers to.
	for _, template := range oldApp.templates {
		for name, output := range template.Outputs {
			if output["Export"] == nil {
				continue
			}
			for _, id := range referenced(output["Value"]) {
				if diff := gocmp.Diff(oldApp.resource(id), changedApp.resource(id)); diff != "" {
					t.Errorf("export %s changes with its resource %s (-old +new):\n%s", name, id, diff)
				}
			}
		}
	}

	// The same source from another directory is the same release.
	again := synth(t, stacks.Config{ModuleDir: copyModule(t), LayerArchitectures: one}, "TokenizerStack")
	if diff := gocmp.Diff(oldApp.templates, again.templates); diff != "" {
		t.Errorf("templates of two copies differ (-first +second):\n%s", diff)
	}
	checkLayer(t, oldApp)
}

// referenced are the logical ids of the resources that a value refers to.
func referenced(value any) []string {
	var ids []string
	for _, id := range calls(value, "Ref") {
		ids = append(ids, id.(string))
	}
	for _, pair := range calls(value, "Fn::GetAtt") {
		ids = append(ids, pair.([]any)[0].(string))
	}
	return ids
}

func (a assembly) resource(id string) resource {
	for _, template := range a.templates {
		if found, ok := template.Resources[id]; ok {
			return found
		}
	}
	return resource{}
}

// `cdk deploy -e AppStack` would otherwise deploy a stand-in for the digest.
func TestLayer_IsBuiltWhicheverStackIsSelected(t *testing.T) {
	checkLayer(t, synth(t, stacks.Config{}, "AnotherStack"))
}

// checkLayer checks the content of each layer version, and that the functions that use it carry its digest. It returns
// the digests by architecture.
func checkLayer(t *testing.T, assembly assembly) map[string]string {
	t.Helper()
	digests := map[string]string{}
	for id, version := range assembly.ofType(t, "AWS::Lambda::LayerVersion") {
		digest := checkLayerVersion(t, assembly, version)
		architecture := assembly.text(t, version.Properties["CompatibleArchitectures"])
		if digests[architecture] != "" {
			t.Errorf("two layer versions are for %s", architecture)
		}
		digests[architecture] = digest
		for name, function := range assembly.ofType(t, "AWS::Lambda::Function") {
			if assembly.text(t, function.Properties["Layers"]) != "${"+hash.ReplaceAllString(id, "")+"}" {
				continue
			}
			p := function.Properties
			if got := cmp.Or(assembly.text(t, p["Architectures"]), "x86_64"); got != architecture {
				t.Errorf("%s is for %s, its layer for %s", name, got, architecture)
			}
			variables := p["Environment"].(map[string]any)["Variables"].(map[string]any)
			if got := variables["TOKENIZER_LAYER_DIGEST"]; got != digest {
				t.Errorf("%s has layer digest %v, want %s", name, got, digest)
			}
		}
	}
	return digests
}

func checkLayerVersion(t *testing.T, assembly assembly, version resource) (sum string) {
	t.Helper()
	key := version.Properties["Content"].(map[string]any)["S3Key"].(string)
	dir := filepath.Join(assembly.dir, "asset."+strings.TrimSuffix(key, ".zip"))

	modes := map[string]fs.FileMode{}
	digest := sha256.New()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		modes[name] = info.Mode()
		if name != "tokenizer.digest" {
			content := read(t, path)
			fmt.Fprintf(digest, "%d:%s%d:%s", len(name), name, len(content), content)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{
		"extensions/tokenizer": 0o755,
		"nodejs/node_modules/@lambda-tokenizer/client/client.cjs":   0o644,
		"nodejs/node_modules/@lambda-tokenizer/client/index.cjs":    0o644,
		"nodejs/node_modules/@lambda-tokenizer/client/index.d.cts":  0o644,
		"nodejs/node_modules/@lambda-tokenizer/client/index.d.mts":  0o644,
		"nodejs/node_modules/@lambda-tokenizer/client/index.mjs":    0o644,
		"nodejs/node_modules/@lambda-tokenizer/client/package.json": 0o644,
		"python/lambda_tokenizer/__init__.py":                       0o644,
		"python/lambda_tokenizer/_arguments.py":                     0o644,
		"python/lambda_tokenizer/_errors.py":                        0o644,
		"python/lambda_tokenizer/_results.py":                       0o644,
		"python/lambda_tokenizer/_secret.py":                        0o644,
		"python/lambda_tokenizer/_transport.py":                     0o644,
		"python/lambda_tokenizer/_verbs.py":                         0o644,
		"python/lambda_tokenizer/py.typed":                          0o644,
		"tokenizer.digest":                                          0o644,
	}
	if diff := gocmp.Diff(want, modes); diff != "" {
		t.Errorf("layer's files (-want +got):\n%s", diff)
	}

	sum = hex.EncodeToString(digest.Sum(nil))
	if got := strings.TrimSpace(read(t, filepath.Join(dir, "tokenizer.digest"))); got != sum {
		t.Errorf("digest file says %s, content is %s", got, sum)
	}

	const limit = 10_000_000
	binary := filepath.Join(dir, "extensions", "tokenizer")
	if info, err := os.Stat(binary); err != nil || info.Size() > limit {
		t.Errorf("extension (%v): %d bytes, want at most %d", err, info.Size(), limit)
	}
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	machine := map[string]elf.Machine{
		"arm64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64,
	}[assembly.text(t, version.Properties["CompatibleArchitectures"])]
	if file.Machine != machine || slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool {
		return p.Type == elf.PT_INTERP
	}) {
		t.Errorf("extension is for %s or not static, want a static binary for %s", file.Machine, machine)
	}
	return sum
}

func TestNewGoAsset_DependsOnNeitherDirectoryNorUmask(t *testing.T) {
	build := func(umask int) (hash string, modes []string) {
		defer syscall.Umask(syscall.Umask(umask))
		dir, err := goAsset(t, "package main\n\nfunc main() {}\n")
		if err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			modes = append(modes, strings.TrimPrefix(path, dir)+" "+info.Mode().String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Base(dir), modes
	}
	first, firstModes := build(0o022)
	second, secondModes := build(0o077)
	if first != second {
		t.Errorf("assets %s and %s, want equal", first, second)
	}
	want := []string{" drwxr-xr-x", "/bootstrap -rwxr-xr-x"}
	if diff := gocmp.Diff([][]string{want, want}, [][]string{firstModes, secondModes}); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
}

func TestNewGoAsset_ReportsACompileErrorWithTheCompilersMessage(t *testing.T) {
	_, err := goAsset(t, "package main\n\nfunc main() { undefined() }\n")
	if err == nil || !strings.Contains(err.Error(), "main.go:3:15: undefined: undefined") ||
		!strings.Contains(err.Error(), "Stack/Code: go build example.com/program for linux/arm64") {
		t.Errorf("got error %v, want the construct's path and the compiler's message", err)
	}
}

func TestNewGoAsset_SaysThatThereIsNoModule(t *testing.T) {
	stack := bundledStack(t)
	_, err := tokenizerlayer.NewGoAsset(stack, "Code",
		&tokenizerlayer.GoAssetProps{Package: "example.com/program", ModuleDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "no go.mod at or above") {
		t.Errorf("got error %v, want one that says that there is no go.mod", err)
	}
}

// goAsset builds a program of one file and gives its asset's directory, which is named after the asset's hash.
func goAsset(t *testing.T, source string) (dir string, err error) {
	t.Helper()
	module := t.TempDir()
	write(t, filepath.Join(module, "go.mod"), "module example.com/program\n\ngo 1.26\n")
	write(t, filepath.Join(module, "main.go"), source)
	stack := bundledStack(t)
	asset, err := tokenizerlayer.NewGoAsset(stack, "Code",
		&tokenizerlayer.GoAssetProps{Package: "example.com/program", ModuleDir: module})
	if err != nil {
		return "", err
	}
	return filepath.Join(*awscdk.Stage_Of(stack).AssetOutdir(), *asset.AssetPath()), nil
}

func bundledStack(t *testing.T) awscdk.Stack {
	t.Helper()
	app, err := newApp(t.TempDir(), []string{"Stack"})
	if err != nil {
		t.Fatal(err)
	}
	return awscdk.NewStack(app, new("Stack"), nil)
}

// The CDK is for synthesis; in a function it would add megabytes and a JavaScript engine.
func TestRuntimePackages_DoNotImportTheCDK(t *testing.T) {
	const module = "github.com/lambda-tokenizer/lambda-tokenizer"
	const cdk = `{{.ImportPath}}{{range .Deps}} {{.}}{{end}}`
	output := run(t, moduleRoot, "go", "list", "-e", "-f", cdk, "./tokenizerlayer/...", "./lambdas/...", "./local/...")
	synthesizing := []string{module + "/tokenizerlayer"} // the constructs
	checked := 0
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if slices.Contains(synthesizing, fields[0]) {
			continue
		}
		checked++
		for _, dependency := range fields[1:] {
			if strings.Contains(dependency, "/aws-cdk-go/") || strings.Contains(dependency, "/jsii-runtime-go") ||
				strings.Contains(dependency, "/constructs-go/") {
				t.Errorf("%s depends on %s", fields[0], dependency)
				break
			}
		}
	}
	if checked < 10 {
		t.Errorf("checked %d packages only; the patterns match too little", checked)
	}
}

// copyModule copies what the layer is built from.
func copyModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	kit.CopyFiles(t, dir, "go.mod", "go.sum", "tokenizerlayer")
	return dir
}

// dependsOn makes the test's cached result depend on files that a child process builds, which the cache cannot see.
func dependsOn(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		read(t, path)
	}
}

// The kit's, by the names that this package uses all over.
var (
	read  = kit.Read
	write = kit.Write
	walk  = kit.Walk
	run   = kit.Run
)
