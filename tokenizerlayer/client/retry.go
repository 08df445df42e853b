package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// pause returns how long to wait before a request that was refused is sent again. It reports false if it must not be.
func pause(refused *Error, repeatable bool, attempt int) (time.Duration, bool) {
	switch {
	case errors.Is(refused, ErrRateLimited): // nothing was done
	case errors.Is(refused, ErrUnavailable) && repeatable:
	default:
		return 0, false
	}
	if refused.RetryAfter > 0 {
		return refused.RetryAfter + time.Duration(rand.Int64N(int64(refused.RetryAfter)/10+1)), true
	}
	base := 50 * time.Millisecond << attempt
	return base/2 + time.Duration(rand.Int64N(int64(base))), true
}

// sleep waits. It reports false at once if the context ends before, and when it ends meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
