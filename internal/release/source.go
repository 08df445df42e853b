package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// source is the tree that is built.
type source struct {
	dir      string
	revision string // of git; it ends in "+changes" if the tree differs from it
}

// sourceOf says what is in a directory. A tree with changes is an error unless it is allowed: nobody else could build
// it again.
func sourceOf(ctx context.Context, dir string, dirty bool) (source, error) {
	revision, err := output(ctx, dir, nil, "git", "rev-parse", "HEAD")
	if err != nil {
		return source{}, err
	}
	changes, err := output(ctx, dir, nil, "git", "status", "--porcelain")
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

// output runs a program and returns what it prints.
func output(ctx context.Context, dir string, environment []string, name string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, name, arguments...)
	var out, trouble bytes.Buffer
	command.Dir, command.Env = dir, append(os.Environ(), environment...)
	command.Stdout, command.Stderr = &out, &trouble
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(arguments, " "), err, trouble.String())
	}
	return out.String(), nil
}
