// Package client lets a Go function use the tokenizer layer that is attached to it.
//
// Make one client when the function starts, outside the handler, and use it for every invocation:
//
//	tokenizer, err := client.FromEnvironment()
//
// A function that may tokenize swaps a card number for a token:
//
//	out, err := tokenizer.Tokenize(ctx, client.TokenizeInput{Data: card})
//	// store out.Token where the card would have stood
//
// A function that writes a row of its own beside the token uses [Client.Seal] and commits both rows in one transaction, so that
// neither can exist without the other. A function that may detokenize reads the card back, masked unless it asks for more:
//
//	out, err := tokenizer.Detokenize(ctx, client.DetokenizeInput{Token: token})
//	fmt.Println(out.Data.Reveal()) // ************1111
//
// # Sensitive values
//
// Card numbers travel as a [Secret] or a [PAN]. Both print as [REDACTED] wherever Go turns a value into text by itself; only Reveal
// gives the text. Data that you receive as JSON can be decoded into a Secret directly.
//
// # Errors
//
// Every error is an [*Error], of one of the kinds ErrInvalid to ErrNotReady:
//
//	if errors.Is(err, client.ErrNotFound) { ... }
//
// No error holds a value of the request or a text of an AWS service, so errors can be logged.
//
// # Tests
//
// Code that takes a [Tokenizer] can be tested with a fake. Package tokenizertest starts a whole tokenizer in memory instead, with a
// client for it, in one line.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
)

// Where the extension is, and how long a call to it takes at most, unless [Config] says otherwise.
const (
	DefaultPort    = api.DefaultPort
	DefaultTimeout = api.ClientTimeout
)

// Config says where the extension is. Only SessionToken is required.
type Config struct {
	// SessionToken is the function's AWS_SESSION_TOKEN, by which the extension knows the function.
	SessionToken string
	// Port of the extension on 127.0.0.1, 1 to 65535; 0 means [DefaultPort].
	Port int
	// Timeout bounds one call, besides the deadline of its context; 0 means [DefaultTimeout].
	Timeout time.Duration
}

// Client calls the extension. It is safe for concurrent use and keeps its connections between invocations. Make one with [New] or
// [FromEnvironment].
type Client struct {
	base         string
	sessionToken string
	timeout      time.Duration
	http         *http.Client
}

// Tokenizer is what a [Client] does. Take it, or the few methods of it that you use, where a test shall pass a fake.
type Tokenizer interface {
	Tokenize(context.Context, TokenizeInput) (TokenizeOutput, error)
	Seal(context.Context, SealInput) (SealOutput, error)
	Detokenize(context.Context, DetokenizeInput) (DetokenizeOutput, error)
	Validate(context.Context, ValidateInput) (ValidateOutput, error)
	Metadata(context.Context, MetadataInput) (MetadataOutput, error)
	Revoke(context.Context, RevokeInput) (RevokeOutput, error)
	Ping(context.Context) (PingOutput, error)
}

var _ Tokenizer = (*Client)(nil)

// New returns a client for the extension that c describes. It calls nothing yet. The error names the field of c that is wrong.
func New(c Config) (*Client, error) {
	if c.SessionToken == "" {
		return nil, errors.New("tokenizer client: SessionToken is empty: pass AWS_SESSION_TOKEN, which Lambda sets for every function")
	}
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	if c.Port < 1 || c.Port > 65535 {
		return nil, fmt.Errorf("tokenizer client: Port is %d: pass one from 1 to 65535, or 0 for %d", c.Port, DefaultPort)
	}
	if c.Timeout < 0 {
		return nil, fmt.Errorf("tokenizer client: Timeout is %v: pass a positive one, or 0 for %v", c.Timeout, DefaultTimeout)
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	return &Client{
		base:         "http://" + net.JoinHostPort(api.Host, strconv.Itoa(c.Port)),
		sessionToken: c.SessionToken,
		timeout:      c.Timeout,
		http: &http.Client{
			// Proxy is nil on purpose: cards must not travel through an HTTP_PROXY.
			Transport:     &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 15 * time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// FromEnvironment returns a client for the extension beside this function. It reads AWS_SESSION_TOKEN and, if the extension listens
// elsewhere than on [DefaultPort], TOKENIZER_PORT. The error names the variable that is wrong.
func FromEnvironment() (*Client, error) {
	c := Config{SessionToken: os.Getenv("AWS_SESSION_TOKEN")}
	if c.SessionToken == "" {
		return nil, errors.New("tokenizer client: AWS_SESSION_TOKEN is not set: Lambda sets it for every function")
	}
	if p := os.Getenv("TOKENIZER_PORT"); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("tokenizer client: TOKENIZER_PORT is not a port: set it to a number from 1 to 65535, or remove it for %d", DefaultPort)
		}
		c.Port = n
	}
	return New(c)
}

// Ping reports whether the extension is ready, and which release of the layer it is.
//
// IAM: none. Errors: [ErrUnavailable], [ErrNotReady].
func (c *Client) Ping(ctx context.Context) (PingOutput, error) {
	var out api.PingResponse
	err := c.call(ctx, call{method: http.MethodGet, path: api.PathPing}, &out)
	return PingOutput{Release: out.Release}, err
}

// call is one request to the extension.
type call struct {
	method, path              string
	requestID, idempotencyKey string
	body                      any // marshalled as JSON; nil for none
}

// post calls an operation.
func (c *Client) post(ctx context.Context, path, requestID string, in, out any) error {
	return c.call(ctx, call{method: http.MethodPost, path: path, requestID: requestID, body: in}, out)
}

func (c *Client) call(ctx context.Context, what call, out any) error {
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
			return nil, newError(failure.New(failure.Invalid, "", "the request cannot be written as JSON"))
		}
	}
	req, err := http.NewRequestWithContext(ctx, what.method, c.base+what.path, bytes.NewReader(body))
	if err != nil {
		return nil, newError(failure.New(failure.Internal, "", "%s cannot be requested", what.path))
	}
	req.Header.Set(api.TokenHeader, c.sessionToken)
	if what.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if what.requestID != "" {
		req.Header.Set(api.RequestHeader, what.requestID)
	}
	if what.idempotencyKey != "" {
		req.Header.Set(api.IdempotencyHeader, what.idempotencyKey)
	}
	return req, nil
}

func decode(resp *http.Response, answer []byte, out any) error {
	if len(answer) > api.MaxBody {
		return newError(failure.New(failure.Internal, "", "the extension's answer exceeds %d bytes", api.MaxBody))
	}
	if resp.StatusCode == http.StatusOK {
		if json.Unmarshal(answer, out) != nil {
			return newError(failure.New(failure.Internal, "", "the extension's answer is not understood"))
		}
		return nil
	}
	var doc problem.Document
	if json.Unmarshal(answer, &doc) != nil || doc.Code == "" {
		return newError(failure.New(failure.Internal, "",
			"status %d without a problem document: check that the tokenizer listens on this port", resp.StatusCode))
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		doc.RetryAfter = time.Duration(s) * time.Second
	}
	e := newError(doc.Err())
	e.RequestID = resp.Header.Get(api.RequestHeader)
	return e
}

// unreachable is the error for a connection that failed. The transport's own text could repeat a part of the request.
func unreachable(ctx context.Context) error {
	if ctx.Err() != nil {
		return newError(failure.New(failure.Unavailable, "", "the extension did not answer in time"))
	}
	return newError(failure.New(failure.Unavailable, "", "the extension cannot be reached: check that the layer is attached to this function"))
}
