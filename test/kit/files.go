package kit

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
)

// Read is the content of a file.
func Read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Write makes or replaces a file.
func Write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Walk visits everything below root.
func Walk(t *testing.T, root string, visit func(path string, info fs.FileInfo)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		visit(path, info)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// CopyFiles copies files and directories of this repository, by their paths in it, into dir.
func CopyFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	root, err := synth.ModuleRoot("")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		source, target := filepath.Join(root, name), filepath.Join(dir, name)
		info, err := os.Stat(source)
		if err != nil {
			t.Fatal(err)
		}
		if !info.IsDir() {
			Write(t, target, Read(t, source))
			continue
		}
		if err := os.CopyFS(target, os.DirFS(source)); err != nil {
			t.Fatal(err)
		}
	}
}

// Run runs a program in dir, and returns what it printed.
func Run(t *testing.T, dir, name string, arguments ...string) string {
	t.Helper()
	command := exec.Command(name, arguments...)
	command.Dir = dir
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return string(output)
}
