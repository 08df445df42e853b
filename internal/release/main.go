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
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/aws/jsii-runtime-go"
)

func main() {
	var err error
	if os.Getenv(variable) == "" {
		err = again()
	} else {
		err = work()
	}
	os.Stderr = nil // jsii.Close sometimes complains about the process that it has just ended, which means nothing
	jsii.Close()
	if err != nil {
		os.Exit(1)
	}
}

// variable is set in the environment of the process that does the work.
const variable = "LAMBDA_TOKENIZER_RELEASE"

// again runs this program again, in a process group of its own. Ctrl-C in a terminal goes to a whole group, and would
// end Node and the compilers before they have removed their temporary files.
func again() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program, os.Args[1:]...)
	cmd.Env = append(os.Environ(), variable+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	end, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { end.Close() })
	return cmd.Run()
}

// work is done until the standard input ends: that is when the process that started this one is asked to end, or ends.
func work() error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil && ctx.Err() != nil:
		err = errors.New("interrupted: nothing was written")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
	}
	return err
}

func run(ctx context.Context, args []string, out io.Writer) error {
	set := flag.NewFlagSet("release", flag.ContinueOnError)
	set.SetOutput(out)
	dist := set.String("out", "dist", "the `directory` to build into; it must not exist or be empty")
	existing := set.String("verify", "", "build again and compare with this `directory`")
	dirty := set.Bool("allow-dirty", false, "build a tree that differs from its commit; the provenance says so")
	if err := set.Parse(args); err != nil {
		return err
	}
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch err := checkPrograms(); {
	case err != nil:
		return err
	case set.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: there are flags only, see -help", set.Arg(0))
	case given["out"] && given["verify"]:
		return errors.New("-out and -verify: give one of them, because -verify keeps nothing that it builds")
	case *dist == "" || given["verify"] && *existing == "":
		return errors.New("-out and -verify: want the name of a directory")
	case given["verify"]:
		if err := checkDirectory(ctx, *existing); err != nil {
			return fmt.Errorf("-verify %s: %w", *existing, err)
		}
	}
	source, err := sourceOf(ctx, ".", *dirty)
	if err != nil {
		return err
	}
	if given["verify"] {
		return verify(ctx, source, *existing, out)
	}
	if err := release(ctx, source, *dist); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "The release of %s is in %s.\n", source.revision, *dist)
	return err
}

// checkDirectory says at once that there is nothing to compare, and not after minutes.
func checkDirectory(ctx context.Context, name string) error {
	path, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	if info, err := os.Stat(path); err != nil {
		return err
	} else if !info.IsDir() {
		return errors.New("this is no directory: name the one with the files of a release")
	}
	for _, name := range []string{sumsFile, templateFile, provenanceFile, sbomFile, licencesFile} {
		if _, err := os.Lstat(filepath.Join(path, name)); err == nil {
			return checkOutside(ctx, ".", path)
		}
	}
	return errors.New("this has no file of a release: name the directory that has them")
}

// verify builds again and compares.
func verify(ctx context.Context, s source, existing string, out io.Writer) error {
	again, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(again)
	if err := build(ctx, s, again); err != nil {
		return err
	}
	if err := compare(os.DirFS(existing), os.DirFS(again)); err != nil {
		return fmt.Errorf("%s is not what %s builds:\n%w", existing, s.revision, err)
	}
	_, err = fmt.Fprintf(out, "%s is what %s builds: every file has the same bytes.\n", existing, s.revision)
	return err
}
