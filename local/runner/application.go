package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/invokeapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/watch"
)

// application runs an app as its flags say.
type application struct {
	flags
	stdout  io.Writer // for answers
	printer *progress.Printer
	log     *log
}

func newApplication(f flags, stdout, stderr io.Writer) *application {
	printer := progress.New(stderr)
	return &application{f, stdout, printer, &log{out: printer, all: f.verbose}}
}

func (a *application) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "lambda-tokenizer-app-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	app := &versions{application: a, dir: dir}
	defer func() { err = errors.Join(err, app.close()) }()
	start := func() error { return app.start(ctx) }
	var watcher *watch.Watcher
	if a.watch {
		if watcher, err = a.watcher(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, watcher.Close()) }()
		err = watcher.During(start)
	} else {
		err = start()
	}
	if err != nil {
		return err
	}
	system := app.now()
	if len(system.NotSimulated) > 0 && (a.verbose || len(a.invocations) == 0) {
		a.printer.Printf("Not as on AWS:\n  %s", strings.Join(system.NotSimulated, "\n  "))
	}
	if len(a.invocations) == 0 && !a.serve {
		a.list(system)
		return nil
	}
	if err := a.invokeAll(ctx, system); err != nil {
		return err
	}
	if a.serve {
		return a.serveUntilDone(ctx, app, watcher)
	}
	return nil
}

// step does a step, and says how that went.
func (a *application) step(name string, do func() (result string, err error)) error {
	if err := a.printer.Step(name, do); err != nil {
		return saidError{err}
	}
	return nil
}

// watcher watches the directory of the app.
func (a *application) watcher() (*watch.Watcher, error) {
	if err := synth.CheckDir(a.app); err != nil {
		return nil, err
	}
	ignored := watch.OfApp
	if synth.IsAssembly(a.app) {
		ignored = watch.OfAssembly
	}
	return watch.New(a.app, ignored)
}

// place is the account and the region of the first stack that says where it belongs. All stacks run there.
func place(a *assembly.Assembly) (account, region string) {
	account, region = synth.Account, synth.Region
	for _, stack := range slices.Backward(a.Stacks) {
		if stack.Account != "" {
			account = stack.Account
		}
		if stack.Region != "" {
			region = stack.Region
		}
	}
	return account, region
}

// list says what can be invoked.
func (a *application) list(system *cloud.Cloud) {
	if len(system.Functions()) == 0 {
		a.printer.Printf("The app has no functions.")
		return
	}
	a.printer.Printf("The app's functions, for -invoke or -serve:")
	for _, f := range system.Functions() {
		note := ""
		if f.Err != nil {
			note = " (cannot run here)"
		}
		a.printer.Printf("  %s%s", f.Path, note)
	}
}

// invokeAll does the invocations of the command line, until one fails.
func (a *application) invokeAll(ctx context.Context, system *cloud.Cloud) error {
	var last []byte
	for _, i := range a.invocations {
		function, err := system.Function(i.function)
		if err != nil {
			return err
		}
		payload, err := fill(i.payload, last)
		if err != nil {
			return fmt.Errorf("the payload for %s: %w", function.Path, err)
		}
		answer, failed, err := system.Invoke(ctx, function, payload)
		if err != nil {
			return fmt.Errorf("%s: %w", function.Path, err)
		}
		if _, err := fmt.Fprintf(a.stdout, "%s\n", answer); err != nil {
			return err
		}
		if failed {
			return errFunction
		}
		last = answer
	}
	return nil
}

// serveUntilDone serves the Invoke API. It says how to call it. The watcher may be nil.
func (a *application) serveUntilDone(ctx context.Context, app *versions, watcher *watch.Watcher) error {
	system := app.now()
	listener, err := net.Listen("tcp", a.addr)
	if err != nil {
		return fmt.Errorf("-addr: %w: choose another port, or leave -addr out", err)
	}
	server := &http.Server{Handler: invokeapi.New(app), ReadHeaderTimeout: 5 * time.Second}
	url := "http://" + listener.Addr().String()
	a.printer.Printf("\nIn another terminal, copy this line first. The credentials may be any text.\n\n"+
		"export AWS_ENDPOINT_URL_LAMBDA=%s AWS_DEFAULT_REGION=%s AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x\n\n"+
		"Invoke the functions:\n", url, synth.Region)
	for _, f := range system.Functions() {
		if f.Err == nil {
			a.printer.Printf("aws lambda invoke --cli-binary-format raw-in-base64-out --payload '{}' /dev/stdout "+
				"--function-name %s", f.Name)
		}
	}
	if api := system.Endpoints["api"]; api != "" {
		a.printer.Printf("\nAPI %s", api)
	}
	for _, name := range slices.Sorted(maps.Keys(system.Outputs)) {
		a.printer.Printf("Output %s: %s", name, system.Outputs[name])
	}
	if watcher != nil {
		a.printer.Printf("\nA change in %s starts a new version of the app. The addresses stay.", a.app)
	}
	a.printer.Printf("\nServing %s until Ctrl-C.", url)
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if watcher != nil {
		var following sync.WaitGroup
		ctx, cancel := context.WithCancel(ctx)
		following.Go(func() { app.follow(ctx, watcher) })
		defer following.Wait()
		defer cancel()
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// log prints what functions log, and what extensions and the synthesis print if it is asked for.
type log struct {
	out *progress.Printer
	all bool

	mu sync.Mutex
}

// Write gets whole lines that begin with the name of a function, and a slash and the extension's name if it is that.
func (l *log) Write(line []byte) (int, error) {
	source, _, _ := strings.Cut(string(line), ": ")
	if !l.all && strings.Contains(source, "/") {
		return len(line), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := io.WriteString(l.out, mask.Cards(string(line))); err != nil {
		return 0, err
	}
	return len(line), nil
}

// of is the log of something that only prints where everything is printed.
func (l *log) of(string) io.Writer {
	if l.all {
		return l
	}
	return io.Discard
}
