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

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/audit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/card"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/strictjson"
)

// Vault is what the server serves; package vault implements it.
type Vault interface {
	Tokenize(context.Context, card.Number) (token string, err error)
	Seal(context.Context, card.Number) (token string, row api.Row, err error)
	Detokenize(context.Context, string) (card.Number, error)
}

// Config describes a server. All fields are required but Release and MaxBody.
type Config struct {
	// Vault returns the vault, or why there is none yet: an error of kind api.ErrNotReady.
	Vault func() (Vault, error)
	// Port is where the server will be reached; requests for another host are refused.
	Port int
	// SessionToken is the function's AWS_SESSION_TOKEN.
	SessionToken string
	// Release is what GET /ping tells.
	Release string
	// MaxBody bounds the body of a request, in bytes; 0 means [api.MaxBody].
	MaxBody int64
	Audit   *audit.Log
}

type server struct {
	Config
	token [sha256.Size]byte
}

// New returns a server that is not started: the caller owns the listener.
func New(c Config) *http.Server {
	c.MaxBody = cmp.Or(c.MaxBody, api.MaxBody)
	s := &server{Config: c, token: sha256.Sum256([]byte(c.SessionToken))}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+api.PathTokenize, s.tokenize)
	mux.HandleFunc("POST "+api.PathDetokenize, s.detokenize)
	mux.HandleFunc("GET "+api.PathPing, s.ping)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, api.Errorf(api.ErrNoEndpoint, "", "use POST %s, POST %s or GET %s", api.PathTokenize, api.PathDetokenize, api.PathPing))
	})
	return &http.Server{
		Handler:           s.guard(mux),
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       15 * time.Minute, // an environment may be frozen for that long between two invocations
		MaxHeaderBytes:    16 << 10,
	}
}

// guard lets through what the function itself sent.
func (s *server) guard(next http.Handler) http.Handler {
	port := strconv.Itoa(s.Port)
	hosts := map[string]bool{net.JoinHostPort(api.Host, port): true, net.JoinHostPort("localhost", port): true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !hosts[r.Host]:
			refuse(w, api.Errorf(api.ErrForwarded, "", "the Host header must be %s:%s", api.Host, port))
		case has(r, "X-Forwarded-For"), has(r, "Forwarded"), has(r, "Origin"):
			refuse(w, api.Errorf(api.ErrForwarded, "", "X-Forwarded-For, Forwarded and Origin are not accepted: call the API directly"))
		case !s.authorized(r):
			refuse(w, api.Errorf(api.ErrUnauthorized, "", "send the function's AWS_SESSION_TOKEN in the header %s", api.TokenHeader))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func has(r *http.Request, header string) bool { return len(r.Header.Values(header)) > 0 }

// authorized compares digests, so that the time tells nothing about the token, not even its length. Without a session
// token nothing is authorized.
func (s *server) authorized(r *http.Request) bool {
	given := sha256.Sum256([]byte(r.Header.Get(api.TokenHeader)))
	return s.SessionToken != "" && subtle.ConstantTimeCompare(given[:], s.token[:]) == 1
}

func (s *server) tokenize(w http.ResponseWriter, r *http.Request) {
	event := audit.Event{Operation: "tokenize"}
	s.answer(w, r, &event, func(v Vault) (any, error) {
		var in api.TokenizeRequest
		if err := s.decode(w, r, &in); err != nil {
			return nil, err
		}
		n, err := card.Parse(in.Data.Reveal())
		if err != nil {
			return nil, api.Errorf(api.ErrInvalid, "data", "%s", err) // the parser's errors do not quote the input
		}
		if in.Store == nil || *in.Store {
			token, err := v.Tokenize(r.Context(), n)
			return api.TokenizeResponse{Token: token}, err
		}
		event.Operation = "seal"
		token, row, err := v.Seal(r.Context(), n)
		return api.TokenizeResponse{Token: token, Row: &row}, err
	})
}

func (s *server) detokenize(w http.ResponseWriter, r *http.Request) {
	event := audit.Event{Operation: "detokenize"}
	s.answer(w, r, &event, func(v Vault) (any, error) {
		var in api.DetokenizeRequest
		if err := s.decode(w, r, &in); err != nil {
			return nil, err
		}
		if in.Redaction == "" {
			in.Redaction = api.Masked
		}
		if in.Redaction != api.Masked && in.Redaction != api.PlainText {
			return nil, api.Errorf(api.ErrInvalid, "redaction", "must be %s or %s", api.Masked, api.PlainText)
		}
		event.Redaction = string(in.Redaction)
		n, err := v.Detokenize(r.Context(), in.Token)
		if err != nil {
			return nil, err
		}
		return api.DetokenizeResponse{Data: redact(n, in.Redaction), Redaction: in.Redaction}, nil
	})
}

func redact(n card.Number, r api.Redaction) sensitive.Wire {
	if r == api.PlainText {
		return sensitive.OnWire(n.String)
	}
	return sensitive.OnWire(sensitive.New(n.Mask()))
}

func (s *server) ping(w http.ResponseWriter, _ *http.Request) {
	if _, err := s.Vault(); err != nil {
		refuse(w, err)
		return
	}
	reply(w, api.PingResponse{Status: "ok", Release: s.Release})
}

// answer runs one operation, answers it and records it. The event is filled by the operation as it learns more.
func (s *server) answer(w http.ResponseWriter, r *http.Request, event *audit.Event, operation func(Vault) (any, error)) {
	start := time.Now()
	v, err := s.Vault()
	var out any
	if err == nil {
		out, err = operation(v)
	}
	event.Outcome = "ok"
	if err != nil {
		doc := api.Problem(err)
		event.Outcome, event.Detail = doc.Code, doc.Detail
		doc.Write(w)
	} else {
		reply(w, out)
	}
	event.Duration = time.Since(start)
	s.Audit.Record(r.Context(), *event)
}

func (s *server) decode(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.MaxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return api.Errorf(api.ErrTooLarge, "", "a body has at most %d bytes", s.MaxBody)
	}
	if err != nil {
		return api.Errorf(api.ErrInvalid, "", "the body did not arrive")
	}
	defer clear(body)
	if err := strictjson.Unmarshal(body, into); err != nil {
		bad, _ := errors.AsType[*strictjson.Error](err)
		return api.Errorf(api.ErrInvalid, bad.Field, "%s", bad)
	}
	return nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the client has gone: nothing is left to tell it
}

func refuse(w http.ResponseWriter, err error) { api.Problem(err).Write(w) }
