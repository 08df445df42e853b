package vault_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// revoke revokes a token.
func (f fixture) revoke(t testing.TB, token string) vault.Revoked {
	t.Helper()
	revoked, err := f.Revoke(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return revoked
}

func (f fixture) stateRows() int { return len(f.store.Rows(state)) }

func TestRevoke_DeletesTheRowAndWhatTheIndexHasOfIt(t *testing.T) {
	for name, change := range map[string]func(*vault.Create){
		"deterministic": deterministic("s"), "idempotent": idempotent("k"), "plain": func(*vault.Create) {},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			created := v.create(t, visa, change)
			v.kms.Fail = func(string) error { t.Error("KMS was asked"); return nil }
			revoked := v.revoke(t, created.Token)
			v.kms.Fail = nil
			if !revoked.Existed || revoked.Ref != created.Ref ||
				!revoked.InBackupsUntil.Equal(v.clock.Now().Add(35*24*time.Hour)) {
				t.Errorf("revoked: %+v", revoked)
			}
			if v.rows() != 0 || v.indexRows() != 0 || v.stateRows() != 1 {
				t.Errorf("%d rows, %d in the index, %d in the state", v.rows(), v.indexRows(), v.stateRows())
			}
			_, err := v.detokenize(t, created.Token)
			wantKind(t, err, failure.Revoked)
			if live, _, err := v.Live(t.Context(), read(created.Token)); live || err != nil {
				t.Errorf("live = %v, %v", live, err)
			}
			if again := v.create(t, visa, change); again.Token == created.Token || again.Deduplicated {
				t.Error("the revoked token is given out again")
			}
		})
	}
}

func TestRevoke_CanBeRepeated(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa)
	v.revoke(t, created.Token)
	if again := v.revoke(t, created.Token); again.Existed || v.stateRows() != 1 {
		t.Errorf("revoked again: %+v, %d rows in the state", again, v.stateRows())
	}
}

// A row may still be on its way when its token is revoked: the tombstone is there first.
func TestRevoke_PutsATombstoneForATokenWithoutARow(t *testing.T) {
	v := newVault(t)
	created, sealed, err := v.Seal(t.Context(), vault.Create{Data: cardData(t, visa)})
	if err != nil {
		t.Fatal(err)
	}
	if revoked := v.revoke(t, created.Token); revoked.Existed {
		t.Errorf("revoked: %+v", revoked)
	}
	v.store.MustPut(table, sealed.Item)
	_, err = v.detokenize(t, created.Token)
	wantKind(t, err, failure.Revoked)
}

func TestRevoke_NeedsNoIndex(t *testing.T) {
	v := newVault(t, func(c *vault.Config) { c.Index, c.FingerprintKeys = "", nil })
	created := v.create(t, visa)
	v.revoke(t, created.Token)
	_, err := v.detokenize(t, created.Token)
	wantKind(t, err, failure.Revoked)
}

func TestRevoke_ADamagedRowCanBeRevoked(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa)
	delete(v.row(created.Token), "CandidateString")
	if v.revoke(t, created.Token); v.rows() != 0 {
		t.Errorf("%d rows", v.rows())
	}
}

// Whatever somebody did to a row, revoking its token leaves nothing in the index that leads to it: the next who asks
// for the same data would get a token that opens nothing. What is another token's stays.
func TestRevoke_WhateverTheRowLookedLikeTheTokenIsNotFoundAgain(t *testing.T) {
	keys := func(row fakeaws.Row) string {
		return textOf(row["IndexKeys"])
	}
	set := func(row fakeaws.Row, keys string) {
		row["IndexKeys"] = attribute.S(keys)
	}
	for name, alter := range map[string]func(row, other fakeaws.Row){
		"another format": func(row, _ fakeaws.Row) { row["Format"] = attribute.N("9") },
		"no message":     func(row, _ fakeaws.Row) { delete(row, "CandidateString") },
		"another's handle too": func(row, other fakeaws.Row) {
			set(row, keys(other)+" "+keys(row))
		},
		"a handle twice": func(row, _ fakeaws.Row) { set(row, keys(row)+" "+keys(row)) },
		"what is no key": func(row, _ fakeaws.Row) {
			set(row, strings.Repeat("x", 3000)+" a b c d "+keys(row))
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			mine, other := v.create(t, visa, deterministic("s")), v.create(t, "4012888888881881", deterministic("s"))
			alter(v.row(mine.Token), v.row(other.Token))
			v.revoke(t, mine.Token)
			if v.rows() != 1 || v.indexRows() != 2 {
				t.Errorf("%d rows, %d in the index", v.rows(), v.indexRows())
			}
			if again := v.create(t, visa, deterministic("s")); again.Token == mine.Token || again.Deduplicated {
				t.Error("the revoked token is given out")
			}
			if got := v.create(t, "4012888888881881", deterministic("s")); got.Token != other.Token {
				t.Error("the other token is gone")
			}
		})
	}
}

// A row without its handle leaves the fingerprint behind. It leads nowhere, and the next create replaces it.
func TestRevoke_AFingerprintThatWasLeftBehindLeadsNowhere(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, deterministic("s"))
	handle := textOf(v.row(created.Token)["IndexKeys"])
	v.store.MustRow(index, handle)["FingerprintKeys"] = attribute.S("")
	v.revoke(t, created.Token)
	if v.indexRows() != 1 {
		t.Fatalf("%d rows in the index, want the fingerprint", v.indexRows())
	}
	again := v.create(t, visa, deterministic("s"))
	if again.Deduplicated || again.Token == created.Token {
		t.Error("the revoked token is given out")
	}
	if found := v.create(t, visa, deterministic("s")); found.Token != again.Token {
		t.Error("the new token is not found")
	}
}

// Reading starts before the token is revoked and ends after it: the table of uses decides nothing then, and the read
// counts as one that came first. What starts afterwards gets nothing.
func TestRevoke_WhileATokenIsRead(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(2))
	late := newVault(t, func(c *vault.Config) {
		c.KMS, c.Store, c.Now = revokingKMS{v.kms, v.Vault, created.Token}, v.store, v.clock.Now
	})
	if _, err := late.detokenize(t, created.Token); err != nil {
		t.Errorf("the read that came first: %v", err)
	}
	_, err := v.detokenize(t, created.Token)
	wantKind(t, err, failure.Revoked)
	if v.rows() != 0 {
		t.Error("a row was made")
	}
}

// revokingKMS revokes a token while its data key is unwrapped.
type revokingKMS struct {
	*fakeaws.KMS
	vault *vault.Vault
	token string
}

func (k revokingKMS) Decrypt(ctx context.Context, in kmsapi.DecryptInput) (kmsapi.DecryptOutput, error) {
	if _, err := k.vault.Revoke(ctx, k.token); err != nil {
		return kmsapi.DecryptOutput{}, err
	}
	return k.KMS.Decrypt(ctx, in)
}

// Of simultaneous revocations none fails for the other.
func TestRevoke_100AtATime(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, deterministic("s"))
	simultaneously(100, func() {
		if _, err := v.Revoke(t.Context(), created.Token); err != nil && !errors.Is(err, failure.InFlight) {
			t.Error(err)
		}
	})
	if v.rows() != 0 || v.indexRows() != 0 || v.stateRows() != 1 {
		t.Errorf("%d rows, %d in the index, %d in the state", v.rows(), v.indexRows(), v.stateRows())
	}
}

// If the state cannot be read, nobody knows whether a token was revoked. Nothing is released then.
func TestDetokenize_AStateThatCannotBeReadReleasesNothing(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa)
	for name, err := range map[string]error{
		"no answer": context.DeadlineExceeded, "no table": fakeaws.Exception("ResourceNotFoundException"),
		"throttled": fakeaws.Exception("ProvisionedThroughputExceededException"),
	} {
		t.Run(name, func(t *testing.T) {
			blind := newVault(t, func(c *vault.Config) {
				c.KMS, c.Store, c.Now = v.kms, blindStore{v.store, err}, v.clock.Now
			})
			before := v.kms.Decrypts()
			_, err := blind.detokenize(t, created.Token)
			wantKind(t, err, failure.Unavailable)
			_, err = blind.Metadata(t.Context(), read(created.Token))
			wantKind(t, err, failure.Unavailable)
			if live, _, err := blind.Live(t.Context(), read(created.Token)); live ||
				!errors.Is(err, failure.Unavailable) {
				t.Errorf("live = %v, %v", live, err)
			}
			if v.kms.Decrypts() != before {
				t.Error("KMS was asked to decrypt")
			}
		})
	}
}

// blindStore cannot read the state.
type blindStore struct {
	*fakeaws.Tables
	err error
}

func (s blindStore) GetItem(ctx context.Context, in dynamoapi.GetItemInput) (fakeaws.Row, error) {
	if in.TableName == state {
		return nil, s.err
	}
	return s.Tables.GetItem(ctx, in)
}
