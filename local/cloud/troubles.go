package cloud

import (
	"fmt"
	"io"
	"slices"
	"sync"
)

// maxTroubles is how many troubles are kept.
const maxTroubles = 20

// troubles logs what goes wrong between functions and services, and keeps the first of it.
type troubles struct {
	log io.Writer

	mu    sync.Mutex
	lines []string
}

func (t *troubles) add(err error) {
	line := err.Error()
	fmt.Fprintln(t.log, line)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) < maxTroubles && !slices.Contains(t.lines, line) {
		t.lines = append(t.lines, line)
	}
}

func (t *troubles) list() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines)
}
