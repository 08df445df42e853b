package lambdahost

import (
	"context"
	"errors"
	"fmt"
)

// Extensions are the extensions of a function in an execution environment of their own, in which the function does not
// run. A program that knows the environment's variables can call them as the function would.
type Extensions struct {
	environment *environment
	ended       chan struct{} // closed when all processes are gone
}

// StartExtensions starts the extensions that cfg describes, and returns when all of them have registered and ask for
// their first event, which says that they are ready. They run until Stop, or until one of them ends. ctx bounds the
// start only.
func StartExtensions(ctx context.Context, cfg Config) (_ *Extensions, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("extensions of lambda function %q: %w", cfg.Name, err)
		}
	}()
	if cfg, err = cfg.complete(); err != nil {
		return nil, err
	}
	if len(cfg.extensions) == 0 {
		return nil, errors.New("there are none in OptDir")
	}
	e, err := newEnvironment(context.Background(), &cfg)
	if err != nil {
		return nil, err
	}
	stopWatching := context.AfterFunc(ctx, func() { e.fail(context.Cause(ctx)) })
	limit, cancel := context.WithTimeoutCause(e.ctx, cfg.initTimeout, timedOut(cfg.initTimeout))
	defer cancel()
	err = e.startExtensions(limit)
	if err == nil {
		err = e.await(limit, func() bool { return e.extensionsAre(extensionReady) })
	}
	if !stopWatching() && err == nil { // ctx ended an instant after the start, and the environment with it
		err = context.Cause(ctx)
	}
	if err != nil {
		e.shutdown(err)
		return nil, err
	}
	x := &Extensions{e, make(chan struct{})}
	go x.run()
	return x, nil
}

// run ends the environment when it is stopped, or when one of its extensions has ended.
func (x *Extensions) run() {
	defer close(x.ended)
	e := x.environment
	<-e.ctx.Done()
	trouble := context.Cause(e.ctx)
	if !errors.Is(trouble, ErrClosed) {
		fmt.Fprintf(e.cfg.Log, "%s: Error: %v\n", e.cfg.Name, trouble)
	}
	e.shutdown(trouble)
}

// Stop shuts the environment down as [Function.Close] does, and returns when all processes are gone. It may be called
// more than once.
func (x *Extensions) Stop() {
	x.environment.fail(ErrClosed)
	<-x.ended
}
