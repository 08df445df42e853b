// Package lambdahost runs one Lambda function on this machine the way Lambda does.
//
// A [Function] is a pool of execution environments. Each consists of ordinary processes: the function (bootstrap in the
// task directory, the OS-only runtime provided.al2023) and the external extensions in <opt>/extensions. They speak the
// real Runtime API (2018-06-01) and Extensions API (2020-01-01) with a small server of their environment, so unmodified
// binaries run here as they do on Lambda. The life of an environment:
//
//	init      start the extensions, wait until each has registered; start the function;
//	          wait until it and every extension ask for the next event (10 s in all)
//	invoke    give the event to the function and to the extensions subscribed to INVOKE; the
//	          caller gets the function's answer at once, and the environment is free when all
//	          ask for the next event again
//	shutdown  send SIGTERM to the function, SHUTDOWN to the subscribed extensions, and SIGKILL
//	          to what is left after 2 s
//
// A crash or a timeout ends an environment; the next invocation gets a new one.
//
// [StartExtensions] makes an environment that has the extensions and not the function.
//
// Some things differ from Lambda. /opt is not mounted, and environments share localhost, so [Config.PerEnvironment]
// gives each its own port and credentials. If there are more invocations than environments, the others wait instead of
// getting a 429. After a failed init, the next invocation is the next attempt. Nothing is frozen between invocations,
// and memory is not limited. There is no Telemetry API, and there are no internal extensions.
//
// Sources: runtimes-api.html, runtimes-extensions-api.html, lambda-runtime-environment.html and
// configuration-envvars.html of the Lambda developer guide. Details that these leave open, such as the texts of errors,
// are those of AWS's own aws-lambda-runtime-interface-emulator.
package lambdahost

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
)

// ErrClosed is what Invoke returns after Close, and for an invocation that Close interrupts.
var ErrClosed = errors.New("function is closed")

// Function is one Lambda function. Its methods are safe for concurrent use.
type Function struct {
	cfg    Config
	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	close  sync.Once

	slots        chan struct{}     // holds one element for each environment
	idle         chan *environment // the environments that are free
	environments sync.Map          // all environments, as keys
}

// New checks cfg. It starts no processes; the first Invoke does.
func New(cfg Config) (*Function, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, fmt.Errorf("lambda function %q: %w", cfg.Name, err)
	}
	f := &Function{
		cfg: cfg, slots: make(chan struct{}, cfg.MaxConcurrency), idle: make(chan *environment, cfg.MaxConcurrency),
	}
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	return f, nil
}

// Invoke runs the function synchronously on payload, a JSON event of at most 6 MiB.
//
// If the function or an extension fails (with an error, a crash or a timeout), the Result has the FunctionError
// "Unhandled". Invoke returns an error if the host fails: the event is too large, a process cannot be started, the
// function is closed ([ErrClosed]), or ctx ends. If ctx ends while the invocation waits for an environment, the
// invocation never runs. If ctx ends later, the invocation goes on without its caller, as on Lambda.
func (f *Function) Invoke(ctx context.Context, payload []byte) (_ Result, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("lambda function %q: %w", f.cfg.Name, err)
		}
	}()
	if len(payload) > maxEvent {
		return Result{}, fmt.Errorf("event of %d bytes is larger than Lambda's limit of %d", len(payload), maxEvent)
	}
	e, err := f.take(ctx)
	if err != nil {
		return Result{}, err
	}
	inv := newInvocation(payload)
	go func() { // in the background, because the environment has work left after the answer
		err := e.serve(inv)
		if err != nil {
			if !errors.Is(err, ErrClosed) { // which is no failure, and often comes after the answer
				fmt.Fprintf(f.cfg.Log, "%s: RequestId: %s Error: %v\n", f.cfg.Name, inv.id, err)
			}
			inv.finish(Result{}, err) // has no effect if the caller has its answer
		}
		f.put(e, err)
	}()
	select {
	case out := <-inv.outcome:
		return out.result, out.err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("waiting for the answer: %w", ctx.Err())
	}
}

// take returns an environment for the caller's own use: an idle one, or a new one if there may be more, or the first
// that becomes idle.
func (f *Function) take(ctx context.Context) (*environment, error) {
	for {
		var e *environment
		select {
		case e = <-f.idle:
		default:
			select {
			case e = <-f.idle:
			case f.slots <- struct{}{}:
				return f.create()
			case <-f.ctx.Done():
				return nil, ErrClosed
			case <-ctx.Done():
				return nil, fmt.Errorf("waiting for one of %d environments: %w", f.cfg.MaxConcurrency, ctx.Err())
			}
		}
		err := context.Cause(e.ctx)
		if err == nil {
			return e, nil
		}
		f.put(e, err) // it crashed while idle
	}
}

// create makes an environment for a slot that the caller has taken.
func (f *Function) create() (*environment, error) {
	e, err := newEnvironment(f.ctx, &f.cfg)
	if err != nil {
		<-f.slots
		return nil, err
	}
	f.environments.Store(e, nil)
	return e, nil
}

// put takes e back after use, or ends it if something went wrong with it.
func (f *Function) put(e *environment, trouble error) {
	if trouble == nil {
		f.idle <- e // never blocks, because there is room for all
		return
	}
	e.shutdown(trouble)
	f.environments.Delete(e)
	<-f.slots
}

// Kill ends, with SIGKILL, the process of that name in every environment: "bootstrap", or the file name of an
// extension. It returns how many it ended, when they are gone and no further invocation gets their environments. It is
// for tests that crash a function at a moment of their choice.
func (f *Function) Kill(name string) (killed int) {
	for key := range f.environments.Range {
		e := key.(*environment)
		for _, p := range e.started() {
			if p.name == name && p.signal(syscall.SIGKILL) {
				<-p.exited
				<-e.ctx.Done() // another goroutine notices an instant later
				killed++
			}
		}
	}
	return killed
}

// Close shuts every environment down, interrupting invocations, and returns when all processes are gone, which takes
// little more than 2 s. It may be called more than once.
func (f *Function) Close() {
	f.close.Do(func() {
		f.cancel(ErrClosed)
		for held := 0; held < cap(f.slots); { // whoever uses an environment gives its slot back
			select {
			case f.slots <- struct{}{}:
				held++
			case e := <-f.idle:
				go f.put(e, ErrClosed)
			}
		}
	})
}
