package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
)

// MaxBatch is how many items a batch has at most: 100.
const MaxBatch = api.MaxBatch

// TokenizeBatchInput asks for the tokens of 1 to [MaxBatch] items.
type TokenizeBatchInput struct {
	Items []TokenizeItem
	// RequestID names the call in the extension's log, as for [TokenizeInput].
	RequestID string
}

// TokenizeItem is an item of [Client.TokenizeBatch].
type TokenizeItem struct {
	// Reference is your own name for the item, which its result repeats. It has 1 to 128 of A-Z a-z 0-9 . _ : -, the
	// first a letter or digit; no other item of the batch has the same.
	Reference string
	// TokenizeInput is what the item asks for. It has no RequestID: that of the batch names all items.
	TokenizeInput
}

// TokenizeBatchOutput has a result for each item, in the order of the items.
type TokenizeBatchOutput struct{ Results []TokenizeResult }

// TokenizeResult is what came of an item.
type TokenizeResult struct {
	// Reference is that of the item.
	Reference string
	// TokenizeOutput is the zero value if Err is not nil.
	TokenizeOutput
	// Err is the [*Error] that Tokenize would have returned, or nil.
	Err error
}

// TokenizeBatch carries out [Client.Tokenize] for each item. Look at each result's Err: if an item is
// refused, the others are carried out nevertheless. The error is not nil if the whole batch was refused, or if its
// answer did not arrive. In the second case, which is [ErrUnavailable] or [ErrInternal], items may have been carried
// out.
//
// IAM and errors: as for Tokenize.
func (c *Client) TokenizeBatch(ctx context.Context, in TokenizeBatchInput) (TokenizeBatchOutput, error) {
	b := batch[api.TokenizeItem, api.TokenizeResult]{
		path: api.PathTokenizeBatch, requestID: in.RequestID,
		problem:   func(r api.TokenizeResult) *problem.Document { return r.Problem },
		reference: func(r api.TokenizeResult) string { return r.Reference },
	}
	for _, item := range in.Items {
		body, err := item.request()
		if err == nil && item.RequestID != "" {
			err = NewError(ErrInvalid, api.RequestHeader, "an item has none: give it to the batch")
		}
		b.add(api.TokenizeItem{
			Reference: item.Reference, IdempotencyKey: item.IdempotencyKey, TokenizeRequest: body,
		}, item.Reference, err, item.Deterministic || item.IdempotencyKey != "", item.Data.Reveal())
	}
	if err := b.carryOut(ctx, c); err != nil {
		return TokenizeBatchOutput{}, err
	}
	out := TokenizeBatchOutput{Results: make([]TokenizeResult, len(b.entries))}
	for i, e := range b.entries {
		r := TokenizeResult{Reference: e.reference, Err: e.err}
		if e.err == nil {
			r.TokenizeOutput, r.Err = tokenized(e.answer.TokenizeResponse)
		}
		out.Results[i] = r
	}
	return out, nil
}

// DetokenizeBatchInput asks what 1 to [MaxBatch] tokens stand for.
type DetokenizeBatchInput struct {
	Items []DetokenizeItem
	// RequestID names the call in the extension's log, as for [DetokenizeInput].
	RequestID string
}

// DetokenizeItem is an item of [Client.DetokenizeBatch].
type DetokenizeItem struct {
	// Reference is as for [TokenizeItem].
	Reference string
	// DetokenizeInput is what the item asks for. It has no RequestID: that of the batch names all items.
	DetokenizeInput
}

// DetokenizeBatchOutput has a result for each item, in the order of the items.
type DetokenizeBatchOutput struct{ Results []DetokenizeResult }

// DetokenizeResult is what came of an item.
type DetokenizeResult struct {
	// Reference is that of the item.
	Reference string
	// DetokenizeOutput is the zero value if Err is not nil.
	DetokenizeOutput
	// Err is the [*Error] that Detokenize would have returned, or nil.
	Err error
}

// DetokenizeBatch carries out [Client.Detokenize] for each item. Look at each result's Err: if an item is
// refused, the others are carried out nevertheless. The error is not nil if the whole batch was refused, or if its
// answer did not arrive. In the second case, which is [ErrUnavailable] or [ErrInternal], items may have been carried
// out.
//
// IAM and errors: as for Detokenize.
func (c *Client) DetokenizeBatch(ctx context.Context, in DetokenizeBatchInput) (DetokenizeBatchOutput, error) {
	b := batch[api.DetokenizeItem, api.DetokenizeResult]{
		path: api.PathDetokenizeBatch, requestID: in.RequestID,
		problem:   func(r api.DetokenizeResult) *problem.Document { return r.Problem },
		reference: func(r api.DetokenizeResult) string { return r.Reference },
	}
	for _, item := range in.Items {
		body, err := item.request()
		if err == nil && item.RequestID != "" {
			err = NewError(ErrInvalid, api.RequestHeader, "an item has none: give it to the batch")
		}
		b.add(api.DetokenizeItem{Reference: item.Reference, DetokenizeRequest: body},
			item.Reference, err, item.Attempt != "", item.Token)
	}
	if err := b.carryOut(ctx, c); err != nil {
		return DetokenizeBatchOutput{}, err
	}
	out := DetokenizeBatchOutput{Results: make([]DetokenizeResult, len(b.entries))}
	for i, e := range b.entries {
		r := DetokenizeResult{Reference: e.reference, Err: e.err}
		if e.err == nil {
			r.DetokenizeOutput, r.Err = detokenized(e.answer.DetokenizeResponse)
		}
		out.Results[i] = r
	}
	return out, nil
}

// batch is a batch under way.
type batch[Item, Result any] struct {
	path, requestID string
	problem         func(Result) *problem.Document
	reference       func(Result) string
	entries         []*entry[Item, Result]
}

// entry is an item and what came of it so far.
type entry[Item, Result any] struct {
	item       Item
	reference  string
	repeatable bool
	secret     string
	answer     Result
	err        error // an *Error, or nil
}

// add adds an item. If err is not nil, the client has refused the item already.
func (b *batch[Item, Result]) add(item Item, reference string, err error, repeatable bool, secret string) {
	b.entries = append(b.entries, &entry[Item, Result]{
		item: item, reference: reference, err: err, repeatable: repeatable, secret: secret,
	})
}

// carryOut sends the items, and sends those again whose problem is that they came too fast, as single requests are.
func (b *batch[Item, Result]) carryOut(ctx context.Context, c *Client) error {
	if len(b.entries) < 1 || len(b.entries) > MaxBatch {
		return NewError(ErrInvalid, "items", fmt.Sprintf("must have 1 to %d items", MaxBatch))
	}
	if err := b.unique(); err != nil {
		return err
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var pending []int
	for i, e := range b.entries {
		if e.err == nil {
			pending = append(pending, i)
		}
	}
	for attempt := 0; len(pending) > 0; attempt++ {
		if err := b.send(ctx, c, pending); err != nil {
			if attempt > 0 {
				return nil // the items have their results from before
			}
			return b.placed(err, pending)
		}
		var wait time.Duration
		if pending, wait = b.refused(pending, attempt); attempt >= c.retries || !sleep(ctx, wait) {
			return nil
		}
	}
	return nil
}

// unique refuses a reference that is used twice. The extension does so too, but does not see the items that the client
// has refused.
func (b *batch[Item, Result]) unique() error {
	used := map[string]bool{"": false}
	for i, e := range b.entries {
		if used[e.reference] {
			return NewError(ErrInvalid, fmt.Sprintf("items[%d].reference", i), "is used twice")
		}
		used[e.reference] = e.reference != ""
	}
	return nil
}

// send carries out items once, and notes what came of each.
func (b *batch[Item, Result]) send(ctx context.Context, c *Client, pending []int) error {
	var body api.Batch[Item]
	what := call{path: b.path, requestID: b.requestID, repeatable: true, batch: true}
	for _, i := range pending {
		e := b.entries[i]
		body.Items, what.secrets = append(body.Items, e.item), append(what.secrets, e.secret)
		what.repeatable = what.repeatable && e.repeatable
	}
	what.body = body
	var out api.Batch[Result]
	requestID, err := c.repeat(ctx, what, &out)
	switch {
	case err != nil:
		return err
	case len(out.Items) != len(pending):
		return notUnderstood()
	}
	for n, i := range pending {
		b.entries[i].note(out.Items[n], b.reference(out.Items[n]), b.problem(out.Items[n]), requestID)
	}
	return nil
}

func (e *entry[Item, Result]) note(answer Result, reference string, p *problem.Document, requestID string) {
	e.answer, e.err = answer, nil
	switch {
	case reference != e.reference:
		e.err = notUnderstood()
	case p != nil:
		e.err = problemError(*p, requestID, []string{e.secret})
	}
}

// refused returns the items to send again, and how long to wait before.
func (b *batch[Item, Result]) refused(pending []int, attempt int) (again []int, wait time.Duration) {
	for _, i := range pending {
		e, ok := errors.AsType[*Error](b.entries[i].err)
		if !ok {
			continue
		}
		if pause, ok := pause(e, b.entries[i].repeatable, attempt); ok {
			again, wait = append(again, i), max(wait, pause)
		}
	}
	return again, wait
}

// placed names the caller's position of an item: items that the client refused were not sent.
func (b *batch[Item, Result]) placed(err error, pending []int) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	index, rest, found := strings.Cut(strings.TrimPrefix(e.Field, "items["), "]")
	if n, err := strconv.Atoi(index); found && err == nil && n >= 0 && n < len(pending) {
		e.Field = fmt.Sprintf("items[%d]%s", pending[n], rest)
	}
	return e
}
