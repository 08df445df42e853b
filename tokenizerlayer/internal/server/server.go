// Package server is the layer's loopback API: JSON over HTTP on 127.0.0.1, for the function in the same environment.
//
// A request must carry the function's session token in X-Tokenizer-Token. Requests that came through a proxy or from a
// browser are refused, so that a function which can be talked into fetching a URL does not become a way to the vault.
// docs/api.md describes the endpoints.
package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/audit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/strictjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// Vault is what the server serves; package vault implements it.
type Vault interface {
	Create(context.Context, vault.Create) (vault.Created, error)
	Seal(context.Context, vault.Create) (vault.Created, api.Row, error)
	Detokenize(context.Context, vault.Detokenize) (vault.Opened, error)
	Live(context.Context, vault.Read) (bool, vault.About, error)
	Metadata(context.Context, vault.Read) (vault.Metadata, error)
	Revoke(ctx context.Context, token string) (vault.Revoked, error)
}

// Config describes a server. Fields are required unless their comment says otherwise.
type Config struct {
	// Vault returns the vault, or why there is none: an error of kind failure.NotReady. It may wait for the vault until
	// the context ends.
	Vault func(context.Context) (Vault, error)
	// Port is where the server will be reached; requests for another host are refused.
	Port int
	// SessionToken is the function's AWS_SESSION_TOKEN.
	SessionToken string
	// Release is what GET /ping tells; it may be empty.
	Release string
	// MaxBody bounds the body of a request, in bytes; 0 means [api.MaxBody]. That of a batch has api.MaxBatchBody.
	MaxBody int64
	// ReadRate is how many tokens are opened or looked up a second, in the long run and at once; 0 means
	// [api.DefaultReadRate]. It slows down a function that goes astray. It is no protection from one that means to:
	// such a function can call KMS itself.
	ReadRate int
	Audit    *audit.Log
}

// server is a running server. Its fields are those of [Config], resolved.
type server struct {
	vault   func(context.Context) (Vault, error)
	port    int
	release string
	maxBody int64
	audit   *audit.Log

	routes   map[string]http.HandlerFunc // by method and path
	hasToken bool                        // without a session token nothing is authorized
	token    [sha256.Size]byte
	reads    *rate.Limiter
	batches  chan struct{} // holds a value for each batch that is being carried out
}

// New returns a server that is not started: the caller owns the listener.
func New(c Config) *http.Server {
	readRate := cmp.Or(c.ReadRate, api.DefaultReadRate)
	s := &server{
		vault: c.Vault, port: c.Port, release: c.Release, maxBody: cmp.Or(c.MaxBody, api.MaxBody), audit: c.Audit,
		hasToken: c.SessionToken != "", token: sha256.Sum256([]byte(c.SessionToken)),
		reads:   rate.NewLimiter(rate.Limit(readRate), readRate),
		batches: make(chan struct{}, batchesAtOnce),
	}
	s.routes = map[string]http.HandlerFunc{
		"POST " + api.PathTokenize:        s.operation("tokenize", s.tokenize),
		"POST " + api.PathTokenizeBatch:   s.tokenizeBatch(),
		"POST " + api.PathDetokenize:      s.operation("detokenize", s.limited(s.detokenize)),
		"POST " + api.PathDetokenizeBatch: s.detokenizeBatch(),
		"POST " + api.PathValidate:        s.operation("validate", s.limited(s.validate)),
		"POST " + api.PathMetadata:        s.operation("metadata", s.limited(s.metadata)),
		"POST " + api.PathRevoke:          s.operation("revoke", s.revoke),
		"GET " + api.PathPing:             s.ping,
	}
	return &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       15 * time.Minute, // an environment may be frozen for that long between two invocations
		MaxHeaderBytes:    16 << 10,
	}
}

// serve answers every request, and names each answer. A request that the function did not send itself is refused, and
// its connection closed, so that such connections do not keep the function's own out.
func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	id := requestID(r)
	w.Header().Set(api.RequestHeader, id)
	if err := s.guard(r); err != nil {
		w.Header().Set("Connection", "close")
		refuse(w, err)
		return
	}
	// Paths are compared as they are: a multiplexer would redirect one with a doubled slash.
	handle := s.routes[r.Method+" "+r.URL.EscapedPath()]
	if handle == nil {
		refuse(w, failure.New(failure.NoEndpoint, "", "use POST %s, %s, %s, %s, %s, %s or %s, or GET %s",
			api.PathTokenize, api.PathTokenizeBatch, api.PathDetokenize, api.PathDetokenizeBatch, api.PathValidate,
			api.PathMetadata, api.PathRevoke, api.PathPing))
		return
	}
	handle(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
}

type requestIDKey struct{}

// guard refuses what the function itself did not send.
func (s *server) guard(r *http.Request) error {
	host := net.JoinHostPort(api.Host, strconv.Itoa(s.port))
	switch {
	case r.Host != host && r.Host != net.JoinHostPort("localhost", strconv.Itoa(s.port)):
		return failure.New(failure.Forwarded, "", "the Host header must be %s", host)
	case has(r, "X-Forwarded-For"), has(r, "Forwarded"), has(r, "Origin"):
		return failure.New(failure.Forwarded, "",
			"X-Forwarded-For, Forwarded and Origin are not accepted: call the API directly")
	case !s.authorized(r):
		return failure.New(failure.Unauthorized, "", "send the function's AWS_SESSION_TOKEN in the header %s",
			api.TokenHeader)
	}
	return nil
}

func has(r *http.Request, header string) bool { return len(r.Header.Values(header)) > 0 }

// authorized compares digests, so that the time tells nothing about the token, not even its length. Without a session
// token nothing is authorized.
func (s *server) authorized(r *http.Request) bool {
	given := sha256.Sum256([]byte(r.Header.Get(api.TokenHeader)))
	return s.hasToken && subtle.ConstantTimeCompare(given[:], s.token[:]) == 1
}

func (s *server) ping(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), operationLimit)
	defer cancel()
	if _, err := s.vault(ctx); err != nil {
		refuse(w, err)
		return
	}
	reply(w, api.PingResponse{Status: "ok", Release: s.release})
}

func (s *server) decode(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := readBody(w, r, s.maxBody)
	defer clear(body[:cap(body)]) // http.MaxBytesReader tells one byte less than it reads of a body that is too large
	if err != nil {
		return err
	}
	return malformed(strictjson.Unmarshal(body, into), "the body")
}

// malformed is the failure for an error of package strictjson about a document that is called whole; nil for nil.
func malformed(err error, whole string) error {
	if bad, ok := errors.AsType[*strictjson.Error](err); ok {
		return failure.New(failure.Invalid, bad.Field, "%s", bad.About(whole))
	}
	return err
}

// readBody reads a body into one buffer, which the caller clears, with an error too. The buffers of io.ReadAll would
// stay in memory.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	size := limit
	if n := r.ContentLength; n >= 0 && n < size {
		size = n
	}
	body := http.MaxBytesReader(w, r.Body, limit)
	b, n := make([]byte, size+1), 0 // one more, to see the end
	for n < len(b) {
		more, err := body.Read(b[n:])
		n += more
		_, large := errors.AsType[*http.MaxBytesError](err)
		switch {
		case errors.Is(err, io.EOF):
			return b[:n], nil
		case large:
			return b[:n], tooLarge(limit)
		case err != nil:
			return b[:n], failure.New(failure.Invalid, "", "the body could not be read")
		}
	}
	return b, tooLarge(limit)
}

func tooLarge(limit int64) error {
	return failure.New(failure.TooLarge, "", "a body has at most %d bytes", limit)
}

// reply answers with v. The length lets the caller see whether it has all of a long answer.
func reply(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil { // the wire types always marshal
		refuse(w, err)
		return
	}
	body = append(body, '\n')
	defer clear(body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // if the client has gone, nothing is left to tell it
}

func refuse(w http.ResponseWriter, err error) { problem.Of(err).Write(w) }
