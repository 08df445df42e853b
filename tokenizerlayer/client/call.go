package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
)

// call is one request to the extension.
type call struct {
	path                      string
	requestID, idempotencyKey string
	body                      any // marshalled as JSON and posted; nil for none
	// repeatable tells that the request can be carried out twice without harm, although nobody knows whether the first
	// time succeeded.
	repeatable bool
	batch      bool     // whether the limits of batches apply
	secrets    []string // what no error may show
}

func (c call) method() string {
	if c.body == nil {
		return http.MethodGet
	}
	return http.MethodPost
}

// limits are the largest bodies of the request and of the answer.
func (c call) limits() (request, answer int) {
	if c.batch {
		return api.MaxBatchBody, api.MaxBatchAnswer
	}
	return api.MaxBody, api.MaxBody
}

// do makes a call, again where that is safe, and decodes the answer into out. It returns the id of the request, if the
// extension has answered. The error is an [*Error].
func (c *Client) do(ctx context.Context, what call, out any) (requestID string, err error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	return c.repeat(ctx, what, out)
}

// repeat is do within a context that is bounded already.
func (c *Client) repeat(ctx context.Context, what call, out any) (requestID string, err error) {
	body, err := what.encode()
	if err != nil {
		return "", err
	}
	onFresh := true // whether the request may go to another connection, if nobody answers on the first
	for attempt := 0; ; {
		requestID, failed := c.attempt(ctx, what, body, out)
		switch {
		case failed == nil:
			return requestID, nil
		case failed.lost && onFresh && (failed.unsent || what.repeatable):
			onFresh = false
			continue
		case !failed.answered || attempt >= c.retries:
			return "", failed.err
		}
		if wait, ok := pause(failed.err, what.repeatable, attempt); !ok || !sleep(ctx, wait) {
			return "", failed.err
		}
		attempt++
	}
}

// failed says how an attempt failed.
type failed struct {
	err      *Error
	lost     bool // the connection ended before an answer began
	unsent   bool // and the request did not reach the extension as a whole
	answered bool // it is the extension that refuses
}

// attempt makes a request and decodes its answer.
func (c *Client) attempt(ctx context.Context, what call, body []byte, out any) (string, *failed) {
	var trace exchange
	req, err := c.request(trace.watch(ctx), what, body)
	if err != nil {
		return "", &failed{err: err}
	}
	resp, doErr := c.http.Do(req)
	if doErr != nil {
		return "", trace.failure(ctx)
	}
	defer resp.Body.Close()
	_, limit := what.limits()
	answer, readErr := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	switch {
	case readErr != nil && ctx.Err() != nil:
		return "", &failed{err: unreachable(ctx)}
	case readErr != nil:
		return "", &failed{err: NewError(ErrUnavailable, "", "the extension's answer was interrupted")}
	case len(answer) > limit:
		detail := fmt.Sprintf("the extension's answer exceeds %d bytes", limit)
		return "", &failed{err: NewError(ErrInternal, "", detail)}
	}
	return decode(resp, answer, out, append(what.secrets, c.sessionToken))
}

// exchange is what happened to a request before its answer could be read.
type exchange struct{ connected, reused, unwritten, received atomic.Bool }

func (e *exchange) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			e.connected.Store(true)
			e.reused.Store(info.Reused)
		},
		// An error tells that the request did not leave as a whole. Not to be told yet tells nothing.
		WroteRequest:         func(info httptrace.WroteRequestInfo) { e.unwritten.Store(info.Err != nil) },
		GotFirstResponseByte: func() { e.received.Store(true) },
	})
}

func (e *exchange) failure(ctx context.Context) *failed {
	if ctx.Err() == nil && e.received.Load() {
		return &failed{err: notUnderstood()}
	}
	lost := ctx.Err() == nil && e.connected.Load()
	return &failed{err: unreachable(ctx), lost: lost, unsent: lost && e.reused.Load() && e.unwritten.Load()}
}

// bound ends a call at the client's timeout, and a little before the deadline of ctx: a function needs the rest of its
// time to handle a call that fails.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(c.timeout)
	if deadline, ok := ctx.Deadline(); ok {
		margin := min(250*time.Millisecond, time.Until(deadline)/10)
		if deadline = deadline.Add(-margin); deadline.Before(end) {
			end = deadline
		}
	}
	return context.WithDeadline(ctx, end)
}

// encode is the request's body.
func (c call) encode() ([]byte, error) {
	if c.body == nil {
		return nil, nil
	}
	body, err := json.Marshal(c.body)
	if err != nil {
		return nil, NewError(ErrInternal, "", "the request cannot be written as JSON")
	}
	if limit, _ := c.limits(); len(body) > limit {
		return nil, NewError(ErrTooLarge, "", fmt.Sprintf("a body has at most %d bytes", limit))
	}
	return body, nil
}

func (c *Client) request(ctx context.Context, what call, body []byte) (*http.Request, *Error) {
	req, err := http.NewRequestWithContext(ctx, what.method(), c.base+what.path, bytes.NewReader(body))
	if err != nil {
		return nil, NewError(ErrInternal, "", "the request cannot be made")
	}
	req.Header.Set(api.TokenHeader, c.sessionToken)
	if what.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range map[string]string{
		api.RequestHeader: what.requestID, api.IdempotencyHeader: what.idempotencyKey,
	} {
		switch {
		case !isHeaderValue(value):
			return nil, NewError(ErrInvalid, name, "must be printable ASCII without spaces")
		case value != "":
			req.Header.Set(name, value)
		}
	}
	return req, nil
}

func decode(resp *http.Response, answer []byte, out any, secrets []string) (requestID string, refused *failed) {
	requestID = resp.Header.Get(api.RequestHeader)
	if shows(requestID, secrets) {
		requestID = ""
	}
	if resp.StatusCode == http.StatusOK {
		if json.Unmarshal(answer, out) != nil {
			return "", &failed{err: notUnderstood()}
		}
		return requestID, nil
	}
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	doc, ok := problem.Parse(answer)
	if !ok || strings.TrimSpace(mediaType) != problem.ContentType {
		return "", &failed{err: NewError(ErrInternal, "", fmt.Sprintf(
			"status %d without a problem document: check that the tokenizer listens on this port", resp.StatusCode))}
	}
	if seconds, err := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 64); err == nil {
		doc.RetryAfter = seconds
	}
	return "", &failed{err: problemError(doc, requestID, secrets), answered: true}
}

// problemError is the error that a problem document reports. Something else than the extension may listen on the port
// and send back what it got. So a text that holds a value of the request is left out.
func problemError(doc problem.Document, requestID string, secrets []string) *Error {
	for _, text := range []*string{&doc.Detail, &doc.Field} {
		if shows(*text, secrets) {
			*text = ""
		}
	}
	if doc.RetryAfter < 0 || doc.RetryAfter > 1e6 {
		doc.RetryAfter = 0
	}
	e := newError(doc.Err())
	e.RequestID = requestID
	return e
}

func shows(text string, secrets []string) bool {
	for _, secret := range secrets {
		if len(secret) >= 8 && strings.Contains(text, secret) {
			return true
		}
	}
	return false
}

// notUnderstood is the error for an answer that says that all went well, but not what came of it.
func notUnderstood() *Error {
	return NewError(ErrInternal, "", "the answer is not understood: check that the tokenizer listens on this port")
}

// unreachable is the error for a connection that failed. The transport's own text could repeat a part of the request.
func unreachable(ctx context.Context) *Error {
	switch err := ctx.Err(); {
	case errors.Is(err, context.Canceled):
		return NewError(ErrUnavailable, "", "the call was cancelled before the extension answered")
	case err != nil:
		return NewError(ErrUnavailable, "", "the extension did not answer in time")
	}
	return NewError(ErrUnavailable, "",
		"the extension cannot be reached: check that the layer is attached to this function, "+
			"or that the development server runs on this port")
}
