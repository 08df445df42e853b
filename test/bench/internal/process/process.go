// Package process builds and runs extensions: it plays Lambda's part for them, and reads what they use.
package process

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
)

// Limits of a start and of an end.
const (
	startLimit = 10 * time.Second
	readyLimit = 5 * time.Second
	endLimit   = 3 * time.Second
)

// Config says how to start extensions.
type Config struct {
	Services string   // host and port of KMS and DynamoDB
	Extra    []string // further environment variables, which override the others
}

// Extension is a running extension.
type Extension struct {
	// Port is where the loopback API listens on 127.0.0.1.
	Port int
	// Registered is how long it took from the start of the process to its registration.
	Registered time.Duration

	path   string
	cmd    *exec.Cmd
	lambda *http.Server
	stop   chan struct{} // closed to send SHUTDOWN
	exited chan struct{}
	conns  []*load.Conn
}

// Start starts the program at path as Lambda starts an extension, and returns when it has registered.
func Start(ctx context.Context, path string, c Config) (*Extension, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	registered := make(chan time.Time, 1)
	e := &Extension{Port: port, path: path, stop: make(chan struct{}), exited: make(chan struct{})}
	e.lambda = &http.Server{Handler: lambda(registered, e.stop), ReadHeaderTimeout: startLimit}
	go func() { _ = e.lambda.Serve(listener) }() // until end closes it
	e.cmd = exec.Command(path)
	e.cmd.Env = append(environment(port, listener.Addr().String(), c.Services), c.Extra...)
	start := time.Now()
	if err := e.cmd.Start(); err != nil {
		_ = e.lambda.Close()
		return nil, err
	}
	go func() { _ = e.cmd.Wait(); close(e.exited) }()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case at := <-registered:
		e.Registered = at.Sub(start)
		return e, nil
	case <-e.exited:
		err = fmt.Errorf("%s ended before it registered: %s", path, e.cmd.ProcessState)
	case <-limit.C:
		err = fmt.Errorf("%s has not registered within %v", path, startLimit)
	case <-ctx.Done():
		err = ctx.Err()
	}
	e.Stop()
	return nil, err
}

// lambda is the part of the Extensions API that an extension needs. It tells when the extension registers, and answers
// its wait for an event with SHUTDOWN when stop is closed.
func lambda(registered chan<- time.Time, stop <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case registered <- time.Now():
		default:
		}
		w.Header().Set("Lambda-Extension-Identifier", "11111111-2222-3333-4444-555555555555")
		fmt.Fprintf(w, `{"functionName":"bench","functionVersion":"$LATEST","handler":"bootstrap","accountId":"%s"}`,
			Account)
	})
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, `{"eventType":"SHUTDOWN","shutdownReason":"spindown","deadlineMs":0}`)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"status":"OK"}`)
	})
	return mux
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

// Addr is the loopback API's host and port.
func (e *Extension) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port)) }

// PID is the process's number.
func (e *Extension) PID() int { return e.cmd.Process.Pid }

// Conns returns n connections to the loopback API, which the extension keeps for the next call.
func (e *Extension) Conns(n int) ([]*load.Conn, error) {
	for len(e.conns) < n {
		c, err := load.Dial(e.Addr(), SessionToken)
		if err != nil {
			return nil, err
		}
		e.conns = append(e.conns, c)
	}
	return e.conns[:n], nil
}

// Ready returns when the extension answers GET /ping with 200.
func (e *Extension) Ready(ctx context.Context) error {
	limit := time.Now().Add(readyLimit)
	for {
		var status int
		var answer []byte
		conns, err := e.Conns(1)
		if err == nil {
			if status, answer, err = conns[0].Do("GET", "/ping", nil); err != nil {
				e.Disconnect()
			}
		}
		switch {
		case err == nil && status == http.StatusOK:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(limit):
			return fmt.Errorf("%s is not ready: status %d %s %w", e.path, status, answer, err)
		}
		time.Sleep(time.Millisecond) // there is nothing to wait on
	}
}

// Disconnect closes the connections. The next call of Conns makes new ones.
func (e *Extension) Disconnect() {
	for _, c := range e.conns {
		_ = c.Close()
	}
	e.conns = nil
}

// Stop ends the extension as Lambda does, and returns when it is gone.
func (e *Extension) Stop() {
	e.Disconnect()
	close(e.stop)
	limit := time.NewTimer(endLimit)
	defer limit.Stop()
	select {
	case <-e.exited:
	case <-limit.C:
		_ = e.cmd.Process.Kill()
		<-e.exited
	}
	_ = e.lambda.Close()
}
