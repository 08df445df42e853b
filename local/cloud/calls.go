package cloud

import (
	"context"
	"sync"
)

// calls counts the invocations of a version that run.
type calls struct {
	mu      sync.Mutex
	running int
	ending  chan struct{} // nil until the version ends; closed when nothing runs any more
}

// begin is called before an invocation. It returns false if another version has replaced this one.
func (c *Cloud) begin() bool {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	if c.calls.ending != nil {
		return false
	}
	c.calls.running++
	return true
}

// end is called after an invocation for which begin returned true.
func (c *Cloud) end() {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	c.calls.running--
	c.calls.release()
}

// end lets no more invocations begin. What it returns is closed when none is left.
func (c *calls) end() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		c.ending = make(chan struct{})
		c.release()
	}
	return c.ending
}

// release is called with mu held.
func (c *calls) release() {
	if c.ending != nil && c.running == 0 {
		close(c.ending)
	}
}

// Retire closes a version that another one has replaced. It first waits for the invocations that run, until ctx ends,
// which interrupts them.
func (c *Cloud) Retire(ctx context.Context) error {
	select {
	case <-c.calls.end():
	case <-ctx.Done():
	}
	return c.Close()
}
