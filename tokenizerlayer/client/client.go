// Package client lets a Go function use the tokenizer layer that is attached to it.
//
// Make one client when the function starts, outside the handler, and use it for every invocation:
//
//	tokenizer, err := client.FromEnvironment()
//
// A function with the Tokenize grant swaps a card number for a token:
//
//	out, err := tokenizer.Tokenize(ctx, client.TokenizeInput{Data: card})
//	// Store out.Token where the card would have stood.
//
// If the function writes a row of its own that holds the token, it uses [Client.Seal] instead and commits both rows in
// one transaction, so that neither row can exist without the other.
//
// A function with the Detokenize grant reads the card back, masked unless it asks for more:
//
//	out, err := tokenizer.Detokenize(ctx, client.DetokenizeInput{Token: token})
//	fmt.Println(out.Data.Reveal()) // ************1111
//
// Each operation has its own type of input, so an option that an operation does not have does not compile. The zero
// value of a field asks for nothing.
//
// # Sensitive values
//
// Card numbers travel as a [Secret], or as a [PAN] once they have been checked. Neither can be printed or logged by
// accident: package fmt, log/slog and encoding/json show [Redacted] instead. Only Reveal returns the text. A Secret can
// be decoded from JSON directly:
//
//	var request struct{ CreditCard client.Secret }
//	err := json.Unmarshal(body, &request)
//
// # Permissions
//
// The extension works with the function's own role. The constructs' Attach gives it the Tokenize, Detokenize or Revoke
// grant, and on request also the Index grant, for deterministic tokens and idempotency keys. Each method says which
// grant it needs.
//
// # Errors
//
// Every error of a method is an [*Error] of one of the kinds [ErrInvalid] to [ErrNotReady]:
//
//	if errors.Is(err, client.ErrNotFound) { ... }
//
// Each method lists the kinds that it is likely to return. Every method can also return four others, which mean that
// the layer is not installed correctly: [ErrUnauthorized], [ErrForwarded], [ErrNoEndpoint] and [ErrInternal]. No error
// holds a value of the request or a text of an AWS service, so errors can be logged. If a method returns an error, its
// output is the zero value.
//
// # Tests
//
// Code that takes a [Tokenizer] can be tested with a fake. Package tokenizertest does more: it starts a whole tokenizer
// in memory, with a client for it, in one line.
package client

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/form"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
)

// What a [Config] means if it does not say otherwise.
const (
	// DefaultPort is the port of 127.0.0.1 on which the extension listens: 2774.
	DefaultPort = api.DefaultPort
	// DefaultTimeout is how long one call takes at most: 5 s. The function needs a longer timeout to handle a call that
	// fails.
	DefaultTimeout = api.ClientTimeout
	// DefaultRetries is how often a call is tried again where that is safe: 2 times.
	DefaultRetries = 2
)

// maxIdle is how long a connection may have been idle to be used again. The extension closes one after 15 minutes,
// perhaps at the very moment in which an environment is thawed and the next request is sent. The transport goes by the
// time of day, which does not stand still in a frozen environment.
const maxIdle = time.Minute

// Config says where the extension is. Only SessionToken is required.
type Config struct {
	// SessionToken is the function's AWS_SESSION_TOKEN, by which the extension recognizes the function.
	SessionToken string
	// Port is the extension's port on 127.0.0.1, from 1 to 65535; 0 means [DefaultPort].
	Port int
	// Timeout bounds each call with all its retries, besides the deadline of the call's context; 0 means
	// [DefaultTimeout].
	Timeout time.Duration
	// Retries is how often a call is tried again; 0 means [DefaultRetries], and a negative number means never.
	Retries int
}

// Client calls the extension. It is safe for concurrent use and keeps its connections between invocations. Make one
// with [FromEnvironment] or [New].
type Client struct {
	base         string
	sessionToken string
	timeout      time.Duration
	retries      int
	http         *http.Client
}

// New returns a client for the extension that c describes. It does not call the extension. The error is an
// [*Error] of kind [ErrNotReady], which names the field of c that is wrong.
func New(c Config) (*Client, error) {
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Retries == 0 {
		c.Retries = DefaultRetries
	}
	switch {
	case c.SessionToken == "":
		return nil, notReady("SessionToken", "is empty: pass AWS_SESSION_TOKEN, which Lambda sets for every function")
	case !isHeaderValue(c.SessionToken):
		return nil, notReady("SessionToken",
			"must be printable ASCII without spaces: pass AWS_SESSION_TOKEN as Lambda sets it")
	case c.Port < 1 || c.Port > 65535:
		return nil, notReady("Port", fmt.Sprintf("is %d: pass one from 1 to 65535, or 0 for %d", c.Port, DefaultPort))
	case c.Timeout < 0:
		return nil, notReady("Timeout", fmt.Sprintf("is %v: pass a positive one, or 0 for %v", c.Timeout,
			DefaultTimeout))
	}
	return &Client{
		base:         "http://" + net.JoinHostPort(api.Host, strconv.Itoa(c.Port)),
		sessionToken: c.SessionToken,
		timeout:      c.Timeout,
		retries:      max(c.Retries, 0),
		http: &http.Client{
			// Proxy is nil on purpose: cards must not travel through an HTTP_PROXY.
			Transport: &http.Transport{
				MaxIdleConnsPerHost: 8, IdleConnTimeout: maxIdle,
				DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// FromEnvironment returns a client for the extension that runs beside this function. It does not call the extension.
// The error is that of [ConfigFromEnvironment].
func FromEnvironment() (*Client, error) {
	c, err := ConfigFromEnvironment()
	if err != nil {
		return nil, err
	}
	return New(c)
}

// ConfigFromEnvironment returns the Config of [FromEnvironment], for a client with another timeout or other retries. It
// reads AWS_SESSION_TOKEN, and TOKENIZER_PORT, which Attach sets if the extension listens on another port than
// [DefaultPort]. The error is an [*Error] of kind [ErrNotReady], which names the variable that is wrong.
func ConfigFromEnvironment() (Config, error) {
	c := Config{SessionToken: os.Getenv(settings.SessionToken)}
	switch {
	case c.SessionToken == "":
		return Config{}, notReady(settings.SessionToken,
			"is not set: Lambda sets it for every function, and the development server prints it")
	case !isHeaderValue(c.SessionToken):
		return Config{}, notReady(settings.SessionToken, "must be printable ASCII without spaces, as Lambda sets it")
	}
	if p := os.Getenv(settings.Port); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 || !form.Consists(p, form.Digits, 1, 5) {
			return Config{}, notReady(settings.Port, fmt.Sprintf(
				"is not a port: set it to a number from 1 to 65535, or remove it for %d", DefaultPort))
		}
		c.Port = n
	}
	return c, nil
}

func notReady(setting, detail string) *Error { return NewError(ErrNotReady, setting, detail) }

// isHeaderValue tells whether a text arrives in a header as it is. Package net/http refuses control characters with an
// error that looks as if nobody had answered, and drops spaces at the ends.
func isHeaderValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
