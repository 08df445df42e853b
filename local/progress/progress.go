// Package progress prints for a person at a terminal what the program is doing and how long it took.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// How often a step that still runs says so: on one line of a terminal, or on a line each time, after longer and longer
// pauses.
const (
	rewriteEvery = time.Second
	printFirst   = 15 * time.Second
)

// Printer prints steps. It is safe for concurrent use as an io.Writer of whole lines.
type Printer struct {
	rewrite bool // out is a terminal, whose last line can be written again

	mu      sync.Mutex
	out     io.Writer
	pending bool // the last line is to be written again
	open    bool // the last line has no end: a child process was ended in the middle of it
}

// New returns a printer to out.
func New(out io.Writer) *Printer {
	f, ok := out.(*os.File)
	return &Printer{out: out, rewrite: ok && isTerminal(f)}
}

// isTerminal tells whether a line on f can be written again for a person to watch.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == ""
}

// Write prints b between the printer's own lines.
func (p *Printer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending {
		p.pending = false
		if _, err := io.WriteString(p.out, "\r\x1b[K"); err != nil { // erases the line
			return 0, err
		}
	}
	p.open = len(b) > 0 && b[len(b)-1] != '\n'
	return p.out.Write(b)
}

// Printf prints a line.
func (p *Printer) Printf(format string, args ...any) {
	line := fmt.Sprintf(format+"\n", args...)
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	if open {
		line = "\n" + line
	}
	_, _ = io.WriteString(p, line) // nobody reads it if this fails
}

// still prints that a step still runs.
func (p *Printer) still(name string, elapsed time.Duration) {
	line := fmt.Sprintf("  ... %s: %.0f s", name, elapsed.Seconds())
	if !p.rewrite {
		p.Printf("%s", line)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = true
	fmt.Fprintf(p.out, "\r%s\x1b[K", line)
}

// Step calls do, and prints name, result and time. While do takes long, it prints that it still runs.
func (p *Printer) Step(name string, do func() (result string, err error)) error {
	start := time.Now()
	done := make(chan struct{})
	wait, factor := printFirst, 2
	if p.rewrite {
		wait, factor = rewriteEvery, 1
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n *= factor {
			select {
			case <-done:
				return
			case <-time.After(time.Duration(n) * wait):
				p.still(name, time.Since(start))
			}
		}
	})
	result, err := do()
	close(done)
	wg.Wait()
	verdict := "ok  "
	if err != nil {
		verdict, result = "FAIL", err.Error()
	}
	p.Printf("%s  %-33s %6.0f ms  %s", verdict, name, float64(time.Since(start).Microseconds())/1000, result)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
