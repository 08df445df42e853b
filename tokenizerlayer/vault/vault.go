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
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/card"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/token"
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
	// with; at most 4.
	FingerprintKeys []FingerprintKey
	// AccountID is the AWS account of the function, 12 digits. Tokens of other accounts do not open.
	AccountID string
	KMS       KMS
	Store     Store
	// Timeout bounds the upstream calls of one operation; 0 means 4 s.
	Timeout time.Duration
	// NewToken draws a token; nil means token.New.
	NewToken func(token.Format, card.Number) (string, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Vault is safe for concurrent use.
type Vault struct {
	Config
	envelope *envelope.Envelope

	hashTurn chan struct{} // a lock of hashKey that nobody waits for longer than for KMS
	hashKey  []byte        // see TokenHash; nil until it is there
}

var (
	keyARN    = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)
	tableName = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`)
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
)

// Validate reports every field that is wrong, by its setting's name.
func (c Config) Validate() error {
	var errs []error
	if !keyARN.MatchString(c.KeyARN) {
		errs = append(errs, errors.New("TOKENIZER_KEY_ARN must be the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID)"))
	}
	if !tableName.MatchString(c.Table) {
		errs = append(errs, errors.New("TOKENIZER_TABLE must be the name of the vault's table (3 to 255 of A-Z a-z 0-9 _ . -)"))
	}
	if c.Index != "" && !tableName.MatchString(c.Index) {
		errs = append(errs, errors.New("TOKENIZER_INDEX_TABLE must be the name of the index table (3 to 255 of A-Z a-z 0-9 _ . -)"))
	}
	versions := map[string]bool{}
	for _, key := range c.FingerprintKeys {
		versions[key.Version] = api.IsKeyVersion(key.Version) && keyARN.MatchString(key.ARN) && !versions[key.Version]
	}
	if n := len(c.FingerprintKeys); n == 0 || n > api.MaxFingerprintKeys || n != countTrue(versions) {
		errs = append(errs, fmt.Errorf("TOKENIZER_FINGERPRINT_KEYS must have 1 to %d versions of the key, each once, as in 2=arn:aws:kms:REGION:ACCOUNT:key/ID,1=arn:...", api.MaxFingerprintKeys))
	}
	if !accountID.MatchString(c.AccountID) {
		errs = append(errs, errors.New("the account id is unknown: Lambda gives it at registration"))
	}
	return errors.Join(errs...)
}

func countTrue(m map[string]bool) (n int) {
	for _, is := range m {
		if is {
			n++
		}
	}
	return n
}

// New returns a vault.
func New(c Config) (*Vault, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = 4 * time.Second
	}
	if c.NewToken == nil {
		c.NewToken = token.New
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	e, err := envelope.New()
	if err != nil {
		return nil, err
	}
	return &Vault{Config: c, envelope: e, hashTurn: make(chan struct{}, 1)}, nil
}

// context binds an envelope to its row. KMS conditions of the grants name the same keys. The purpose comes from the row's own
// attribute, which is not authenticated, and need not be: with another one the envelope does not open.
func (v *Vault) context(r row) envelope.Context {
	c := envelope.Context{"table": v.Table, "account_id": v.AccountID, "hash_key": r.token}
	if r.purpose != "" {
		c["purpose"] = r.purpose
	}
	return c
}

// String keeps a vault that is printed from listing its clients.
func (v *Vault) String() string { return fmt.Sprintf("vault %s", v.Table) }
