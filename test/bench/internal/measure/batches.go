package measure

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
)

const (
	batchSize = 100
	// batchClients are as many as items of a batch are carried out at a time.
	batchClients = 16
)

// batchBody is a batch of cards.
var batchBody = slices.Concat([]byte(`{"items":[`),
	bytes.Join(slices.Repeat([][]byte{tokenizeBody}, batchSize), []byte(",")),
	[]byte(`]}`))

// batch sends one, all of whose items have to succeed.
func batch(c *load.Conn) error {
	answer, err := c.Post(pathTokenizeBatch, batchBody)
	if err == nil && bytes.Count(answer, []byte(`"token":"`)) != batchSize {
		err = fmt.Errorf("items of a batch failed: %.200s", answer)
	}
	return err
}

func (t *tenant) batches(ctx context.Context, clients, total int) (load.Result, error) {
	return t.slice(ctx, clients, total, func(c *load.Conn, _ int) error { return batch(c) })
}

// batches measures a batch against the same tokenizes by themselves, while the services take their time.
func (l *Lab) batches(ctx context.Context) error {
	e, err := l.ready(ctx, l.Subject)
	if err != nil {
		return err
	}
	defer e.Stop()
	t := &tenant{ext: e, note: l.note}
	l.services.SetLatency(kmsLatency, tableLatency)
	const size = 5 // batches of a slice
	var one, many turns
	for turn := range l.times(4, 9) + 1 {
		batches, err := t.batches(ctx, 1, size)
		if err != nil {
			return err
		}
		alone, err := t.tokenize(ctx, 1, batchSize)
		if err != nil {
			return err
		}
		// As many rounds as a batch takes: 16 clients do 16 tokenizes each time.
		together, err := t.tokenize(ctx, batchClients, size*batchSize/batchClients*batchClients)
		if err != nil {
			return err
		}
		if turn == 0 { // warms up
			continue
		}
		took := batches.P(0.5)
		add(&one.subject, took)
		add(&many.subject, took)
		add(&one.floor, batchSize*1000/alone.PerSecond())
		add(&many.floor, batchSize*1000/together.PerSecond())
	}
	l.put(one.row("batch-one-client"), many.row("batch-16-clients"))
	return nil
}

// importing measures resident memory while an import goes on.
func (l *Lab) importing(ctx context.Context) error {
	const items, step, clients = 100_000, 2000, 4
	l.services.Limit(20_000)
	e, err := l.ready(ctx, l.Subject)
	if err != nil {
		return err
	}
	defer e.Stop()
	t := &tenant{ext: e, note: l.note}
	var series []float64
	for range items / step {
		if _, err := t.batches(ctx, clients, step/batchSize); err != nil {
			return err
		}
		rss, err := process.RSS(e.PID())
		if err != nil {
			return err
		}
		series = append(series, rss)
	}
	half := len(series) / 2
	var peaks turns
	add(&peaks.floor, slices.Max(series[:half]))
	add(&peaks.subject, slices.Max(series[half:]))
	l.put(peaks.row("rss-import"))
	l.sample("rss over an import of 100,000 items", series)
	return nil
}
