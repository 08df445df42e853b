package watch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/watch"
)

// app is a directory that is watched.
type app struct {
	*testing.T
	dir    string
	number *int // of calls of next
	*watch.Watcher
}

func watchApp(t *testing.T, ignores func(string) func(string) bool, files ...string) app {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	a := app{T: t, dir: filepath.Join(t.TempDir(), "app"), number: new(int)}
	if err := os.Mkdir(a.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		a.write(file, "before")
	}
	var err error
	if a.Watcher, err = watch.New(a.dir, ignores); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
			t.Errorf("left in the temporary directory: %v, %v", left, err)
		}
	})
	return a
}

func (a app) write(file, content string) {
	a.Helper()
	file = filepath.Join(a.dir, file)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		a.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		a.Fatal(err)
	}
}

func (a app) remove(file string) {
	a.Helper()
	if err := os.RemoveAll(filepath.Join(a.dir, file)); err != nil {
		a.Fatal(err)
	}
}

// next makes a change of its own, so that what has not changed before is seen to be missing in the answer.
func (a app) next(want ...string) {
	a.Helper()
	*a.number++
	a.write("zlast", fmt.Sprint(*a.number))
	got, err := a.Next(a.Context())
	if diff := cmp.Diff(append(want, "zlast"), got); diff != "" || err != nil {
		a.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func (a app) during(write func()) {
	a.Helper()
	if err := a.During(func() error { write(); return nil }); err != nil {
		a.Fatal(err)
	}
}

func TestNext_ReturnsWhatHasChanged(t *testing.T) {
	a := watchApp(t, watch.OfApp, "code/index.py", "code/other.py")
	a.write("code/index.py", "after")
	a.next("code/index.py")
	a.write("code/index.py", "after") // the same
	a.write("code/other.py", "after")
	a.next("code/other.py")
	if err := os.Chmod(filepath.Join(a.dir, "code/index.py"), 0o400); err != nil {
		t.Fatal(err)
	}
	a.write("code/temporary", "")
	a.remove("code/temporary")
	a.next()
	a.remove("code/other.py")
	a.next("code/other.py")
}

func TestNext_FollowsNewDirectories(t *testing.T) {
	a := watchApp(t, watch.OfApp)
	a.write("new/deep/index.py", "")
	a.next("new/deep/index.py")
	a.write("new/deep/index.py", "after")
	a.next("new/deep/index.py")
}

func TestNext_FollowsADirectoryThatHasAnotherName(t *testing.T) {
	a := watchApp(t, watch.OfApp, "old/deep/index.py")
	rename := func(name, newName string) {
		if err := os.Rename(filepath.Join(a.dir, name), newName); err != nil {
			t.Fatal(err)
		}
	}
	rename("old", filepath.Join(a.dir, "new"))
	a.next("new/deep/index.py", "old")
	a.write("new/deep/index.py", "after")
	a.next("new/deep/index.py")
	elsewhere := filepath.Join(t.TempDir(), "new")
	rename("new", elsewhere)
	a.next("new")
	if err := os.WriteFile(filepath.Join(elsewhere, "deep", "index.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a.next()
}

// A script may remove the directory and make it anew, and git may do so, too.
func TestNext_FollowsTheDirectoryThatTakesItsPlace(t *testing.T) {
	a := watchApp(t, watch.OfApp, "code/index.py")
	for _, gone := range []func() error{
		func() error { return os.RemoveAll(a.dir) },
		func() error { return os.Rename(a.dir, filepath.Join(t.TempDir(), "old")) },
	} {
		if err := gone(); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Next(t.Context()); err != nil || !slices.Contains(got, ".") {
			t.Errorf("%v, got %v", err, got)
		}
		a.write("code/index.py", "anew")
		if got, err := a.Next(t.Context()); err != nil || !slices.Contains(got, "code/index.py") {
			t.Errorf("%v, got %v", err, got)
		}
		a.write("code/index.py", "after")
		a.next("code/index.py")
	}
}

func TestNext_SaysThatTheDirectoryAndItsParentAreGone(t *testing.T) {
	a := watchApp(t, watch.OfApp)
	if err := os.RemoveAll(filepath.Dir(a.dir)); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := a.Next(t.Context())
		if err != nil {
			if !strings.Contains(err.Error(), "was removed or has another name") {
				t.Errorf("error = %v", err)
			}
			break
		}
	}
}

func TestNext_IgnoresWhatIsNotSource(t *testing.T) {
	ignored := []string{
		".git/index", "node_modules/a/index.js", "code/node_modules/a", "cdk.out/manifest.json",
		"code/__pycache__/a.pyc",
		".venv/lib/a.py", "dist/cdk.out", "dist/manifest.json",
	}
	a := watchApp(t, watch.OfApp, ignored...)
	for _, file := range append(ignored, "code/index.py~", "code/.index.py.swp", "#index.py#", "4913", ".DS_Store") {
		a.write(file, "after")
	}
	a.next()
	a.write(".env", "after")
	a.next(".env")
}

func TestNext_KnowsThatAnAssemblyIsNoSource(t *testing.T) {
	a := watchApp(t, watch.OfAssembly, "cdk.out", "manifest.json", "asset.a/node_modules/a/index.js")
	a.write("manifest.json", "after")
	a.write("asset.a/node_modules/a/index.js", "after")
	a.write("asset.a/index.js~", "after")
	a.next("asset.a/node_modules/a/index.js", "manifest.json")
}

func TestNext_ReturnsManyChangesAtOnce(t *testing.T) {
	a := watchApp(t, watch.OfApp)
	a.during(func() {
		for i := range 300 {
			a.write(fmt.Sprint("file", i), "")
		}
	})
	if got, err := a.Next(t.Context()); err != nil || len(got) != 300 {
		t.Errorf("%v, got %d", err, len(got))
	}
	a.next()
}

// Who edits a file while the app is synthesized may have been too late for it.
func TestDuring_DoesNotLoseAChange(t *testing.T) {
	a := watchApp(t, watch.OfApp, "index.py")
	a.during(func() { a.write("index.py", "after") })
	if got, err := a.Next(t.Context()); err != nil || !cmp.Equal(got, []string{"index.py"}) {
		t.Errorf("%v, got %v", err, got)
	}
}

func TestDuring_LeadsToNoLoop(t *testing.T) {
	a := watchApp(t, watch.OfApp)
	compiles := func(content string) {
		a.during(func() {
			a.write("app.js", "the same")
			a.write("stamp", content)
		})
	}
	compiles("1") // nothing is known about the files
	a.next("app.js", "stamp")
	compiles("2")
	a.next("stamp")
	compiles("3")
	if diff := cmp.Diff([]string{"stamp"}, a.Taken()); diff != "" {
		t.Error(diff)
	}
	a.next()
	a.write("stamp", "3") // a person who has edited the file saves it again
	a.next("stamp")
	compiles("4")
	if got := a.Taken(); got != nil {
		t.Errorf("said again: %v", got)
	}
	a.write("stamp", "by a person")
	a.next("stamp")
	a.during(func() {})
	compiles("5") // which counts again, because a synthesis has left it alone
	a.next("stamp")
}

func TestDuring_ReturnsTheErrorOfTheSynthesis(t *testing.T) {
	a := watchApp(t, watch.OfApp)
	failure := errors.New("syntax error")
	if err := a.During(func() error { return failure }); !errors.Is(err, failure) {
		t.Errorf("error = %v", err)
	}
}

func TestNext_EndsWithItsContext(t *testing.T) {
	a := watchApp(t, watch.OfApp)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func TestNew_NamesADirectoryThatDoesNotExist(t *testing.T) {
	if _, err := watch.New("no such directory", watch.OfApp); err == nil ||
		!strings.Contains(err.Error(), "no such directory") {
		t.Errorf("error = %v", err)
	}
}
