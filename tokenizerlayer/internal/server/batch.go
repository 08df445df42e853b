package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/strictjson"
)

const (
	// batchesAtOnce and itemsAtOnce bound what batches need: as many operations are under way as from as many
	// connections as there are by default, and the memory of four bodies is held.
	batchesAtOnce = 4
	itemsAtOnce   = api.DefaultConnections / batchesAtOnce
	// batchLimit ends the items of a batch. What is left until operationLimit is for their lines in the log.
	batchLimit = 4 * time.Second
)

// batch is one request with many operations, which are called items.
type batch[Answer, Result any] struct {
	name string
	// one carries out an item, which is JSON as it was sent.
	one func(q *request, item []byte) (*Answer, error)
	// result says what became of an item: an answer or a problem, and nil for the other.
	result func(reference string, answer *Answer, p *problem.Document) Result
}

func (s *server) tokenizeBatch() http.HandlerFunc {
	return serveBatch(s, batch[api.TokenizeResponse, api.TokenizeResult]{
		name: "tokenize",
		one:  s.tokenizeItem,
		result: func(reference string, answer *api.TokenizeResponse, p *problem.Document) api.TokenizeResult {
			return api.TokenizeResult{Reference: reference, TokenizeResponse: answer, Problem: p}
		},
	})
}

func (s *server) detokenizeBatch() http.HandlerFunc {
	return serveBatch(s, batch[api.DetokenizeResponse, api.DetokenizeResult]{
		name: "detokenize",
		one:  s.detokenizeItem,
		result: func(reference string, answer *api.DetokenizeResponse, p *problem.Document) api.DetokenizeResult {
			return api.DetokenizeResult{Reference: reference, DetokenizeResponse: answer, Problem: p}
		},
	})
}

// serveBatch answers a batch. If the request as a whole is refused, nothing is carried out, and it is recorded as one
// operation. Otherwise each item is carried out, recorded and answered as an operation of its own.
func serveBatch[Answer, Result any](s *server, b batch[Answer, Result]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ctx, cancel := context.WithDeadline(r.Context(), start.Add(batchLimit))
		defer cancel()
		q := &request{http: r.WithContext(ctx), write: w}
		var opened openedBatch
		defer opened.close()
		if _, err := run(s, q, func(q *request) (any, error) { return nil, s.openBatch(q, &opened) }); err != nil {
			refuse(w, s.record(q.newEvent(b.name), start, err, start.Add(operationLimit)))
			return
		}
		reply(w, api.Batch[Result]{Items: runBatch(s, q, b, opened.items, start.Add(operationLimit))})
	}
}

// openedBatch is a batch that is being carried out, or was refused after it had been read.
type openedBatch struct {
	items []batchItem
	body  []byte
	leave func()
}

// close wipes the body, and lets another batch in. The zero value has nothing to close.
func (b *openedBatch) close() {
	clear(b.body[:cap(b.body)])
	if b.leave != nil {
		b.leave()
	}
}

// openBatch waits for the batch's turn, and reads it.
func (s *server) openBatch(q *request, b *openedBatch) (err error) {
	if b.leave, err = s.enterBatch(q.context()); err != nil {
		// Many callers read no answer before they have sent all of the body.
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(q.write, q.http.Body, api.MaxBatchBody))
		return err
	}
	if b.body, err = readBody(q.write, q.http, api.MaxBatchBody); err != nil {
		return err
	}
	b.items, err = takeApart(q.http, b.body)
	return err
}

// enterBatch waits until the batch may be carried out. The body is read afterwards, so that those which wait need no
// memory.
func (s *server) enterBatch(ctx context.Context) (leave func(), err error) {
	select {
	case s.batches <- struct{}{}:
		return func() { <-s.batches }, nil
	case <-ctx.Done():
		return nil, &failure.Error{
			Kind: failure.Unavailable, RetryAfter: time.Second,
			Detail: "other batches are being carried out in this environment: try again",
		}
	}
}

// batchItem is an item as it was sent.
type batchItem struct {
	reference string // "" if it has none
	body      []byte
}

// takeApart finds the items of a batch and their references. Whatever else is wrong with an item does not concern the
// others.
func takeApart(r *http.Request, body []byte) ([]batchItem, error) {
	if has(r, api.IdempotencyHeader) {
		return nil, failure.New(failure.Invalid, api.IdempotencyHeader,
			"cannot be sent with a batch: give each item an idempotency_key")
	}
	bodies, err := strictjson.Items(body, "items", api.MaxBatch)
	switch {
	case err != nil:
		return nil, malformed(err, "the body")
	case len(bodies) == 0 || len(bodies) > api.MaxBatch:
		return nil, failure.New(failure.Invalid, "items", "must have 1 to %d items", api.MaxBatch)
	}
	items, first := make([]batchItem, len(bodies)), map[string]int{}
	for i, body := range bodies {
		reference, given, isText := strictjson.Text(body, "reference")
		field := fmt.Sprintf("items[%d].reference", i)
		switch other, taken := first[reference]; {
		case !given:
		case !isText || !api.IsName(reference) || pan.Like(reference):
			return nil, failure.New(failure.Invalid, field, "must be given once and have 1 to 128 of "+
				"A-Z a-z 0-9 . _ : -, the first a letter or digit, and must not look like a card number")
		case taken:
			return nil, failure.New(failure.Invalid, field, "is that of items[%d]: each item needs its own", other)
		default:
			first[reference] = i
		}
		items[i] = batchItem{reference, body}
	}
	return items, nil
}

// runBatch carries out all items, some at a time, in their order. It returns once each of them has been recorded.
func runBatch[Answer, Result any](
	s *server, q *request, b batch[Answer, Result], items []batchItem, deadline time.Time,
) []Result {
	results := make([]Result, len(items))
	var next, refused atomic.Int64
	q.refusedReads = &refused
	var workers sync.WaitGroup
	for range min(itemsAtOnce, len(items)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(items); i = int(next.Add(1)) - 1 {
				results[i] = runItem(s, q, b, items[i], i, deadline)
			}
		})
	}
	workers.Wait()
	return results
}

func runItem[Answer, Result any](
	s *server, whole *request, b batch[Answer, Result], item batchItem, position int, deadline time.Time,
) Result {
	start := time.Now()
	q := *whole
	q.event = whole.newEvent(b.name)
	q.event.Item = &position
	answer, err := run(s, &q, func(q *request) (*Answer, error) {
		if q.context().Err() != nil { // the batch has taken too long, or the caller has gone
			return nil, failure.New(failure.Unavailable, "", "the batch ended before this item's turn: try again")
		}
		return b.one(q, item.body)
	})
	if err = s.record(q.event, start, err, deadline); err != nil {
		return b.result(item.reference, nil, new(problem.Of(err)))
	}
	return b.result(item.reference, answer, nil)
}

func (s *server) tokenizeItem(q *request, item []byte) (*api.TokenizeResponse, error) {
	var in api.TokenizeItem
	if err := malformed(strictjson.Unmarshal(item, &in), "the item"); err != nil {
		return nil, err
	}
	if in.Store != nil && !*in.Store {
		return nil, failure.New(failure.Invalid, "store", "must be true in a batch")
	}
	if _, given, _ := strictjson.Text(item, "idempotency_key"); given && in.IdempotencyKey == "" {
		return nil, failure.New(failure.Invalid, "idempotency_key", "must not be empty")
	}
	answer, err := s.tokenizeOne(q, in.TokenizeRequest, in.IdempotencyKey)
	if e, ok := errors.AsType[*failure.Error](err); ok && e.Field == api.IdempotencyHeader {
		named := *e
		named.Field = "idempotency_key"
		return nil, &named
	}
	return answer, err
}

func (s *server) detokenizeItem(q *request, item []byte) (*api.DetokenizeResponse, error) {
	if err := s.read(q); err != nil {
		return nil, err
	}
	var in api.DetokenizeItem
	if err := malformed(strictjson.Unmarshal(item, &in), "the item"); err != nil {
		return nil, err
	}
	return s.detokenizeOne(q, in.DetokenizeRequest)
}
