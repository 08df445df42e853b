// Command simulator is what `go run ./local` compiles and starts: it synthesizes the CDK app and runs what the
// templates describe.
//
// AWS_ENDPOINT_URL, or AWS_ENDPOINT_URL_KMS, _DYNAMODB and _COGNITO_IDENTITY_PROVIDER, name other implementations of
// the services. The services that they do not name are served in process. Other AWS settings and credentials are
// ignored.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/launched"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/live"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Getenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "local:", err)
		stop()
		os.Exit(1)
	}
}

// flags are the command line's.
type flags struct {
	serve, verbose bool
	open           bool
	outputs        string
	addr           string
	card           string
	stage          string
	app            string
	check          bool
	launcher       launched.Launcher
}

func parse(args []string, out io.Writer) (flags, error) {
	var f flags
	set := flag.NewFlagSet("local", flag.ContinueOnError)
	set.SetOutput(out)
	set.BoolVar(&f.serve, "serve", false, "keep serving after the walkthrough, until Ctrl-C, with a page about it")
	set.BoolVar(&f.open, "open", false, "with -serve: open the page in a browser")
	set.StringVar(&f.outputs, "outputs", "",
		"write the stacks' outputs, the endpoints and a user's ID token to this JSON `file`")
	set.StringVar(&f.addr, "addr", "127.0.0.1:0",
		"where the API listens; a loopback `address`, port 0 means any free one")
	set.StringVar(&f.card, "card", walkthrough.SampleCard, "the card `number` to order with")
	set.StringVar(&f.stage, "stage", "dev", "the app's `stage`: dev or prod")
	set.BoolVar(&f.verbose, "v", false, "print what functions and extensions log")
	set.StringVar(&f.app, "compiled-app", "",
		"this repository's CDK app as a compiled `program`, which go run ./local names; without it the app is compiled first")
	set.BoolVar(&f.check, "check", false, "only check flags and endpoints")
	f.launcher.Flags(set)
	launched.Help(set, "go run ./local", "check", "compiled-app")
	other := set.String("app", "", "run the functions of the app in this `directory` instead; see go run ./local -app . -help")
	layer := set.Bool("layer", false, "serve the layer's API and nothing else; see go run ./local -layer -help")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if set.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q: there are flags only, see -help", set.Arg(0))
	}
	if f.open && !f.serve {
		return f, errors.New("-open is about the page that -serve has: add -serve")
	}
	if *layer || *other != "" { // which the launcher hands to other programs
		return f, errors.New("-layer and -app: write go run ./local -layer, without a value, or go run ./local -app DIR")
	}
	if _, err := client.ParsePAN(client.NewSecret(f.card)); err != nil {
		return f, fmt.Errorf("-card %w", err)
	}
	return f, launched.CheckAddress(f.addr, "127.0.0.1:8080")
}

func run(ctx context.Context, args []string, out io.Writer, getenv func(string) string) (err error) {
	f, err := parse(args, out)
	if err != nil {
		return err
	}
	ctx, cleanUp := f.launcher.Follow(ctx)
	defer func() { err = errors.Join(err, cleanUp()) }()
	external, err := endpoint.FromEnvironment(getenv)
	if err != nil {
		return err
	}
	if f.outputs != "" && !f.check { // a file from an earlier run describes a system that has ended
		if err := os.Remove(f.outputs); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	printer := progress.New(out)
	log := &tee{}
	if f.verbose || f.serve {
		log.also = printer
	}
	defer func() {
		if tail := log.last(4 << 10); err != nil && log.also == nil && ctx.Err() == nil && len(tail) > 0 {
			printer.Printf("\nWhat functions and compilers printed last:\n%s", mask.Cards(string(tail)))
		}
	}()
	if len(external) > 0 {
		if err := printer.Step("check endpoints", func() (string, error) {
			return external.String(), external.Check(ctx)
		}); err != nil {
			return err
		}
	}
	if f.check {
		return nil
	}
	dir, err := os.MkdirTemp("", "lambda-tokenizer-cdk-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	recorder := record.New()
	system, err := start(ctx, f, dir, printer, io.MultiWriter(log, recorder), external, recorder.Watcher())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, system.Close()) }()
	var page *live.Served
	if f.serve {
		var failed error
		page, failed = showPage(system, dir, recorder, printer, f.open)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, page.Close()) }()
	}
	idToken, err := walk(ctx, f, system, printer, log)
	if err != nil {
		if trouble := system.Trouble(); len(trouble) > 0 {
			err = fmt.Errorf("%w\nbecause of:\n  %s", err, strings.Join(trouble, "\n  "))
		}
		return err
	}
	printer.Printf("\nEverything worked. Only AWS itself has the following, so it was not simulated:")
	for _, line := range system.NotSimulated {
		printer.Printf("  %s", line)
	}
	if f.serve {
		lines, err := secrets{dir}.lines(system, idToken)
		if err != nil {
			return err
		}
		api := system.Outputs["PaymentMethodApiURL"]
		printer.Printf("%sServing %s until Ctrl-C. The page: %s", lines, api, page.Link())
		<-ctx.Done()
		printer.Printf("\nStopping.")
	}
	return nil
}

// start synthesizes the app into dir, and runs the result.
func start(ctx context.Context, f flags, dir string, printer *progress.Printer,
	log io.Writer, external endpoint.Set, watcher cloud.Watcher) (system *cloud.Cloud, err error) {
	settings, err := synth.HostContext()
	if err != nil {
		return nil, err
	}
	settings["stage"] = f.stage
	if os := settings[synth.BuildOSKey]; os != "" {
		printer.Printf("Lambda runs Linux: for this machine the same packages are built for %s/%s.", os, runtime.GOARCH)
	}
	if err := printer.Step("synthesize and build", func() (string, error) {
		err := synth.Run(ctx, synth.Options{Out: dir, Context: settings, Log: log, App: f.app})
		return "the app's templates, layer and functions", err
	}); err != nil {
		return nil, err
	}
	err = printer.Step("create resources", func() (string, error) {
		a, err := assembly.Load(dir)
		if err != nil {
			return "", err
		}
		system, err = cloud.Deploy(ctx, cloud.Options{
			Assembly: a, Account: synth.Account, Region: synth.Region, Addr: f.addr, External: external, Log: log,
			Mailed: secrets{dir}.mailed, Watcher: watcher,
		})
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d stacks, tables %s", len(a.Stacks), strings.Join(system.Tables, ", ")), nil
	})
	return system, err
}

// walk does the walkthrough, and writes the outputs. It returns the ID token of its user.
func walk(ctx context.Context, f flags, system *cloud.Cloud, printer *progress.Printer, log *tee) (string, error) {
	w := walkthrough.Walk{
		System: walkthrough.System{
			Cognito: system.Clients.Cognito, DynamoDB: system.Clients.DynamoDB,
			Outputs: system.Outputs, Tables: system.Tables, Code: system.Code,
		},
		Order: walkthrough.Order, Card: f.card, Print: printer,
	}
	if f.serve { // the person uses the walkthrough's number
		w.Order = fmt.Sprintf("local-%d", time.Now().Unix())
	}
	idToken, err := w.SignIn(ctx)
	if err != nil {
		return "", err
	}
	if err := w.Pay(ctx); err != nil {
		return "", err
	}
	if err := w.FindNoCard(ctx, log.all); err != nil {
		return "", err
	}
	if f.outputs == "" {
		return idToken, nil
	}
	return idToken, writeOutputs(f.outputs, system, idToken)
}

// writeOutputs writes the whole file or nothing. Only its owner can read it, because it holds a credential.
func writeOutputs(file string, system *cloud.Cloud, idToken string) error {
	b, err := json.MarshalIndent(map[string]any{
		"outputs": system.Outputs, "endpoints": system.Endpoints, "IdToken": idToken,
	}, "", "  ")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".outputs-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // unless it has been renamed
	_, err = temp.Write(append(b, '\n'))
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), file)
}

// maxLog bounds what tee keeps, in bytes.
const maxLog = 8 << 20

// tee keeps what was logged, so that it can be searched for the card. It also writes it elsewhere, where it masks what
// looks like a card number, as the data protection policies of log groups do.
type tee struct {
	also io.Writer // nil for nowhere

	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tee) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len()+len(b) <= maxLog {
		t.buf.Write(b)
	}
	if t.also != nil {
		if _, err := io.WriteString(t.also, mask.Cards(string(b))); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (t *tee) all() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.buf.Bytes())
}

func (t *tee) last(n int) []byte {
	b := t.all()
	return b[max(0, len(b)-n):]
}
