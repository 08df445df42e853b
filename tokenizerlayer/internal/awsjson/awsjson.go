// Package awsjson calls AWS services whose protocol is JSON over HTTP
// (https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html). It has what the extension's calls of KMS and
// DynamoDB have in common; packages kmsapi and dynamoapi have the calls. The signature and the decision whether to try
// again are the SDK's.
//
//	environment, err := awsjson.Load(os.Getenv)
//	client, err := awsjson.New(service, environment, awsjson.Options{})
//	err = client.Do(ctx, "GenerateMac", encode, decode)
package awsjson

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// Service is what the protocol has to know of a service.
type Service struct {
	Name        string // in hosts' names and signatures
	Target      string // what stands before an operation's name in X-Amz-Target
	ContentType string
	MaxAnswer   int // bytes
}

// Options are what may differ from how the extension calls. The zero value is how it calls.
type Options struct {
	Attempts       int           // 0 means 3
	AttemptTimeout time.Duration // 0 means 1.2 s
	MaxBackoff     time.Duration // between attempts; 0 means 200 ms
	// Dial opens a connection without TLS; nil means that of package net.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// complete fills in the bounds of a call. Three attempts fit into the vault's own limit, so that one lost answer does
// not use it up.
func (o Options) complete() Options {
	o.Attempts = cmp.Or(o.Attempts, 3)
	o.AttemptTimeout = cmp.Or(o.AttemptTimeout, 1200*time.Millisecond)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, 200*time.Millisecond)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Client calls one service. It is safe for concurrent use.
type Client struct {
	service     Service
	region      string
	credentials aws.Credentials
	endpoint    *url.URL
	options     Options
	connections *connections
	signer      *v4.Signer
	retryer     *retry.Standard
	skew        atomic.Int64 // how far the service's clock is ahead of ours, in nanoseconds
}

// New returns a client. The error names the variable of the environment that is wrong.
func New(s Service, e Environment, o Options) (*Client, error) {
	endpoint, err := e.endpoint(s)
	if err != nil {
		return nil, err
	}
	o = o.complete()
	endpoint.Path = cmp.Or(endpoint.Path, "/")
	return &Client{
		service: s, region: e.Region, credentials: e.Credentials, endpoint: endpoint, options: o,
		connections: newConnections(endpoint, e.Roots, o),
		signer:      v4.NewSigner(),
		retryer: retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff = o.Attempts, o.MaxBackoff
		}),
	}, nil
}

// String keeps a client that is printed from listing its credentials.
func (c *Client) String() string { return "client of " + c.service.Name }

// GoString is String, for %#v.
func (c *Client) GoString() string { return c.String() }

// Warm opens a connection (DNS, TCP and TLS, no request) for the first call that needs one. It is thrown away after 10
// s. A Warm that fails does nothing.
func (c *Client) Warm(ctx context.Context) { c.connections.warm(ctx, c.endpoint) }

// Do calls an operation: encode appends the request's JSON to a buffer, and decode reads the answer's. Neither may keep
// what it gets. An answer that says that something failed is an *[Error]. Every operation is repeated if no answer
// comes, so it must be safe to repeat.
//
// A connection that had been open before the request may have died while the environment was frozen. Then the others
// probably have, too: all that are idle are closed, and the request is sent once more, at once and without counting. So
// the first call after a freeze succeeds with the second try, whatever number of connections died.
func (c *Client) Do(ctx context.Context, operation string, encode func(to []byte) []byte,
	decode func(*wirejson.Decoder) error) error {
	body := newBuffer()
	defer body.release()
	body.b = encode(body.b)
	hash := sha256.Sum256(body.b)
	r := request{operation: operation, body: body.b, hash: hex.EncodeToString(hash[:]), decode: decode}

	c.connections.beforeCall()
	defer c.connections.afterCall()
	paid := func(error) error { return nil } // gives back what the last retry cost, if it succeeded
	skew, replaced := time.Duration(c.skew.Load()), false
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil {
			return &sendError{ctx.Err()}
		}
		o := c.attempt(ctx, r, skew)
		_ = paid(o.err)
		if o.dated {
			o.err = clockError(o.err, skew-o.skew)
			skew = o.skew
			c.skew.Store(int64(skew))
		}
		if o.unsent && ctx.Err() != context.Canceled {
			c.connections.closeIdle()
		}
		switch {
		case o.err == nil:
			c.succeeded(ctx)
			return nil
		case ctx.Err() != nil:
			return o.err
		case o.stale && !replaced:
			replaced = true
			if !isTimeout(o.err) {
				attempt--
			}
			continue
		}
		var again bool
		if paid, again = c.retry(ctx, attempt, o); !again {
			return o.err
		}
	}
}

// retry decides whether to try again, as the SDK does, and waits until then. It returns how to give back what the retry
// costs.
func (c *Client) retry(ctx context.Context, attempt int, o outcome) (paid func(error) error, again bool) {
	if attempt >= c.options.Attempts || !c.retryer.IsErrorRetryable(o.err) {
		return nil, false
	}
	paid, err := c.retryer.GetRetryToken(ctx, o.err)
	if err != nil { // too many calls fail to try each of them again
		return nil, false
	}
	return paid, c.pause(ctx, attempt, o)
}

// succeeded gives a little of what retries cost back to the bucket that they are paid from.
func (c *Client) succeeded(ctx context.Context) {
	if release, err := c.retryer.GetAttemptToken(ctx); err == nil {
		_ = release(nil)
	}
}

// pause waits before another attempt: as long as the service asks for if that fits into the call's time, or else as the
// SDK decides. It reports whether there is time left.
func (c *Client) pause(ctx context.Context, attempt int, o outcome) bool {
	delay, err := c.retryer.RetryDelay(attempt, o.err)
	if err != nil {
		return false
	}
	deadline, limited := ctx.Deadline()
	if o.retryAfter > delay && (!limited || time.Until(deadline) > o.retryAfter) {
		delay = o.retryAfter
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// request is what the attempts at a call have in common.
type request struct {
	operation string
	body      []byte
	hash      string // SHA-256, in hexadecimal
	decode    func(*wirejson.Decoder) error
}

// outcome is what came of an attempt.
type outcome struct {
	err        error
	unsent     bool // no answer has come
	stale      bool // nor was the connection new
	retryAfter time.Duration
	skew       time.Duration // how far the service's clock is ahead of ours
	dated      bool          // the answer says so
}

func (c *Client) attempt(ctx context.Context, r request, skew time.Duration) (o outcome) {
	ctx, cancel := context.WithTimeout(ctx, c.options.AttemptTimeout)
	defer cancel()
	open := false // before the request
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		_, ahead := info.Conn.(*aheadConn)
		open = info.Reused || ahead
	}})
	body := &payload{rest: r.body}
	defer body.detach()
	q, err := c.sign(traced, r, body, c.options.Now().Add(skew))
	if err != nil {
		return outcome{err: err}
	}
	answer, err := c.connections.http.RoundTrip(q)
	if err != nil {
		return outcome{err: &sendError{err}, unsent: true, stale: open}
	}
	defer answer.Body.Close()
	o.skew, o.dated = clockSkew(answer.Header, c.options.Now())
	if o.err = c.read(answer, r.decode); o.err != nil {
		o.retryAfter = retryAfter(answer.Header, c.options.Now())
	}
	return o
}

// sign makes the HTTP request.
func (c *Client) sign(ctx context.Context, r request, body io.ReadCloser, at time.Time) (*http.Request, error) {
	u := *c.endpoint // the signer writes to it
	q := (&http.Request{
		Method: http.MethodPost, URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Accept-Encoding": {"identity"},
			"Content-Type":    {c.service.ContentType},
			"User-Agent":      {"lambda-tokenizer"},
			"X-Amz-Target":    {c.service.Target + "." + r.operation},
		},
		Body: body, ContentLength: int64(len(r.body)),
	}).WithContext(ctx)
	if err := c.signer.SignHTTP(ctx, c.credentials, q, r.hash, c.service.Name, c.region, at); err != nil {
		return nil, fmt.Errorf("awsjson: a request of %s cannot be signed", c.service.Name)
	}
	return q, nil
}

// read reads an answer.
func (c *Client) read(answer *http.Response, decode func(*wirejson.Decoder) error) error {
	body := newBuffer()
	defer body.release()
	failed := answer.StatusCode < 200 || answer.StatusCode > 299
	err := body.readFrom(answer.Body, c.service.MaxAnswer)
	if err == nil && !failed {
		err = checkSum(answer.Header, body.b)
	}
	switch {
	case err != nil && failed: // the status decides whether to try again
		return &Error{Status: answer.StatusCode}
	case err != nil:
		return err
	case failed:
		return decodeError(answer.StatusCode, answer.Header, body.b)
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body.b, " \t\r\n"), []byte("{")) || wirejson.Decode(body.b, decode) != nil {
		return errAnswer
	}
	return nil
}

// checkSum compares an answer with the sum that DynamoDB sends.
func checkSum(header http.Header, body []byte) error {
	sum := header.Get("X-Amz-Crc32")
	if sum == "" {
		return nil
	}
	if want, err := strconv.ParseUint(sum, 10, 32); err != nil || uint32(want) != crc32.ChecksumIEEE(body) {
		return errAnswer
	}
	return nil
}

// clockSkew is how far the clock of whoever answered is ahead, to the second. An answer out of a cache is of another
// time.
func clockSkew(header http.Header, now time.Time) (skew time.Duration, ok bool) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil || header.Get("Age") != "" {
		return 0, false
	}
	return date.Sub(now.Round(0)), true
}

// skewCodes are what a service may answer if the time in a signature is wrong, and also for other reasons.
var skewCodes = []string{
	"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "RequestTimeTooSkewed",
	"AccessDeniedException",
}

// maxSkew is less than the five minutes for which services accept a signature.
const maxSkew = 4 * time.Minute

// clockError has a call tried again whose signature was off by more than services accept. This is the SDK's rule.
func clockError(err error, off time.Duration) error {
	e, ok := errors.AsType[*Error](err)
	if ok && slices.Contains(skewCodes, e.Code) && off.Abs() > maxSkew {
		return &skewError{e}
	}
	return err
}

// retryAfter is how long the service asks to wait; 0 if it does not.
func retryAfter(header http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseUint(header.Get("X-Amz-Retry-After"), 10, 31); err == nil {
		return time.Duration(ms) * time.Millisecond
	}
	value := header.Get("Retry-After")
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}
