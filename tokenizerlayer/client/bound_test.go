package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A call leaves its function the time to handle a failure.
func TestClient_EndsBeforeTheDeadlineOfItsContext(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		timeout, left, expect time.Duration
	}{
		{"the client's timeout is shorter", 5 * time.Second, 10 * time.Second, 5 * time.Second},
		{"an invocation of 3 seconds", 5 * time.Second, 3 * time.Second, 2750 * time.Millisecond},
		{"little time", 5 * time.Second, 100 * time.Millisecond, 90 * time.Millisecond},
		{"no deadline", 5 * time.Second, 0, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.left > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.left)
					defer cancel()
				}
				bounded, cancel := (&Client{timeout: tt.timeout}).bound(ctx)
				defer cancel()
				if deadline, _ := bounded.Deadline(); time.Until(deadline) != tt.expect {
					t.Errorf("ends after %v, want %v", time.Until(deadline), tt.expect)
				}
			})
		})
	}
}

// A caller does not come back before the time that it was told, and not all callers come back at once.
func TestPause_IsNeverShorterThanRetryAfter(t *testing.T) {
	limited, broken := NewError(ErrRateLimited, "", ""), NewError(ErrUnavailable, "", "")
	later := NewError(ErrRateLimited, "", "")
	later.RetryAfter = 2 * time.Second
	for _, tt := range []struct {
		name        string
		err         *Error
		attempt     int
		least, most time.Duration
	}{
		{"without Retry-After", limited, 0, 25 * time.Millisecond, 75 * time.Millisecond},
		{"the second time", broken, 1, 50 * time.Millisecond, 150 * time.Millisecond},
		{"with Retry-After", later, 0, 2 * time.Second, 2200 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			different := map[time.Duration]bool{}
			shortest, longest := tt.most, tt.least
			for range 1000 {
				got, ok := pause(tt.err, true, tt.attempt)
				if !ok || got < tt.least || got > tt.most {
					t.Fatalf("%v, want %v to %v", got, tt.least, tt.most)
				}
				different[got] = true
				shortest, longest = min(shortest, got), max(longest, got)
			}
			if edge := (tt.most - tt.least) / 20; shortest > tt.least+edge || longest < tt.most-edge {
				t.Errorf("pauses from %v to %v, want %v to %v", shortest, longest, tt.least, tt.most)
			}
			if len(different) < 100 {
				t.Errorf("%d different pauses", len(different))
			}
		})
	}
}

// A connection that was idle for longer than the extension keeps one may end while a request is on its way.
func TestClient_DoesNotUseConnectionsThatMayHaveEnded(t *testing.T) {
	const extensionKeeps = 15 * time.Minute
	if maxIdle > extensionKeeps/2 {
		t.Errorf("connections are used after %v", maxIdle)
	}
}

func TestPause_IsForWhatMayBeRepeated(t *testing.T) {
	for _, tt := range []struct {
		kind               error
		single, repeatable bool
	}{
		{ErrRateLimited, true, true}, // nothing was done
		{ErrUnavailable, false, true},
		{ErrInFlight, false, false},
		{ErrInternal, false, false},
	} {
		err := NewError(tt.kind, "", "")
		_, single := pause(err, false, 0)
		_, repeatable := pause(err, true, 0)
		if single != tt.single || repeatable != tt.repeatable {
			t.Errorf("%s: %v, %v", err.Code, single, repeatable)
		}
	}
}
