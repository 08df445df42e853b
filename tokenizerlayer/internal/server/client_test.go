package server_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
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
	return fakeaws.Cancelled("TransactionConflict")
}

// client is a Go client of the server.
func (r *running) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Port: r.port, SessionToken: session, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// expectLog checks what the log has, once the server has stopped.
func (r *running) expectLog(t *testing.T, parts ...string) {
	t.Helper()
	r.stop()
	for _, part := range parts {
		if !strings.Contains(r.log.String(), part) {
			t.Errorf("the log lacks %s", part)
		}
	}
}

// create makes a token of a card, unless in says otherwise.
func create(t *testing.T, c *client.Client, in client.TokenizeInput) client.TokenizeOutput {
	t.Helper()
	if in.Data.IsZero() {
		in.Data = client.NewSecret(visa)
	}
	out, err := c.Tokenize(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestClient_TokenizeHasEveryOption(t *testing.T) {
	r := start(t)
	c, ctx, before := r.client(t), t.Context(), time.Now()
	all := create(t, c, client.TokenizeInput{
		Format: client.FormatCard, TTL: time.Hour, MaxUses: 2, Purpose: "refund",
		Metadata: map[string]string{"customer": "7"},
	})
	if len(all.Token) != 16 || !strings.HasSuffix(all.Token, "1111") {
		t.Error("Format: no card token")
	}
	if left := all.ExpiresAt.Sub(before); left < time.Hour-time.Second || left > time.Hour+time.Minute {
		t.Errorf("TTL: expires at %v", all.ExpiresAt)
	}
	for range 2 { // one attempt
		out, err := c.Detokenize(ctx,
			client.DetokenizeInput{Token: all.Token, Mask: client.FirstSixLastFour, Attempt: "a", Reason: "a refund"})
		if err != nil || out.Data.Reveal() != "411111******1111" || out.Redaction != client.Masked {
			t.Errorf("Mask, Attempt: %v", err)
		}
	}
	m, err := c.Metadata(ctx, client.MetadataInput{Token: all.Token, Reason: "support", RequestID: "r-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := client.MetadataOutput{
		Type: client.TypeCard, Purpose: "refund", CreatedAt: m.CreatedAt, ExpiresAt: all.ExpiresAt, MaxUses: 2, Uses: 1,
		Metadata: map[string]string{"customer": "7"},
	}
	if diff := cmp.Diff(want, m); diff != "" || m.CreatedAt.IsZero() {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}

	text := create(t, c, client.TokenizeInput{Data: client.NewSecret("Bahnhofstraße 1"), Type: client.TypeText})
	out, err := c.Detokenize(ctx, client.DetokenizeInput{Token: text.Token, Redaction: client.PlainText})
	if err != nil || out.Data.Reveal() != "Bahnhofstraße 1" || out.Redaction != client.PlainText {
		t.Errorf("TypeText: %v", err)
	}
	r.expectLog(t, `"reason":"a refund"`, `"reason":"support"`, `"request_id":"r-1"`)
}

func TestClient_FindsTokensThatExist(t *testing.T) {
	c := start(t).client(t)
	in, elsewhere := client.TokenizeInput{Deterministic: true, Scope: "s"}, client.TokenizeInput{Deterministic: true}
	first, again, other := create(t, c, in), create(t, c, in), create(t, c, elsewhere)
	if first.Token != again.Token || first.Deduplicated || !again.Deduplicated || other.Token == first.Token {
		t.Error("Deterministic, Scope")
	}
	in = client.TokenizeInput{IdempotencyKey: "k"}
	if once, more := create(t, c, in), create(t, c, in); once.Token != more.Token {
		t.Error("IdempotencyKey")
	}
}

func TestClient_ValidatesAndRevokes(t *testing.T) {
	r := start(t)
	c, ctx, before := r.client(t), t.Context(), time.Now()
	token := create(t, c, client.TokenizeInput{}).Token
	if out, err := c.Validate(ctx, client.ValidateInput{Token: token, Reason: "looking"}); err != nil || !out.Live {
		t.Errorf("validate: %v, %v", out, err)
	}
	out, err := c.Revoke(ctx, client.RevokeInput{Token: token, Reason: "left"})
	if err != nil || out.InBackupsUntil.Before(before) {
		t.Errorf("revoke: %+v, %v", out, err)
	}
	if out, err := c.Validate(ctx, client.ValidateInput{Token: token}); err != nil || out.Live {
		t.Errorf("validate: %v, %v", out, err)
	}
	r.expectLog(t, `"reason":"looking"`, `"reason":"left"`)
}

func TestClient_SealHasEveryOption(t *testing.T) {
	r := start(t)
	c, ctx, before := r.client(t), t.Context(), time.Now()
	out, err := c.Seal(ctx, client.SealInput{
		Data: client.NewSecret(visa), Format: client.FormatCard, TTL: time.Hour, MaxUses: 1, Purpose: "refund",
		Metadata: map[string]string{"customer": "7"}, RequestID: "r-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ExpiresAt", "Ref", "Purpose", "Hash_Key", "Account_Id", "CandidateString",
		"Format"} {
		if out.Put.Put.Item[name] == nil {
			t.Errorf("the row has no %s", name)
		}
	}
	if len(out.Token) != 16 || out.ExpiresAt.Before(before.Add(time.Hour-time.Second)) {
		t.Errorf("expires at %v, token of %d characters", out.ExpiresAt, len(out.Token))
	}
	row := attribute.Item{}
	for name, value := range out.Put.Put.Item {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			row[name] = attribute.S(v.Value)
		case *types.AttributeValueMemberN:
			row[name] = attribute.N(v.Value)
		case *types.AttributeValueMemberB:
			row[name] = attribute.B(v.Value)
		}
	}
	r.store.MustPut(vaultTable, row)
	if m, err := c.Metadata(ctx, client.MetadataInput{Token: out.Token}); err != nil || m.MaxUses != 1 ||
		m.Metadata["customer"] != "7" {
		t.Errorf("metadata: %+v, %v", m, err)
	}
	text, err := c.Seal(ctx, client.SealInput{Data: client.NewSecret("Bahnhofstraße 1"), Type: client.TypeText})
	if err != nil || text.Put.Put.Item["ExpiresAt"] != nil || !text.ExpiresAt.IsZero() {
		t.Errorf("TypeText: %v", err)
	}
	r.expectLog(t, `"operation":"seal"`, `"request_id":"r-1"`)
}

// Every kind of error that a caller may act on comes back as the same one, with when to try again.
func TestClient_KnowsEveryKindOfError(t *testing.T) {
	r := start(t, func(c *server.Config) { c.ReadRate = 4 })
	c, ctx, number := r.client(t), t.Context(), client.NewSecret(visa)
	want := func(name string, err, kind error, field string, retry time.Duration) {
		t.Helper()
		e, ok := errors.AsType[*client.Error](err)
		if !ok || !errors.Is(err, kind) || e.Field != field || e.RetryAfter != retry || e.RequestID == "" {
			t.Errorf("%s: %v, %+v", name, err, e)
		}
	}
	tokenize := func(in client.TokenizeInput) error {
		in.Data = number
		_, err := c.Tokenize(ctx, in)
		return err
	}
	once := create(t, c, client.TokenizeInput{MaxUses: 1}).Token
	if _, err := c.Detokenize(ctx, client.DetokenizeInput{Token: once}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Detokenize(ctx, client.DetokenizeInput{Token: once})
	want("used up", err, client.ErrUsedUp, "token", 0)
	for range 20 {
		if _, err = c.Validate(ctx, client.ValidateInput{Token: once}); err != nil {
			break
		}
	}
	want("rate", err, client.ErrRateLimited, "", time.Second)

	r = start(t) // which has not read yet: look-ups in the index count as reads
	c = r.client(t)
	create(t, c, client.TokenizeInput{IdempotencyKey: "k"})
	want("key reused", tokenize(client.TokenizeInput{IdempotencyKey: "k", MaxUses: 1}), client.ErrKeyReused,
		api.IdempotencyHeader, 0)
	want("key", tokenize(client.TokenizeInput{IdempotencyKey: "k/k"}), client.ErrInvalid, api.IdempotencyHeader, 0)
	want("ttl", tokenize(client.TokenizeInput{TTL: 11 * 365 * 24 * time.Hour}), client.ErrInvalid, "ttl", 0)
	want("max_uses", tokenize(client.TokenizeInput{MaxUses: -1}), client.ErrInvalid, "max_uses", 0)
	want("purpose", tokenize(client.TokenizeInput{Purpose: "Refund"}), client.ErrInvalid, "binding.purpose", 0)
	want("scope", tokenize(client.TokenizeInput{Scope: "s"}), client.ErrInvalid, "scope", 0)
	r.store.Fail = conflicts
	want("in flight", tokenize(client.TokenizeInput{Deterministic: true, Scope: "s"}), client.ErrInFlight, "",
		time.Second)
	r.store.Fail = func(string) error { return fakeaws.Exception("InternalServerError") }
	want("store", tokenize(client.TokenizeInput{}), client.ErrUnavailable, "", 0)
	r.store.Fail = func(string) error { return fakeaws.Exception("AccessDeniedException") }
	want("denied", tokenize(client.TokenizeInput{}), client.ErrDenied, "", 0)
}

func TestClient_FindsAnExpiredTokenGone(t *testing.T) {
	var later atomic.Int64
	tables := &fakeaws.Tables{}
	v, err := vault.New(vault.Config{
		TokenKeys: []vault.Key{{Version: "1", ARN: keyARN}}, Table: vaultTable, State: stateTable, Index: indexTable,
		AccountID: "123456789012", KMS: &fakeaws.KMS{}, Store: tables,
		FingerprintKeys: []vault.Key{{Version: "1", ARN: fingerprintARN}},
		Now:             func() time.Time { return time.Now().Add(time.Duration(later.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, func(c *server.Config) {
		c.Vault = func(context.Context) (server.Vault, error) { return v, nil }
	}).client(t)
	token, ctx := create(t, c, client.TokenizeInput{TTL: time.Hour}).Token, t.Context()
	if out, err := c.Validate(ctx, client.ValidateInput{Token: token}); err != nil || !out.Live {
		t.Errorf("validate: %v, %v", out, err)
	}
	later.Store(int64(time.Hour))
	if _, err := c.Detokenize(ctx, client.DetokenizeInput{Token: token}); !errors.Is(err, client.ErrExpired) {
		t.Errorf("detokenize: %v", err)
	}
	if _, err := c.Metadata(ctx, client.MetadataInput{Token: token}); !errors.Is(err, client.ErrExpired) {
		t.Errorf("metadata: %v", err)
	}
	if out, err := c.Validate(ctx, client.ValidateInput{Token: token}); err != nil || out.Live {
		t.Errorf("validate: %v, %v", out, err)
	}
}
