package audit

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

// writeLimit is how long writing a line may take. With the 4 s of the vault's own limit it ends before the clients' 5
// s.
const writeLimit = 500 * time.Millisecond

// errLate: the line was not written in time. It may be written later.
var errLate = errors.New("audit: the log does not take lines in time")

// timely writes lines to a writer that may block, as a pipe does that nobody reads. It is safe for concurrent use.
type timely struct {
	w     io.Writer
	limit time.Duration

	mu   sync.Mutex
	late chan error // the result of a line that was not written in time; nil if there is none
}

// Write returns when b is written or the limit has passed. While a late line is still being written, it refuses others
// at once.
func (t *timely) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.late != nil {
		select {
		case <-t.late: //nolint:errcheck // The line was too late, whatever became of it.
			t.late = nil
		default:
			return 0, errLate
		}
	}
	line := bytes.Clone(b) // the caller may use b again
	written := make(chan error, 1)
	go func() {
		_, err := t.w.Write(line)
		written <- err
	}()
	timer := time.NewTimer(t.limit)
	defer timer.Stop()
	select {
	case err := <-written:
		if err != nil {
			return 0, err
		}
		return len(b), nil
	case <-timer.C:
		t.late = written
		return 0, errLate
	}
}
