package lambdahost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// environment is one execution environment: a server and the processes that use it. Its state is shared by the
// goroutine that owns it, which calls serve and shutdown, and the handlers of the server. Each change of the state is
// announced, so that everybody who waits for something looks again.
type environment struct {
	cfg                               *Config
	server                            *http.Server
	functionEnviron, extensionEnviron []string
	initialized                       bool // only serve uses it

	ctx  context.Context // ends when the environment is unusable; its cause says why
	fail context.CancelCauseFunc

	mu         sync.Mutex
	changed    chan struct{} // closed, and replaced, at each change of what follows
	processes  []*process
	function   *process
	runtime    runtimeState
	extensions []*extension
	registered bool   // extensions can no longer register
	announced  string // error type that an extension reported before exiting
	invocation *invocation
}

// runtimeState is the state of the function's process, by Lambda's name where Lambda has one.
type runtimeState string

const (
	runtimeStarted   runtimeState = "Started"
	runtimeInitError runtimeState = "InitError"
	runtimeReady     runtimeState = "Ready"              // waits for the next event
	runtimeRunning   runtimeState = "Running"            // has an event
	runtimeAnswering runtimeState = "InvocationResponse" // is sending its answer
	runtimeAnswered  runtimeState = "ResponseSent"
)

// extensionState is the state of an extension, by Lambda's names.
type extensionState string

const (
	extensionStarted    extensionState = "Started"
	extensionRegistered extensionState = "Registered"
	extensionReady      extensionState = "Ready"   // waits for the next event
	extensionRunning    extensionState = "Running" // has an event
	extensionFailed     extensionState = "Failed"  // reported an error, about to exit
)

// extension is an external extension. Its environment's mu guards what changes.
type extension struct {
	name, id string
	process  *process

	state            extensionState
	invoke, shutdown bool // events it subscribed to
	event            any  // its next event, or nil
}

func newExtension(name string, p *process) *extension {
	return &extension{name: name, id: uuid.NewString(), process: p, state: extensionStarted}
}

// travelTime is how long an answer is held back while its environment becomes free.
const travelTime = 20 * time.Millisecond

// serve runs one invocation, after init if the environment is new. It returns nil when the environment is free again,
// or the reason why it must be shut down.
func (e *environment) serve(inv *invocation) error {
	if err := e.init(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(e.ctx, e.cfg.Timeout, timedOut(e.cfg.Timeout))
	defer cancel()
	inv.deadline, _ = ctx.Deadline()
	e.change(func() {
		e.invocation = inv
		for _, x := range e.extensions {
			if x.invoke {
				x.event = invokeEvent(inv, e.cfg.ARN)
			}
		}
	})
	if err := e.await(ctx, func() bool { return inv.answer != nil }); err != nil {
		return err
	}
	free := func() bool { return e.runtime == runtimeReady && e.extensionsAre(extensionReady) }
	// On Lambda an answer takes a while to reach the caller. Without that, a caller who sends one event after the other
	// would find the environment still busy, and get a new one.
	travel, cancelTravel := context.WithTimeout(ctx, travelTime)
	defer cancelTravel()
	_ = e.await(travel, free)
	inv.finish(*inv.answer, nil)
	return e.await(ctx, free)
}

func (e *environment) init() error {
	if e.initialized {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(e.ctx, e.cfg.initTimeout, timedOut(e.cfg.initTimeout))
	defer cancel()
	if err := e.startExtensions(ctx); err != nil {
		return err
	}
	if err := e.startFunction(); err != nil {
		return err
	}
	if err := e.await(ctx, func() bool { e.registered = e.runtime == runtimeReady; return e.registered }); err != nil {
		return err
	}
	e.initialized = true
	return e.await(ctx, func() bool { return e.extensionsAre(extensionReady) })
}

// startExtensions starts the extensions and waits until each has registered.
func (e *environment) startExtensions(ctx context.Context) error {
	for _, path := range e.cfg.extensions {
		if err := e.startExtension(path); err != nil {
			return err
		}
	}
	return e.await(ctx, func() bool { return e.extensionsAre(extensionRegistered, extensionReady) })
}

func (e *environment) startExtension(path string) error {
	name := filepath.Base(path)
	return e.start(program{name, []string{path}, "/", e.extensionEnviron, e.cfg.Name + "/" + name}, func(p *process) {
		e.extensions = append(e.extensions, newExtension(name, p))
	})
}

func (e *environment) startFunction() error {
	return e.start(program{bootstrap, e.cfg.command(), e.cfg.TaskDir, e.functionEnviron, e.cfg.Name},
		func(p *process) { e.function = p })
}

// program is what start starts.
type program struct {
	name    string
	command []string
	dir     string
	environ []string
	label   string // of the lines that it prints
}

// start starts a program. It holds e.mu until what the process is has been recorded, so that handlers know every
// process that calls them.
func (e *environment) start(of program, record func(*process)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := startProcess(of, &lineWriter{w: e.cfg.Log, prefix: of.label + ": "})
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("cannot start %s (%w): make the file executable with chmod +x", of.name, err)
	}
	if err != nil {
		return fmt.Errorf("cannot start %s (%w): it must be built for this machine, %s/%s", of.name, err,
			runtime.GOOS, runtime.GOARCH)
	}
	e.processes = append(e.processes, p)
	record(p)
	go func() {
		<-p.exited
		e.change(func() { e.fail(e.exited(p)) })
	}()
	return nil
}

// exited says why the environment cannot go on without p. The caller holds e.mu.
func (e *environment) exited(p *process) *failure {
	clean := p.state.Success()
	switch {
	case p != e.function && clean:
		return &failure{kind: cmp.Or(e.announced, "Extension.Crash"), text: "exit code 0"}
	case p != e.function:
		return &failure{kind: cmp.Or(e.announced, "Extension.Crash"), text: p.state.String()}
	case clean:
		return &failure{kind: "Runtime.ExitError", text: "Runtime exited without providing a reason"}
	default:
		return &failure{kind: "Runtime.ExitError", text: "Runtime exited with error: " + p.state.String()}
	}
}

// change calls do, which changes the state, and announces the change.
func (e *environment) change(do func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	do()
	e.announce()
}

// announce wakes everybody who waits for a change. The caller holds e.mu.
func (e *environment) announce() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// await returns nil when ok returns true, or the cause of ctx's end if that comes first. It calls ok with e.mu held. ok
// may change state that nobody else waits for.
func (e *environment) await(ctx context.Context, ok func() bool) error {
	for {
		ended := context.Cause(ctx) // before ok, because what was reached before ctx ended counts
		e.mu.Lock()
		reached, changed := ok(), e.changed
		e.mu.Unlock()
		if reached {
			return nil
		}
		if ended != nil {
			return ended
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// shutdown ends the environment because of trouble, and returns when all its processes are gone. As on Lambda, the
// function gets a SIGTERM only if there are extensions, and then 30 % of the time.
func (e *environment) shutdown(trouble error) {
	e.fail(trouble)
	start := time.Now()
	deadline := start.Add(shutdownLimit)
	if e.function != nil && len(e.extensions) > 0 {
		e.function.signal(syscall.SIGTERM)
		e.function.await(start.Add(shutdownLimit * 3 / 10))
	} else if e.function != nil {
		e.function.await(start)
	}
	e.change(func() {
		for _, x := range e.extensions {
			x.event = shutdownEvent(shutdownReason(trouble), deadline)
			if !x.shutdown {
				x.process.signal(syscall.SIGKILL)
			}
		}
	})
	for _, x := range e.extensions { // each has been told, so it does not matter that one is awaited after the other
		x.process.await(deadline)
	}
	_ = e.server.Close()
}

// extensionsAre tells whether each extension is in one of the states, with no event waiting for it. The caller holds
// e.mu.
func (e *environment) extensionsAre(states ...extensionState) bool {
	return !slices.ContainsFunc(e.extensions, func(x *extension) bool {
		return x.event != nil || !slices.Contains(states, x.state)
	})
}

func invokeEvent(inv *invocation, arn string) any {
	return map[string]any{
		"eventType": "INVOKE", "deadlineMs": inv.deadline.UnixMilli(), "requestId": inv.id, "invokedFunctionArn": arn,
		"tracing": map[string]string{"type": "X-Amzn-Trace-Id", "value": inv.trace},
	}
}

func shutdownEvent(reason string, deadline time.Time) any {
	return map[string]any{"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline.UnixMilli()}
}

func (e *environment) started() []*process {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.processes)
}
