package measure

import (
	"context"
	"fmt"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
)

// sliceSizes are the operations of a slice by the number of clients.
var sliceSizes = map[int]int{1: 60, 8: 600, 64: 1600}

// latency measures tokenize and detokenize against the SDK, while the services take their time.
func (l *Lab) latency(ctx context.Context) error {
	c, err := l.contest(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	most := figures.Clients[len(figures.Clients)-1].N
	for _, t := range c {
		if err := t.prepare(ctx, most); err != nil {
			return err
		}
	}
	s, err := l.sdkFor(c[0])
	if err != nil {
		return err
	}
	if err := s.wrap(ctx); err != nil {
		return err
	}
	l.services.SetLatency(kmsLatency, tableLatency)
	for _, clients := range figures.Clients {
		if l.Extent == figures.Quick && clients.N > figures.Saturating {
			continue
		}
		if err := l.latencyWith(ctx, clients.N, c, s); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) latencyWith(ctx context.Context, clients int, c contestants, s *sdk) error {
	size := sliceSizes[clients]
	if l.Extent == figures.Quick {
		size /= 2 // CI compares medians with a wide margin
	}
	var create, create99, read turns
	for turn := range l.times(4, 9) + 1 {
		puts, err := s.puts(ctx, clients, size)
		if err != nil {
			return err
		}
		reads, err := s.reads(ctx, clients, size)
		if err != nil {
			return err
		}
		var creates, opens []load.Result
		for _, t := range c {
			made, err := t.tokenize(ctx, clients, size)
			if err != nil {
				return err
			}
			opened, err := t.detokenize(ctx, clients, size)
			if err != nil {
				return err
			}
			creates, opens = append(creates, made), append(opens, opened)
		}
		if turn == 0 { // warms up
			continue
		}
		create.floor, create99.floor, read.floor = append(create.floor, puts.P(0.5)),
			append(create99.floor, puts.P(0.99)), append(read.floor, reads.P(0.5))
		for i := range c {
			add(create.into(i), creates[i].P(0.5))
			add(create99.into(i), creates[i].P(0.99))
			add(read.into(i), opens[i].P(0.5))
		}
	}
	l.put(create.row(fmt.Sprintf("tokenize-p50-%d", clients)), read.row(fmt.Sprintf("detokenize-p50-%d", clients)))
	if clients == 8 {
		l.put(create99.row("tokenize-p99-8"))
	}
	return nil
}

func add(list *[]float64, value float64) { *list = append(*list, value) }
