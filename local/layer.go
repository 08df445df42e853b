package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const serverPackage = "github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/tokenizer-dev"

// untilStdinEnds makes the development server end with whoever holds its standard input.
const untilStdinEnds = "until-stdin-ends"

// The flags of the programs. The launcher knows them so that a flag of the wrong one is refused before anything is
// compiled, with a word about the right one. A test compares them with the programs.
var (
	simulatorFlags = []string{
		"addr", "card", "check", "compiled-app", "open", "outputs", "serve", "stage", "until-closed", "v",
	}
	runnerFlags = []string{"addr", "app", "extension", "invoke", "payload", "serve", "until-closed", "v"}
	serverFlags = []string{"as", "port", "purposes", "read-rate", untilStdinEnds}
)

// mode is what the launcher is to start.
type mode int

const (
	sample mode = iota // the simulator, with this repository's app
	layer              // the development server
	anyApp             // the runner, with somebody's app
)

// splitArguments tells what is to be started, and returns the arguments without -layer.
func splitArguments(args []string) (m mode, others []string, err error) {
	for _, arg := range args {
		if arg == "-layer" || arg == "--layer" {
			m = layer
		} else {
			others = append(others, arg)
		}
	}
	names := flagNames(others)
	isApp := slices.Contains(names, "app")
	if isApp && m == sample {
		m = anyApp
	}
	for _, name := range names {
		if err := refuse(m, name); err != nil {
			return m, nil, err
		}
	}
	return m, others, nil
}

// refuse returns an error for a flag that only another program has.
func refuse(m mode, name string) error {
	ofSample, ofLayer := slices.Contains(simulatorFlags, name), slices.Contains(serverFlags, name)
	ofApp := slices.Contains(runnerFlags, name)
	switch {
	case m == layer && (ofSample || ofApp):
		return fmt.Errorf("-%s has no meaning with -layer, which serves the layer's API and nothing "+
			"else: leave one of them out. go run ./local -layer -help lists the flags", name)
	case m != layer && ofLayer:
		return fmt.Errorf("-%s is a flag of the development server: write go run ./local -layer -%s ...", name, name)
	case m == sample && ofApp && !ofSample:
		return fmt.Errorf("-%s is for the functions of an app: write go run ./local -app DIR -%s ...", name, name)
	case m == anyApp && ofSample && !ofApp:
		return fmt.Errorf("-%s is for this repository's sample, and has no meaning with -app: leave one of them out. "+
			"go run ./local -app . -help lists the flags", name)
	}
	return nil
}

// flagNames are the names of the flags among arguments.
func flagNames(args []string) (names []string) {
	for _, arg := range args {
		if arg == "--" {
			break
		}
		if name, isFlag := strings.CutPrefix(arg, "-"); isFlag {
			name, _, _ = strings.Cut(strings.TrimPrefix(name, "-"), "=")
			names = append(names, name)
		}
	}
	return names
}

// launchServer compiles the development server and runs it. The server ends when this process does, even if it is
// killed: it reads its standard input to the end, and this process alone holds the other side.
func (l launcher) launchServer(root, dir string, args []string) (code int, err error) {
	server := newBuild("development server", serverPackage, root, filepath.Join(dir, "tokenizer-dev"))
	server.deployed = true
	if err := l.compile([]job{{server, server.run}}); err != nil {
		return l.explain(err)
	}
	args, ends := takeUntilStdinEnds(args)
	cmd := exec.Command(server.binary, append([]string{"-" + untilStdinEnds}, args...)...)
	if _, err := cmd.StdinPipe(); err != nil { // this process holds it
		return 1, err
	}
	if err := start(cmd); err != nil {
		return 1, err
	}
	os.RemoveAll(dir) // it does not need its file any more, which would stay if this process were killed
	return l.await(cmd, l.abandoned(ends))
}

// takeUntilStdinEnds tells whether the arguments say that the end of standard input counts, and returns the others. The
// flag is about this process's input: the server must always heed its own.
func takeUntilStdinEnds(args []string) (others []string, ends bool) {
	for _, arg := range args {
		name, value, hasValue := strings.Cut(arg, "=")
		given, err := strconv.ParseBool(value)
		if (name == "-"+untilStdinEnds || name == "--"+untilStdinEnds) && (err == nil || !hasValue) {
			ends = given || !hasValue
		} else {
			others = append(others, arg) // the server refuses what is malformed
		}
	}
	return others, ends
}

// abandoned is closed when nobody is left who wants the server: the process that started this one has ended, as
// `go run` does at a SIGTERM without handing it on, or standard input has, if that counts.
func (l launcher) abandoned(withInput bool) <-chan struct{} {
	abandoned := make(chan struct{})
	end := sync.OnceFunc(func() { close(abandoned) })
	go func() {
		for range time.Tick(time.Second) {
			if os.Getppid() != l.parent {
				end()
			}
		}
	}()
	if withInput {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end, too
			end()
		}()
	}
	return abandoned
}
