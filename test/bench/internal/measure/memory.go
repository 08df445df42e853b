package measure

import (
	"context"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
)

const someOperations = 5000

// memory measures resident memory after a number of operations, of fresh processes.
func (l *Lab) memory(ctx context.Context) error {
	var used turns
	for range l.times(2, 5) {
		bare, err := l.start(ctx, l.Bare)
		if err != nil {
			return err
		}
		rss, err := process.RSS(bare.PID())
		bare.Stop()
		if err != nil {
			return err
		}
		add(&used.floor, rss)
		c, err := l.contest(ctx)
		if err != nil {
			return err
		}
		for i, t := range c {
			rss, err := exercise(ctx, t, 8, someOperations)
			if err != nil {
				c.stop()
				return err
			}
			add(used.into(i), rss)
		}
		c.stop()
	}
	l.put(used.row("rss-5000"))
	return nil
}

// exercise does operations, half of them tokenizes and half detokenizes of the tokens just made, and returns the memory
// after it.
func exercise(ctx context.Context, t *tenant, clients, operations int) (float64, error) {
	_, err := t.slice(ctx, clients, operations/2, func(c *load.Conn, _ int) error {
		token, err := tokenOf(c.Post(pathTokenize, tokenizeBody))
		if err == nil {
			_, err = c.Post(pathDetokenize, detokenizeBody(token))
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return process.RSS(t.ext.PID())
}

// million measures resident memory over a million operations of one process.
func (l *Lab) million(ctx context.Context) error {
	operations := l.times(20_000, 1_000_000)
	const step = 20_000
	l.services.Limit(20_000)
	c, err := l.contest(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	var used turns
	first, err := exercise(ctx, c[0], busyClients, someOperations)
	if err != nil {
		return err
	}
	add(&used.floor, first)
	series := []float64{first}
	for done := 0; done < operations; done += step {
		rss, err := exercise(ctx, c[0], busyClients, step)
		if err != nil {
			return err
		}
		series = append(series, rss)
	}
	add(&used.subject, series[len(series)-1])
	l.put(used.row("rss-million"))
	l.sample("rss over a million operations", series)
	return nil
}
