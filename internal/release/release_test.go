package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	os.Stderr = nil
	jsii.Close()
	os.Exit(code)
}

// Two directories with the same source give the same release, and the command finds one byte that is another.
func TestRelease_IsTheSameWhereverItIsBuilt(t *testing.T) {
	fulltests.Only(t, "two minutes, for three builds of everything")
	for _, program := range []string{"git", "npm", "python3"} {
		needed.Program(t, program)
	}
	dirs := []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "another directory", "deeper")}
	release := func(dir string, arguments ...string) ([]byte, error) {
		arguments = append([]string{"run", "./internal/release"}, arguments...)
		command := exec.CommandContext(t.Context(), "go", arguments...)
		command.Dir = dir
		return command.CombinedOutput()
	}
	var all []map[string][]byte
	for _, dir := range dirs {
		clone(t, dir)
		if text, err := release(dir); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		files, err := digests(filepath.Join(dir, "dist"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, files)
	}
	if diff := cmp.Diff(all[0], all[1]); diff != "" || len(all[0]) < 17 {
		t.Errorf("releases of %d files (-one +another):\n%s", len(all[0]), diff)
	}

	changed := filepath.Join(dirs[0], "dist", layerFile("arm64"))
	content := []byte(kit.Read(t, changed))
	content[len(content)/2] ^= 1
	if err := os.WriteFile(changed, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if text, err := release(dirs[1], "-verify", filepath.Join(dirs[0], "dist")); err == nil ||
		!strings.Contains(string(text), layerFile("arm64")+" differs") || strings.Contains(string(text), "x86_64") {
		t.Errorf("of a changed byte, the command says %v:\n%s", err, text)
	}
}

// clone is a repository with this tree and one commit, which is the same each time.
func clone(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains([]string{".git", "node_modules", "cdk.out", "dist", "bench.out"}, entry.Name()) {
			kit.CopyFiles(t, dir, entry.Name())
		}
	}
	t.Setenv("GIT_AUTHOR_DATE", "2001-02-03T04:05:06Z")
	t.Setenv("GIT_COMMITTER_DATE", "2001-02-03T04:05:06Z")
	git := []string{
		"-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false", "-c",
		"core.hooksPath=/dev/null",
	}
	for _, arguments := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "x"}} {
		kit.Run(t, dir, "git", append(git, arguments...)...)
	}
}

func writeBelow(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	kit.Write(t, path, content)
}

func TestCompare_NamesEveryFileThatIsAnother(t *testing.T) {
	release, again := t.TempDir(), t.TempDir()
	for name, content := range map[string][2]string{
		"same": {"x", "x"}, "policies/changed.json": {"y", "x"}, "missing": {"", "x"}, "more": {"x", ""},
	} {
		for i, dir := range []string{release, again} {
			if content[i] != "" {
				writeBelow(t, dir, name, content[i])
			}
		}
	}
	err := compare(release, again)
	if err == nil {
		t.Fatal("nothing was found")
	}
	for _, want := range []string{"policies/changed.json differs", "missing is missing", "more is no part"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "same") {
		t.Errorf("got %v", err)
	}
	if err := compare(again, again); err != nil {
		t.Error(err)
	}
}

func TestRun_RefusesWhatIsNoFlag(t *testing.T) {
	if err := run(t.Context(), []string{"dist"}, io.Discard); err == nil || !strings.Contains(err.Error(), `"dist"`) {
		t.Errorf("got %v", err)
	}
}

// A release of a tree with changes could not be built again, so it has to be asked for.
func TestSource_SaysWhetherTheTreeHasChanges(t *testing.T) {
	needed.Program(t, "git")
	dir := t.TempDir()
	kit.Write(t, filepath.Join(dir, "go.mod"), "module x\n")
	git := func(arguments ...string) {
		kit.Run(t, dir, "git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com", "-c",
			"commit.gpgsign=false"}, arguments...)...)
	}
	git("init", "-q")
	git("add", "-A")
	git("commit", "-q", "-m", "x")
	clean, err := sourceOf(t.Context(), dir, false)
	if err != nil || len(clean.revision) != 40 {
		t.Fatalf("got %+v, %v", clean, err)
	}
	kit.Write(t, filepath.Join(dir, "more"), "x")
	if _, err := sourceOf(t.Context(), dir, false); err == nil || !strings.Contains(err.Error(), "more") {
		t.Errorf("got %v", err)
	}
	if dirty, err := sourceOf(t.Context(), dir, true); err != nil || dirty.revision != clean.revision+"+changes" {
		t.Errorf("got %+v, %v", dirty, err)
	}
	kit.Write(t, filepath.Join(dir, "go.mod"), "module x\n\ntoolchain go1.2.3\n")
	if _, err := sourceOf(t.Context(), dir, true); err == nil || !strings.Contains(err.Error(), "GOTOOLCHAIN=go1.2.3") {
		t.Errorf("got %v", err)
	}
}

// What describes a release is about every file of it, and says what is inside a binary: here, this test.
func TestDescribe_SaysWhatIsInside(t *testing.T) {
	dist := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kit.Write(t, filepath.Join(dist, "program"), "in a release, the program itself")
	s := source{"../..", strings.Repeat("a", 40) + "+changes"}
	if err := describe(t.Context(), s, dist, []binary{{"program", self}}); err != nil {
		t.Fatal(err)
	}
	files, err := digests(dist)
	if err != nil {
		t.Fatal(err)
	}
	var sums []string
	for line := range strings.Lines(kit.Read(t, filepath.Join(dist, sumsFile))) {
		digest, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if digest != hex.EncodeToString(files[name]) {
			t.Errorf("%s: the sum is %s", name, digest)
		}
		sums = append(sums, name)
	}
	if diff := cmp.Diff([]string{licencesFile, "program", provenanceFile, sbomFile}, sums); diff != "" {
		t.Errorf("files with a sum (-want +got):\n%s", diff)
	}

	const lib = "pkg:golang/github.com/aws/jsii-runtime-go@"
	bill := kit.Read(t, filepath.Join(dist, sbomFile))
	if strings.Count(bill, `"bom-ref": "`+lib) != 1 || !strings.Contains(bill, `"bom-ref": "pkg:golang/std@1.`) {
		t.Errorf("the bill of materials has not what this test imports:\n%s", bill)
	}
	var parsed struct {
		Components []struct {
			Ref string `json:"bom-ref"`
		}
		Dependencies []struct{ DependsOn []string }
	}
	if err := json.Unmarshal([]byte(bill), &parsed); err != nil {
		t.Fatal(err)
	}
	refs := map[string]bool{}
	for _, component := range parsed.Components {
		refs[component.Ref] = true
	}
	for _, dependency := range parsed.Dependencies {
		for _, on := range dependency.DependsOn {
			if !refs[on] {
				t.Errorf("there is no component %s", on)
			}
		}
	}
	licences := kit.Read(t, filepath.Join(dist, licencesFile))
	for _, title := range []string{"lambda-tokenizer: LICENSE", "Go 1.", "github.com/aws/jsii-runtime-go v"} {
		if !strings.Contains(licences, "==== "+title) {
			t.Errorf("there is no licence of %s", title)
		}
	}
	statement := kit.Read(t, filepath.Join(dist, provenanceFile))
	for _, want := range []string{
		`"revision": "` + s.revision + `"`, `"gitCommit": "` + strings.Repeat("a", 40) + `"`,
		`"sha256": "` + hex.EncodeToString(files["program"]) + `"`,
	} {
		if !strings.Contains(statement, want) {
			t.Errorf("the provenance has no %s:\n%s", want, statement)
		}
	}
}

// The order of the files, the time and the modes in a zip file are no accident of the machine.
func TestZipTree_DependsOnContentOnly(t *testing.T) {
	var archives []string
	for i := range 2 {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(i))
		names := []string{"b", "extensions/a", "a"}
		if i == 1 {
			slices.Reverse(names)
		}
		for _, name := range names {
			writeBelow(t, dir, name, "content of "+name)
		}
		name := filepath.Join(t.TempDir(), "layer.zip")
		if err := zipTree(name, dir); err != nil {
			t.Fatal(err)
		}
		archives = append(archives, kit.Read(t, name))
	}
	if archives[0] != archives[1] || !bytes.Contains([]byte(archives[0]), []byte("extensions/a")) {
		t.Error("the same content gives two archives")
	}
}
