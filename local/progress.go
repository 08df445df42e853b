package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// interval is how often the progress is printed.
func interval(rewrite bool) time.Duration {
	if rewrite {
		return time.Second
	}
	return 15 * time.Second
}

// isTerminal tells whether a line on f can be written again for a person to watch.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == ""
}

// printer tells how far the compilation is: on one line that it writes again, or on a line each time.
type printer struct {
	out     io.Writer
	rewrite bool
}

const (
	width = 79 // of a line on the narrowest usual terminal

	// Sequences that terminals understand.
	lineStart  = "\r"
	eraseRight = "\x1b[K"
)

func (p printer) progress(builds []*build, elapsed time.Duration) {
	var states []string
	for _, b := range builds {
		states = append(states, b.state())
	}
	line := fmt.Sprintf("  ... compiling: %3.0f s  %s", elapsed.Seconds(), strings.Join(states, "; "))
	if !p.rewrite {
		fmt.Fprintln(p.out, line)
		return
	}
	if len(line) > width { // a line that wraps cannot be written again
		line = line[:width]
	}
	fmt.Fprint(p.out, lineStart+line+eraseRight)
}

// clear removes the line that was to be written again.
func (p printer) clear() {
	if p.rewrite {
		fmt.Fprint(p.out, lineStart+eraseRight)
	}
}
