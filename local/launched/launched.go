// Package launched lets a program end with the launcher that has started it, which is `go run ./local`, and clean up
// after it. The launcher may be killed, and then it can do neither.
package launched

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// prefix begins the name of each directory of a launcher.
const prefix = "lambda-tokenizer-local-"

// Launcher is what the launcher says about itself.
type Launcher struct {
	untilClosed int
	directory   string
}

// Flags defines the flags by which it does.
func (l *Launcher) Flags(set *flag.FlagSet) {
	set.IntVar(&l.untilClosed, "until-closed", 0,
		"end when file descriptor `n` is at its end; go run ./local holds the other side")
	set.Func("remove", "at the end, remove the `directory` of go run ./local", func(dir string) error {
		if !filepath.IsAbs(dir) || !strings.HasPrefix(filepath.Base(dir), prefix) {
			return fmt.Errorf("it must be an absolute path of a directory that is named %s…", prefix)
		}
		l.directory = dir
		return nil
	})
}

// Help makes the help of a program leave out the flags that only the launcher gives: those of [Launcher.Flags], and
// the program's own.
func Help(set *flag.FlagSet, title string, own ...string) {
	own = append(own, "until-closed", "remove")
	set.Usage = func() {
		shown := flag.NewFlagSet(title, flag.ContinueOnError)
		shown.SetOutput(set.Output())
		set.VisitAll(func(f *flag.Flag) {
			if !slices.Contains(own, f.Name) {
				shown.Var(f.Value, f.Name, f.Usage)
				shown.Lookup(f.Name).DefValue = f.DefValue
			}
		})
		fmt.Fprintf(set.Output(), "The flags of %s:\n", title)
		shown.PrintDefaults()
	}
}

// Follow returns a context that ends when the launcher has, and a function to call at the very end.
func (l *Launcher) Follow(ctx context.Context) (followed context.Context, cleanUp func() error) {
	if l.untilClosed == 0 {
		return ctx, l.remove
	}
	followed, cancel := context.WithCancel(ctx)
	go func() { // a launcher that is killed closes the other side
		_, _ = io.Copy(io.Discard, os.NewFile(uintptr(l.untilClosed), "launcher"))
		cancel()
	}()
	return followed, func() error {
		cancel()
		return l.remove()
	}
}

func (l *Launcher) remove() error {
	if l.directory == "" {
		return nil
	}
	return os.RemoveAll(l.directory)
}
