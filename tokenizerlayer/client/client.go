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
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/problem"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/sensitive"
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

// Tokenize stores data in the vault and returns its token. IAM: the layer's Tokenize grant.
// Errors: api.ErrInvalid, api.ErrDenied, api.ErrUnavailable, api.ErrNotReady.
func (c *Client) Tokenize(ctx context.Context, data sensitive.String) (string, error) {
	var out api.TokenizeResponse
	err := c.post(ctx, api.PathTokenize, api.TokenizeRequest{Data: sensitive.OnWire(data)}, &out)
	return out.Token, err
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
func (c *Client) Seal(ctx context.Context, data sensitive.String) (Sealed, error) {
	var out api.TokenizeResponse
	err := c.post(ctx, api.PathTokenize, api.TokenizeRequest{Data: sensitive.OnWire(data), Store: new(false)}, &out)
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
// Detokenize grant. Errors: api.ErrNotFound, api.ErrDenied, api.ErrIntegrity, api.ErrUnavailable, api.ErrNotReady.
func (c *Client) Detokenize(ctx context.Context, token string, redaction api.Redaction) (sensitive.String, error) {
	var out api.DetokenizeResponse
	err := c.post(ctx, api.PathDetokenize, api.DetokenizeRequest{Token: token, Redaction: redaction}, &out)
	return out.Data.String, err
}

// Ping reports whether the extension is ready, and which release it is. Errors: api.ErrUnavailable, api.ErrNotReady.
func (c *Client) Ping(ctx context.Context) (api.PingResponse, error) {
	var out api.PingResponse
	err := c.call(ctx, http.MethodGet, api.PathPing, nil, &out)
	return out, err
}

func (c *Client) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return api.Errorf(api.ErrInvalid, "", "the request does not marshal")
	}
	return c.call(ctx, http.MethodPost, path, body, out)
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return api.Errorf(api.ErrInternal, "", "%s cannot be requested", path)
	}
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
	return decode(resp.StatusCode, answer, out)
}

func decode(status int, answer []byte, out any) error {
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
	return api.FromProblem(doc)
}

// unreachable words a transport error; the error's own text could repeat a request.
func unreachable(ctx context.Context) error {
	if ctx.Err() != nil {
		return api.Errorf(api.ErrUnavailable, "", "the extension did not answer in time")
	}
	return api.Errorf(api.ErrUnavailable, "", "the extension cannot be reached; is the layer attached to this function?")
}
