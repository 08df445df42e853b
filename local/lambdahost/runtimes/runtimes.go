// Package runtimes says how Lambda's runtimes are run by the programs of this machine: Python and Node by a small
// bootstrap that is embedded here, and a function with an executable of its own by that.
//
//	r, err := runtimes.Find(ctx, "python3.13", runtimes.Dirs{Programs: temp, Opt: opt})
//	// r.Command goes into lambdahost.Config, and r.Variables into its variables
package runtimes

import (
	"context"
	_ "embed" // for the bootstraps
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed bootstrap.py
var pythonBootstrap []byte

//go:embed bootstrap.mjs
var nodeBootstrap []byte

// Dirs are absolute paths.
type Dirs struct {
	Programs string // where the bootstraps are written
	Opt      string // of the function's layers; "" without layers
}

// Runtime is a runtime on this machine.
type Runtime struct {
	// Command runs a function; nil means the executable that its code has.
	Command []string
	// Variables are those that Lambda sets for this runtime. The template may override them.
	Variables map[string]string
	// Note says what differs from Lambda; "" for nothing.
	Note string
}

// family is a kind of runtime with the program that it needs.
type family struct {
	program, install string
	about            []string // arguments with which the program prints its path and its release, on two lines
	bootstrap        func(program, release string, at Dirs) (command []string, variables map[string]string, err error)
}

var families = map[string]family{
	"python": {
		program: "python3", install: "https://www.python.org/downloads/",
		about:     []string{"-c", "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2])"},
		bootstrap: python,
	},
	"nodejs": {
		program: "node", install: "https://nodejs.org/",
		about:     []string{"-p", "process.execPath + '\\n' + process.versions.node"},
		bootstrap: node,
	},
}

// known takes kind and release out of the name of a runtime: python3.13, nodejs22.x.
var known = regexp.MustCompile(`^(python|nodejs)([0-9]+(?:\.[0-9]+)?)(?:\.x)?$`)

// Find finds the programs for a runtime, and writes its bootstrap. An error says what to install.
func Find(ctx context.Context, runtime string, at Dirs) (Runtime, error) {
	if strings.HasPrefix(runtime, "provided.") {
		return Runtime{}, nil
	}
	name := known.FindStringSubmatch(runtime)
	if name == nil {
		return Runtime{}, fmt.Errorf("the runtime %q is not simulated: the local run has Python, Node and provided.al2023",
			runtime)
	}
	kind, declared := families[name[1]], name[2]
	program, release, err := kind.find(ctx, declared)
	if err != nil {
		return Runtime{}, fmt.Errorf("the function has the runtime %s, and %w", runtime, err)
	}
	r := Runtime{}
	if r.Command, r.Variables, err = kind.bootstrap(program, release, at); err != nil {
		return Runtime{}, err
	}
	r.Variables["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + runtime
	if release != declared && !strings.HasPrefix(release, declared+".") {
		r.Note = fmt.Sprintf("%s: this machine has %s %s, which runs the function", runtime, kind.program, release)
	}
	return r, nil
}

// find asks the program for itself, because what is on the PATH may be a script of a version manager. It prefers a
// program of the declared release, such as python3.13.
func (f family) find(ctx context.Context, declared string) (program, release string, err error) {
	for _, name := range []string{strings.TrimSuffix(f.program, "3") + declared, f.program} {
		var path string
		if path, err = exec.LookPath(name); err != nil {
			continue
		}
		if program, release, err = f.ask(ctx, path); err == nil {
			return program, release, nil
		}
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", "", fmt.Errorf("%s is not on the PATH: install it from %s", f.program, f.install)
	}
	return "", "", fmt.Errorf("%s does not start (%w): install it from %s", f.program, err, f.install)
}

func (f family) ask(ctx context.Context, path string) (program, release string, err error) {
	out, err := exec.CommandContext(ctx, path, f.about...).Output()
	if err != nil {
		return "", "", err
	}
	program, release, found := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !found {
		return "", "", errors.New("it does not tell its release")
	}
	return program, strings.TrimSpace(release), nil
}

// python has the paths of a layer that
// https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html lists. No bytecode is written beside the code.
func python(program, release string, at Dirs) ([]string, map[string]string, error) {
	variables := map[string]string{}
	if at.Opt != "" {
		variables["PYTHONPATH"] = filepath.Join(at.Opt, "python") + ":" +
			filepath.Join(at.Opt, "python", "lib", "python"+release, "site-packages")
	}
	file, err := write(at.Programs, "bootstrap.py", pythonBootstrap)
	return []string{program, "-u", "-B", "-s", file}, variables, err
}

func node(program, release string, at Dirs) ([]string, map[string]string, error) {
	variables := map[string]string{}
	if at.Opt != "" {
		major, _, _ := strings.Cut(release, ".")
		variables["NODE_PATH"] = filepath.Join(at.Opt, "nodejs", "node"+major, "node_modules") + ":" +
			filepath.Join(at.Opt, "nodejs", "node_modules")
	}
	file, err := write(at.Programs, "bootstrap.mjs", nodeBootstrap)
	return []string{program, file, at.Opt}, variables, err
}

// write writes a bootstrap into a directory of its own, because Python and Node look for modules beside a program.
func write(programs, name string, content []byte) (string, error) {
	dir := filepath.Join(programs, strings.ReplaceAll(name, ".", "-"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, content, 0o600)
}
