package dynamoserver_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	tokens "github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// tokenVault is a vault of tokens on these tables, through the SDK: its conditions, read by another implementation than its tests' own.
func (w *world) tokenVault(k *fakeaws.KMS, keys ...tokens.FingerprintKey) *tokens.Vault {
	w.t.Helper()
	v, err := tokens.New(tokens.Config{
		KeyARN: fakeaws.KeyARN, Table: vault, Index: "CreditCardTokenizerIndex", AccountID: "123456789012", KMS: k, Store: w.Client,
		FingerprintKeys: keys, Timeout: time.Minute, Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) advance(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

func TestTheVaultsConditionsHoldHere(t *testing.T) {
	w, k := newWorld(t), &fakeaws.KMS{}
	w.createTable("CreditCardTokenizerIndex", "Index_Key")
	first, second := tokens.FingerprintKey{Version: "1", ARN: fakeaws.OldFingerprintARN}, tokens.FingerprintKey{Version: "2", ARN: fakeaws.FingerprintARN}
	old, both, after := w.tokenVault(k, first), w.tokenVault(k, second, first), w.tokenVault(k, second)
	data, err := tokens.ParseData(api.TypeCard, sensitive.New("4111111111111111"))
	if err != nil {
		t.Fatal(err)
	}
	create := func(v *tokens.Vault, c tokens.Create) tokens.Created {
		t.Helper()
		c.Data = data
		created, err := v.Create(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return created
	}
	revoke := func(v *tokens.Vault, token string) {
		t.Helper()
		if _, err := v.Revoke(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	same := tokens.Create{Deterministic: true, Scope: "s"}

	// A rotation, with a revocation after it.
	revoked := create(old, same).Token
	if got := create(both, same); got.Token != revoked || !got.Deduplicated || create(after, same).Token != revoked {
		t.Error("the rotated key does not find the token")
	}
	revoke(after, revoked)
	var mu sync.Mutex
	seen := map[string]int{}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			created, err := after.Create(t.Context(), tokens.Create{Data: data, Deterministic: true, Scope: "s"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[created.Token]++
		})
	}
	all.Wait()
	if len(seen) != 1 || seen[revoked] != 0 || w.count(vault) != 1 {
		t.Errorf("%d tokens, the revoked one %d times; %d rows", len(seen), seen[revoked], w.count(vault))
	}
	for token := range seen {
		revoke(both, token)
	}

	// Idempotent requests, within the day and after it.
	once := create(both, tokens.Create{IdempotencyKey: "k"}).Token
	if create(old, tokens.Create{IdempotencyKey: "k"}).Token != once {
		t.Error("another token for the same request")
	}
	if _, err := both.Create(t.Context(), tokens.Create{Data: data, IdempotencyKey: "k", MaxUses: 1}); !errors.Is(err, api.ErrKeyReused) {
		t.Errorf("another request: %v", err)
	}
	w.advance(24 * time.Hour)
	if create(old, tokens.Create{IdempotencyKey: "k"}).Token == once {
		t.Error("the same token after a day")
	}

	// Uses, by attempts.
	limited := create(both, tokens.Create{MaxUses: 2}).Token
	for _, step := range []struct {
		attempt string
		want    error
		uses    int64
	}{{"a", nil, 1}, {"a", nil, 1}, {"b", nil, 2}, {"b", nil, 2}, {"a", api.ErrUsedUp, 2}, {"", api.ErrUsedUp, 2}} {
		_, err := both.Detokenize(t.Context(), limited, step.attempt)
		m, metadataErr := both.Metadata(t.Context(), limited)
		if !errors.Is(err, step.want) || metadataErr != nil || m.Uses != step.uses {
			t.Errorf("attempt %q: %v; %d uses, %v", step.attempt, err, m.Uses, metadataErr)
		}
	}
	w.advance(15 * time.Minute)
	if _, err := both.Detokenize(t.Context(), limited, "b"); !errors.Is(err, api.ErrUsedUp) {
		t.Errorf("after a quarter of an hour: %v", err)
	}
	again := create(both, tokens.Create{MaxUses: 2}).Token
	for want := range int64(2) { // an attempt's name may be used again later, and counts again
		if _, err := both.Detokenize(t.Context(), again, "a"); err != nil {
			t.Error(err)
		}
		if m, err := both.Metadata(t.Context(), again); err != nil || m.Uses != want+1 {
			t.Errorf("%d uses, %v", m.Uses, err)
		}
		w.advance(15 * time.Minute)
	}
	revoke(both, again)
	if _, err := both.Detokenize(t.Context(), again, "a"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("revoked: %v", err)
	}
}
