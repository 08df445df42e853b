// Package client lets a Go function use the tokenizer layer attached to it.
//
//	tokenizer, err := client.FromEnvironment()           // once, outside the handler
//	sealed, err := tokenizer.Seal(ctx, number)           // a token, and the row to commit
//	dynamo.TransactWriteItems(ctx, ... sealed.Put ...)   // together with the row that refers to it
//
// Errors carry the sentinels of package api: errors.Is(err, api.ErrNotFound) works as if the vault were in process.
// A client is safe for concurrent use and keeps its connection between invocations.
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
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/problem"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/token"
)

// DefaultTimeout bounds a call, besides the context's own deadline.
const DefaultTimeout = 5 * time.Second

// Config says where the extension is. The zero value needs a SessionToken only.
type Config struct {
	// Port of the extension; 0 means api.DefaultPort.
	Port int
	// SessionToken is the function's AWS_SESSION_TOKEN.
	SessionToken string
	// Timeout of one call; 0 means DefaultTimeout.
	Timeout time.Duration
}

// Client calls the extension. Make one with New or FromEnvironment.
type Client struct {
	base    string
	token   string
	timeout time.Duration
	http    *http.Client
}

// New returns a client for the extension that c describes.
func New(c Config) (*Client, error) {
	if c.Port == 0 {
		c.Port = api.DefaultPort
	}
	if c.Port < 1 || c.Port > 65535 {
		return nil, fmt.Errorf("tokenizer client: port %d is out of range; use 1 to 65535", c.Port)
	}
	if c.SessionToken == "" {
		return nil, errors.New("tokenizer client: no session token; Lambda sets AWS_SESSION_TOKEN for every function")
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	return &Client{
		base:    "http://" + net.JoinHostPort(api.Host, strconv.Itoa(c.Port)),
		token:   c.SessionToken,
		timeout: c.Timeout,
		http: &http.Client{
			// Proxy is nil on purpose: cards must not travel through an HTTP_PROXY.
			Transport:     &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 15 * time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// FromEnvironment reads TOKENIZER_PORT and AWS_SESSION_TOKEN.
func FromEnvironment() (*Client, error) {
	c := Config{SessionToken: os.Getenv("AWS_SESSION_TOKEN")}
	if p := os.Getenv("TOKENIZER_PORT"); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil {
			return nil, errors.New("tokenizer client: TOKENIZER_PORT is not a number; set a port from 1 to 65535 or unset it")
		}
		c.Port = n
	}
	return New(c)
}

// Option asks for something of a token, or of one call. The zero set of options makes a card's token that lives until it is
// revoked.
type Option func(*request)

// request is a call that is being made.
type request struct {
	tokenize   api.TokenizeRequest
	detokenize api.DetokenizeRequest
	reason     string
	header     http.Header
}

func build(options []Option) *request {
	r := &request{header: http.Header{}}
	for _, option := range options {
		option(r)
	}
	return r
}

// Options of Tokenize and Seal.

// Text says that data is a text, not a card number.
func Text() Option { return func(r *request) { r.tokenize.Type = api.TypeText } }

// Format says how the token looks: token.UUID or token.Card.
func Format(f token.Format) Option { return func(r *request) { r.tokenize.Format = f } }

// TTL ends the token's life after d, in whole seconds.
func TTL(d time.Duration) Option {
	return func(r *request) { r.tokenize.TTL = new(int64(d / time.Second)) }
}

// MaxUses lets the token be detokenized n times.
func MaxUses(n int64) Option { return func(r *request) { r.tokenize.MaxUses = &n } }

// Purpose binds the token: only a function whose grant names the purpose can detokenize it.
func Purpose(p string) Option {
	return func(r *request) { r.tokenize.Binding = &api.Binding{Purpose: p} }
}

// Metadata is sealed beside the data and can be read without it.
func Metadata(m map[string]string) Option { return func(r *request) { r.tokenize.Metadata = m } }

// Options of Tokenize alone.

// Deterministic gives the same data in the same scope the same token; scope may be empty.
func Deterministic(scope string) Option {
	return func(r *request) { r.tokenize.Deterministic, r.tokenize.Scope = true, scope }
}

// IdempotencyKey makes repeating the call safe for 24 hours: it gives the same token.
func IdempotencyKey(key string) Option {
	return func(r *request) { r.header.Set(api.IdempotencyHeader, key) }
}

// Options of Detokenize.

// WithMask says which characters api.Masked leaves.
func WithMask(m api.Mask) Option { return func(r *request) { r.detokenize.Mask = m } }

// Attempt names this attempt at a token of limited uses: repeated within api.AttemptPeriod it counts once.
func Attempt(id string) Option { return func(r *request) { r.detokenize.Attempt = id } }

// Reason is recorded in the log: why Detokenize, Validate, Metadata or Revoke is called.
func Reason(text string) Option { return func(r *request) { r.reason = text } }

// Options of every call.

// RequestID is the caller's name for the call in the log.
func RequestID(id string) Option { return func(r *request) { r.header.Set(api.RequestHeader, id) } }

// Tokenize stores data in the vault and returns its token. IAM: the layer's Tokenize grant.
// Errors: api.ErrInvalid, api.ErrDenied, api.ErrUnavailable, api.ErrNotReady; with IdempotencyKey api.ErrKeyReused and, as with
// Deterministic, api.ErrInFlight.
func (c *Client) Tokenize(ctx context.Context, data sensitive.String, options ...Option) (string, error) {
	out, err := c.Create(ctx, data, options...)
	return out.Token, err
}

// Create is Tokenize with everything that there is to say about the token.
func (c *Client) Create(ctx context.Context, data sensitive.String, options ...Option) (api.TokenizeResponse, error) {
	r := build(options)
	r.tokenize.Data = sensitive.OnWire(data)
	var out api.TokenizeResponse
	err := c.post(ctx, api.PathTokenize, r.header, r.tokenize, &out)
	return out, err
}

// Sealed is a token whose row is not stored yet.
type Sealed struct {
	Token string
	// Put stores the row unless the token is taken. Commit it in the same TransactWriteItems as the row that refers to
	// the token, and neither can exist without the other.
	Put types.TransactWriteItem
}

// Seal returns a token for data and leaves storing it to the caller. IAM: the layer's Tokenize grant, used by the
// extension for the data key and by the caller for the put. Errors: as Tokenize.
func (c *Client) Seal(ctx context.Context, data sensitive.String, options ...Option) (Sealed, error) {
	out, err := c.Create(ctx, data, append(slices.Clip(options), func(r *request) { r.tokenize.Store = new(false) })...)
	if err != nil {
		return Sealed{}, err
	}
	if out.Row == nil || out.Token == "" {
		return Sealed{}, api.Errorf(api.ErrInternal, "", "the extension's answer has no row")
	}
	return Sealed{Token: out.Token, Put: types.TransactWriteItem{Put: &types.Put{
		TableName:           &out.Row.TableName,
		Item:                out.Row.Item.DynamoDB(),
		ConditionExpression: &out.Row.ConditionExpression,
	}}}, nil
}

// Detokenize returns what a token stands for, as much of it as redaction shows; "" means api.Masked. IAM: the layer's
// Detokenize grant. Errors: api.ErrNotFound, api.ErrExpired, api.ErrUsedUp, api.ErrDenied, api.ErrIntegrity, api.ErrRateLimited,
// api.ErrUnavailable, api.ErrNotReady.
func (c *Client) Detokenize(ctx context.Context, token string, redaction api.Redaction, options ...Option) (sensitive.String, error) {
	r := build(options)
	r.detokenize.Token, r.detokenize.Redaction, r.detokenize.Reason = token, redaction, r.reason
	var out api.DetokenizeResponse
	err := c.post(ctx, api.PathDetokenize, r.header, r.detokenize, &out)
	return out.Data.String, err
}

// Validate reports whether a Detokenize would be answered now. It counts no use. IAM: the layer's Detokenize grant.
func (c *Client) Validate(ctx context.Context, token string, options ...Option) (live bool, err error) {
	var out api.ValidateResponse
	err = c.about(ctx, api.PathValidate, token, options, &out)
	return out.Live, err
}

// Metadata returns what is known of a token besides its data. It counts no use. IAM: the layer's Detokenize grant. Errors: as
// Detokenize.
func (c *Client) Metadata(ctx context.Context, token string, options ...Option) (api.MetadataResponse, error) {
	var out api.MetadataResponse
	err := c.about(ctx, api.PathMetadata, token, options, &out)
	return out, err
}

// Revoke deletes a token. IAM: the vault's Revoke grant. Errors: api.ErrNotFound, api.ErrDenied, api.ErrUnavailable.
func (c *Client) Revoke(ctx context.Context, token string, options ...Option) (api.RevokeResponse, error) {
	var out api.RevokeResponse
	err := c.about(ctx, api.PathRevoke, token, options, &out)
	return out, err
}

func (c *Client) about(ctx context.Context, path, token string, options []Option, out any) error {
	r := build(options)
	return c.post(ctx, path, r.header, api.TokenRequest{Token: token, Reason: r.reason}, out)
}

// Ping reports whether the extension is ready, and which release it is. Errors: api.ErrUnavailable, api.ErrNotReady.
func (c *Client) Ping(ctx context.Context) (api.PingResponse, error) {
	var out api.PingResponse
	err := c.call(ctx, http.MethodGet, api.PathPing, http.Header{}, nil, &out)
	return out, err
}

func (c *Client) post(ctx context.Context, path string, header http.Header, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return api.Errorf(api.ErrInvalid, "", "the request does not marshal")
	}
	return c.call(ctx, http.MethodPost, path, header, body, out)
}

func (c *Client) call(ctx context.Context, method, path string, header http.Header, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return api.Errorf(api.ErrInternal, "", "%s cannot be requested", path)
	}
	req.Header = header
	req.Header.Set(api.TokenHeader, c.token)
	req.Header.Set("Content-Type", "application/json")
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

func decode(resp *http.Response, answer []byte, out any) error {
	status := resp.StatusCode
	if len(answer) > api.MaxBody {
		return api.Errorf(api.ErrInternal, "", "the extension's answer exceeds %d bytes", api.MaxBody)
	}
	if status == http.StatusOK {
		if json.Unmarshal(answer, out) != nil {
			return api.Errorf(api.ErrInternal, "", "the extension's answer is not understood")
		}
		return nil
	}
	var doc problem.Document
	if json.Unmarshal(answer, &doc) != nil || doc.Code == "" {
		return api.Errorf(api.ErrInternal, "", "status %d without a problem document; is the tokenizer on this port?", status)
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		doc.RetryAfter = time.Duration(s) * time.Second
	}
	return api.FromProblem(doc)
}

// unreachable words a transport error; the error's own text could repeat a request.
func unreachable(ctx context.Context) error {
	if ctx.Err() != nil {
		return api.Errorf(api.ErrUnavailable, "", "the extension did not answer in time")
	}
	return api.Errorf(api.ErrUnavailable, "", "the extension cannot be reached; is the layer attached to this function?")
}
