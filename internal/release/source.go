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
	below, err := output(ctx, dir, nil, "git", "rev-parse", "--show-prefix")
	if err != nil {
		return source{}, err
	}
	if below = strings.TrimSpace(below); below != "" {
		return source{}, fmt.Errorf("this is the directory %s of a git repository: run it in a clone of lambda-tokenizer, "+
			"at its top", below)
	}
	revision, err := output(ctx, dir, nil, "git", "rev-parse", "HEAD")
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
	_, err = output(ctx, dir, nil, "git", "check-ignore", "--quiet", "--", filepath.ToSlash(relative)+"/")
	if code, ok := errors.AsType[*exec.ExitError](err); ok && code.ExitCode() == 1 {
		return fmt.Errorf("%s is in the source, and git does not ignore it: name dist, or a directory elsewhere", path)
	}
	return err
}

// output runs a program and returns what it prints. If the context ends, the program can clean up after itself.
func output(ctx context.Context, dir string, environment []string, name string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, name, arguments...)
	var out, trouble bytes.Buffer
	command.Dir, command.Env = dir, append(os.Environ(), environment...)
	command.Stdout, command.Stderr = &out, &trouble
	command.Cancel, command.WaitDelay = func() error { return command.Process.Signal(os.Interrupt) }, 10*time.Second
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(arguments, " "), err, trouble.String())
	}
	return out.String(), nil
}
