package measure

import (
	"context"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// loopback measures requests that cost little besides HTTP, and what the Go client adds.
func (l *Lab) loopback(ctx context.Context) error {
	c, err := l.contest(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	bare, err := l.start(ctx, l.Bare)
	if err != nil {
		return err
	}
	defer bare.Stop()
	empty := &tenant{ext: bare, note: l.note}
	const size = 500
	var pings turns
	for turn := range l.times(5, 11) + 1 {
		floor, err := empty.ping(ctx, size)
		if err != nil {
			return err
		}
		if turn > 0 { // the first turn warms up
			add(&pings.floor, 1000*floor.P(0.5))
		}
		for i, t := range c {
			r, err := t.ping(ctx, size)
			if err != nil {
				return err
			}
			if turn > 0 {
				add(pings.into(i), 1000*r.P(0.5))
			}
		}
	}
	l.put(pings.row("loopback"))
	return l.client(ctx, c[0])
}

// client measures package client against raw requests.
func (l *Lab) client(ctx context.Context, t *tenant) error {
	tokenizer, err := client.New(client.Config{SessionToken: process.SessionToken, Port: t.ext.Port})
	if err != nil {
		return err
	}
	card := client.NewSecret("4111111111111111")
	const size = 300
	var calls turns
	for turn := range l.times(5, 11) + 1 {
		raw, err := t.tokenize(ctx, 1, size)
		if err != nil {
			return err
		}
		called, err := load.Run(ctx, 1, size, func(int) error {
			_, err := tokenizer.Tokenize(ctx, client.TokenizeInput{Data: card})
			return err
		})
		if err != nil {
			return err
		}
		if turn > 0 { // the first turn warms up
			add(&calls.floor, 1000*raw.P(0.5))
			add(&calls.subject, 1000*called.P(0.5))
		}
	}
	l.put(calls.row("client"))
	return nil
}
