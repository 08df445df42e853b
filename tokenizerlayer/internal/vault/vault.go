// Package vault swaps data for random tokens and back.
//
// A token is drawn, not derived, so it says nothing about the data. The data is sealed with a data key of its own (package
// envelope) whose encryption context names table, account, token and purpose, and the message is stored under the token.
// Reading takes two permissions that writing does not have: dynamodb:GetItem on the table and kms:Decrypt on the key.
//
//	created, err := v.Create(ctx, vault.Create{Data: data, TTL: time.Hour, MaxUses: 1})
//	data, err := v.Detokenize(ctx, created.Token, "")
//
// create.go makes tokens, index.go finds those that exist (deterministic tokens, repeated requests), read.go reads and revokes
// them; row.go and payload.go are what is stored, outside of the envelope and inside. Each method's doc says what it needs of
// IAM, beside the table's own key (see docs/permissions.md). Errors are those of package api.
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
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
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

// Config describes a vault. Fields are required unless their comment says otherwise.
type Config struct {
	// KeyARN is the key that wraps data keys, by key ARN (no alias: the ARN stands in every message).
	KeyARN string
	// Table is the name of the vault's table.
	Table string
	// Index is the name of the index table; "" leaves deterministic tokens and idempotency keys out.
	Index string
	// FingerprintKeys are the versions of FingerprintKey, the current one first, then those that older fingerprints were made
	// with; at most api.MaxKeyVersions.
	FingerprintKeys []FingerprintKey
	// AccountID is the AWS account of the function, 12 digits. Tokens of other accounts do not open.
	AccountID string
	KMS       KMS
	Store     Store
	// Timeout bounds the upstream calls of one operation; 0 means 4 s.
	Timeout time.Duration
	// NewToken draws a token; nil means token.New.
	NewToken func(token.Format, pan.Number) (string, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Vault is safe for concurrent use.
type Vault struct {
	keyARN          string
	table           string
	index           string
	fingerprintKeys []FingerprintKey
	account         string
	kms             KMS
	store           Store
	timeout         time.Duration
	newToken        func(token.Format, pan.Number) (string, error)
	now             func() time.Time
	envelope        *envelope.Envelope

	hashTurn chan struct{} // a lock of hashKey that nobody waits for longer than for KMS
	hashKey  []byte        // see TokenHash; nil until it is there
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
	require(api.IsKeyARN(c.KeyARN), "KeyARN must be the ARN of a KMS key")
	require(api.IsTableName(c.Table), "Table must be the name of a table")
	require(c.Index == "" || api.IsTableName(c.Index), "Index must be the name of a table")
	versions := map[string]bool{}
	for _, key := range c.FingerprintKeys {
		require(api.IsKeyVersion(key.Version) && api.IsKeyARN(key.ARN) && !versions[key.Version],
			"FingerprintKeys must each have the ARN of a KMS key and a version of its own")
		versions[key.Version] = true
	}
	require(len(c.FingerprintKeys) >= 1 && len(c.FingerprintKeys) <= api.MaxKeyVersions,
		fmt.Sprintf("FingerprintKeys must be 1 to %d", api.MaxKeyVersions))
	require(accountID.MatchString(c.AccountID), "AccountID must have 12 digits: Lambda tells it at registration")
	require(c.KMS != nil && c.Store != nil, "KMS and Store are required")
	return errors.Join(problems...)
}

// New returns a vault. The error names every field of c that is wrong.
func New(c Config) (*Vault, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	v := &Vault{
		keyARN: c.KeyARN, table: c.Table, index: c.Index, fingerprintKeys: slices.Clone(c.FingerprintKeys), account: c.AccountID,
		kms: c.KMS, store: c.Store, timeout: cmp.Or(c.Timeout, 4*time.Second), newToken: c.NewToken, now: c.Now,
		hashTurn: make(chan struct{}, 1),
	}
	if v.newToken == nil {
		v.newToken = token.New
	}
	if v.now == nil {
		v.now = time.Now
	}
	var err error
	v.envelope, err = envelope.New()
	return v, err
}

// context binds an envelope to its row. KMS conditions of the grants name the same keys. The purpose comes from the row's own
// attribute, which is not authenticated, and need not be: with another one the envelope does not open.
func (v *Vault) context(r row) envelope.Context {
	c := envelope.Context{"table": v.table, "account_id": v.account, "hash_key": r.token}
	if r.purpose != "" {
		c["purpose"] = r.purpose
	}
	return c
}

// String keeps a vault that is printed from listing its clients.
func (v *Vault) String() string { return fmt.Sprintf("vault %s", v.table) }
