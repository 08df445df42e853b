package audit

import (
	"bytes"
	"errors"
	"io"
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
	limit time.Duration // of Write

	turn chan struct{} // holds a value while a line is being written, which guards late
	late chan error    // the result of a line that was not written in time; nil if there is none
}

func newTimely(w io.Writer, limit time.Duration) *timely {
	return &timely{w: w, limit: limit, turn: make(chan struct{}, 1)}
}

func (t *timely) Write(b []byte) (int, error) {
	if err := t.write(b, t.limit); err != nil {
		return 0, err
	}
	return len(b), nil
}

// write returns when b is written or the limit has passed, in which other lines may have been written first. While a
// late line is still being written, it refuses others at once.
func (t *timely) write(b []byte, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-timer.C:
		return errLate
	}
	if t.late != nil {
		select {
		case <-t.late: //nolint:errcheck // The line was too late, whatever became of it.
			t.late = nil
		default:
			return errLate
		}
	}
	line := bytes.Clone(b) // the caller may use b again
	written := make(chan error, 1)
	go func() {
		_, err := t.w.Write(line)
		written <- err
	}()
	select {
	case err := <-written:
		return err
	case <-timer.C:
		t.late = written
		return errLate
	}
}
