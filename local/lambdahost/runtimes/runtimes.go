// Package runtimes says how Lambda's runtimes are run by the programs of this machine: Python and Node by a small
// bootstrap that is embedded here, and a function with an executable of its own by that.
//
//	finder := runtimes.Finder{Dir: temp}
//	r, err := finder.Find(ctx, "python3.13", opt)
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

// Finder finds the programs of runtimes, each once. One goroutine may use it at a time.
type Finder struct {
	// Dir is where bootstraps are written, as an absolute path.
	Dir string

	found map[string]program // by runtime
}

// program is what runs the functions of a runtime.
type program struct{ path, release, bootstrap string }

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
	bootstrap        string   // file name
	code             []byte   // of the bootstrap
	runtime          func(p program, opt string) Runtime
}

var families = map[string]family{
	"python": {
		program: "python3", install: "https://www.python.org/downloads/",
		about:     []string{"-c", "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2])"},
		bootstrap: "bootstrap.py", code: pythonBootstrap, runtime: python,
	},
	"nodejs": {
		program: "node", install: "https://nodejs.org/",
		about:     []string{"-p", "process.execPath + '\\n' + process.versions.node"},
		bootstrap: "bootstrap.mjs", code: nodeBootstrap, runtime: node,
	},
}

// known takes kind and release out of the name of a runtime: python3.13, nodejs22.x.
var known = regexp.MustCompile(`^(python|nodejs)([0-9]+(?:\.[0-9]+)?)(?:\.x)?$`)

// Find finds the program for a runtime, such as python3.13, of a function whose layers are in the directory opt; "" is
// without layers. An error says what to install.
func (f *Finder) Find(ctx context.Context, runtime, opt string) (Runtime, error) {
	if strings.HasPrefix(runtime, "provided.") {
		return Runtime{}, nil
	}
	name := known.FindStringSubmatch(runtime)
	if name == nil {
		return Runtime{}, fmt.Errorf("the runtime %q is not simulated: the local run has Python, Node and provided.al2023",
			runtime)
	}
	kind, declared := families[name[1]], name[2]
	p, ok := f.found[runtime]
	if !ok {
		var err error
		if p, err = kind.find(ctx, declared); err != nil {
			return Runtime{}, fmt.Errorf("the function has the runtime %s, and %w", runtime, err)
		}
		if p.bootstrap, err = write(f.Dir, kind.bootstrap, kind.code); err != nil {
			return Runtime{}, err
		}
		if f.found == nil {
			f.found = map[string]program{}
		}
		f.found[runtime] = p
	}
	r := kind.runtime(p, opt)
	r.Variables["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + runtime
	if p.release != declared && !strings.HasPrefix(p.release, declared+".") {
		r.Note = fmt.Sprintf("%s: this machine has %s %s, which runs the function", runtime, kind.program, p.release)
	}
	return r, nil
}

// find asks the program for itself, because what is on the PATH may be a script of a version manager. It prefers a
// program of the declared release, such as python3.13.
func (f family) find(ctx context.Context, declared string) (p program, err error) {
	for _, name := range []string{strings.TrimSuffix(f.program, "3") + declared, f.program} {
		var path string
		if path, err = exec.LookPath(name); err != nil {
			continue
		}
		if p, err = f.ask(ctx, path); err == nil {
			return p, nil
		}
	}
	if errors.Is(err, exec.ErrNotFound) {
		return program{}, fmt.Errorf("%s is not on the PATH: install it from %s", f.program, f.install)
	}
	return program{}, fmt.Errorf("%s does not start (%w): install it from %s", f.program, err, f.install)
}

func (f family) ask(ctx context.Context, path string) (program, error) {
	out, err := exec.CommandContext(ctx, path, f.about...).Output()
	if err != nil {
		return program{}, err
	}
	path, release, found := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !found {
		return program{}, errors.New("it does not tell its release")
	}
	return program{path: path, release: strings.TrimSpace(release)}, nil
}

// python has the paths of a layer that
// https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html lists. No bytecode is written beside the code.
func python(p program, opt string) Runtime {
	variables := map[string]string{}
	if opt != "" {
		variables["PYTHONPATH"] = filepath.Join(opt, "python") + ":" +
			filepath.Join(opt, "python", "lib", "python"+p.release, "site-packages")
	}
	return Runtime{Command: []string{p.path, "-u", "-B", "-s", p.bootstrap}, Variables: variables}
}

func node(p program, opt string) Runtime {
	variables := map[string]string{}
	if opt != "" {
		major, _, _ := strings.Cut(p.release, ".")
		variables["NODE_PATH"] = filepath.Join(opt, "nodejs", "node"+major, "node_modules") + ":" +
			filepath.Join(opt, "nodejs", "node_modules")
	}
	return Runtime{Command: []string{p.path, p.bootstrap, opt}, Variables: variables}
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
