// Package reproducible_test builds everything twice, and compares what comes out.
package reproducible_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// Whoever reviews a template can synthesize it again and compare: the whole cloud assembly, layer and functions
// included, comes out the same from two clones that have nothing but their content in common.
func TestClones_SynthesizeTheSameAssembly(t *testing.T) {
	fulltests.Only(t, "20 seconds, for two builds of everything")
	first := synthesizeClone(t, clone{
		dir: "a", umask: 0o022, modified: time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC), repository: true,
	})
	second := synthesizeClone(t, clone{
		dir: "another/directory, deeper", umask: 0o077, modified: time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
	})

	templates, assets := 0, 0
	for name := range first {
		if strings.HasSuffix(name, ".template.json") {
			templates++
		}
		if matched, _ := filepath.Match("asset.*", name); matched {
			assets++
		}
	}
	if templates != 3 || assets != 4 {
		t.Errorf("%d templates and %d assets, want 3 stacks, and two layer versions and two functions", templates,
			assets)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("assemblies differ (-first +second):\n%s", diff)
	}
}

// clone is a copy of the working tree, and what is particular about it.
type clone struct {
	dir        string
	umask      int
	modified   time.Time
	repository bool // it has a .git, whose state go build would stamp into a binary
}

// synthesizeClone gives the content of every file of the assembly by its path, as a digest. Assets are also described
// by their modes, for those go to Lambda; the other files stay on the machine, with its umask.
func synthesizeClone(t *testing.T, c clone) map[string]string {
	t.Helper()
	defer syscall.Umask(syscall.Umask(c.umask)) // of this process, and of its children
	root := filepath.Join(t.TempDir(), c.dir)
	if err := os.MkdirAll(root, 0o777); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains([]string{".git", "node_modules", "cdk.out"}, entry.Name()) {
			kit.CopyFiles(t, root, entry.Name())
		}
	}
	if c.repository {
		makeRepository(t, root)
	}
	kit.Walk(t, root, func(path string, _ fs.FileInfo) {
		if err := os.Chtimes(path, c.modified, c.modified); err != nil {
			t.Fatal(err)
		}
	})

	out := filepath.Join(t.TempDir(), "cdk.out")
	var log bytes.Buffer
	if err := synth.Run(t.Context(), synth.Options{Dir: root, Out: out, Log: &log}); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	kit.Walk(t, out, func(path string, info fs.FileInfo) {
		name, _ := filepath.Rel(out, path)
		description := ""
		if strings.HasPrefix(name, "asset.") {
			description = info.Mode().String()
		}
		if !info.IsDir() {
			description += fmt.Sprintf(" %x", sha256.Sum256([]byte(traced(name, kit.Read(t, path)))))
		}
		files[name] = description
	})
	return files
}

// kernel is where the jsii runtime unpacks the CDK, for one process.
var kernel = regexp.MustCompile(`jsii-kernel-[A-Za-z0-9]+`)

// traced takes from a stack's metadata, which is deployed nowhere and in no hash, where the CDK's own code was when it
// ran.
func traced(name, content string) string {
	if strings.HasSuffix(name, ".metadata.json") {
		return kernel.ReplaceAllString(content, "jsii-kernel")
	}
	return content
}

func makeRepository(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Log("git is not installed: neither clone is a repository")
		return
	}
	git := []string{
		"-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false", "-c",
		"core.hooksPath=/dev/null",
	}
	for _, arguments := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "x"}} {
		kit.Run(t, dir, "git", append(git, arguments...)...)
	}
}
