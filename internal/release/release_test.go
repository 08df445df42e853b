package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	os.Stderr = nil
	jsii.Close()
	os.Exit(code)
}

func writeBelow(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	kit.Write(t, path, content)
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
	files, err := digests(os.DirFS(dist))
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
