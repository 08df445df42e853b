package measure

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/lambdahost/runtimes"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/localrun"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
)

// invoked is a runtime of this machine, and what its function gave.
type invoked struct {
	figures.Runtime
	empty      []string // the command of an empty program; nil means the bare extension, which is the smallest in Go
	cold, warm turns
}

// invocations measures functions in the local run.
func (l *Lab) invocations(ctx context.Context) error { return l.invocationTurns(ctx, l.times(3, 10)) }

func (l *Lab) invocationTurns(ctx context.Context, turns int) error {
	dir, err := os.MkdirTemp("", "bench-local-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	list := l.installed(ctx, dir)
	app := filepath.Join(dir, "app")
	runner, err := l.buildApp(ctx, dir, app)
	if err != nil {
		return err
	}
	alone, err := l.ready(ctx, l.Subject)
	if err != nil {
		return err
	}
	defer alone.Stop()
	floor := &tenant{ext: alone, note: l.note}
	for turn := range turns + 1 {
		run, err := localrun.Start(ctx, runner, app)
		if err != nil {
			return err
		}
		err = l.invokeAll(ctx, run, floor, list, turn > 0) // the first turn reads files from disk
		run.Stop()
		if err != nil {
			return err
		}
	}
	for _, r := range list {
		l.put(r.cold.row("invoke-cold-"+r.ID), r.warm.row("invoke-warm-"+r.ID))
	}
	return nil
}

// installed are the runtimes that this machine has. A note names each of the others.
func (l *Lab) installed(ctx context.Context, dir string) (list []*invoked) {
	finder := runtimes.Finder{Dir: filepath.Join(dir, "runtimes")}
	arguments := map[string][]string{"python": {"-B", "-s", "-c", "pass"}, "node": {"-e", "0"}}
	for _, r := range figures.Runtimes {
		found, err := finder.Find(ctx, r.AWS, "")
		if err != nil {
			l.note("invocations in %s are absent: %v", r.Name, err)
			continue
		}
		of := &invoked{Runtime: r}
		if len(found.Command) > 0 {
			of.empty = append(found.Command[:1:1], arguments[r.ID]...)
		}
		list = append(list, of)
	}
	return list
}

// buildApp compiles the local run and the function in Go, and writes the app.
func (l *Lab) buildApp(ctx context.Context, dir, app string) (runner string, err error) {
	runner, function := filepath.Join(dir, "runner"), filepath.Join(dir, "function")
	for output, pkg := range map[string]string{runner: "./local/runner", function: "./test/bench/function"} {
		if err := process.Build(ctx, l.Root, pkg, output, ""); err != nil {
			return "", err
		}
	}
	return runner, localrun.Write(app, localrun.App{
		Root: l.Root, Extension: l.Subject, Function: function, Extra: l.Extra,
	})
}

// invokeAll invokes the function of each runtime, once while it is cold and often while it is warm, beside the floors.
func (l *Lab) invokeAll(ctx context.Context, run *localrun.Run, alone *tenant, list []*invoked, counts bool) error {
	size := l.times(40, 150)
	for _, r := range list {
		empty, err := l.emptyStart(ctx, r)
		if err != nil {
			return err
		}
		begin := time.Now()
		if err := run.Invoke(r.Name); err != nil {
			return err
		}
		first := milliseconds(time.Since(begin))
		tokenizes, err := alone.tokenize(ctx, 1, size)
		if err != nil {
			return err
		}
		warm, err := load.Run(ctx, 1, size, func(int) error { return run.Invoke(r.Name) })
		if err != nil {
			return err
		}
		if counts {
			add(&r.cold.floor, empty)
			add(&r.cold.subject, first)
			add(&r.warm.floor, tokenizes.P(0.5))
			add(&r.warm.subject, warm.P(0.5))
		}
	}
	return nil
}

// emptyStart is how long the smallest extension and then an empty program take, in milliseconds.
func (l *Lab) emptyStart(ctx context.Context, of *invoked) (float64, error) {
	extension, err := l.start(ctx, l.Bare)
	if err != nil {
		return 0, err
	}
	defer extension.Stop()
	taken := milliseconds(extension.Registered)
	if of.empty == nil {
		function, err := l.start(ctx, l.Bare)
		if err != nil {
			return 0, err
		}
		function.Stop()
		return taken + milliseconds(function.Registered), nil
	}
	cmd := exec.CommandContext(ctx, of.empty[0], of.empty[1:]...)
	cmd.Env = []string{"HOME=/tmp", "PATH=/bin"}
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, err
	}
	return taken + milliseconds(time.Since(begin)), nil
}
