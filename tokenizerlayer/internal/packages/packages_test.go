// Package packages_test holds that what the layer ships for Python and Node is also a package for each, which can be
// installed and imported wherever such functions are written, tested, bundled and run.
package packages_test

import (
	"archive/zip"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
)

const (
	layerDir  = "../../layer"
	pythonDir = layerDir + "/python"
	nodeDir   = layerDir + "/nodejs/node_modules/@lambda-tokenizer/client"
	modules   = "../../../node_modules" // of the repository, after npm ci
)

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tool is a program of the repository's npm packages.
func tool(t *testing.T, name string) string {
	t.Helper()
	needed.Program(t, "node")
	path := absolute(t, filepath.Join(modules, ".bin", name))
	needed.NPMFile(t, path)
	return path
}

// run runs a program in a directory and returns what it printed. It reads what the program may read, so that the test's
// cached result depends on it.
func run(t *testing.T, dir string, environment []string, program string, arguments ...string) (string, error) {
	t.Helper()
	for _, root := range []string{"testdata", layerDir} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir, command.WaitDelay = dir, time.Second
	command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PIP_DISABLE_PIP_VERSION_CHECK=1")
	command.Env = append(command.Env, environment...)
	output, err := command.CombinedOutput()
	return string(output), err
}

func mustRun(t *testing.T, dir string, environment []string, program string, arguments ...string) string {
	t.Helper()
	output, err := run(t, dir, environment, program, arguments...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, output)
	}
	return output
}

func TestPackages_HaveOneVersion(t *testing.T) {
	var manifest struct{ Version string }
	if err := json.Unmarshal([]byte(read(t, nodeDir+"/package.json")), &manifest); err != nil ||
		manifest.Version == "" {
		t.Fatal(manifest, err)
	}
	for file, form := range map[string]string{
		pythonDir + "/lambda_tokenizer/__init__.py": `__version__ = "%s"`,
		nodeDir + "/client.cjs":                     `version: "%s"`,
	} {
		if want := strings.Replace(form, "%s", manifest.Version, 1); !strings.Contains(read(t, file), want) {
			t.Errorf("%s does not have %s", file, want)
		}
	}
}

func TestPython_UnitTestsPass(t *testing.T) {
	needed.Program(t, "python3")
	environment := []string{"PYTHONPATH=" + absolute(t, pythonDir)}
	mustRun(t, "testdata/python", environment, "python3", "-W", "error", "-m", "unittest", "-q", "test_client")
}

// The wheel is the same whoever builds it, holds what the layer holds, and works without the layer.
func TestPython_BuildsAWheel(t *testing.T) {
	needed.Program(t, "python3")
	build := func(source string) string {
		out := t.TempDir()
		mustRun(t, out, nil, "python3", "-m", "pip", "wheel", "-q", "--no-index", "--no-deps", "-w", out, source)
		return filepath.Join(out, "lambda_tokenizer-0.1.0-py3-none-any.whl")
	}
	wheel := build(absolute(t, pythonDir))
	elsewhere := t.TempDir()
	if err := os.CopyFS(elsewhere, os.DirFS(pythonDir)); err != nil {
		t.Fatal(err)
	}
	if read(t, wheel) != read(t, build(elsewhere)) {
		t.Error("the wheel depends on the directory in which it is built")
	}
	want, err := fs.Glob(os.DirFS(pythonDir), "lambda_tokenizer/*.*")
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var got []string
	for _, file := range archive.File {
		if !strings.HasPrefix(file.Name, "lambda_tokenizer/") {
			continue
		}
		got = append(got, file.Name)
		r, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil || string(content) != read(t, filepath.Join(pythonDir, file.Name)) {
			t.Errorf("%s is not the layer's, %v", file.Name, err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the wheel's files (-layer +wheel):\n%s", diff)
	}
	site := t.TempDir()
	mustRun(t, site, nil, "python3", "-m", "pip", "install", "-q", "--no-index", "--target", site, wheel)
	program := `import lambda_tokenizer, importlib.metadata
print(lambda_tokenizer.__file__, importlib.metadata.version("lambda-tokenizer"), lambda_tokenizer.__version__)`
	out := mustRun(t, site, []string{"PYTHONPATH=" + site}, "python3", "-c", program)
	if want := filepath.Join(site, "lambda_tokenizer", "__init__.py") + " 0.1.0 0.1.0\n"; out != want {
		t.Errorf("imported %q, want %q", out, want)
	}
}

// pyright reports an ignore comment where there is no error, so the sample also holds what a type checker refuses. All
// tests check the client's own code, too.
func TestPython_TypesAreChecked(t *testing.T) {
	needed.Program(t, "python3")
	pyright := tool(t, "pyright")
	projects := []string{"testdata/python"}
	if fulltests.Enabled() {
		projects = append(projects, pythonDir)
	}
	for _, project := range projects {
		mustRun(t, project, nil, pyright, "-p", absolute(t, project))
	}
}

func TestNode_UnitTestsPass(t *testing.T) {
	needed.Program(t, "node")
	environment := []string{"CLIENT=" + absolute(t, nodeDir+"/index.mjs")}
	mustRun(t, "testdata/node", environment, "node", "--test", "client.test.mjs")
}

// packed is the npm package, as npm publishes it.
func packed(t *testing.T) (tarball string) {
	t.Helper()
	needed.Program(t, "npm")
	dir := t.TempDir()
	mustRun(t, nodeDir, nil, "npm", "pack", "--silent", "--pack-destination", dir)
	return filepath.Join(dir, "lambda-tokenizer-client-0.1.0.tgz")
}

// project is a directory with the package installed.
func project(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, dir, map[string]string{"package.json": `{"name":"a-function","private":true}`})
	mustRun(t, dir, nil, "npm", "install", "--silent", "--offline", "--no-audit", "--no-fund", packed(t))
	write(t, dir, files)
	return dir
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNode_PacksTheLayersFiles(t *testing.T) {
	tarball := packed(t)
	if read(t, tarball) != read(t, packed(t)) {
		t.Error("npm pack does not write the same package twice")
	}
	dir := t.TempDir()
	mustRun(t, dir, nil, "tar", "-xzf", tarball)
	entries, err := os.ReadDir(nodeDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if got := read(t, filepath.Join(dir, "package", e.Name())); got != read(t, filepath.Join(nodeDir, e.Name())) {
			t.Errorf("%s is not the layer's", e.Name())
		}
	}
}

// Functions that print the code of an error, since nobody listens on the port. OPT stands for /opt, where Lambda puts
// the layer.
const (
	esm = `
try { await ping(); } catch (error) { console.log(error instanceof TokenizerError, error.code); }
`
	cjs = `
ping().catch((error) => { console.log(error instanceof TokenizerError, error.code); });
`
	bare     = `import { ping, TokenizerError } from "@lambda-tokenizer/client";` + esm
	required = `const { ping, TokenizerError } = require("@lambda-tokenizer/client");` + cjs
	byPath   = `import { ping, TokenizerError } from "OPT/nodejs/node_modules/@lambda-tokenizer/client/index.mjs";` +
		esm
	fromModule = `import { createRequire } from "node:module";
const { ping, TokenizerError } = createRequire(import.meta.url)("@lambda-tokenizer/client");` + esm
)

// The package that is installed with the function, as on a laptop and in what a bundler writes.
func TestNode_ImportsTheInstalledPackage(t *testing.T) {
	dir := project(t, map[string]string{
		"bare.mjs": bare, "required.cjs": required, "module.mjs": fromModule,
		"typed.mts": strings.ReplaceAll(bare, "error.code", "(error as TokenizerError).code"),
		"typed.cts": `import { ping, TokenizerError } from "@lambda-tokenizer/client";` + cjs,
	})
	for _, program := range []string{"bare.mjs", "required.cjs", "module.mjs"} {
		t.Run(program, func(t *testing.T) { wantUnavailable(t, dir, nil, program) })
	}
	t.Run("tsc", func(t *testing.T) {
		fulltests.Only(t, "5 seconds")
		tsc := tool(t, "tsc")
		options := append(tscOptions(t, "nodenext", "nodenext"), "--outDir", "out")
		mustRun(t, dir, nil, tsc, append(options, "typed.mts", "typed.cts")...)
		wantUnavailable(t, dir, nil, "out/typed.mjs")
		wantUnavailable(t, dir, nil, "out/typed.cjs")
	})
	// As CDK's NodejsFunction calls esbuild, for functions in CommonJS and in ES modules.
	for format, extension := range map[string]string{"cjs": ".cjs", "esm": ".mjs"} {
		// An await at the top level is for ES modules, and so is no require.
		entries := map[string][]string{
			"cjs": {"typed.cts", "required.cjs"}, "esm": {"bare.mjs", "typed.mts", "typed.cts"},
		}
		for _, entry := range entries[format] {
			t.Run("esbuild to "+format+" of "+entry, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "index"+extension) // without the package beside it
				mustRun(t, dir, nil, tool(t, "esbuild"), "--bundle", entry, "--target=node18", "--platform=node",
					"--format="+format, "--outfile="+out, "--external:@aws-sdk/*", "--log-level=error")
				wantUnavailable(t, filepath.Dir(out), nil, out)
			})
		}
	}
}

// The package of the layer, which Lambda puts below /opt with NODE_PATH leading to it.
func TestNode_ImportsFromTheLayer(t *testing.T) {
	needed.Program(t, "node")
	opt := t.TempDir()
	if err := os.CopyFS(opt, os.DirFS(layerDir)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"bare.mjs": bare, "required.cjs": required, "module.mjs": fromModule,
		"path.mjs": strings.ReplaceAll(byPath, "OPT", opt),
	})
	environment := []string{"NODE_PATH=" + opt + "/nodejs/node22/node_modules:" + opt + "/nodejs/node_modules"}
	for _, program := range []string{"required.cjs", "module.mjs", "path.mjs"} {
		t.Run(program, func(t *testing.T) { wantUnavailable(t, dir, environment, program) })
	}
	t.Run("a bare import does not find it", func(t *testing.T) {
		out, err := run(t, dir, environment, "node", "bare.mjs")
		if err == nil || !strings.Contains(out, "ERR_MODULE_NOT_FOUND") {
			t.Errorf("%v: %s: docs/clients/node.md says otherwise", err, out)
		}
	})
	t.Run("esbuild with the package left to the layer", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "index.cjs")
		mustRun(t, dir, nil, tool(t, "esbuild"), "--bundle", "required.cjs", "--target=node18", "--platform=node",
			"--outfile="+out, "--external:@lambda-tokenizer/client", "--log-level=error")
		if strings.Contains(read(t, out), "the extension cannot be reached") {
			t.Error("the bundle holds the client")
		}
		wantUnavailable(t, filepath.Dir(out), environment, out)
	})
	t.Run("python", func(t *testing.T) {
		needed.Program(t, "python3")
		const program = `
import lambda_tokenizer as client
try:
    client.ping()
except client.TokenizerError as error:
    print(True, error.code)
`
		out := mustRun(t, dir, append(dead, "PYTHONPATH="+opt+"/python"), "python3", "-c", program)
		if out != "True unavailable\n" {
			t.Error(out)
		}
	})
}

// dead is the environment of a function beside which nothing listens: port 1 is none that a test can get.
var dead = []string{"TOKENIZER_PORT=1", "AWS_SESSION_TOKEN=the-session-token"}

func wantUnavailable(t *testing.T, dir string, environment []string, program string) {
	t.Helper()
	if out := mustRun(t, dir, append(environment, dead...), "node", program); out != "true unavailable\n" {
		t.Errorf("printed %q", out)
	}
}

func tscOptions(t *testing.T, module, resolution string) []string {
	t.Helper()
	return []string{
		"--strict", "--module", module, "--moduleResolution", resolution, "--target", "es2022",
		"--typeRoots", absolute(t, modules+"/@types"), "--types", "node",
	}
}

// What a type checker accepts and refuses. All tests try each way to find a package's types.
func TestNode_TypesAreChecked(t *testing.T) {
	tsc := tool(t, "tsc")
	dir := project(t, map[string]string{
		"sample.mts": read(t, "testdata/node/sample.mts"), "sample.cts": read(t, "testdata/node/sample.cts"),
		"sample.ts": strings.Split(read(t, "testdata/node/sample.cts"), "\nimport client = require")[0],
	})
	for _, tt := range []struct{ module, resolution, files string }{
		{"node16", "node16", "sample.mts sample.cts"},
		{"nodenext", "nodenext", "sample.mts sample.cts"},
		{"esnext", "bundler", "sample.mts sample.ts"},
		{"commonjs", "node10", "sample.ts"},
	} {
		t.Run(tt.resolution, func(t *testing.T) {
			if tt.resolution != "nodenext" {
				fulltests.Only(t, "3 seconds")
			}
			arguments := append(tscOptions(t, tt.module, tt.resolution), "--noEmit")
			mustRun(t, dir, nil, tsc, append(arguments, strings.Fields(tt.files)...)...)
		})
	}
}

// Each name that the client has is declared, and each that is declared is there.
func TestNode_DeclaresWhatItExports(t *testing.T) {
	needed.Program(t, "node")
	out := mustRun(t, nodeDir, nil, "node", "-p", `Object.keys(require("./index.cjs")).sort().join()`)
	declared := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^export (?:function|class|const) (\w+)`)
	for _, match := range declaration.FindAllStringSubmatch(read(t, nodeDir+"/index.d.cts"), -1) {
		declared[match[1]] = true
	}
	exported := map[string]bool{}
	for name := range strings.SplitSeq(strings.TrimSpace(out), ",") {
		exported[name] = true
	}
	if diff := cmp.Diff(exported, declared); diff != "" {
		t.Errorf("(-exported +declared):\n%s", diff)
	}
}
