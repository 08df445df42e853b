// Command local runs the whole system on this machine: it synthesizes the CDK app and runs what the templates describe,
// without an AWS account and without Docker.
//
//	go run ./local                                 the walkthrough, from sign-up to a paid order
//	go run ./local -serve -outputs out.json        the same, then keeps serving until Ctrl-C
//	go run ./local -help                           all flags
//
// This program is only a launcher. It imports the standard library alone, so that it starts soon after the first
// `go run`. It compiles the CDK app and the program that does the work, ./local/simulator, and hands over to that:
// arguments, environment, standard streams, working directory, signals and exit code are the simulator's.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
	os.Exit(launcher{out: os.Stderr, rewrite: rewrite, signals: signals, ticks: ticks.C}.run(os.Args[1:]))
}

// launcher has what a run uses of the process.
type launcher struct {
	out     io.Writer // for messages; standard output is the simulator's alone
	rewrite bool      // out is a terminal, whose last line can be written again
	signals <-chan os.Signal
	ticks   <-chan time.Time // when to tell how far the compilation is
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
	help := asksForHelp(args)
	what := "the CDK app and the simulator: on two cores 2 to 5 minutes the first time"
	if help {
		what = "the simulator, for its help: a minute the first time"
	}
	fmt.Fprintf(l.out, "Compiling %s, seconds later.\n", what)
	root, err := moduleRoot()
	if err != nil {
		return 1, err
	}
	note, err := checkTools(root, !help)
	if err != nil {
		return 1, err
	}
	if note != "" {
		fmt.Fprintln(l.out, note)
	}
	dir, err := os.MkdirTemp("", "lambda-tokenizer-local-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)

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
		args = append([]string{"-app", app.binary}, args...)
	}
	if err := l.compile(jobs); err != nil {
		code := 1
		if stopped := (stoppedError{}); errors.As(err, &stopped) {
			code = 128 + int(stopped.signal)
		}
		if refused := (refusedError{}); errors.As(err, &refused) {
			code = refused.code
			_, _ = l.out.Write(refused.printed)
			err = nil
		}
		return code, err
	}
	return l.simulate(simulator.binary, args)
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

// moduleRoot is the app's directory: the nearest at or above the working directory that has a cdk.json.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cdk.json")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no cdk.json here or above: run this inside the project, as go run ./local")
		}
		dir = filepath.Dir(dir)
	}
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
	return err
}

// simulate runs the simulator with this process's streams and working directory, hands signals over, and returns its
// exit code.
func (l launcher) simulate(binary string, args []string) (int, error) {
	cmd := exec.Command(binary, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-l.signals:
			_ = cmd.Process.Signal(s) // after a Ctrl-C the terminal has sent it, too; a second one does no harm
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
