package audit

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimely_PassesOnWhatTheWriterSays(t *testing.T) {
	full := errors.New("no space left on device")
	w := &timely{w: writerFunc(func([]byte) (int, error) { return 0, full }), limit: time.Minute}
	if n, err := w.Write([]byte("line\n")); n != 0 || !errors.Is(err, full) {
		t.Errorf("%d, %v", n, err)
	}
	w = &timely{w: io.Discard, limit: time.Minute}
	if n, err := w.Write([]byte("line\n")); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestTimely_RefusesLinesWhileOneIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, take := "", make(chan bool)
		w := &timely{limit: time.Second, w: writerFunc(func(b []byte) (int, error) {
			<-take
			got += string(b)
			return len(b), nil
		})}
		start, line := time.Now(), []byte("late\n")
		if _, err := w.Write(line); !errors.Is(err, errLate) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		copy(line, "used") // as slog does, whose buffers are shared
		if _, err := w.Write([]byte("next\n")); !errors.Is(err, errLate) || time.Since(start) != time.Second {
			t.Errorf("the next: %v after %v", err, time.Since(start))
		}
		close(take)
		synctest.Wait()
		if _, err := w.Write([]byte("again\n")); err != nil || got != "late\nagain\n" {
			t.Errorf("%v, %q was written", err, got)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
