package orders

import (
	"context"
	"math/rand/v2"
	"time"
)

// clock returns now, or the system's clock for nil.
func clock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

// graceTime is what work gets that must be attempted although the request's time is up. It is shorter than
// answerMargin, by which the gateway shortens a request.
const graceTime = 1500 * time.Millisecond

// grace returns a context for such work: to give a lease back, or to find out what became of a write. It outlives ctx,
// and ends when ctx would have ended or after graceTime, whichever is later.
func grace(ctx context.Context) (context.Context, context.CancelFunc) {
	until := time.Now().Add(graceTime)
	if deadline, ok := ctx.Deadline(); ok && deadline.After(until) {
		until = deadline
	}
	return context.WithDeadline(context.WithoutCancel(ctx), until)
}

// firstPause is the longest pause after a first conflict. Each further pause may be twice as long.
const firstPause = 40 * time.Millisecond

// pause waits for a random time, which grows with the number of attempts, so that rivals do not meet again.
func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(rand.N(firstPause << attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
