// Package progress prints for a person at a terminal what the program is doing and how long it took.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// tick is how often a step that still runs says so.
const tick = 2 * time.Second

// Printer prints steps. It is safe for concurrent use as an io.Writer of whole lines.
type Printer struct {
	mu  sync.Mutex
	out io.Writer
}

// New returns a printer to out.
func New(out io.Writer) *Printer { return &Printer{out: out} }

// Write prints b between the printer's own lines.
func (p *Printer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// Printf prints a line.
func (p *Printer) Printf(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// Step calls do, and prints name, result and time. While do takes long, it prints that it still runs.
func (p *Printer) Step(name string, do func() (result string, err error)) error {
	start := time.Now()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.Printf("  ... %s: %.0f s", name, time.Since(start).Seconds())
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
