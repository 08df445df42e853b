package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// build is the compilation of a main package.
type build struct {
	name   string // for people
	pkg    string
	dir    string
	binary string // where the result goes

	deployed bool // compile as what runs in Lambda is compiled

	mu       sync.Mutex
	partial  string // a line that has not ended
	other    bytes.Buffer
	packages int    // compiled so far
	doing    string // what the go command has named last
	done     bool
}

func newBuild(name, pkg, dir, binary string) *build {
	return &build{name: name, pkg: pkg, dir: dir, binary: binary}
}

// run compiles. The error has everything that the go command said, but for its progress.
//
// The go command keeps what `go run` has linked in its build cache, by a hash of everything that went in, and has
// `-exec` do something with it: here, copy it. So an unchanged program is not linked again, as `go build -o` would, and
// an old one cannot run.
func (b *build) run(ctx context.Context) error {
	arguments := []string{"run", "-v", "-exec", "cp", b.pkg, b.binary}
	environment := os.Environ()
	if b.deployed {
		arguments = slices.Insert(arguments, 1, "-trimpath")
		environment = append(environment, "CGO_ENABLED=0")
	}
	cmd := exec.CommandContext(ctx, "go", arguments...)
	cmd.Dir, cmd.Env = b.dir, environment
	cmd.Stdout, cmd.Stderr = b, b
	// Compilers are children of the go command. A group of their own lets all of them end at once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("compiling the %s failed (%w):\n%s", b.name, err,
			strings.TrimSpace(b.other.String()+b.partial))
	}
	b.done = true
	return nil
}

// Write takes what the go command prints. With -v that is also the import path of each package that it compiles, on a
// line of its own.
func (b *build) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.partial + string(p)
	for {
		line, rest, ended := strings.Cut(text, "\n")
		if !ended {
			b.partial = line
			return len(p), nil
		}
		text = rest
		module, downloading := strings.CutPrefix(line, "go: downloading ")
		switch {
		case downloading:
			module, _, _ = strings.Cut(module, " ")
			b.doing = "downloading " + lastElement(module)
		case line != "" && !strings.ContainsAny(line, " :"):
			b.packages++
			b.doing = lastElement(line)
		default:
			b.other.WriteString(line + "\n")
		}
	}
}

// state is the build's part of a progress line.
func (b *build) state() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.done:
		return b.name + " done"
	case b.packages > 0:
		return fmt.Sprintf("%s %d packages, %s", b.name, b.packages, b.doing)
	case b.doing != "":
		return b.name + " " + b.doing
	}
	return b.name
}

// lastElement is the part of an import path that tells most.
func lastElement(path string) string {
	path = strings.TrimSuffix(path, "/internal")
	elements := strings.Split(path, "/")
	last := elements[len(elements)-1]
	if len(elements) > 1 && len(last) > 1 && last[0] == 'v' && last[1] >= '0' && last[1] <= '9' { // a major version
		last = elements[len(elements)-2]
	}
	return last
}
