// Package extensionsapi is a client of the Lambda Extensions API, version 2020-01-01, as far as an external extension
// needs it: register, wait for the next event, report an error.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
package extensionsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxBody bounds an answer of the API, in bytes.
const maxBody = 64 << 10

// Kinds of event.
const (
	Invoke   = "INVOKE"
	Shutdown = "SHUTDOWN"
)

// Registration is what Lambda tells an extension about its function.
type Registration struct {
	FunctionName    string `json:"functionName"`
	FunctionVersion string `json:"functionVersion"`
	Handler         string `json:"handler"`
	// AccountID is the function's AWS account.
	AccountID string `json:"accountId"`
}

// Event is what Lambda announces.
type Event struct {
	// Type is Invoke or Shutdown.
	Type string `json:"eventType"`
	// DeadlineMs is when the phase ends, in Unix milliseconds.
	DeadlineMs int64 `json:"deadlineMs"`
	// RequestID is the invocation's, with Invoke.
	RequestID string `json:"requestId"`
	// ShutdownReason is spindown, timeout or failure, with Shutdown.
	ShutdownReason string `json:"shutdownReason"`
}

// Errors about the address of the API. They do not tell the address.
var (
	ErrAddress     = errors.New("AWS_LAMBDA_RUNTIME_API is not an address such as 127.0.0.1:9001")
	ErrUnset       = errors.New("AWS_LAMBDA_RUNTIME_API is not set")
	ErrUnreachable = errors.New("nothing answers at AWS_LAMBDA_RUNTIME_API")
)

// Check tells whether AWS_LAMBDA_RUNTIME_API can be an address: ErrUnset or ErrAddress if it cannot.
func Check(runtimeAPI string) error {
	if runtimeAPI == "" {
		return ErrUnset
	}
	u, err := url.Parse("http://" + runtimeAPI)
	if err != nil || u.Host != runtimeAPI || u.Hostname() == "" {
		return ErrAddress
	}
	return nil
}

// Client speaks for one extension. It is not safe for concurrent use: the API is a conversation.
type Client struct {
	base string
	name string
	id   string
	http *http.Client
}

// New returns a client. runtimeAPI is AWS_LAMBDA_RUNTIME_API; name is the file name of the extension's executable,
// which Lambda requires.
func New(runtimeAPI, name string) *Client {
	return &Client{
		base: "http://" + runtimeAPI + "/2020-01-01/extension/",
		name: name,
		// No timeout: "next" answers at the next invocation, which may be hours away. No proxy: the API is local.
		http: &http.Client{Transport: &http.Transport{Proxy: nil}},
	}
}

// Register announces the extension. Lambda starts the function's runtime after the last extension has registered, so an
// extension that the function needs registers when it is ready to serve.
func (c *Client) Register(ctx context.Context, events ...string) (Registration, error) {
	body, err := json.Marshal(map[string][]string{"events": append([]string{}, events...)})
	if err != nil {
		return Registration{}, err
	}
	header := http.Header{"Lambda-Extension-Name": {c.name}, "Lambda-Extension-Accept-Feature": {"accountId"}}
	var r Registration
	got, err := c.do(ctx, http.MethodPost, "register", header, body, &r)
	if err != nil {
		return Registration{}, err
	}
	if c.id = got.Get("Lambda-Extension-Identifier"); c.id == "" {
		return Registration{}, errors.New("register: Lambda gave no extension identifier")
	}
	return r, nil
}

// Next waits for the next event. Calling it tells Lambda that the previous one is dealt with.
func (c *Client) Next(ctx context.Context) (Event, error) {
	var e Event
	_, err := c.do(ctx, http.MethodGet, "event/next", http.Header{}, nil, &e)
	return e, err
}

// InitError tells Lambda that the extension cannot start; the environment ends. kind is a name such as
// "Extension.PortInUse".
func (c *Client) InitError(ctx context.Context, kind, message string) error {
	return c.report(ctx, "init/error", kind, message)
}

// ExitError tells Lambda that the extension has to stop.
func (c *Client) ExitError(ctx context.Context, kind, message string) error {
	return c.report(ctx, "exit/error", kind, message)
}

func (c *Client) report(ctx context.Context, path, kind, message string) error {
	body, err := json.Marshal(map[string]any{"errorType": kind, "errorMessage": message, "stackTrace": []string{}})
	if err != nil {
		return err
	}
	_, err = c.do(ctx, http.MethodPost, path, http.Header{"Lambda-Extension-Function-Error-Type": {kind}}, body, nil)
	return err
}

func (c *Client) do(ctx context.Context, method, path string, header http.Header, body []byte,
	into any) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, ErrAddress)
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	if c.id != "" {
		req.Header.Set("Lambda-Extension-Identifier", c.id)
	}
	resp, err := c.http.Do(req)
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return nil, fmt.Errorf("%s: %w", path, ErrUnreachable)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s: Lambda answered with status %d", path, resp.StatusCode)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return resp.Header, nil
}
