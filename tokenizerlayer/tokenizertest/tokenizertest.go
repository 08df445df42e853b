// Package tokenizertest gives a test a whole tokenizer in memory: the extension's own server and vault on a loopback
// port, with fakes of KMS and DynamoDB behind them. Nothing leaves the machine, and no AWS account is needed.
//
// Start one, and use its client as your function uses its own:
//
//	func TestCheckout(t *testing.T) {
//		tok := tokenizertest.Start(t)
//		out, err := checkout(t.Context(), tok.Client, "4111 1111 1111 1111")
//		...
//	}
//
// If your code makes its client with client.FromEnvironment, call [Tokenizer.Setenv] before it.
//
// Code that uses client.Client.Seal commits the vault's row together with a row of its own. Let your fake of DynamoDB
// hand the transaction to [Tokenizer.Commit], which stores the vault's row and fails as DynamoDB does:
//
//	func (f *fakeTable) TransactWriteItems(_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (
//		*dynamodb.TransactWriteItemsOutput, error) {
//		if err := f.tok.Commit(in.TransactItems...); err != nil {
//			return nil, err
//		}
//		... // store your own rows
//	}
//
// [Tokenizer.Advance] moves the clock forward, so that tokens expire. [Tokenizer.Fail] makes every call fail with an
// error of your choice, so that you see how your code handles it. [Tokenizer.Log] returns what the extension has
// logged.
//
// # Known limits
//
// Every call is allowed. The tokenizer has no roles, so it enforces no grants, and a client can read tokens of every
// purpose. A Tokenizer forgets everything when it is closed.
package tokenizertest

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/inmemory"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
)

// What the function beside the tokenizer would be.
const (
	functionName = "test-function"
	sessionToken = "test-session-token"
)

// Tokenizer is a running tokenizer. It is safe for concurrent use.
type Tokenizer struct {
	// Client calls this tokenizer.
	Client *client.Client

	port int
	http *http.Server
	aws  inmemory.AWS

	// serving is held for reading while a request is served. Log holds it for writing: then nobody writes to log.
	serving sync.RWMutex
	log     bytes.Buffer // the audit log orders its writers

	mu      sync.Mutex
	ahead   time.Duration  // of the wall clock
	failure *failure.Error // of every call; nil if they succeed
}

// Start starts a tokenizer, and closes it when the test ends.
func Start(t testing.TB) *Tokenizer {
	t.Helper()
	tok := New()
	t.Cleanup(tok.Close)
	return tok
}

// New starts a tokenizer, which the caller must close. It is for where there is no [testing.TB], such as an Example or
// a TestMain. It panics if the machine lets nobody listen on 127.0.0.1.
func New() *Tokenizer {
	listener, err := net.Listen("tcp", net.JoinHostPort(api.Host, "0"))
	if err != nil {
		panic("tokenizertest: " + err.Error())
	}
	tok := &Tokenizer{port: listener.Addr().(*net.TCPAddr).Port}
	tok.Client = must(client.New(client.Config{
		Port: tok.port, SessionToken: sessionToken, Retries: -1, // a call that Fail makes fail does so at once
	}))
	tok.http = must(tok.aws.NewServer(inmemory.Config{
		Function: functionName, Port: tok.port, SessionToken: sessionToken, Release: "tokenizertest",
		ReadRate: api.MaxReadRate, Log: &tok.log, Now: tok.now, Before: tok.injected,
	}))
	tok.http.Handler = tok.watch(tok.http.Handler)
	go func() { _ = tok.http.Serve(listener) }() // until Close
	return tok
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("tokenizertest: " + err.Error())
	}
	return v
}

// Close ends the tokenizer. Calls of its Client fail from then on.
func (tok *Tokenizer) Close() { _ = tok.http.Close() }

// Setenv sets AWS_SESSION_TOKEN and TOKENIZER_PORT for the rest of the test, so that client.FromEnvironment returns a
// client for this tokenizer. As with [testing.T.Setenv], the test must not be parallel.
func (tok *Tokenizer) Setenv(t testing.TB) {
	t.Helper()
	t.Setenv(settings.SessionToken, sessionToken)
	t.Setenv(settings.Port, strconv.Itoa(tok.port))
}

// Advance turns the tokenizer's clock on by d. The clock shows the time of day when the tokenizer starts, and runs.
func (tok *Tokenizer) Advance(d time.Duration) {
	tok.mu.Lock()
	defer tok.mu.Unlock()
	tok.ahead += d
}

func (tok *Tokenizer) now() time.Time {
	tok.mu.Lock()
	defer tok.mu.Unlock()
	return time.Now().Add(tok.ahead)
}

// retryAfter is what the extension says to wait where it knows.
var retryAfter = map[*failure.Kind]time.Duration{failure.InFlight: time.Second, failure.RateLimited: time.Second}

// Fail makes every call fail, until Fail(nil). Kind is one of the Err variables of package client; Fail panics for
// another error. A call that fails changes nothing.
func (tok *Tokenizer) Fail(kind error) {
	var e *failure.Error
	if kind != nil {
		k, ok := errors.AsType[*failure.Kind](kind)
		if !ok {
			panic("tokenizertest: Fail takes one of the Err variables of package client, or nil")
		}
		e = &failure.Error{Kind: k, Detail: "the test made this call fail", RetryAfter: retryAfter[k]}
	}
	tok.mu.Lock()
	defer tok.mu.Unlock()
	tok.failure = e
}

// injected is the error that every call is to have.
func (tok *Tokenizer) injected() error {
	tok.mu.Lock()
	defer tok.mu.Unlock()
	if tok.failure == nil {
		return nil // and not a nil *failure.Error
	}
	return tok.failure
}

// Log returns what the extension has logged so far: a line of JSON for each call that has been answered, as docs/api.md
// describes. Use it to check that no card gets into a log, for example by way of a Reason.
func (tok *Tokenizer) Log() string {
	tok.serving.Lock()
	defer tok.serving.Unlock()
	return tok.log.String()
}

// watch notes that a request is served.
func (tok *Tokenizer) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tok.serving.RLock()
		defer tok.serving.RUnlock()
		next.ServeHTTP(w, r)
	})
}
