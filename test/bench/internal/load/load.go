package load

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

// Result is what a slice of load took.
type Result struct {
	Each []float64 // of each operation, in milliseconds
	Wall time.Duration
}

// P is a quantile of the operations' times, in milliseconds.
func (r Result) P(p float64) float64 { return stat.Quantile(r.Each, p) }

// PerSecond is how many operations there were in a second.
func (r Result) PerSecond() float64 { return float64(len(r.Each)) / r.Wall.Seconds() }

// Run has the clients do total operations together, the same number each. The first error ends it.
func Run(ctx context.Context, clients, total int, do func(client int) error) (Result, error) {
	each := max(1, total/clients)
	times := make([][]float64, clients)
	errs := make([]error, clients)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	start := time.Now()
	for client := range clients {
		wg.Go(func() {
			times[client] = make([]float64, 0, each)
			for range each {
				if ctx.Err() != nil {
					return
				}
				begin := time.Now()
				if errs[client] = do(client); errs[client] != nil {
					cancel()
					return
				}
				times[client] = append(times[client], float64(time.Since(begin).Nanoseconds())/1e6)
			}
		})
	}
	wg.Wait()
	r := Result{Wall: time.Since(start)}
	for _, t := range times {
		r.Each = append(r.Each, t...)
	}
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	return r, ctx.Err()
}
