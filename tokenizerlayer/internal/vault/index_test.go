package vault_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

func TestCreate_200SimultaneousDeterministicFirstUsesGetOneToken(t *testing.T) {
	v := newVault(t).meet(t, 200)
	var mu sync.Mutex
	tokens := map[string]int{}
	firsts := 0
	simultaneously(200, func() {
		created, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), Deterministic: true, Scope: "s"})
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		tokens[created.Token]++
		if !created.Deduplicated {
			firsts++
		}
	})
	if len(tokens) != 1 || firsts != 1 || v.rows() != 1 || v.indexRows() != 2 {
		t.Errorf("%d tokens, %d firsts, %d rows, %d in the index", len(tokens), firsts, v.rows(), v.indexRows())
	}
}

func TestCreate_DeterministicTokensDifferWhereTheyMust(t *testing.T) {
	v := newVault(t)
	first := v.create(t, visa, deterministic("a"))
	again := v.create(t, "4111-1111 1111 1111", deterministic("a"))
	if again.Token != first.Token || !again.Deduplicated || first.Deduplicated {
		t.Errorf("first %v, again %v", first.Deduplicated, again.Deduplicated)
	}
	seen := map[string]bool{first.Token: true}
	for name, created := range map[string]vault.Created{
		"another scope":     v.create(t, visa, deterministic("b")),
		"no scope":          v.create(t, visa, deterministic("")),
		"another format":    v.create(t, visa, deterministic("a"), format(token.Card)),
		"another purpose":   v.create(t, visa, deterministic("a"), purpose("refund")),
		"another card":      v.create(t, "4012888888881881", deterministic("a")),
		"not deterministic": v.create(t, visa),
	} {
		if seen[created.Token] || created.Deduplicated {
			t.Errorf("%s: the same token", name)
		}
		seen[created.Token] = true
	}
	text, err := v.Create(t.Context(), vault.Create{Data: textData(t, visa), Deterministic: true, Scope: "a"})
	if err != nil || seen[text.Token] {
		t.Errorf("a text like the card: %v", err)
	}
}

func TestIndex_HoldsNothingThatTellsTheDataWithoutTheKey(t *testing.T) {
	v := newVault(t)
	v.create(t, visa, deterministic("a"))
	v.create(t, visa, idempotent("k"))
	other := newVault(t) // another key: another fingerprint
	other.create(t, visa, deterministic("a"))
	other.create(t, visa, idempotent("k"))
	marks := map[string]bool{}
	for _, row := range append(v.store.Rows(index), other.store.Rows(index)...) {
		encoded, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		unkeyed := sha256.Sum256([]byte(visa))
		for _, secret := range []string{visa, "1111", string(unkeyed[:])} {
			if strings.Contains(string(encoded), secret) {
				t.Errorf("%q is in the index", secret)
			}
		}
		marks[textOf(row["Index_Key"])] = true
	}
	if len(marks) != 6 { // two fingerprints, two handles, two requests
		t.Errorf("%d index keys", len(marks))
	}
}

func TestIndex_ARotatedFingerprintKeyFindsOldTokens(t *testing.T) {
	old := newVault(t, func(c *vault.Config) {
		c.FingerprintKeys = []vault.Key{{Version: "1", ARN: fakeaws.OldFingerprintARN}}
	})
	before := old.create(t, visa, deterministic("a"))
	both := newVault(t, func(c *vault.Config) {
		c.KMS, c.Store = old.kms, old.store
		c.FingerprintKeys = []vault.Key{{Version: "2", ARN: fakeaws.FingerprintARN},
			{Version: "1", ARN: fakeaws.OldFingerprintARN}}
	})
	if got, err := both.Create(t.Context(),
		vault.Create{Data: cardData(t, visa), Deterministic: true, Scope: "a"}); err != nil ||
		got.Token != before.Token || !got.Deduplicated {
		t.Errorf("with both keys: %v", err)
	}
	// From then on the new key alone is enough.
	after := newVault(t, func(c *vault.Config) {
		c.KMS, c.Store = old.kms, old.store
		c.FingerprintKeys = []vault.Key{{Version: "2", ARN: fakeaws.FingerprintARN}}
	})
	if got, err := after.Create(t.Context(),
		vault.Create{Data: cardData(t, visa), Deterministic: true, Scope: "a"}); err != nil ||
		got.Token != before.Token {
		t.Errorf("with the new key: %v", err)
	}
	// While environments with the old key alone still run, a first use by a new one is theirs too.
	fresh, err := both.Create(t.Context(), vault.Create{Data: cardData(t, "4012888888881881"), Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := old.Create(t.Context(),
		vault.Create{Data: cardData(t, "4012888888881881"), Deterministic: true}); err != nil ||
		got.Token != fresh.Token {
		t.Errorf("an old environment: %v", err)
	}
}

func TestCreate_OneOf100IdenticalIdempotentRequestsMakesARow(t *testing.T) {
	v := newVault(t).meet(t, 100)
	var mu sync.Mutex
	tokens := map[string]bool{}
	simultaneously(100, func() {
		created, err := v.Create(t.Context(),
			vault.Create{Data: cardData(t, visa), TTL: time.Hour, IdempotencyKey: "order-1"})
		if err != nil {
			t.Error(err)
		}
		if want := v.clock.Now().Add(time.Hour); !created.ExpiresAt.Equal(want) {
			t.Errorf("expires at %v, want %v", created.ExpiresAt, want)
		}
		mu.Lock()
		defer mu.Unlock()
		tokens[created.Token] = true
	})
	if len(tokens) != 1 || v.rows() != 1 || v.indexRows() != 1 {
		t.Errorf("%d tokens, %d rows, %d in the index", len(tokens), v.rows(), v.indexRows())
	}
}

func TestCreate_AnIdempotencyKeyIsForOneRequestAndOneDay(t *testing.T) {
	v := newVault(t)
	base := vault.Create{Data: cardData(t, visa), IdempotencyKey: "k", Metadata: map[string]string{"a": "b"}}
	first, err := v.Create(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*vault.Create){
		"other data":     func(c *vault.Create) { c.Data = cardData(t, "4012888888881881") },
		"another type":   func(c *vault.Create) { c.Data = textData(t, visa) },
		"another format": format(token.Card),
		"a ttl":          ttl(time.Hour),
		"a limit":        uses(1),
		"a context":      boundTo(map[string]string{"order": "1"}),
		"metadata":       metadata(map[string]string{"a": "c"}),
	} {
		c := base
		change(&c)
		_, err := v.Create(t.Context(), c)
		if !errors.Is(err, failure.KeyReused) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
	if v.rows() != 1 {
		t.Errorf("%d rows", v.rows())
	}
	v.clock.advance(24*time.Hour - time.Second)
	if again, err := v.Create(t.Context(), base); err != nil || again.Token != first.Token {
		t.Errorf("within the day: %v", err)
	}
	v.clock.advance(time.Second)
	if later, err := v.Create(t.Context(), base); err != nil || later.Token == first.Token {
		t.Errorf("after the day: %v", err)
	}
}

func TestCreate_EndlessConflictsAreARequestInFlight(t *testing.T) {
	v := newVault(t)
	v.store.Fail = func(operation string) error {
		if operation == "TransactWriteItems" {
			return fakeaws.Cancelled("TransactionConflict")
		}
		return nil
	}
	_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), IdempotencyKey: "k"})
	if e, _ := errors.AsType[*failure.Error](err); e == nil || !errors.Is(err, failure.InFlight) ||
		e.RetryAfter < time.Second {
		t.Errorf("error = %v", err)
	}
	if v.rows() != 0 {
		t.Errorf("%d rows", v.rows())
	}
}

func TestCreate_TheRepeatFindsAnIdempotentCreateWhoseAnswerGotLost(t *testing.T) {
	v := newVault(t)
	v.store.LoseAnswer = func(operation string) error {
		if operation == "TransactWriteItems" {
			return errors.New("upstream text")
		}
		return nil
	}
	_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), IdempotencyKey: "k"})
	wantKind(t, err, failure.Unavailable)
	v.store.LoseAnswer = nil
	created := v.create(t, visa, idempotent("k"))
	if data, err := v.detokenize(t, created.Token); err != nil || data != visa || v.rows() != 1 {
		t.Errorf("%d rows, %v", v.rows(), err)
	}
}

func TestCreate_WithoutAnIndexWhatNeedsItIsNotConfigured(t *testing.T) {
	v := newVault(t, func(c *vault.Config) { c.Index = "" })
	for _, change := range []func(*vault.Create){deterministic(""), idempotent("k")} {
		c := vault.Create{Data: cardData(t, visa)}
		change(&c)
		_, err := v.Create(t.Context(), c)
		wantKind(t, err, failure.NotReady)
	}
	tokenize(t, v, visa)
}

var (
	firstKey  = vault.Key{Version: "1", ARN: fakeaws.OldFingerprintARN}
	secondKey = vault.Key{Version: "2", ARN: fakeaws.FingerprintARN}
)

// withKeys is another environment of f's vault, in another phase of a rotation.
func (f fixture) withKeys(t *testing.T, keys ...vault.Key) fixture {
	t.Helper()
	other := newVault(t, func(c *vault.Config) {
		c.KMS, c.Store, c.Now, c.FingerprintKeys = f.kms, f.store, f.clock.Now, keys
	})
	other.kms, other.store, other.clock = f.kms, f.store, f.clock
	return other
}

// A row does not know the versions of FingerprintKey that came after it. Its token must not be found under those either
// once it is revoked: whoever got it would believe that the card is in the vault.
func TestIndex_ARevokedTokenIsNotFoundUnderALaterKey(t *testing.T) {
	old := newVault(t).withKeys(t, firstKey)
	both, after := old.withKeys(t, secondKey, firstKey), old.withKeys(t, secondKey)
	revoked := old.create(t, visa, deterministic("s"))
	if got := both.create(t, visa, deterministic("s")); got.Token != revoked.Token {
		t.Fatal("not found under the new key")
	}
	if _, err := after.Revoke(t.Context(), revoked.Token); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]fixture{"with both keys": both, "with the new key": after} {
		fresh := v.create(t, visa, deterministic("s"))
		if fresh.Token == revoked.Token || fresh.Deduplicated {
			t.Fatalf("%s: the revoked token is given out", name)
		}
		if data, err := v.detokenize(t, fresh.Token); err != nil || data != visa {
			t.Errorf("%s: %v", name, err)
		}
		if again := v.create(t, visa, deterministic("s")); again.Token != fresh.Token || !again.Deduplicated {
			t.Errorf("%s: another token for the same", name)
		}
		if _, err := v.Revoke(t.Context(), fresh.Token); err != nil || v.rows() != 0 {
			t.Errorf("%s: %d rows, %v", name, v.rows(), err)
		}
	}
}

// Three keys, of which the second has got a token of its own since: what the third remembers of the first is out of
// date.
func TestIndex_ALaterKeyForgetsARevokedToken(t *testing.T) {
	thirdKey := vault.Key{Version: "3", ARN: fakeaws.ThirdFingerprintARN}
	old := newVault(t).withKeys(t, firstKey)
	all := old.withKeys(t, thirdKey, secondKey, firstKey)
	revoked := old.create(t, visa, deterministic("s"))
	if got := all.create(t, visa, deterministic("s")); got.Token != revoked.Token {
		t.Fatal("not found under the new keys")
	}
	if _, err := old.Revoke(t.Context(), revoked.Token); err != nil {
		t.Fatal(err)
	}
	fresh := old.withKeys(t, secondKey).create(t, visa, deterministic("s"))
	if fresh.Token == revoked.Token {
		t.Fatal("the revoked token is given out")
	}
	if got := all.create(t, visa, deterministic("s")); got.Token != fresh.Token || !got.Deduplicated {
		t.Error("with all keys another token")
	}
	if got := old.withKeys(t, thirdKey).create(t, visa, deterministic("s")); got.Token != fresh.Token {
		t.Error("with the third key another token")
	}
}

func TestCreate_200SimultaneousCreatesAfterARevocationGetOneToken(t *testing.T) {
	for name, keys := range map[string][]vault.Key{"with both keys": {secondKey, firstKey},
		"with the new key": {secondKey}} {
		old := newVault(t).withKeys(t, firstKey)
		revoked := old.create(t, visa, deterministic("s"))
		old.withKeys(t, secondKey, firstKey).create(t, visa, deterministic("s"))
		if _, err := old.Revoke(t.Context(), revoked.Token); err != nil {
			t.Fatal(err)
		}
		v, tokens := old.withKeys(t, keys...).meet(t, 200), make(chan string, 200)
		simultaneously(200, func() {
			created, err := v.Create(t.Context(),
				vault.Create{Data: cardData(t, visa), Deterministic: true, Scope: "s"})
			if err != nil {
				t.Error(err)
			}
			tokens <- created.Token
		})
		close(tokens)
		seen := map[string]bool{}
		for token := range tokens {
			seen[token] = true
		}
		if len(seen) != 1 || seen[revoked.Token] || v.rows() != 1 {
			t.Errorf("%s: %d tokens, %d rows", name, len(seen), v.rows())
		}
	}
}

// A request that is repeated while the key is rotated is the same request, whichever environment gets it.
func TestCreate_AnIdempotentRequestMayBeRepeatedAcrossARotation(t *testing.T) {
	old := newVault(t).withKeys(t, firstKey)
	both := old.withKeys(t, secondKey, firstKey)
	for name, order := range map[string][2]fixture{"old then new": {old, both}, "new then old": {both, old}} {
		first := order[0].create(t, visa, idempotent(name[:3]))
		again, err := order[1].Create(t.Context(), vault.Create{Data: cardData(t, visa), IdempotencyKey: name[:3]})
		if err != nil || again.Token != first.Token {
			t.Errorf("%s: %v", name, err)
		}
		_, err = order[1].Create(t.Context(),
			vault.Create{Data: cardData(t, "4012888888881881"), IdempotencyKey: name[:3]})
		if !errors.Is(err, failure.KeyReused) {
			t.Errorf("%s, other data: %v", name, err)
		}
	}
}

func TestCreate_ConflictsUntilTheTimeIsOverAreARequestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault(t, func(c *vault.Config) { c.Timeout = 20 * time.Millisecond })
		defer v.Close()
		v.store.Fail = func(operation string) error {
			if operation != "TransactWriteItems" {
				return nil
			}
			return fakeaws.Cancelled("TransactionConflict")
		}
		_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), IdempotencyKey: "k"})
		wantKind(t, err, failure.InFlight)
	})
}
