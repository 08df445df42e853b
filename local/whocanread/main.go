// Command whocanread prints who can read the cards behind tokens, computed from the templates of the app.
//
//	go run ./local/whocanread                 prints the page
//	go run ./local/whocanread -write          writes docs/who-can-read.md and docs/images/data-flow.svg
//	go run ./local/whocanread -app cdk.out    takes templates that are there already
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/dataflow"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/inventory"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "whocanread:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	set := flag.NewFlagSet("whocanread", flag.ContinueOnError)
	set.SetOutput(out)
	app := set.String("app", "", "read this cloud `directory`, such as cdk.out, instead of synthesizing the app")
	write := set.Bool("write", false, "write docs/who-can-read.md and docs/images/data-flow.svg instead of printing")
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: there are flags only, see -help", set.Arg(0))
	}
	inv, err := read(ctx, *app)
	if err != nil {
		return err
	}
	page, err := report.Page(inv)
	if err != nil {
		return err
	}
	if !*write {
		_, err = io.WriteString(out, page)
		return err
	}
	flow, err := report.Flow(inv)
	if err != nil {
		return err
	}
	return save([]byte(page), dataflow.SVG(flow))
}

// save writes page and drawing into the project's documents.
func save(page, drawing []byte) error {
	root, err := synth.ModuleRoot("")
	if err != nil {
		return err
	}
	docs := filepath.Join(root, "docs")
	if err := os.MkdirAll(filepath.Join(docs, "images"), 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(docs, "who-can-read.md"), page, 0o644),
		os.WriteFile(filepath.Join(docs, "images", "data-flow.svg"), drawing, 0o644))
}

// read returns the inventory of a cloud assembly; of the app's own if dir is "".
func read(ctx context.Context, dir string) (*inventory.Inventory, error) {
	if dir == "" {
		temp, err := os.MkdirTemp("", "whocanread-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(temp)
		if err := synth.Run(ctx, synth.Options{Out: temp, TemplatesOnly: true, Log: io.Discard}); err != nil {
			return nil, err
		}
		dir = temp
	}
	a, err := assembly.Load(dir)
	if err != nil {
		return nil, err
	}
	return inventory.Read(a)
}
