package launched_test

import (
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/launched"
)

func parse(args ...string) (*launched.Launcher, error) {
	l, set := &launched.Launcher{}, flag.NewFlagSet("program", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	l.Flags(set)
	return l, set.Parse(args)
}

func TestFollow_EndsWithTheLauncherAndRemovesItsDirectory(t *testing.T) {
	closed, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "lambda-tokenizer-local-1")
	if err := os.MkdirAll(filepath.Join(dir, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := parse("-until-closed", strconv.Itoa(int(closed.Fd())), "-remove", dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cleanUp := l.Follow(t.Context())
	if ctx.Err() != nil {
		t.Fatal("it has ended before the launcher")
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if err := cleanUp(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is there: %v", err)
	}
}

func TestFollow_DoesNothingWithoutALauncher(t *testing.T) {
	l, err := parse()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cleanUp := l.Follow(t.Context())
	if ctx != t.Context() || cleanUp() != nil {
		t.Error("there is no launcher")
	}
}

// A mistyped flag must not remove what somebody needs.
func TestFlags_RefuseAnotherDirectory(t *testing.T) {
	for _, dir := range []string{"/", "/home", "lambda-tokenizer-local-1", "/tmp/lambda-tokenizer-local-1/.."} {
		if _, err := parse("-remove", dir); err == nil || !strings.Contains(err.Error(), "lambda-tokenizer-local-") {
			t.Errorf("%s: error = %v", dir, err)
		}
	}
}

func TestHelp_LeavesOutWhatTheLauncherGives(t *testing.T) {
	var printed strings.Builder
	set := flag.NewFlagSet("program", flag.ContinueOnError)
	set.SetOutput(&printed)
	set.Int("port", 7, "the `port`")
	set.String("extension", "", "a file")
	(&launched.Launcher{}).Flags(set)
	launched.Help(set, "go run ./local", "extension")
	if err := set.Parse([]string{"-port", "8", "-help"}); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	want := "The flags of go run ./local:\n  -port port\n    \tthe port (default 7)\n"
	if printed.String() != want {
		t.Errorf("printed %q, want %q", printed.String(), want)
	}
}
