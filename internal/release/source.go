package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// source is the tree that is built.
type source struct {
	dir      string
	revision string // of git; it ends in "+changes" if the tree differs from it
}

// sourceOf says what is in a directory. A tree with changes is an error unless it is allowed: nobody else could build
// it again.
func sourceOf(ctx context.Context, dir string, dirty bool) (source, error) {
	below, err := git(ctx, dir, "rev-parse", "--show-prefix")
	if err != nil {
		return source{}, err
	}
	if below = strings.TrimSpace(below); below != "" {
		return source{}, fmt.Errorf("this is the directory %s of a git repository: run it in a clone of lambda-tokenizer, "+
			"at its top", below)
	}
	if err := checkWorkTree(ctx, dir); err != nil {
		return source{}, err
	}
	revision, err := git(ctx, dir, "rev-parse", "HEAD")
	if err != nil {
		return source{}, err
	}
	changes, err := changesOf(ctx, dir)
	if err != nil {
		return source{}, err
	}
	s := source{dir, strings.TrimSpace(revision)}
	if changes != "" {
		if !dirty {
			return source{}, fmt.Errorf("the tree differs from its commit, so nobody else could build this: commit "+
				"the changes first, or set -allow-dirty. They are:\n%s", changes)
		}
		s.revision += "+changes"
	}
	return s, s.checkToolchain()
}

// checkToolchain tells whether this program runs with the release of Go that go.mod names. Go's libraries compress the
// archives, and another release may compress differently.
func (s source) checkToolchain() error {
	content, err := os.ReadFile(s.dir + "/go.mod")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(content)) {
		if want, ok := strings.CutPrefix(strings.TrimSpace(line), "toolchain "); ok && want != runtime.Version() {
			return fmt.Errorf("this is %s, but releases are built with %s: set GOTOOLCHAIN=%[2]s", runtime.Version(),
				want)
		}
	}
	return nil
}

// checkPrograms says at once what is not installed, and not after minutes.
func checkPrograms() error {
	var missing []string
	for _, name := range []string{"go", "git", "node", "npm", "python3"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not on the PATH: %s. A release needs Go, git, Node.js with npm, and Python 3",
			strings.Join(missing, ", "))
	}
	return nil
}

// checkOutside is an error if an absolute path is in the source and git does not ignore it. The next build would see a
// tree with changes, and what is below some directories becomes a part of the layer.
func checkOutside(ctx context.Context, dir, path string) error {
	top, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if top, err = filepath.EvalSymlinks(top); err != nil {
		return err
	}
	relative, err := filepath.Rel(top, path)
	if err != nil || relative == ".." || strings.HasPrefix(relative, "../") {
		return nil // it is outside
	}
	_, err = git(ctx, dir, "check-ignore", "--quiet", "--", filepath.ToSlash(relative)+"/")
	if code, ok := errors.AsType[*exec.ExitError](err); ok && code.ExitCode() == 1 {
		return fmt.Errorf("%s is in the source, and git does not ignore it: name dist, or a directory elsewhere", path)
	}
	return err
}

// elsewhere are the variables by which git uses another repository, index or working tree than those of the directory.
// The environment of a hook has some of them.
var elsewhere = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR",
	"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_NAMESPACE",
}

// git runs git on the repository of a directory. It sees the objects of the commit, not those that replace them on this
// machine, and the files themselves, not what a monitor says about them.
func git(ctx context.Context, dir string, arguments ...string) (string, error) {
	return output(ctx, dir, []string{"GIT_NO_REPLACE_OBJECTS=1"}, "git",
		append([]string{"-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false"}, arguments...)...)
}

// checkWorkTree is an error if git takes the files of another directory for those of the repository.
func checkWorkTree(ctx context.Context, dir string) error {
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	if top = strings.TrimSuffix(top, "\n"); !sameFile(top, dir) {
		return fmt.Errorf("git takes %s for the working tree of this repository: run git config --unset core.worktree", top)
	}
	return nil
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// output runs a program and returns what it prints. If the context ends, the program can clean up after itself.
func output(ctx context.Context, dir string, environment []string, name string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, name, arguments...)
	var out, trouble bytes.Buffer
	command.Dir, command.Env = dir, slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(elsewhere, name)
	})
	command.Env = append(command.Env, environment...)
	command.Stdout, command.Stderr = &out, &trouble
	command.Cancel, command.WaitDelay = func() error { return command.Process.Signal(os.Interrupt) }, 10*time.Second
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(arguments, " "), err, trouble.String())
	}
	return out.String(), nil
}
