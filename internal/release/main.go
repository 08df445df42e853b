// Command release builds everything that a release has, into a directory, or checks such a directory:
//
//	go run ./internal/release                  builds into ./dist
//	go run ./internal/release -verify dist     builds again, and compares every file
//
// The same source gives the same bytes on every machine. So whoever has the source can check a release without trusting
// whoever built it. It needs Go, Node.js with npm, Python and git.
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

	"github.com/aws/jsii-runtime-go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
	}
	os.Stderr = nil // jsii.Close sometimes complains about the process that it has just ended, which means nothing
	jsii.Close()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	set := flag.NewFlagSet("release", flag.ContinueOnError)
	set.SetOutput(out)
	dist := set.String("out", "dist", "the `directory` to build into; it must not exist or be empty")
	verify := set.String("verify", "", "build again and compare with this `directory`")
	dirty := set.Bool("allow-dirty", false, "build a tree that differs from its commit; the provenance says so")
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: there are flags only, see -help", set.Arg(0))
	}
	source, err := sourceOf(ctx, ".", *dirty)
	if err != nil {
		return err
	}
	if *verify == "" {
		if err := build(ctx, source, *dist); err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "The release of %s is in %s.\n", source.revision, *dist)
		return err
	}
	again, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(again)
	if err := build(ctx, source, again); err != nil {
		return err
	}
	if err := compare(*verify, again); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s is what %s builds: every file has the same bytes.\n", *verify, source.revision)
	return err
}
