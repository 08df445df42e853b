// Command local runs the whole system on this machine: it synthesizes the CDK app and runs what the templates describe,
// without an AWS account and without Docker.
//
//	go run ./local                                 the walkthrough, from sign-up to a paid order
//	go run ./local -serve -outputs out.json        the same, then keeps serving until Ctrl-C
//	go run ./local -layer                          only the layer's API, for functions that you start yourself
//	go run ./local -app DIR -invoke FUNCTION       functions of another CDK app, or of a cloud assembly
//	go run ./local -help                           all flags; also: -layer -help, -app . -help
//
// This program is only a launcher. It imports the standard library alone, so that it starts soon after the first `go
// run`. It compiles the CDK app and the program that does the work, ./local/simulator, and hands over to that:
// arguments, environment, standard streams, working directory, signals and exit code are the simulator's. With -layer
// the program that does the work is the development server, and with -app it is ./local/runner. Then there is nothing
// else to compile.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const simulatorPackage = "github.com/lambda-tokenizer/lambda-tokenizer/local/simulator"

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	rewrite := isTerminal(os.Stderr)
	ticks := time.NewTicker(interval(rewrite))
	os.Exit(
		launcher{out: os.Stderr, rewrite: rewrite, signals: signals, ticks: ticks.C, parent: starter()}.run(
			os.Args[1:]))
}

// launcher has what a run uses of the process.
type launcher struct {
	out     io.Writer // for messages; standard output is the simulator's alone
	rewrite bool      // out is a terminal, whose last line can be written again
	signals <-chan os.Signal
	ticks   <-chan time.Time // when to tell how far the compilation is
	parent  int              // the process with which this one ends; 0 for none
}

// run returns the exit code.
func (l launcher) run(args []string) int {
	code, err := l.launch(args)
	if err != nil {
		fmt.Fprintln(l.out, "local:", err)
	}
	return code
}

func (l launcher) launch(args []string) (code int, err error) {
	mode, args, err := splitArguments(args)
	if err != nil {
		return 1, err
	}
	help := asksForHelp(args)
	what := "the CDK app and the simulator: on two cores 2 to 5 minutes the first time"
	switch {
	case mode == layer:
		what = "the development server: a minute the first time"
	case mode == anyApp:
		what = "what runs the app: a minute the first time"
	case help:
		what = "the simulator, for its help: a minute the first time"
	}
	fmt.Fprintf(l.out, "Compiling %s, seconds later.\n", what)
	find := sourceRoot
	if mode == sample && !help {
		find = workingRoot
	}
	root, err := l.prepare(find, mode == sample && !help)
	if err != nil {
		return 1, err
	}
	dir, unlock, err := newDirectory()
	if err != nil {
		return 1, err
	}
	defer unlock()
	defer os.RemoveAll(dir)
	switch mode {
	case layer:
		return l.launchServer(root, dir, args)
	case anyApp:
		return l.launchRunner(root, dir, args)
	}
	return l.launchSimulator(root, dir, help, args)
}

// prepare finds the module's directory, and looks at what compiles it.
func (l launcher) prepare(find func() (string, error), needsNode bool) (root string, err error) {
	root, err = find()
	if err != nil {
		return "", err
	}
	note, err := checkTools(root, needsNode)
	if err != nil {
		return "", err
	}
	if note != "" {
		fmt.Fprintln(l.out, note)
	}
	return root, nil
}

func (l launcher) launchSimulator(root, dir string, help bool, args []string) (code int, err error) {
	simulator := newBuild("simulator", simulatorPackage, root, filepath.Join(dir, "simulator"))
	// has packages in common with the extension and the functions, which need not be compiled twice
	simulator.deployed = true
	app := newBuild("CDK app", ".", root, filepath.Join(dir, "app"))
	jobs := []job{{simulator, func(ctx context.Context) error {
		if err := simulator.run(ctx); err != nil || help {
			return err
		}
		return check(ctx, simulator.binary, args) // a wrong flag should not have to wait for the CDK
	}}}
	if !help {
		jobs = append(jobs, job{app, app.run})
		args = append([]string{"-compiled-app", app.binary}, args...)
	}
	if err := l.compile(jobs); err != nil {
		return l.explain(err)
	}
	return l.runUntilEnd(dir, simulator.binary, args)
}

// runUntilEnd runs a program that ends when this process does, even if it is killed: it has the other side of a pipe.
// All its temporary files are in dir, which it removes if this process cannot.
func (l launcher) runUntilEnd(dir, program string, args []string) (code int, err error) {
	closed, held, err := os.Pipe()
	if err != nil {
		return 1, err
	}
	defer held.Close()
	own := []string{"-until-closed", "3", "-remove", dir} // 3 is the first of the extra files
	cmd := exec.Command(program, append(own, args...)...)
	cmd.Stdin, cmd.ExtraFiles, cmd.Env = os.Stdin, []*os.File{closed}, append(os.Environ(), "TMPDIR="+dir)
	if err := start(cmd); err != nil {
		return 1, err
	}
	closed.Close()
	return l.await(cmd, l.abandoned(false))
}

// explain returns the exit code of a compilation that failed, and what is left to say.
func (l launcher) explain(err error) (code int, _ error) {
	if stopped := (stoppedError{}); errors.As(err, &stopped) {
		return 128 + int(stopped.signal), err
	}
	if refused := (refusedError{}); errors.As(err, &refused) {
		_, _ = l.out.Write(refused.printed)
		return refused.code, nil
	}
	return 1, err
}

// asksForHelp tells whether the simulator needs no CDK app. If it is wrong, which takes a file that is named -h, the
// simulator compiles the app by itself.
func asksForHelp(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "-h", "--h", "-help", "--help":
			return true
		}
	}
	return false
}

// stoppedError says that a signal ended the compilation.
type stoppedError struct{ signal syscall.Signal }

func (e stoppedError) Error() string { return "stopped while compiling (" + e.signal.String() + ")" }

// refusedError is what the simulator says about its arguments or its environment.
type refusedError struct {
	code    int
	printed []byte
}

func (refusedError) Error() string { return "the simulator refuses its arguments" }

// job is a build, and what belongs to it.
type job struct {
	build *build
	do    func(context.Context) error
}

// compile does all jobs at the same time. The first error, or a signal, ends the others.
func (l launcher) compile(jobs []job) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	results := make(chan error)
	var builds []*build
	for _, j := range jobs {
		builds = append(builds, j.build)
		go func() { results <- j.do(ctx) }()
	}
	start := time.Now()
	p := printer{l.out, l.rewrite}
	for running, tick := len(jobs), 0; running > 0; {
		select {
		case s := <-l.signals:
			number, _ := s.(syscall.Signal)
			cancel(stoppedError{number})
		case <-l.ticks:
			if tick++; l.rewrite || tick&(tick-1) == 0 { // after 1, 2, 4, 8 and so on, where each is a line
				p.progress(builds, time.Since(start))
			}
		case err := <-results:
			running--
			if err != nil {
				cancel(err) // the first one counts
			}
		}
	}
	p.clear()
	return context.Cause(ctx)
}

// check lets the simulator look at its arguments and endpoints.
func check(ctx context.Context, simulator string, args []string) error {
	cmd := exec.CommandContext(ctx, simulator, append([]string{"-check"}, args...)...)
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return refusedError{exit.ExitCode(), printed.Bytes()}
	}
	return adviseStart(err)
}

// start starts a program with this process's output streams and working directory.
func start(cmd *exec.Cmd) error {
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return adviseStart(cmd.Start())
}

// adviseStart says what to do if the system lets no program run in the temporary directory.
func adviseStart(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %s", err, chooseTMPDIR)
	}
	return err
}

// await hands signals over to a program that has started, and returns its exit code. If end is closed, it ends the
// program.
func (l launcher) await(cmd *exec.Cmd, end <-chan struct{}) (int, error) {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-l.signals:
			_ = cmd.Process.Signal(s) // after a Ctrl-C the terminal has sent it, too; a second one does no harm
		case <-end:
			end = nil
			_ = cmd.Process.Signal(syscall.SIGTERM)
		case err := <-ended:
			var exit *exec.ExitError
			switch {
			case err == nil:
				return 0, nil
			case !errors.As(err, &exit):
				return 1, err
			}
			if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				return 128 + int(status.Signal()), nil
			}
			return exit.ExitCode(), nil
		}
	}
}
