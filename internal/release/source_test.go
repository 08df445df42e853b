package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// repositoryWith is a git repository with one commit of the files, by their paths.
func repositoryWith(t *testing.T, files map[string]string) string {
	t.Helper()
	needed.Program(t, "git")
	dir := t.TempDir()
	for name, content := range files {
		writeBelow(t, dir, name, content)
	}
	commit(t, dir)
	return dir
}

// commit makes a directory a git repository with one commit of what is in it, which is the same each time.
func commit(t *testing.T, dir string) {
	t.Helper()
	t.Setenv("GIT_AUTHOR_DATE", "2001-02-03T04:05:06Z")
	t.Setenv("GIT_COMMITTER_DATE", "2001-02-03T04:05:06Z")
	for _, arguments := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "x"}} {
		kit.Run(t, dir, "git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com", "-c",
			"commit.gpgsign=false", "-c", "core.hooksPath=/dev/null"}, arguments...)...)
	}
}

// A release of a tree with changes could not be built again, so it has to be asked for.
func TestSource_SaysWhetherTheTreeHasChanges(t *testing.T) {
	dir := repositoryWith(t, map[string]string{"go.mod": "module x\n", "below/x": ""})
	kit.Run(t, dir, "git", "config", "status.showUntrackedFiles", "no")
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
	for name, change := range map[string]func(dir string){
		"go.mod": func(dir string) { // nothing is said of it
			kit.Run(t, dir, "git", "update-index", "--assume-unchanged", "go.mod")
			kit.Write(t, filepath.Join(dir, "go.mod"), "module y\n")
		},
		"below/x": func(dir string) { // it is converted, as in a clone with this setting
			kit.Run(t, dir, "git", "config", "core.autocrlf", "true")
			kit.Write(t, filepath.Join(dir, "below", "x"), "x\r\n")
		},
		"tokenizerlayer/layer/x.prof": func(dir string) { // it is ignored
			writeBelow(t, dir, "tokenizerlayer/layer/x.prof", "x")
		},
	} {
		dir := repositoryWith(t, map[string]string{
			"go.mod": "module x\n", "below/x": "x\n", ".gitignore": "*.prof\n__p*\n",
		})
		writeBelow(t, dir, "tokenizerlayer/__pycache__/x", "no part of the layer")
		writeBelow(t, dir, "x.prof", "no part of it either")
		if _, err := sourceOf(t.Context(), dir, false); err != nil {
			t.Fatal(err)
		}
		change(dir)
		if _, err := sourceOf(t.Context(), dir, false); err == nil || !strings.Contains(err.Error(), " "+name+"\n") {
			t.Errorf("of a change of %s that git does not tell: %v", name, err)
		}
	}
	kit.Write(t, filepath.Join(dir, "go.mod"), "module x\n\ntoolchain go1.2.3\n")
	if _, err := sourceOf(t.Context(), dir, true); err == nil || !strings.Contains(err.Error(), "GOTOOLCHAIN=go1.2.3") {
		t.Errorf("got %v", err)
	}
	// a source archive that was unpacked in another project's repository
	if _, err := sourceOf(t.Context(), filepath.Join(dir, "below"), true); err == nil ||
		!strings.Contains(err.Error(), "the directory below/ of a git repository") {
		t.Errorf("got %v", err)
	}
}

// The environment of a hook of git names another repository, and git can show other objects than those of a commit.
func TestSource_IsOfTheTreeItself(t *testing.T) {
	other := repositoryWith(t, map[string]string{"go.mod": "module other\n"})
	dir := repositoryWith(t, map[string]string{"go.mod": "module x\n"})
	want, err := sourceOf(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("another repository", func(t *testing.T) {
		t.Setenv("GIT_DIR", filepath.Join(other, ".git"))
		t.Setenv("GIT_WORK_TREE", other)
		t.Setenv("GIT_INDEX_FILE", filepath.Join(other, ".git", "index"))
		if got, err := sourceOf(t.Context(), dir, false); err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("another working tree", func(t *testing.T) {
		kit.Run(t, other, "git", "config", "core.worktree", dir)
		if got, err := sourceOf(t.Context(), other, false); err == nil ||
			!strings.Contains(err.Error(), "git config --unset core.worktree") {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("another tree", func(t *testing.T) {
		kit.Write(t, filepath.Join(dir, "go.mod"), "module y\n")
		kit.Run(t, dir, "git", "add", "-A")
		tree := strings.TrimSpace(kit.Run(t, dir, "git", "write-tree"))
		kit.Run(t, dir, "git", "replace", strings.TrimSpace(kit.Run(t, dir, "git", "rev-parse", "HEAD^{tree}")), tree)
		if got, err := sourceOf(t.Context(), dir, false); err == nil {
			t.Errorf("a tree with changes is %+v", got)
		}
	})
}

// What cannot be is an error before anything is built.
func TestRun_RefusesBadUseAtOnce(t *testing.T) {
	t.Chdir(repositoryWith(t, map[string]string{
		"go.mod": "module x\n", ".gitignore": "/dist/\n/dist.incomplete/\n/half/\n/full/\n", "file": "",
	}))
	for _, name := range []string{"full/x", "dist.incomplete/x", "own/" + sumsFile} {
		writeBelow(t, ".", name, "x")
	}
	elsewhere := t.TempDir()
	link, nothing := filepath.Join(elsewhere, "link"), filepath.Join(elsewhere, "nothing")
	here, err := os.Getwd()
	if err := errors.Join(err, os.Symlink(here, link), os.Symlink("none", nothing)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := os.Stat("dist"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("there is a dist: %v", err)
		}
	}()
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no flag":                     {[]string{"dist"}, `unexpected argument "dist"`},
		"no name to verify":           {[]string{"-verify", ""}, "want the name of a directory"},
		"no name to build into":       {[]string{"-out="}, "want the name of a directory"},
		"both":                        {[]string{"-out", "a", "-verify", "b"}, "give one of them"},
		"verify nothing":              {[]string{"-verify", "none"}, "-verify none: lstat "},
		"verify a file":               {[]string{"-verify", "file"}, "this is no directory"},
		"verify a part of the source": {[]string{"-verify", "own"}, "is in the source, and git does not ignore it"},
		"verify the source":           {[]string{"-verify", "."}, "this has no file of a release"},
		"changes":                     {nil, "the tree differs from its commit"},
		"into a directory with files": {[]string{"-allow-dirty", "-out", "full"}, "full is not empty"},
		"into a file":                 {[]string{"-allow-dirty", "-out", "file"}, "-out: "},
		"into the source":             {[]string{"-allow-dirty", "-out", "a/b"}, "a/b is in the source, and git"},
		"into what may be incomplete": {[]string{"-allow-dirty", "-out", "half"}, "half.incomplete is in the source"},
		"what was killed":             {[]string{"-allow-dirty"}, "dist.incomplete is of a build that runs, or"},
		"into the source by a link":   {[]string{"-allow-dirty", "-out", link + "/a/b"}, "a/b is in the source, and"},
		"into a link to nothing":      {[]string{"-allow-dirty", "-out", nothing}, "is a symbolic link to nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), tt.args, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestRun_NamesTheProgramsThatAreMissing(t *testing.T) {
	needed.Program(t, "git")
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	if err := os.Symlink(git, filepath.Join(path, "git")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", path)
	const want = "not on the PATH: go, node, npm, python3."
	if err := run(t.Context(), nil, io.Discard); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

// Whatever ends a build, there is nothing that could be taken for a release.
func TestRelease_LeavesNothingWhenItFails(t *testing.T) {
	dir := repositoryWith(t, map[string]string{"go.mod": "module x\n"}) // which has no development server
	out := filepath.Join(t.TempDir(), "new", "dist")
	err := release(t.Context(), source{dir: dir}, out)
	if err == nil || !strings.Contains(err.Error(), "tokenizer-dev") {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(out)); err != nil || len(entries) > 0 {
		t.Errorf("%v is left (%v)", entries, err)
	}
}
