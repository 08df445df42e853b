package vault_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

var (
	firstKey  = vault.FingerprintKey{Version: "1", ARN: fakeaws.OldFingerprintARN}
	secondKey = vault.FingerprintKey{Version: "2", ARN: fakeaws.FingerprintARN}
)

// withKeys is another environment of f's vault, in another phase of a rotation.
func (f fixture) withKeys(t *testing.T, keys ...vault.FingerprintKey) fixture {
	t.Helper()
	other := newVault(t, func(c *vault.Config) { c.KMS, c.Store, c.Now, c.FingerprintKeys = f.kms, f.store, f.clock.Now, keys })
	other.kms, other.store, other.clock = f.kms, f.store, f.clock
	return other
}

// A row does not know the versions of FingerprintKey that came after it. Its token must not be found under those either once it
// is revoked: whoever got it would believe that the card is in the vault.
func TestARevokedTokenIsNotFoundUnderALaterKey(t *testing.T) {
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

// Three keys, of which the second has got a token of its own since: what the third remembers of the first is out of date.
func TestALaterKeyForgetsWhatItRememberedOfARevokedToken(t *testing.T) {
	thirdKey := vault.FingerprintKey{Version: "3", ARN: fakeaws.ThirdFingerprintARN}
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

func TestOf200SimultaneousCreatesAfterARevocationAllGetOneToken(t *testing.T) {
	for name, keys := range map[string][]vault.FingerprintKey{"with both keys": {secondKey, firstKey}, "with the new key": {secondKey}} {
		old := newVault(t).withKeys(t, firstKey)
		revoked := old.create(t, visa, deterministic("s"))
		old.withKeys(t, secondKey, firstKey).create(t, visa, deterministic("s"))
		if _, err := old.Revoke(t.Context(), revoked.Token); err != nil {
			t.Fatal(err)
		}
		v, tokens := old.withKeys(t, keys...).meet(t, 200), make(chan string, 200)
		simultaneously(200, func() {
			created, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), Deterministic: true, Scope: "s"})
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
func TestAnIdempotentRequestMayBeRepeatedAcrossARotation(t *testing.T) {
	old := newVault(t).withKeys(t, firstKey)
	both := old.withKeys(t, secondKey, firstKey)
	for name, order := range map[string][2]fixture{"old then new": {old, both}, "new then old": {both, old}} {
		first := order[0].create(t, visa, idempotent(name[:3]))
		again, err := order[1].Create(t.Context(), vault.Create{Data: cardData(t, visa), IdempotencyKey: name[:3]})
		if err != nil || again.Token != first.Token {
			t.Errorf("%s: %v", name, err)
		}
		_, err = order[1].Create(t.Context(), vault.Create{Data: cardData(t, "4012888888881881"), IdempotencyKey: name[:3]})
		if !errors.Is(err, failure.KeyReused) {
			t.Errorf("%s, other data: %v", name, err)
		}
	}
}

// The index can be altered by whoever may write to it. What it says of a key that stands for another is followed once.
func TestIndexRowsThatPointInACircleFindNothing(t *testing.T) {
	v := newVault(t)
	v.create(t, visa, deterministic("s"))
	for _, row := range v.store.Rows(index) {
		key := row["Index_Key"].(*types.AttributeValueMemberS).Value
		v.store.MustPut(index, fakeaws.Row{"Index_Key": row["Index_Key"], "SameAs": &types.AttributeValueMemberS{Value: key}})
	}
	if fresh := v.create(t, visa, deterministic("s")); fresh.Deduplicated {
		t.Error("found")
	}
}

func TestConflictsUntilTheTimeIsOverAreARequestInFlight(t *testing.T) {
	v := newVault(t, func(c *vault.Config) { c.Timeout = 20 * time.Millisecond })
	v.store.Fail = func(operation string) error {
		if operation != "TransactWriteItems" {
			return nil
		}
		return &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{{Code: new("TransactionConflict")}}}
	}
	_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), IdempotencyKey: "k"})
	wantKind(t, err, failure.InFlight)
}

// What a request asks for is all of it: the scope too, and whether it is deterministic at all.
func TestAnIdempotencyKeyIsForOneScope(t *testing.T) {
	v := newVault(t)
	v.create(t, visa, deterministic(""), idempotent("none"))
	if _, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), IdempotencyKey: "none"}); !errors.Is(err, failure.KeyReused) {
		t.Errorf("deterministic without a scope, and not deterministic: %v", err)
	}
	v.create(t, visa, deterministic("a"), idempotent("k"))
	for name, change := range map[string]func(*vault.Create){
		"another scope": deterministic("b"), "no scope": deterministic(""), "not deterministic": func(*vault.Create) {},
	} {
		c := vault.Create{Data: cardData(t, visa), IdempotencyKey: "k"}
		change(&c)
		if _, err := v.Create(t.Context(), c); !errors.Is(err, failure.KeyReused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
