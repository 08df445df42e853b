package server

import (
	"context"
	"net/http"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/audit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// request is one request of an operation. The operation fills the event as it learns what it is about.
type request struct {
	vault Vault
	http  *http.Request
	write http.ResponseWriter
	event *audit.Event
	token string // for the event, which gets a hash of it
}

func (q *request) context() context.Context { return q.http.Context() }

type operation func(*request) (any, error)

// operationLimit ends an operation before the clients' own limit of 5 s, so that they are told why.
const operationLimit = 4500 * time.Millisecond

// operation runs one, answers it and records it.
func (s *server) operation(name string, do operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(r.Context(), operationLimit)
		defer cancel()
		r = r.WithContext(ctx)
		event := audit.Event{Operation: name, RequestID: requestID(r), Outcome: "ok"}
		w.Header().Set(api.RequestHeader, event.RequestID)
		out, err := s.run(&request{http: r, write: w, event: &event}, do)
		if err != nil {
			doc := problem.Of(err)
			event.Outcome, event.Detail = doc.Code, doc.Detail
			doc.Write(w)
		} else {
			reply(w, out)
		}
		event.Duration = time.Since(start)
		s.audit.Record(r.Context(), event)
	}
}

// run does nothing that could not be recorded: what names tokens in the log has to be there first. A panic is a defect that is
// recorded as such; net/http would print what it was about.
func (s *server) run(q *request, do operation) (out any, err error) {
	defer func() {
		if recover() != nil {
			out, err = nil, failure.New(failure.Internal, "", "")
		}
	}()
	if q.vault, err = s.vault(); err != nil {
		return nil, err
	}
	if _, err := q.vault.TokenHash(q.context(), ""); err != nil {
		return nil, err
	}
	out, err = do(q)
	if token.Valid(q.token) { // what was sent instead of one, say a card number, is not even hashed
		q.event.TokenHash, _ = q.vault.TokenHash(q.context(), q.token)
	}
	return out, err
}

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)

// requestID is the caller's, if it is one and not, say, a card number; else one of our own.
func requestID(r *http.Request) string {
	if id := r.Header.Get(api.RequestHeader); requestIDForm.MatchString(id) && !pan.Like(id) {
		return id
	}
	return uuid.NewString()
}

// limited refuses what exceeds the rate at which tokens are opened.
func (s *server) limited(do operation) operation {
	return func(q *request) (any, error) {
		if !s.reads.Allow() {
			return nil, &failure.Error{
				Kind: failure.RateLimited, RetryAfter: time.Second,
				Detail: "this environment opens more tokens a second than its limit: try again",
			}
		}
		return do(q)
	}
}

func (s *server) tokenize(q *request) (any, error) {
	var in api.TokenizeRequest
	if err := s.decode(q.write, q.http, &in); err != nil {
		return nil, err
	}
	create, err := createFrom(in, q.http.Header)
	if err != nil {
		return nil, err
	}
	var created vault.Created
	var row *api.Row
	if in.Store == nil || *in.Store {
		created, err = q.vault.Create(q.context(), create)
	} else {
		q.event.Operation, row = "seal", &api.Row{}
		created, *row, err = q.vault.Seal(q.context(), create)
	}
	if err != nil {
		return nil, err
	}
	q.token, q.event.Type, q.event.Purpose = created.Token, string(create.Data.Type()), create.Purpose
	out := api.TokenizeResponse{Token: created.Token, ExpiresAt: optional(created.ExpiresAt), Row: row}
	if create.Deterministic {
		out.Deduplicated = &created.Deduplicated
	}
	return out, nil
}

// createFrom translates a request; the vault validates what it says.
func createFrom(in api.TokenizeRequest, header http.Header) (vault.Create, error) {
	data, err := vault.ParseData(in.Type, in.Data.String)
	if err != nil {
		return vault.Create{}, err
	}
	c := vault.Create{
		Data: data, Format: in.Format, Deterministic: in.Deterministic, Scope: in.Scope, Metadata: in.Metadata,
		IdempotencyKey: header.Get(api.IdempotencyHeader),
	}
	if n := len(header.Values(api.IdempotencyHeader)); n > 1 || n == 1 && c.IdempotencyKey == "" {
		return vault.Create{}, failure.New(failure.Invalid, api.IdempotencyHeader, "must not be empty, and be given once")
	}
	if in.TTL != nil {
		if *in.TTL < 1 || *in.TTL > api.MaxTTL {
			return vault.Create{}, failure.New(failure.Invalid, "ttl", "must be from 1 to %d seconds", api.MaxTTL)
		}
		c.TTL = time.Duration(*in.TTL) * time.Second
	}
	if in.MaxUses != nil {
		if c.MaxUses = *in.MaxUses; c.MaxUses < 1 {
			return vault.Create{}, failure.New(failure.Invalid, "max_uses", "must be from 1 to %d", api.MaxUses)
		}
	}
	if in.Binding != nil {
		if c.Purpose = in.Binding.Purpose; c.Purpose == "" {
			return vault.Create{}, failure.New(failure.Invalid, "binding.purpose", "must not be empty where there is a binding")
		}
	}
	return c, nil
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

func (s *server) detokenize(q *request) (any, error) {
	var in api.DetokenizeRequest
	if err := s.decode(q.write, q.http, &in); err != nil {
		return nil, err
	}
	if in.Redaction == "" {
		in.Redaction = api.Masked
	}
	switch {
	case in.Redaction != api.Masked && in.Redaction != api.PlainText:
		return nil, failure.New(failure.Invalid, "redaction", "must be %s or %s", api.Masked, api.PlainText)
	case in.Mask != "" && in.Mask != api.LastFour && in.Mask != api.FirstSixLastFour:
		return nil, failure.New(failure.Invalid, "mask", "must be %s or %s", api.LastFour, api.FirstSixLastFour)
	case in.Mask != "" && in.Redaction != api.Masked:
		return nil, failure.New(failure.Invalid, "mask", "goes with the redaction %s only", api.Masked)
	}
	q.event.Redaction = string(in.Redaction)
	if err := q.about(in.Token, in.Reason); err != nil {
		return nil, err
	}
	opened, err := q.vault.Detokenize(q.context(), in.Token, in.Attempt)
	if err != nil {
		return nil, err
	}
	q.event.Type, q.event.Purpose = string(opened.Data.Type()), opened.Purpose
	shown := sensitive.New(opened.Data.Masked(in.Mask))
	if in.Redaction == api.PlainText {
		shown = sensitive.New(opened.Data.Reveal())
	}
	return api.DetokenizeResponse{Data: sensitive.OnWire(shown), Redaction: in.Redaction}, nil
}

// about notes which token a request is about, and why it is made.
func (q *request) about(tok, reason string) error {
	switch {
	case utf8.RuneCountInString(reason) > api.MaxReason || !vault.Printable(reason):
		return failure.New(failure.Invalid, "reason", "must have at most %d characters, no control characters among them", api.MaxReason)
	case pan.Like(reason):
		return failure.New(failure.Invalid, "reason", "looks like it holds a card number, which must not be logged")
	}
	q.token, q.event.Reason = tok, reason
	return nil
}

// tokenRequest decodes a request that is about a token and nothing else.
func (s *server) tokenRequest(q *request) (tok string, err error) {
	var in api.TokenRequest
	if err := s.decode(q.write, q.http, &in); err != nil {
		return "", err
	}
	return in.Token, q.about(in.Token, in.Reason)
}

func (s *server) validate(q *request) (any, error) {
	tok, err := s.tokenRequest(q)
	if err != nil {
		return nil, err
	}
	live, err := q.vault.Live(q.context(), tok)
	return api.ValidateResponse{Live: live}, err
}

func (s *server) metadata(q *request) (any, error) {
	tok, err := s.tokenRequest(q)
	if err != nil {
		return nil, err
	}
	m, err := q.vault.Metadata(q.context(), tok)
	q.event.Type, q.event.Purpose = string(m.Type), m.Purpose
	return api.MetadataResponse{
		Type: m.Type, Purpose: m.Purpose, CreatedAt: optional(m.Created), ExpiresAt: optional(m.Expires),
		MaxUses: m.MaxUses, Uses: m.Uses, Metadata: m.Metadata,
	}, err
}

func (s *server) revoke(q *request) (any, error) {
	tok, err := s.tokenRequest(q)
	if err != nil {
		return nil, err
	}
	until, err := q.vault.Revoke(q.context(), tok)
	return api.RevokeResponse{Revoked: true, RecoverableUntil: until}, err
}
