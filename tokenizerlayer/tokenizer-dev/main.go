// Command tokenizer-dev is a tokenizer for development: the API that the extension serves in Lambda, on this machine
// and without AWS. It needs nothing beside it. Its vault is in memory and is empty when it starts.
//
//	tokenizer-dev                                          one function, which may do everything
//	tokenizer-dev -as tokenize                             one that may only tokenize
//	tokenizer-dev -as order=tokenize -as paybill=detokenize   two functions of one vault, a port each
//
// When it serves, it prints one line to standard output, which a shell can evaluate: the environment variables that
// clients read. Everything else goes to standard error, as does the extension's log. docs/development-server.md says
// how to use it in tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/net/netutil"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/inmemory"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
)

// sessionToken is the same in each run, so that it can be written down. It protects nothing: whoever is on this machine
// may use this vault.
const sessionToken = "development-session-token"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "tokenizer-dev:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or, if the flags say so, until stdin does.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	listeners, err := listen(o.port, o.functions)
	if err != nil {
		return err
	}
	servers, err := newServers(o, listeners, stderr)
	if err != nil {
		return err
	}
	served := make(chan error, len(servers))
	for i, server := range servers {
		defer server.Close()
		go func() { served <- server.Serve(netutil.LimitListener(listeners[i], api.MaxConnections)) }()
	}
	introduce(stderr, o.functions, listeners)
	fmt.Fprintln(stdout, environment(o.functions, listeners))

	ended := make(chan struct{})
	if o.untilStdinEnds {
		go func() {
			_, _ = io.Copy(io.Discard, stdin) // an error is an end, too
			close(ended)
		}()
	}
	select {
	case err := <-served:
		return err
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}

// listen binds a port for each function: port and those after it, or any that are free.
func listen(port int, functions []function) (listeners []net.Listener, err error) {
	for i := range functions {
		if port != 0 && i > 0 {
			port++
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(api.Host, strconv.Itoa(port)))
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return nil, fmt.Errorf("port %d of %s cannot be bound. If another development server has it, end that "+
				"one. Otherwise choose a port with -port N, or any free one with -port 0", port, api.Host)
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// newServers makes a server for each function. All of them have the same vault.
func newServers(o options, listeners []net.Listener, log io.Writer) (servers []*http.Server, err error) {
	var aws inmemory.AWS
	for i, f := range o.functions {
		server, err := aws.NewServer(inmemory.Config{
			Function: f.actor(), Rights: &f.rights, Port: portOf(listeners[i]), SessionToken: sessionToken,
			Denied:  func(d inmemory.Denial) { fmt.Fprintln(log, f.explain(d)) },
			Release: "development", ReadRate: o.readRate, Log: log,
		})
		if err != nil {
			return nil, err
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// explain says which right would have allowed a call.
func (f function) explain(d inmemory.Denial) string {
	line := fmt.Sprintf("%s may not call %s on %s. It may %s.", f.actor(), d.Action, d.On, f)
	if d.Purpose {
		line += " The token has another purpose: see -purposes."
	}
	return line
}

// introduce tells a person what is served.
func introduce(w io.Writer, functions []function, listeners []net.Listener) {
	fmt.Fprintln(w, "This is a tokenizer for development. It keeps everything in memory, and forgets it when it "+
		"ends.\nGive it test cards only. Ctrl-C ends it.")
	for i, f := range functions {
		fmt.Fprintf(w, "http://%s is for %s, which may %s.\n", listeners[i].Addr(), f.actor(), f)
	}
}

// environment is the line for the shell. No value has a character that a shell would interpret.
func environment(functions []function, listeners []net.Listener) string {
	line := []string{"export", settings.SessionToken + "=" + sessionToken}
	for i, f := range functions {
		line = append(line, f.variable()+"="+strconv.Itoa(portOf(listeners[i])))
	}
	return strings.Join(line, " ")
}
