// Package needed is for tests that need more than Go: another language's runtime, a tool, a package of npm. Without it
// such a test is skipped, by the name of what is missing. Where the variable CI is set it fails instead, so that no
// test is left out unnoticed.
package needed

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"testing"
)

// Program says that the test runs a program of the PATH.
func Program(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		missing(t, name)
	}
}

// PythonModule says that the test runs a program in Python that imports a module which is not Python's own.
func PythonModule(t testing.TB, name string) {
	t.Helper()
	Program(t, "python3")
	if exec.CommandContext(t.Context(), "python3", "-c", "import "+name).Run() != nil {
		missing(t, "Python's module "+name)
	}
}

// NPMFile says that the test uses a file of a package that `npm ci` installs. It reads the file, so that the test's
// cached result depends on it.
func NPMFile(t testing.TB, path string) {
	t.Helper()
	_, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		missing(t, path+", which `npm ci` installs,")
	} else if err != nil {
		t.Fatal(err)
	}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: install it, because CI is set", what)
	}
	t.Skipf("%s is missing", what)
}
