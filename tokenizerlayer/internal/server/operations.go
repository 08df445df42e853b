package server

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/audit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/form"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// request is one request of an operation. The operation fills the event as it learns what it is about.
type request struct {
	vault Vault
	http  *http.Request
	write http.ResponseWriter
	event *audit.Event
	// refusedReads counts the items of a batch that the read rate has refused; nil outside of a batch.
	refusedReads *atomic.Int64
}

func (q *request) context() context.Context { return q.http.Context() }

// newEvent begins the event of an operation.
func (q *request) newEvent(operation string) *audit.Event {
	id, _ := q.context().Value(requestIDKey{}).(string)
	return &audit.Event{Operation: operation, RequestID: id, Outcome: "ok"}
}

type operation func(*request) (any, error)

// operationLimit ends an operation before the clients' own limit of 5 s, so that they are told why.
const operationLimit = 4500 * time.Millisecond

// operation runs one, records it and answers it, in this order: no data leaves without its event.
func (s *server) operation(name string, do operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(r.Context(), operationLimit)
		defer cancel()
		q := &request{http: r.WithContext(ctx), write: w}
		q.event = q.newEvent(name)
		out, err := run(s, q, do)
		if err = s.record(q.event, start, err, time.Now().Add(operationLimit)); err != nil {
			refuse(w, err)
			return
		}
		reply(w, out)
	}
}

// record records an operation that has ended with err, until the deadline. It returns err, or why nothing may be
// released.
func (s *server) record(e *audit.Event, start time.Time, err error, deadline time.Time) error {
	if err != nil {
		doc := problem.Of(err)
		e.Outcome, e.Detail = doc.Code, doc.Detail
	}
	e.Duration = time.Since(start)
	if s.audit.RecordBy(*e, deadline) != nil {
		return failure.New(failure.Unavailable, "", "the event cannot be recorded, so nothing is released")
	}
	return err
}

// run carries out an operation. A panic is a defect that is recorded as such; net/http would print what it was about.
func run[Answer any](s *server, q *request, do func(*request) (Answer, error)) (out Answer, err error) {
	defer func() {
		if recover() != nil {
			err = failure.New(failure.Internal, "", "")
		}
	}()
	if q.vault, err = s.vault(q.context()); err != nil {
		return out, err
	}
	return do(q)
}

// about notes in the event what is known of the token.
func (q *request) about(a vault.About) {
	q.event.Ref, q.event.Type, q.event.Purpose = a.Ref, string(a.Type), a.Purpose
	if a.Returned {
		q.event.Finding = "revoked-row-returned"
	}
}

// because notes in the event why the request is made.
func (q *request) because(reason string) error {
	switch {
	case utf8.RuneCountInString(reason) > api.MaxReason || !vault.Printable(reason):
		return failure.New(failure.Invalid, "reason",
			"must have at most %d characters, and no control characters", api.MaxReason)
	case pan.Like(reason):
		return failure.New(failure.Invalid, "reason", "looks like it holds a card number, which must not be logged")
	}
	q.event.Reason = reason
	return nil
}

// isRequestID: 1 to 64 of A-Z a-z 0-9 -, the first a letter or digit.
func isRequestID(s string) bool {
	return form.Consists(s, form.Letters+form.Digits+"-", 1, 64) && form.Begins(s, form.Letters+form.Digits)
}

// requestID is the caller's, if it is one and not, say, a card number; else one of our own.
func requestID(r *http.Request) string {
	if id := r.Header.Get(api.RequestHeader); isRequestID(id) && !pan.Like(id) {
		return id
	}
	return uuid.NewString()
}

// limited refuses what exceeds the rate at which tokens are opened.
func (s *server) limited(do operation) operation {
	return func(q *request) (any, error) {
		if err := s.read(q); err != nil {
			return nil, err
		}
		return do(q)
	}
}

// read counts one token that is opened or looked up. The items of a batch that are refused are told to come back one
// after the other, at the rate.
func (s *server) read(q *request) error {
	if s.reads.Allow() {
		return nil
	}
	after := time.Second
	if q.refusedReads != nil {
		after = time.Duration(float64(q.refusedReads.Add(1)) / float64(s.reads.Limit()) * float64(time.Second))
	}
	return &failure.Error{
		Kind: failure.RateLimited, RetryAfter: after,
		Detail: "this environment has reached its limit of tokens that it opens or looks up in a second: try again",
	}
}

func (s *server) tokenize(q *request) (any, error) {
	var in api.TokenizeRequest
	if err := s.decode(q.write, q.http, &in); err != nil {
		return nil, err
	}
	key := q.http.Header.Get(api.IdempotencyHeader)
	if n := len(q.http.Header.Values(api.IdempotencyHeader)); n > 1 || n == 1 && key == "" {
		return nil, failure.New(failure.Invalid, api.IdempotencyHeader, "must not be empty, and must be given once")
	}
	return s.tokenizeOne(q, in, key)
}

func (s *server) tokenizeOne(q *request, in api.TokenizeRequest, key string) (*api.TokenizeResponse, error) {
	create, err := createFrom(in, key)
	if err != nil {
		return nil, err
	}
	switch {
	case create.Deterministic:
		q.event.Lookup = "deterministic"
	case create.IdempotencyKey != "":
		q.event.Lookup = "idempotency"
	}
	if q.event.Lookup != "" { // it tells whether data is in the vault
		if err := s.read(q); err != nil {
			return nil, err
		}
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
	q.about(vault.About{Ref: created.Ref, Type: create.Data.Type(), Purpose: create.Purpose})
	out := &api.TokenizeResponse{
		Token: created.Token, ExpiresAt: optional(created.ExpiresAt), Row: row, Card: create.Data.Card(in.FirstSix),
	}
	if create.Deterministic {
		out.Deduplicated = &created.Deduplicated
	}
	return out, nil
}

// createFrom translates a request; the vault validates what it says.
func createFrom(in api.TokenizeRequest, key string) (vault.Create, error) {
	data, err := vault.ParseData(in.Type, in.Data.String)
	if err != nil {
		return vault.Create{}, err
	}
	c := vault.Create{
		Data: data, Format: in.Format, Deterministic: in.Deterministic, Scope: in.Scope, Metadata: in.Metadata,
		IdempotencyKey: key,
	}
	if in.FirstSix && data.Type() != api.TypeCard {
		return vault.Create{}, failure.New(failure.Invalid, "first_six", "can be given only for data of the type %s",
			api.TypeCard)
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
	if b := in.Binding; b != nil {
		if b.Purpose != nil {
			c.Purpose = *b.Purpose
		}
		c.Context = b.Context
		switch {
		case c.Purpose == "" && len(c.Context) == 0:
			return vault.Create{}, failure.New(failure.Invalid, "binding", "must have a purpose or a context")
		case b.Purpose != nil && c.Purpose == "":
			return vault.Create{}, failure.New(failure.Invalid, "binding.purpose", "must not be empty: leave it out")
		case b.Context != nil && len(c.Context) == 0:
			return vault.Create{}, failure.New(failure.Invalid, "binding.context", "must not be empty: leave it out")
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
	return s.detokenizeOne(q, in)
}

func (s *server) detokenizeOne(q *request, in api.DetokenizeRequest) (*api.DetokenizeResponse, error) {
	if in.Redaction == "" {
		in.Redaction = api.Masked
	}
	switch {
	case in.Redaction != api.Masked && in.Redaction != api.PlainText:
		return nil, failure.New(failure.Invalid, "redaction", "must be %s or %s", api.Masked, api.PlainText)
	case in.Mask != "" && in.Mask != api.LastFour && in.Mask != api.FirstSixLastFour:
		return nil, failure.New(failure.Invalid, "mask", "must be %s or %s", api.LastFour, api.FirstSixLastFour)
	case in.Mask != "" && in.Redaction != api.Masked:
		return nil, failure.New(failure.Invalid, "mask", "can be given only with the redaction %s", api.Masked)
	}
	q.event.Redaction = string(in.Redaction)
	if err := q.because(in.Reason); err != nil {
		return nil, err
	}
	opened, err := q.vault.Detokenize(q.context(), vault.Detokenize{
		Read:      vault.Read{Token: in.Token, Context: in.Binding.Context},
		Attempt:   in.Attempt,
		Redaction: string(in.Redaction) + string(in.Mask),
	})
	q.about(opened.About)
	if err != nil {
		return nil, err
	}
	shown := sensitive.New(opened.Data.Masked(in.Mask))
	if in.Redaction == api.PlainText {
		shown = sensitive.New(opened.Data.Reveal())
	}
	return &api.DetokenizeResponse{Data: sensitive.OnWire(shown), Redaction: in.Redaction}, nil
}

// readRequest decodes a request that is about a token and nothing else.
func (s *server) readRequest(q *request) (vault.Read, error) {
	var in api.TokenRequest
	if err := s.decode(q.write, q.http, &in); err != nil {
		return vault.Read{}, err
	}
	return vault.Read{Token: in.Token, Context: in.Binding.Context}, q.because(in.Reason)
}

func (s *server) validate(q *request) (any, error) {
	in, err := s.readRequest(q)
	if err != nil {
		return nil, err
	}
	live, about, err := q.vault.Live(q.context(), in)
	q.about(about)
	return api.ValidateResponse{Live: live}, err
}

func (s *server) metadata(q *request) (any, error) {
	in, err := s.readRequest(q)
	if err != nil {
		return nil, err
	}
	m, err := q.vault.Metadata(q.context(), in)
	q.about(m.About)
	return api.MetadataResponse{
		Type: m.Type, Purpose: m.Purpose, CreatedAt: m.Created, ExpiresAt: optional(m.Expires),
		MaxUses: m.MaxUses, Uses: m.Uses, Metadata: m.Metadata,
	}, err
}

func (s *server) revoke(q *request) (any, error) {
	var in api.RevokeRequest
	if err := s.decode(q.write, q.http, &in); err != nil {
		return nil, err
	}
	if err := q.because(in.Reason); err != nil {
		return nil, err
	}
	revoked, err := q.vault.Revoke(q.context(), in.Token)
	q.about(revoked.About)
	return api.RevokeResponse{Revoked: true, Existed: revoked.Existed, InBackupsUntil: revoked.InBackupsUntil}, err
}
