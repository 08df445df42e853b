// Command bench measures what the tokenizer costs: latency, CPU, start, memory, calls, and money.
//
//	go run ./test/bench                                        the table, and JSON, document and plots in bench.out
//	go run ./test/bench -baseline /tmp/older                   the same, with an older extension measured beside this one
//	go run ./test/bench -quick -compare docs/performance.json  what CI runs
//	go run ./test/bench -full -write                           makes the run the committed one, in docs
//
// It is one process with fakes of KMS and DynamoDB, whose answers take as long as is set, and with the load. What is
// measured are other processes: the extension, built as the layer builds it and driven through its loopback API; the
// smallest extension that Go allows; where it can be had, HashiCorp's; and what `go run ./local -app DIR -serve` runs,
// with functions of the benchmark's own. Nearly every figure is a ratio to a floor, which is measured in turns with it:
// what the same work costs with the AWS SDK alone, or what a refused request costs. So a figure says little about the
// machine.
//
// The packages below internal each have one part: figures the list of what is measured, measure the measurements,
// upstream the fakes, load the clients, process the extensions, localrun the local run, stat the statistics, record a
// run and its comparison with another, plot and document what people read.
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
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/document"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/measure"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
)

// workerCommand as the first argument makes this program do puts by the SDK for another run of it.
const workerCommand = "put-by-sdk"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) == 3 && os.Args[1] == workerCommand {
		err = measure.Worker(ctx, os.Args[2], os.Stdin, os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, messages io.Writer) error {
	o, err := parse(args, messages)
	if err != nil {
		return err
	}
	root, err := process.Root()
	if err != nil {
		return err
	}
	if o.from != "" {
		return rewrite(o.from, root, o.anyway)
	}
	var committed *record.Run
	if o.compare != "" {
		if committed, err = record.Read(o.compare); err != nil {
			return err
		}
	}
	notes := progress.New(messages)
	r, lab, err := prepare(ctx, o, root, notes)
	if err != nil {
		return err
	}
	defer os.RemoveAll(lab.temporary)
	if err := lab.all(ctx, r, o.groups()); err != nil {
		return err
	}
	var worse []record.Worse
	if committed != nil {
		if worse, err = lab.compare(ctx, r, committed); err != nil {
			return err
		}
	}
	if err := r.Table(out); err != nil {
		return err
	}
	for _, note := range slices.Concat(r.Notes, r.Failures) {
		notes.Printf("note: %s", note)
	}
	if err := save(r, o, root, notes); err != nil {
		return err
	}
	return failure(worse, o.compare)
}

// failure is the error of a comparison; nil if nothing is worse.
func failure(worse []record.Worse, file string) error {
	var errs []error
	for _, w := range worse {
		errs = append(errs, errors.New(w.String()))
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("worse by half than in %s, each time of three:\n%w", file, errors.Join(errs...))
}

// prepare builds the programs, and starts the record of a run.
func prepare(ctx context.Context, o options, root string, notes *progress.Printer) (*record.Run, *laboratory, error) {
	r := &record.Run{Date: time.Now().UTC().Truncate(time.Second), Extent: o.extent().String(), Machine: machine()}
	r.Commit, r.Modified = commit(ctx, root)
	if r.Machine.Load > busy {
		notes.Printf("WARNING: the load average is %.2f. Other programs are running, and the figures will be worse "+
			"than they are.", r.Machine.Load)
		if o.write && !o.anyway {
			return nil, nil, errors.New("a run on a busy machine is not worth committing: wait, or add -anyway")
		}
	}
	debug.SetGCPercent(400) // the load and the fakes collect their garbage less often, on the cores that they share
	lab, err := build(ctx, o, root, r, notes)
	return r, lab, err
}

// save writes the files of a run.
func save(r *record.Run, o options, root string, notes *progress.Printer) error {
	var refused error
	if o.write {
		if refused = publish(r, root, o.anyway); refused == nil {
			notes.Printf("\nWritten to docs/performance.json, docs/performance.md and docs/images.")
			return nil
		}
		if !errors.Is(refused, errUnfit) {
			return refused
		}
	}
	if err := r.Write(o.jsonFile()); err != nil {
		return err
	}
	if err := document.Write(r, o.out, o.out); err != nil {
		return err
	}
	notes.Printf("\nWritten to %s and %s.", o.jsonFile(), filepath.Join(o.out, document.Name))
	if refused != nil {
		return fmt.Errorf("%w. Repair this and measure again, or commit the run with a note about it: "+
			"go run ./test/bench -write -anyway -from %s", refused, o.jsonFile())
	}
	return nil
}

// errUnfit is the error of publish for a run in which something of the project has failed.
var errUnfit = errors.New("the run is not committed")

// publish makes a run the committed one, beside the one that was. It refuses a run with failures, unless anyway.
func publish(r *record.Run, root string, anyway bool) error {
	docs := filepath.Join(root, "docs")
	file := filepath.Join(docs, "performance.json")
	before, err := record.Read(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	again := before != nil && before.Date.Equal(r.Date)
	if len(r.Failures) > 0 && !anyway && !again {
		return fmt.Errorf("%w: %s", errUnfit, strings.Join(r.Failures, "; "))
	}
	if before != nil && !again { // the same run again keeps what it has
		r.Previous = before.Slim()
	}
	if err := r.Write(file); err != nil {
		return err
	}
	return document.Write(r, docs, filepath.Join(docs, "images"))
}

// rewrite makes the run of a file the committed one.
func rewrite(file, root string, anyway bool) error {
	r, err := record.Read(file)
	if err != nil {
		return err
	}
	if r.Extent == figures.Quick.String() {
		return fmt.Errorf("%s is a quick run: commit a whole one", file)
	}
	return publish(r, root, anyway)
}
