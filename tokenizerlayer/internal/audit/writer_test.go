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
	w := newTimely(writerFunc(func([]byte) (int, error) { return 0, full }), time.Minute)
	if n, err := w.Write([]byte("line\n")); n != 0 || !errors.Is(err, full) {
		t.Errorf("%d, %v", n, err)
	}
	w = newTimely(io.Discard, time.Minute)
	if n, err := w.Write([]byte("line\n")); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestTimely_RefusesLinesWhileOneIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, take := "", make(chan bool)
		w := newTimely(writerFunc(func(b []byte) (int, error) {
			<-take
			got += string(b)
			return len(b), nil
		}), time.Second)
		start, line := time.Now(), []byte("late\n")
		if n, err := w.Write(line); n != 0 || !errors.Is(err, errLate) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		copy(line, "used") // as slog does, whose buffers are shared
		if n, err := w.Write([]byte("next\n")); n != 0 || !errors.Is(err, errLate) || time.Since(start) != time.Second {
			t.Errorf("the next: %v after %v", err, time.Since(start))
		}
		close(take)
		synctest.Wait()
		for range 2 {
			if n, err := w.Write([]byte("again\n")); n != 6 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
		if got != "late\nagain\nagain\n" {
			t.Errorf("%q was written", got)
		}
	})
}

// The time in which others write counts, so that an answer with many lines is not late because each of them is slow.
func TestTimely_WaitsForItsTurnWithinTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTimely(
			writerFunc(func(b []byte) (int, error) { time.Sleep(400 * time.Millisecond); return len(b), nil }),
			time.Minute)
		start, errs := time.Now(), make(chan error, 5)
		for range 5 {
			go func() { errs <- w.write([]byte("line\n"), time.Second) }()
		}
		late := 0
		for range 5 {
			if <-errs != nil {
				late++
			}
		}
		if took := time.Since(start); took != time.Second || late != 3 {
			t.Errorf("%d were late, after %v", late, took)
		}
		time.Sleep(time.Second) // until the last line is written
	})
}

// A late line that no other follows keeps nothing waiting: the bubble ends.
func TestTimely_ALateLineIsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		take := make(chan bool)
		w := newTimely(writerFunc(func(b []byte) (int, error) { <-take; return len(b), nil }), time.Second)
		if _, err := w.Write([]byte("late\n")); !errors.Is(err, errLate) {
			t.Error(err)
		}
		close(take)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
