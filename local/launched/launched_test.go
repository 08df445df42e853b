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
