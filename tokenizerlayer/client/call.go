package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
)

// call is one request to the extension.
type call struct {
	method, path              string
	requestID, idempotencyKey string
	body                      any // marshalled as JSON; nil for none
}

// post calls an operation.
func (c *Client) post(ctx context.Context, path, requestID string, in, out any) error {
	return c.do(ctx, call{method: http.MethodPost, path: path, requestID: requestID, body: in}, out)
}

// do makes a call and decodes the answer into out. The error is an [*Error].
func (c *Client) do(ctx context.Context, what call, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(ctx, what)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return unreachable(ctx)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, api.MaxBody+1))
	if err != nil {
		return unreachable(ctx)
	}
	return decode(resp, answer, out)
}

func (c *Client) request(ctx context.Context, what call) (*http.Request, error) {
	var body []byte
	if what.body != nil {
		var err error
		if body, err = json.Marshal(what.body); err != nil {
			return nil, NewError(ErrInternal, "", "the request cannot be written as JSON")
		}
	}
	req, err := http.NewRequestWithContext(ctx, what.method, c.base+what.path, bytes.NewReader(body))
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
			return nil, NewError(ErrInvalid, name, "must not hold control characters")
		case value != "":
			req.Header.Set(name, value)
		}
	}
	return req, nil
}

func decode(resp *http.Response, answer []byte, out any) error {
	if len(answer) > api.MaxBody {
		return NewError(ErrInternal, "", fmt.Sprintf("the extension's answer exceeds %d bytes", api.MaxBody))
	}
	if resp.StatusCode == http.StatusOK {
		if json.Unmarshal(answer, out) != nil {
			return notUnderstood()
		}
		return nil
	}
	doc, ok := problem.Parse(answer)
	if !ok {
		return NewError(ErrInternal, "", fmt.Sprintf(
			"status %d without a problem document: check that the tokenizer listens on this port", resp.StatusCode))
	}
	e := newError(doc.Err())
	e.RequestID = resp.Header.Get(api.RequestHeader)
	return e
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
		"the extension cannot be reached: check that the layer is attached to this function")
}
