// Command runner is what `go run ./local -app DIR` compiles and starts: it runs the functions of any CDK app or cloud
// assembly, with their layers, their permissions and local versions of KMS, DynamoDB and Cognito.
//
// Standard output has the functions' answers and nothing else. The exit code is 1 if a function fails, and 2 if
// something else is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp), err == nil:
	case errors.Is(err, errFunction):
		os.Exit(1)
	case errors.As(err, &saidError{}):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(2)
	}
}

// errFunction says that a function has failed. Its answer says why.
var errFunction = errors.New("the function has failed")

// saidError is an error that was printed already.
type saidError struct{ error }

func (e saidError) Unwrap() error { return e.error }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	f, err := parse(args, stderr)
	if err != nil {
		return err
	}
	ctx, cleanUp := f.launcher.Follow(ctx)
	defer func() { err = errors.Join(err, cleanUp()) }()
	return newApplication(f, stdout, stderr).run(ctx)
}
