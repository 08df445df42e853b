// Package vault swaps data for random tokens and back.
//
// Each token is made from a random seed (package token). The data is sealed together with the seed, under a data key of its own
// (package envelope), and stored under the token. The encryption context names the table, the account, the token's ref and its
// purpose. Reading takes two permissions that writing does not have: dynamodb:GetItem on the table and kms:Decrypt on TokenKey.
//
//	created, err := v.Create(ctx, vault.Create{Data: data, TTL: time.Hour, MaxUses: 1})
//	opened, err := v.Detokenize(ctx, vault.Detokenize{Read: vault.Read{Token: created.Token}})
//
// # Tables
//
// The vault's table holds the sealed rows. A role that tokenizes may put them and may not read them; what it may write is not
// trusted: a row opens only if its envelope, its ref and its token belong together.
//
// The state table holds what must not go back: tombstones of revoked tokens, and counters of uses. A role that tokenizes cannot
// write there, so putting an old row back revives nothing.
//
// The index finds tokens that exist: by a fingerprint of their data (deterministic tokens), and by the key of a repeated request.
//
// # Files
//
// create.go makes tokens, which description.go describes and seal.go seals; index.go finds those that exist. open.go opens rows, read.go
// answers questions about them, and revoke.go ends them. row.go, state.go and payload.go are what is stored: outside of the envelope,
// beside it, and inside. Each method's doc
// says what it needs of IAM, beside the use of the tables' key (see docs/permissions.md). Errors are those of package failure.
package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// KMS is the part of the KMS client that the vault calls.
type KMS interface {
	GenerateDataKey(context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error)
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
	GenerateMac(context.Context, *kms.GenerateMacInput, ...func(*kms.Options)) (*kms.GenerateMacOutput, error)
}

// Store is the part of the DynamoDB client that the vault calls.
type Store interface {
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Key is a version of a KMS key.
type Key struct {
	Version string // 1 to 16 of a-z 0-9
	ARN     string // of the key, not of an alias
}

// Config describes a vault. Fields are required unless their comment says otherwise.
type Config struct {
	// TokenKeys are the versions of TokenKey, which wraps data keys. The first seals; all of them open. At most api.MaxKeyVersions.
	TokenKeys []Key
	// FingerprintKeys are the versions of FingerprintKey. The first makes new fingerprints; all of them find old ones. At most
	// api.MaxKeyVersions. They are required if there is an Index.
	FingerprintKeys []Key
	// Table and State are the names of the vault's table and of the state table.
	Table, State string
	// Index is the name of the index table; "" leaves deterministic tokens and idempotency keys out.
	Index string
	// AccountID is the AWS account of the function, 12 digits. Tokens of other accounts do not open.
	AccountID string
	// Actor is the function on whose behalf the vault works. Attempts and idempotency keys are each actor's own.
	Actor string
	// IdempotencyScope replaces Actor as the name space of idempotency keys, for functions that share one; "" means Actor.
	IdempotencyScope string
	KMS              KMS
	Store            Store
	// Timeout bounds the upstream calls of one operation; 0 means 4 s.
	Timeout time.Duration
	// NewSeed draws a token's seed; nil means token.NewSeed.
	NewSeed func() token.Seed
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Vault is safe for concurrent use.
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
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

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
	require(accountID.MatchString(c.AccountID), "AccountID must have 12 digits: Lambda tells it at registration")
	require(c.KMS != nil && c.Store != nil, "KMS and Store are required")
	return errors.Join(problems...)
}

var keysForm = fmt.Sprintf("must have 1 to %d versions, each with its own name and the ARN of a KMS key", api.MaxKeyVersions)

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
	return v, nil
}

// String keeps a vault that is printed from listing its clients.
func (v *Vault) String() string { return fmt.Sprintf("vault %s", v.table) }
