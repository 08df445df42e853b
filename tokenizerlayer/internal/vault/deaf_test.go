package vault_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// deafKMS does not answer as long as it is deaf.
type deafKMS struct {
	vault.KMS
	deaf bool
}

// waitIfDeaf waits, if the service is deaf, until the caller gives up.
func waitIfDeaf(ctx context.Context, deaf bool) error {
	if deaf {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (k *deafKMS) GenerateDataKey(ctx context.Context,
	in kmsapi.GenerateDataKeyInput) (kmsapi.GenerateDataKeyOutput, error) {
	if err := waitIfDeaf(ctx, k.deaf); err != nil {
		return kmsapi.GenerateDataKeyOutput{}, err
	}
	return k.KMS.GenerateDataKey(ctx, in)
}

func (k *deafKMS) Decrypt(ctx context.Context, in kmsapi.DecryptInput) (kmsapi.DecryptOutput, error) {
	if err := waitIfDeaf(ctx, k.deaf); err != nil {
		return kmsapi.DecryptOutput{}, err
	}
	return k.KMS.Decrypt(ctx, in)
}

func (k *deafKMS) GenerateMac(ctx context.Context, in kmsapi.GenerateMacInput) (kmsapi.GenerateMacOutput, error) {
	if err := waitIfDeaf(ctx, k.deaf); err != nil {
		return kmsapi.GenerateMacOutput{}, err
	}
	return k.KMS.GenerateMac(ctx, in)
}

// deafStore does not answer about a table as long as it is deaf for it; "*" is every table.
type deafStore struct {
	vault.Store
	deaf string
}

func (s *deafStore) waitIfDeaf(ctx context.Context, table string) error {
	return waitIfDeaf(ctx, s.deaf == "*" || s.deaf == table)
}

func (s *deafStore) PutItem(ctx context.Context, in dynamoapi.PutItemInput) error {
	if err := s.waitIfDeaf(ctx, in.TableName); err != nil {
		return err
	}
	return s.Store.PutItem(ctx, in)
}

func (s *deafStore) GetItem(ctx context.Context, in dynamoapi.GetItemInput) (attribute.Item, error) {
	if err := s.waitIfDeaf(ctx, in.TableName); err != nil {
		return nil, err
	}
	return s.Store.GetItem(ctx, in)
}

func (s *deafStore) UpdateItem(ctx context.Context, in dynamoapi.UpdateItemInput) error {
	if err := s.waitIfDeaf(ctx, in.TableName+" update"); err != nil {
		return err
	}
	return s.Store.UpdateItem(ctx, in)
}

func (s *deafStore) TransactWriteItems(ctx context.Context, in dynamoapi.TransactWriteItemsInput) error {
	if err := s.waitIfDeaf(ctx, "transaction"); err != nil {
		return err
	}
	return s.Store.TransactWriteItems(ctx, in)
}

// operation is something that a vault does, and who has to answer for that: KMS, and the store about some tables.
type operation struct {
	do    func(context.Context) error
	kms   bool
	store []string
}

// operations are all that a vault does, with the tokens of a card, of limited uses, and of a deterministic one.
func operations(t *testing.T, v *vault.Vault, known, limited, found string) map[string]operation {
	t.Helper()
	data := cardData(t, visa)
	creates := func(c vault.Create) func(context.Context) error {
		return func(ctx context.Context) error { _, err := v.Create(ctx, c); return err }
	}
	reads := []string{"*", table, state}
	return map[string]operation{
		"create": {creates(vault.Create{Data: data}), true, []string{"*", table}},
		"seal": {func(ctx context.Context) error {
			_, _, err := v.Seal(ctx, vault.Create{Data: data})
			return err
		}, true, nil},
		"deterministic create": {creates(vault.Create{Data: data, Deterministic: true, Scope: "new"}), true,
			[]string{"*", index, "transaction"}},
		"idempotent create": {creates(vault.Create{Data: data, IdempotencyKey: "new"}), true,
			[]string{"*", index, "transaction"}},
		"detokenize": {func(ctx context.Context) error {
			_, err := v.Detokenize(ctx, attempt(known, ""))
			return err
		}, true, reads},
		"detokenize once": {func(ctx context.Context) error {
			_, err := v.Detokenize(ctx, attempt(limited, ""))
			return err
		}, true, []string{"*", table, state, state + " update"}},
		"live": {func(ctx context.Context) error { _, _, err := v.Live(ctx, read(known)); return err },
			true, reads},
		"metadata": {func(ctx context.Context) error {
			_, err := v.Metadata(ctx, read(limited))
			return err
		}, true, reads},
		"revoke": {func(ctx context.Context) error { _, err := v.Revoke(ctx, found); return err }, false,
			[]string{"*", table, index, "transaction"}},
	}
}

// Whatever does not answer, each operation is answered when its own limit is over: neither later, nor by another limit
// that covers for it.
func TestVault_AnswersEveryOperationInTimeThoughNobodyAnswersIt(t *testing.T) {
	const limit = time.Second // unlike keypool's, which is 4 s
	run := func(t *testing.T, name, deaf string) {
		synctest.Test(t, func(t *testing.T) {
			var keys *deafKMS
			var store *deafStore
			f := newVault(t, func(c *vault.Config) {
				keys, store = &deafKMS{KMS: c.KMS}, &deafStore{Store: c.Store}
				c.KMS, c.Store, c.Timeout = keys, store, limit
			})
			defer f.Close()
			known, limited, found := f.create(t, visa).Token, f.create(t, visa, uses(2)).Token,
				f.create(t, visa, deterministic("")).Token
			operation := operations(t, f.Vault, known, limited, found)[name]
			if deaf == "" {
				if err := operation.do(t.Context()); err != nil {
					t.Errorf("without trouble: %v", err)
				}
				return
			}
			if keys.deaf = deaf == "KMS"; !keys.deaf {
				store.deaf = deaf
			}
			start := time.Now()
			err := operation.do(t.Context())
			wantKind(t, err, failure.Unavailable)
			if took := time.Since(start); took != limit {
				t.Errorf("it took %v, want %v", took, limit)
			}
		})
	}
	names := operations(t, nil, "", "", "")
	if len(names) != 9 {
		t.Errorf("%d operations", len(names))
	}
	for name, operation := range names {
		t.Run(name, func(t *testing.T) {
			run(t, name, "")
			deaf := operation.store
			if operation.kms {
				deaf = append([]string{"KMS"}, deaf...)
			}
			for _, who := range deaf {
				t.Run(who, func(t *testing.T) { run(t, name, who) })
			}
		})
	}
}

func TestVault_HasALimitOf4SecondsIfNoneIsConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newVault(t, func(c *vault.Config) { c.Store = &deafStore{Store: c.Store, deaf: "*"} })
		defer f.Close()
		start := time.Now()
		_, err := f.Revoke(t.Context(), "00000000-0000-4000-8000-000000000000")
		wantKind(t, err, failure.Unavailable)
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A request that waits for a data key on a shelf ends with its own limit, too, and says who did not answer.
func TestCreate_EndsInTimeThoughNoDataKeyComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newVault(t, func(c *vault.Config) {
			c.KMS, c.KeysAhead, c.Purposes, c.Timeout = &deafKMS{KMS: c.KMS, deaf: true}, 4, []string{""}, time.Second
		})
		defer f.Close()
		f.Warm()
		start := time.Now()
		_, err := f.Create(t.Context(), vault.Create{Data: cardData(t, visa)})
		wantKind(t, err, failure.Unavailable)
		if took := time.Since(start); took != time.Second ||
			err != nil && !strings.Contains(err.Error(), "kms:GenerateDataKey") {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// A data key that is asked for ahead, and does not come, keeps neither the vault's end nor the next request.
func TestVault_ADataKeyAheadThatNeverComesDelaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys *deafKMS
		f := newVault(t, func(c *vault.Config) {
			keys = &deafKMS{KMS: c.KMS, deaf: true}
			c.KMS, c.KeysAhead, c.Purposes = keys, 4, []string{""}
		})
		start := time.Now()
		f.Warm()
		synctest.Wait()
		if f.Close(); time.Since(start) != 0 {
			t.Errorf("the end took %v", time.Since(start))
		}
	})
}
