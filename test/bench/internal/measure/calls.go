package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

const (
	// patience is after what time a tokenize counts as waiting for KMS, which is silent meanwhile.
	patience = 300 * time.Millisecond
	// mostAhead is the highest number of data keys that are looked for.
	mostAhead = 64
)

// waits measures whether tokenizes wait for KMS, and how often KMS is called for them.
func (l *Lab) waits(ctx context.Context) error {
	c, err := l.contest(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	var waiting, ahead, steady [2]*stat.Stat
	for i, t := range c {
		if waiting[i], ahead[i], err = l.silence(ctx, t); err != nil {
			return err
		}
		if steady[i], err = l.steady(ctx, t); err != nil {
			return err
		}
	}
	l.put(record.Row{ID: "kms-wait", Subject: waiting[0], Baseline: waiting[1]},
		record.Row{ID: "kms-ahead", Subject: ahead[0], Baseline: ahead[1]},
		record.Row{ID: "kms-steady", Subject: steady[0], Baseline: steady[1]})
	return nil
}

// silence counts the tokenizes that wait while KMS is silent, of one at a time, and how many do not, of many.
func (l *Lab) silence(ctx context.Context, t *tenant) (waiting, ahead *stat.Stat, err error) {
	if _, err := t.tokenize(ctx, 1, 20); err != nil {
		return nil, nil, err
	}
	trials, waited := l.times(5, 20), 0
	for range trials {
		done, err := l.whileSilent(ctx, t, 1)
		if err != nil {
			return nil, nil, err
		}
		waited += 1 - done
	}
	var all []float64
	for range l.times(1, 3) {
		done, err := l.whileSilent(ctx, t, mostAhead)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, float64(done))
	}
	return stat.Exact(float64(waited) / float64(trials)), stat.Of(all...), nil
}

// whileSilent sends at most n tokenizes, one after the other, while KMS keeps its data keys back, and returns how many
// ended before one had to wait.
func (l *Lab) whileSilent(ctx context.Context, t *tenant, n int) (done int, err error) {
	if err := l.settle(ctx); err != nil {
		return 0, err
	}
	conns, err := t.ext.Conns(1)
	if err != nil {
		return 0, err
	}
	release := l.services.HoldDataKeys()
	defer release()
	for range n {
		ended := make(chan error, 1)
		go func() {
			_, err := conns[0].Post(pathTokenize, tokenizeBody)
			ended <- err
		}()
		limit := time.NewTimer(patience)
		select {
		case err = <-ended:
			limit.Stop()
		case <-limit.C:
			release()
			return done, <-ended
		}
		if err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

// steady counts the calls of GenerateDataKey for 1,000 tokens.
func (l *Lab) steady(ctx context.Context, t *tenant) (*stat.Stat, error) {
	l.services.SetLatency(kmsLatency, tableLatency)
	defer l.services.SetLatency(0, 0)
	if _, err := t.tokenize(ctx, 8, 200); err != nil {
		return nil, err
	}
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	before, n := l.services.Calls("GenerateDataKey"), l.times(1000, 3000)
	if _, err := t.tokenize(ctx, 8, n); err != nil {
		return nil, err
	}
	err := l.settle(ctx)
	return stat.Exact(1000 * float64(l.services.Calls("GenerateDataKey")-before) / float64(n)), err
}

// units counts, for each operation, calls of KMS and units of DynamoDB.
func (l *Lab) units(ctx context.Context) error {
	c, err := l.contest(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	const n = 200 // a multiple of the clients
	rows := map[string]*[3][2]*stat.Stat{}
	for i, t := range c {
		for _, o := range figures.Operations {
			if rows[o.ID] == nil {
				rows[o.ID] = new([3][2]*stat.Stat)
			}
			counted, err := l.count(ctx, t, o.ID, n)
			if err != nil && ctx.Err() == nil { // an extension without this operation
				l.note("%s is not counted: %v", o.Name, err)
				continue
			} else if err != nil {
				return err
			}
			for j, value := range counted {
				rows[o.ID][j][i] = stat.Exact(value)
			}
		}
	}
	for _, o := range figures.Operations {
		l.putUnits(o.ID, rows[o.ID])
	}
	return nil
}

func (l *Lab) putUnits(id string, counted *[3][2]*stat.Stat) {
	kms, writes, reads := counted[0], counted[1], counted[2]
	if kms[0] == nil {
		return
	}
	var cost [2]*stat.Stat
	for i := range cost {
		if kms[i] != nil {
			cost[i] = stat.Exact(figures.Cost(kms[i].Value/1000, writes[i].Value/1000, reads[i].Value/1000))
		}
	}
	for name, values := range map[string][2]*stat.Stat{"kms-": kms, "wru-": writes, "rru-": reads, "cost-": cost} {
		l.put(record.Row{ID: name + id, Subject: values[0], Baseline: values[1]})
	}
}

// count does an operation n times and returns calls of KMS, write units and read units, each for 1,000.
func (l *Lab) count(ctx context.Context, t *tenant, operation string, n int) (counted [3]float64, err error) {
	requests, err := l.requests(ctx, t, operation, n)
	if err != nil {
		return counted, err
	}
	if err := l.settle(ctx); err != nil {
		return counted, err
	}
	calls, units := l.services.KMSCalls(), l.services.Units()
	if _, err := send(ctx, t, requests); err != nil {
		return counted, err
	}
	if err := l.settle(ctx); err != nil {
		return counted, err
	}
	used := l.services.Units().Since(units)
	scale := 1000 / float64(n)
	return [3]float64{
		scale * float64(l.services.KMSCalls()-calls), scale * float64(used.Writes), scale * float64(used.Reads),
	}, nil
}

// request is one request of those that are counted.
type request struct {
	path string
	body []byte
}

// requests are n requests of an operation, with the tokens that they need.
func (l *Lab) requests(ctx context.Context, t *tenant, operation string, n int) ([]request, error) {
	requests := make([]request, n)
	for i := range requests {
		switch operation {
		case "deterministic", "deterministic-again":
			requests[i] = request{
				pathTokenize,
				fmt.Appendf(nil, `{"data":%q,"deterministic":true,"scope":"%d"}`, card(i), t.ext.Port),
			}
		case "detokenize-once":
			requests[i] = request{pathTokenize, []byte(`{"data":"4111111111111111","max_uses":1}`)}
		default:
			requests[i] = request{pathTokenize, tokenizeBody}
		}
	}
	path, needsToken := map[string]string{
		"detokenize": pathDetokenize, "detokenize-once": pathDetokenize, "revoke": pathRevoke,
	}[operation]
	if !needsToken {
		return requests, nil
	}
	tokens, err := send(ctx, t, requests)
	for i, token := range tokens {
		requests[i] = request{path, detokenizeBody(token)}
	}
	return requests, err
}

// send sends requests, by 8 clients, and returns the tokens of the answers, in the requests' order; "" for answers that
// have none.
func send(ctx context.Context, t *tenant, requests []request) ([]string, error) {
	const clients = 8
	tokens, next := make([]string, len(requests)), [clients]int{}
	_, err := t.run(ctx, clients, len(requests), func(c *load.Conn, client int) error {
		i := next[client]*clients + client
		next[client]++
		answer, err := c.Post(requests[i].path, requests[i].body)
		if err != nil {
			return err
		}
		if requests[i].path == pathTokenize {
			tokens[i], err = tokenOf(answer, nil)
		}
		return err
	})
	return tokens, err
}
