// Package vault swaps data for random tokens and back.
//
// Each token is made from a random seed (package token). The data is sealed together with the seed, under a data key of
// its own (package envelope), and stored under the token. The encryption context names the table, the account, the
// token's ref and its purpose. Reading takes two permissions that writing does not have: dynamodb:GetItem on the table
// and kms:Decrypt on TokenKey.
//
//	created, err := v.Create(ctx, vault.Create{Data: data, TTL: time.Hour, MaxUses: 1})
//	opened, err := v.Detokenize(ctx, vault.Detokenize{Read: vault.Read{Token: created.Token}})
//
// # Tables
//
// The vault's table holds the sealed rows. A role that tokenizes may put them but not read them. The package does not
// trust what such a role may write: a row opens only if its envelope, its ref and its token belong together.
//
// The state table holds tombstones of revoked tokens, and counters of uses. A role that tokenizes cannot write it, so
// putting an old row back does not make its token open again.
//
// The index finds tokens that exist: by a fingerprint of their data (deterministic tokens), and by the key of a
// repeated request.
//
// # Files
//
// create.go makes tokens, which description.go describes and seal.go seals, with data keys that package keypool has
// fetched ahead; index.go finds those that exist. open.go opens rows, read.go answers questions about them, and
// revoke.go ends them. row.go, state.go and payload.go are what is stored: outside of the envelope, beside it, and
// inside. Each method's doc says what it needs of IAM, beside the use of the tables' key (see docs/permissions.md).
// Errors are those of package failure.
package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/keypool"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// KMS is what the vault calls of KMS. Errors that KMS answers are of the type *awsjson.Error.
type KMS interface {
	GenerateDataKey(context.Context, kmsapi.GenerateDataKeyInput) (kmsapi.GenerateDataKeyOutput, error)
	Decrypt(context.Context, kmsapi.DecryptInput) (kmsapi.DecryptOutput, error)
	GenerateMac(context.Context, kmsapi.GenerateMacInput) (kmsapi.GenerateMacOutput, error)
}

// Store is what the vault calls of DynamoDB. Errors that DynamoDB answers are of the type *awsjson.Error.
type Store interface {
	PutItem(context.Context, dynamoapi.PutItemInput) error
	GetItem(context.Context, dynamoapi.GetItemInput) (attribute.Item, error)
	UpdateItem(context.Context, dynamoapi.UpdateItemInput) error
	TransactWriteItems(context.Context, dynamoapi.TransactWriteItemsInput) error
}

// Key is a version of a KMS key.
type Key struct {
	Version string // 1 to 16 of a-z 0-9
	ARN     string // of the key, not of an alias
}

// Config describes a vault. Fields are required unless their comment says otherwise.
type Config struct {
	// TokenKeys are the versions of TokenKey, which wraps data keys. The first seals; all of them open. At most
	// api.MaxKeyVersions.
	TokenKeys []Key
	// FingerprintKeys are the versions of FingerprintKey. The first makes new fingerprints; all of them find old ones.
	// At most api.MaxKeyVersions. They are required if there is an Index.
	FingerprintKeys []Key
	// Table and State are the names of the vault's table and of the state table.
	Table, State string
	// Index is the name of the index table; "" leaves deterministic tokens and idempotency keys out.
	Index string
	// AccountID is the AWS account of the function, 12 digits. Tokens of other accounts do not open.
	AccountID string
	// Actor is the function on whose behalf the vault works. Attempts and idempotency keys are each actor's own.
	Actor string
	// IdempotencyScope replaces Actor as the name space of idempotency keys, for functions that share one; "" means
	// Actor.
	IdempotencyScope string
	KMS              KMS
	Store            Store
	// Timeout bounds the upstream calls of one operation; 0 means 4 s.
	Timeout time.Duration
	// KeysAhead is how many data keys the vault may hold for each purpose before they are needed; 0 asks KMS for each
	// token.
	KeysAhead int
	// Purposes are those for which [Vault.Warm] fetches a first data key: what the function may tokenize for, "" for
	// tokens that are bound to no purpose. For others data keys are held once KMS has given one.
	Purposes []string
	// NewSeed draws a token's seed; nil means token.NewSeed.
	NewSeed func() token.Seed
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Vault is safe for concurrent use. Whoever made it closes it.
type Vault struct {
	tokenKeys, fingerprintKeys []Key
	table, state, index        string
	account                    string
	actor, idempotencyScope    string
	kms                        KMS
	store                      Store
	timeout                    time.Duration
	newSeed                    func() token.Seed
	now                        func() time.Time
	pool                       *keypool.Pool
}

// validate reports every field that is wrong.
func (c Config) validate() error {
	var problems []error
	require := func(ok bool, problem string) {
		if !ok {
			problems = append(problems, errors.New(problem))
		}
	}
	require(len(c.TokenKeys) >= 1 && areKeys(c.TokenKeys), "TokenKeys "+keysForm)
	require((len(c.FingerprintKeys) >= 1 || c.Index == "") && areKeys(c.FingerprintKeys), "FingerprintKeys "+keysForm)
	require(api.IsTableName(c.Table), "Table must be the name of a table")
	require(api.IsTableName(c.State) && c.State != c.Table, "State must be the name of another table")
	require(c.Index == "" || api.IsTableName(c.Index), "Index must be the name of a table")
	require(api.IsAccountID(c.AccountID), "AccountID must have 12 digits: Lambda tells it at registration")
	require(c.KeysAhead >= 0 && c.KeysAhead <= api.MaxKeysAhead,
		fmt.Sprintf("KeysAhead must be from 0 to %d", api.MaxKeysAhead))
	require(c.KMS != nil && c.Store != nil, "KMS and Store are required")
	return errors.Join(problems...)
}

var keysForm = fmt.Sprintf("must have 1 to %d versions, each with its own name and the ARN of a KMS key",
	api.MaxKeyVersions)

func areKeys(keys []Key) bool {
	seen := map[string]bool{}
	for _, key := range keys {
		if !api.IsKeyVersion(key.Version) || !api.IsKeyARN(key.ARN) || seen[key.Version] {
			return false
		}
		seen[key.Version] = true
	}
	return len(keys) <= api.MaxKeyVersions
}

// New returns a vault. The error names every field of c that is wrong.
func New(c Config) (*Vault, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	v := &Vault{
		tokenKeys: slices.Clone(c.TokenKeys), fingerprintKeys: slices.Clone(c.FingerprintKeys),
		table: c.Table, state: c.State, index: c.Index, account: c.AccountID,
		actor: c.Actor, idempotencyScope: cmp.Or(c.IdempotencyScope, c.Actor),
		kms: c.KMS, store: c.Store, timeout: cmp.Or(c.Timeout, 4*time.Second), newSeed: c.NewSeed, now: c.Now,
	}
	if v.newSeed == nil {
		v.newSeed = token.NewSeed
	}
	if v.now == nil {
		v.now = time.Now
	}
	v.pool = keypool.New(keypool.Config{
		Fetch: v.fetchEntry, Purposes: slices.Clone(c.Purposes), Size: c.KeysAhead, Now: v.now,
	})
	return v, nil
}

// Warm starts to fetch the first data keys, and does not wait for them. IAM: kms:GenerateDataKey on TokenKey.
func (v *Vault) Warm() { v.pool.Warm() }

// Close wipes the data keys that were fetched and not used. Operations work afterwards, with a call of KMS for each
// token.
func (v *Vault) Close() { v.pool.Close() }

// Keys counts the data keys that the vault has fetched.
func (v *Vault) Keys() keypool.Stats { return v.pool.Stats() }

// String keeps a vault that is printed from listing its clients.
func (v *Vault) String() string { return fmt.Sprintf("vault %s", v.table) }
