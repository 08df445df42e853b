package lambdahost

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// newEnvironment makes an environment without processes, and starts the server for its processes to come.
func newEnvironment(ctx context.Context, cfg *Config) (*environment, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("runtime api: %w", err)
	}
	e := &environment{cfg: cfg, runtime: runtimeStarted, changed: make(chan struct{})}
	e.functionEnviron, e.extensionEnviron, err = cfg.variables(listener.Addr().String())
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	e.ctx, e.fail = context.WithCancelCause(ctx)
	e.server = &http.Server{Handler: e.routes(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = e.server.Serve(listener) }() // until shutdown closes it
	return e, nil
}

// routes is the whole server of an environment.
func (e *environment) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", e.runtimeNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", e.runtimeAnswer(""))
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", e.runtimeAnswer(unhandled))
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", e.runtimeInitError)
	mux.HandleFunc("POST /2020-01-01/extension/register", e.extensionRegister)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", e.extensionNext)
	mux.HandleFunc("POST /2020-01-01/extension/init/error",
		e.extensionError("Extension.InitError", extensionRegistered))
	mux.HandleFunc("POST /2020-01-01/extension/exit/error",
		e.extensionError("Extension.ExitError", extensionRegistered, extensionReady, extensionRunning))
	return mux
}

// runtimeNext gives the function its next event. A function that asks again without having answered, because its
// connection broke, gets the same event again.
func (e *environment) runtimeNext(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	switch e.runtime {
	case runtimeStarted, runtimeAnswered:
		e.runtime = runtimeReady
		e.announce()
	case runtimeReady, runtimeRunning:
	default:
		defer e.mu.Unlock()
		forbidRuntime(w, e.runtime, runtimeReady)
		return
	}
	e.mu.Unlock()

	var inv *invocation
	if e.await(r.Context(), func() bool {
		if e.invocation == nil || e.invocation.answer != nil || e.ctx.Err() != nil {
			return false
		}
		inv, e.runtime = e.invocation, runtimeRunning
		return true
	}) != nil {
		return // the function hung up
	}
	h := w.Header()
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", e.cfg.ARN)
	h.Set("Lambda-Runtime-Trace-Id", inv.trace)
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(inv.payload)
}

// runtimeAnswer takes the function's answer to its event, or its error.
func (e *environment) runtimeAnswer(functionError string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		inv := e.beginAnswer(w, r.PathValue("id"))
		if inv == nil {
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse+1))
		if err != nil {
			return // the function died while sending
		}
		answer, code, reply := &Result{Payload: body, FunctionError: functionError}, http.StatusAccepted,
			any(accepted())
		if len(body) > maxResponse {
			answer, code = tooLarge(), http.StatusRequestEntityTooLarge
			reply = apiError{
				"RequestEntityTooLarge",
				fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", maxResponse),
			}
			// A client that is still sending would not see the reply, so read on for a while.
			_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 10*maxResponse))
		}
		// The state changes before the reply, because the function may ask for its next event at once.
		e.change(func() { inv.answer, e.runtime = answer, runtimeAnswered })
		writeJSON(w, code, reply)
	}
}

func tooLarge() *Result {
	return &Result{FunctionError: unhandled, Payload: fmt.Appendf(nil,
		`{"errorMessage":"Response payload size exceeded maximum allowed payload size (%d bytes).","errorType":"Function.ResponseSizeTooLarge"}`, maxResponse)}
}

// beginAnswer returns the invocation that is being answered. If there is none, it answers with an error and returns
// nil.
func (e *environment) beginAnswer(w http.ResponseWriter, id string) *invocation {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.invocation == nil || e.invocation.id != id:
		writeError(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return nil
	case e.runtime != runtimeRunning:
		forbidRuntime(w, e.runtime, runtimeAnswering)
		return nil
	}
	e.runtime = runtimeAnswering
	return e.invocation
}

// runtimeInitError takes the function's report that it cannot start. The invocation's caller gets that report.
func (e *environment) runtimeInitError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse))
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil || e.runtime != runtimeStarted {
		forbidRuntime(w, e.runtime, runtimeInitError)
		return
	}
	e.runtime = runtimeInitError
	e.fail(&failure{kind: "Runtime.InitError", text: "the function reported an error during init", payload: body})
	e.announce()
	writeJSON(w, http.StatusAccepted, accepted())
}

func forbidRuntime(w http.ResponseWriter, from, to runtimeState) {
	writeError(w, http.StatusForbidden, "InvalidStateTransition",
		fmt.Sprintf("State transition from %s to %s failed for runtime. Error: State transition is not allowed", from,
			to))
}
