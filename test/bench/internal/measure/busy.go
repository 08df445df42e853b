package measure

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
)

const (
	busyClients = 16
	// afterwork is what an extension gets to finish what it does in the background, which counts.
	afterwork = 20 * time.Millisecond
)

// busy measures CPU time and throughput, with services that answer at once.
func (l *Lab) busy(ctx context.Context) error {
	c, err := l.contest(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	for _, t := range c {
		if err := t.prepare(ctx, busyClients); err != nil {
			return err
		}
	}
	item, err := l.itemOf(c[0])
	if err != nil {
		return err
	}
	w, err := l.startWorker(ctx, item)
	if err != nil {
		return err
	}
	defer w.stop()
	return l.busyTurns(ctx, c, w)
}

func (l *Lab) busyTurns(ctx context.Context, c contestants, w *worker) error {
	size := l.times(1500, 4000)
	var create, own, read, rate turns
	for turn := range l.times(4, 9) + 1 {
		refused, err := spent(c[0].ext.PID(), size, func() (load.Result, error) {
			return c[0].refused(ctx, busyClients, size)
		})
		if err != nil {
			return err
		}
		put, err := spent(w.cmd.Process.Pid, size, func() (load.Result, error) { return load.Result{}, w.puts(size) })
		if err != nil {
			return err
		}
		if turn > 0 { // the first turn warms up
			add(&create.floor, refused.cpu)
			add(&read.floor, refused.cpu)
			add(&rate.floor, refused.perSecond)
			add(&own.floor, put.cpu)
		}
		for i, t := range c {
			made, err := spent(t.ext.PID(), size, func() (load.Result, error) {
				return t.tokenize(ctx, busyClients, size)
			})
			if err != nil {
				return err
			}
			opened, err := spent(t.ext.PID(), size, func() (load.Result, error) {
				return t.detokenize(ctx, busyClients, size)
			})
			if err != nil {
				return err
			}
			if turn == 0 {
				continue
			}
			add(create.into(i), made.cpu)
			add(own.into(i), made.cpu)
			add(read.into(i), opened.cpu)
			add(rate.into(i), made.perSecond)
		}
	}
	l.put(rate.row("rate-tokenize"))
	if _, err := process.CPU(c[0].ext.PID()); err != nil {
		return err
	}
	l.put(create.row("cpu-tokenize"), own.row("cpu-tokenize-sdk"), read.row("cpu-detokenize"))
	return nil
}

// work is what a slice of load has cost.
type work struct{ cpu, perSecond float64 }

// spent measures a process's CPU time, in µs for each of n operations, while do is done; 0 where it cannot be measured.
func spent(pid, n int, do func() (load.Result, error)) (work, error) {
	before, err := process.CPU(pid)
	if err != nil && !errors.Is(err, process.ErrUnmeasurable) {
		return work{}, err
	}
	r, err := do()
	if err != nil {
		return work{}, err
	}
	time.Sleep(afterwork)
	after, err := process.CPU(pid)
	if errors.Is(err, process.ErrUnmeasurable) {
		err = nil
	}
	return work{float64((after - before).Nanoseconds()) / 1e3 / float64(n), r.PerSecond()}, err
}

// worker is a process that runs [Worker].
type worker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (l *Lab) startWorker(ctx context.Context, item []byte) (*worker, error) {
	cmd := exec.CommandContext(ctx, l.Worker[0], append(l.Worker[1:], l.services.Addr())...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(in, "%s\n", item)
	return &worker{cmd, in, bufio.NewReader(out)}, err
}

// puts does n puts.
func (w *worker) puts(n int) error {
	if _, err := fmt.Fprintln(w.in, n); err != nil {
		return err
	}
	if _, err := w.out.ReadString('\n'); err != nil {
		return errors.New("the process that puts by the SDK has ended")
	}
	return nil
}

func (w *worker) stop() {
	_ = w.in.Close()
	_ = w.cmd.Wait()
}
