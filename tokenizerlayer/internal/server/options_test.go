package server_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

const (
	keyARN         = fakeaws.KeyARN
	fingerprintARN = fakeaws.FingerprintARN
)

// conflicts makes every transaction meet another.
func conflicts(operation string) error {
	if operation != "TransactWriteItems" {
		return nil
	}
	return &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{{Code: new("TransactionConflict")}}}
}

// client is a Go client of the server.
func (r *running) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Port: r.port, SessionToken: session})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEachOptionOfTheClientHasItsEffect(t *testing.T) {
	r := start(t)
	c, ctx, number := r.client(t), t.Context(), sensitive.New(visa)
	create := func(data string, options ...client.Option) api.TokenizeResponse {
		t.Helper()
		out, err := c.Create(ctx, sensitive.New(data), options...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}

	before := time.Now()
	all := create(visa, client.Format(token.Card), client.TTL(time.Hour), client.MaxUses(2), client.Purpose("refund"), client.Metadata(map[string]string{"customer": "7"}))
	if len(all.Token) != 16 || !strings.HasSuffix(all.Token, "1111") {
		t.Error("Format: no card token")
	}
	if all.ExpiresAt == nil || all.ExpiresAt.Sub(before) < time.Hour-time.Second || all.ExpiresAt.Sub(before) > time.Hour+time.Minute {
		t.Errorf("TTL: expires at %v", all.ExpiresAt)
	}
	for range 2 { // one attempt
		masked, err := c.Detokenize(ctx, all.Token, "", client.WithMask(api.FirstSixLastFour), client.Attempt("a"), client.Reason("a refund"))
		if err != nil || masked.Reveal() != "411111******1111" {
			t.Errorf("WithMask, Attempt: %v", err)
		}
	}
	m, err := c.Metadata(ctx, all.Token, client.Reason("support"), client.RequestID("r-1"))
	if err != nil {
		t.Fatal(err)
	}
	want := api.MetadataResponse{
		Type: api.TypeCard, Purpose: "refund", CreatedAt: m.CreatedAt, ExpiresAt: all.ExpiresAt, MaxUses: 2, Uses: 1, Metadata: map[string]string{"customer": "7"},
	}
	if diff := cmp.Diff(want, m); diff != "" || m.CreatedAt == nil {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}

	text := create("Bahnhofstraße 1", client.Text())
	if got, err := c.Detokenize(ctx, text.Token, api.PlainText); err != nil || got.Reveal() != "Bahnhofstraße 1" {
		t.Errorf("Text: %v", err)
	}
	first, again, elsewhere := create(visa, client.Deterministic("s")), create(visa, client.Deterministic("s")), create(visa, client.Deterministic(""))
	if first.Token != again.Token || *first.Deduplicated || !*again.Deduplicated || elsewhere.Token == first.Token {
		t.Error("Deterministic")
	}
	if once, more := create(visa, client.IdempotencyKey("k")), create(visa, client.IdempotencyKey("k")); once.Token != more.Token {
		t.Error("IdempotencyKey")
	}
	if live, err := c.Validate(ctx, first.Token); err != nil || !live {
		t.Errorf("validate: %v, %v", live, err)
	}
	revoked, err := c.Revoke(ctx, first.Token, client.Reason("left"))
	if err != nil || !revoked.Revoked || revoked.RecoverableUntil.Before(before) {
		t.Errorf("revoke: %+v, %v", revoked, err)
	}
	if live, err := c.Validate(ctx, first.Token); err != nil || live {
		t.Errorf("validate: %v, %v", live, err)
	}

	sealed, err := c.Seal(ctx, number, client.TTL(time.Hour), client.MaxUses(1), client.Purpose("refund"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ExpiresAt", "Uses", "Purpose", "Hash_Key", "Account_Id", "CandidateString", "Format"} {
		if sealed.Put.Put.Item[name] == nil {
			t.Errorf("Seal: the row has no %s", name)
		}
	}
	options := append(make([]client.Option, 0, 2), client.Text())
	if _, err := c.Seal(ctx, number, options...); err != nil || options[:2][1] != nil {
		t.Errorf("Seal wrote to its caller's options: %v", err)
	}

	r.stop()
	for _, want := range []string{`"reason":"a refund"`, `"reason":"support"`, `"reason":"left"`, `"request_id":"r-1"`} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// Every kind of error that a caller may act on comes back as the same one, with when to try again.
func TestTheClientKnowsEveryKindOfError(t *testing.T) {
	r := start(t, func(c *server.Config) { c.ReadRate = 4 })
	c, ctx, number := r.client(t), t.Context(), sensitive.New(visa)
	want := func(name string, err, kind error, field string, retry time.Duration) {
		t.Helper()
		e, _ := errors.AsType[*failure.Error](err)
		if !errors.Is(err, kind) || e.Field != field || e.RetryAfter != retry {
			t.Errorf("%s: %v, %+v", name, err, e)
		}
	}
	once, err := c.Tokenize(ctx, number, client.MaxUses(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Detokenize(ctx, once, ""); err != nil {
		t.Fatal(err)
	}
	_, err = c.Detokenize(ctx, once, "")
	want("used up", err, failure.UsedUp, "token", 0)
	for range 20 {
		if _, err = c.Validate(ctx, once); err != nil {
			break
		}
	}
	want("rate", err, failure.RateLimited, "", time.Second)

	if _, err = c.Tokenize(ctx, number, client.IdempotencyKey("k")); err != nil {
		t.Fatal(err)
	}
	_, err = c.Tokenize(ctx, number, client.IdempotencyKey("k"), client.MaxUses(1))
	want("key reused", err, failure.KeyReused, api.IdempotencyHeader, 0)
	_, err = c.Tokenize(ctx, number, client.IdempotencyKey(""))
	want("no key", err, failure.Invalid, api.IdempotencyHeader, 0)
	_, err = c.Tokenize(ctx, number, client.TTL(time.Millisecond))
	want("ttl", err, failure.Invalid, "ttl", 0)
	_, err = c.Tokenize(ctx, number, client.MaxUses(0))
	want("max_uses", err, failure.Invalid, "max_uses", 0)
	_, err = c.Tokenize(ctx, number, client.Purpose(""))
	want("purpose", err, failure.Invalid, "binding.purpose", 0)
	_, err = c.Seal(ctx, number, client.Deterministic("s"))
	want("seal", err, failure.Invalid, "store", 0)
	_, err = c.Revoke(ctx, unknown)
	want("revoke", err, failure.NotFound, "token", 0)
	r.store.Fail = conflicts
	_, err = c.Tokenize(ctx, number, client.Deterministic("s"))
	want("in flight", err, failure.InFlight, "", time.Second)
	r.store.Fail = func(string) error { return &types.InternalServerError{} }
	_, err = c.Tokenize(ctx, number)
	want("store", err, failure.Unavailable, "", 0)
}

func TestAnExpiredTokenIsGone(t *testing.T) {
	var later atomic.Int64
	tables := &fakeaws.Tables{}
	v, err := vault.New(vault.Config{
		KeyARN: keyARN, Table: vaultTable, Index: indexTable, AccountID: "123456789012", KMS: &fakeaws.KMS{}, Store: tables,
		FingerprintKeys: []vault.FingerprintKey{{Version: "1", ARN: fingerprintARN}},
		Now:             func() time.Time { return time.Now().Add(time.Duration(later.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, func(c *server.Config) { c.Vault = func() (server.Vault, error) { return v, nil } }).client(t)
	tok, err := c.Tokenize(t.Context(), sensitive.New(visa), client.TTL(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if live, err := c.Validate(t.Context(), tok); err != nil || !live {
		t.Errorf("live = %v, %v", live, err)
	}
	later.Store(int64(time.Hour))
	if _, err := c.Detokenize(t.Context(), tok, ""); !errors.Is(err, failure.Expired) {
		t.Errorf("detokenize: %v", err)
	}
	if _, err := c.Metadata(t.Context(), tok); !errors.Is(err, failure.Expired) {
		t.Errorf("metadata: %v", err)
	}
	if live, err := c.Validate(t.Context(), tok); err != nil || live {
		t.Errorf("live = %v, %v", live, err)
	}
}
