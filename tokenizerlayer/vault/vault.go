// Package vault swaps card numbers for random tokens and back.
//
// A token is a version 4 UUID: it is drawn, not derived, so it says nothing about the card. The card is sealed with a
// data key of its own (package envelope) whose encryption context names table, account and token, and the message is
// stored under the token. Reading takes two permissions that writing does not have: dynamodb:GetItem on the table and
// kms:Decrypt on the key.
//
// IAM: [Vault.Tokenize] kms:GenerateDataKey, dynamodb:PutItem. [Vault.Seal] kms:GenerateDataKey, and the put by whoever
// commits the row. [Vault.Detokenize] dynamodb:GetItem, kms:Decrypt. The table's own key needs what docs/threat-model.md
// says. Errors are those of package api.
package vault

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/card"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/envelope"
)

// KMS is the part of the KMS client that the vault calls.
type KMS interface {
	GenerateDataKey(context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error)
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
}

// Store is the part of the DynamoDB client that the vault calls.
type Store interface {
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
}

// Config describes a vault. All fields but the last two are required.
type Config struct {
	// KeyARN is the key that wraps data keys, by key ARN (no alias: the ARN stands in every message).
	KeyARN string
	// Table is the name of the vault's table.
	Table string
	// AccountID is the AWS account of the function, 12 digits. Tokens of other accounts do not open.
	AccountID string
	KMS       KMS
	Store     Store
	// Timeout bounds the upstream calls of one operation; 0 means 4 s.
	Timeout time.Duration
	// NewToken draws a token; nil means a version 4 UUID from crypto/rand.
	NewToken func() (string, error)
}

// Vault is safe for concurrent use.
type Vault struct {
	Config
	envelope *envelope.Envelope
}

var (
	keyARN    = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)
	tableName = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`)
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
	tokenForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
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
	if !accountID.MatchString(c.AccountID) {
		errs = append(errs, errors.New("the account id is unknown: Lambda gives it at registration"))
	}
	return errors.Join(errs...)
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
		c.NewToken = randomToken
	}
	e, err := envelope.New()
	if err != nil {
		return nil, err
	}
	return &Vault{Config: c, envelope: e}, nil
}

func randomToken() (string, error) {
	u, err := uuid.NewRandom()
	return u.String(), err
}

// maxDraws bounds how often a taken token is replaced. With 122 random bits one collision is not expected, so a second
// one is a defect.
const maxDraws = 3

// Tokenize stores n and returns its token. A repeated put of the same row, as after a lost answer, succeeds; a token
// that another row has is replaced, never overwritten.
func (v *Vault) Tokenize(ctx context.Context, n card.Number) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	for range maxDraws {
		row, err := v.seal(ctx, n)
		if err != nil {
			return "", err
		}
		err = v.put(ctx, row)
		if _, taken := errors.AsType[*types.ConditionalCheckFailedException](err); taken {
			continue
		}
		if err != nil {
			return "", upstream("dynamodb:PutItem", err)
		}
		return row.token, nil
	}
	return "", api.Errorf(api.ErrInternal, "", "%d tokens in a row were taken", maxDraws)
}

// Seal returns a token for n and the row that the caller has to put, in a transaction with the row that refers to it.
func (v *Vault) Seal(ctx context.Context, n card.Number) (string, api.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	r, err := v.seal(ctx, n)
	if err != nil {
		return "", api.Row{}, err
	}
	return r.token, api.Row{TableName: v.Table, Item: r.item(), ConditionExpression: conditionAbsent}, nil
}

// Detokenize returns the card number of a token. A token that does not exist and one of another account are not told
// apart.
func (v *Vault) Detokenize(ctx context.Context, token string) (card.Number, error) {
	// What is looked up appears in CloudTrail: a card number sent by mistake must not get that far.
	if !tokenForm.MatchString(token) {
		return card.Number{}, api.Errorf(api.ErrInvalid, "token", "must be a token: a UUID in lower case")
	}
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	r, err := v.get(ctx, token)
	if err != nil {
		return card.Number{}, err
	}
	plaintext, err := v.envelope.Open(ctx, r.message, v.context(token), v.unwrap)
	if err != nil {
		return card.Number{}, openError(err)
	}
	defer clear(plaintext)
	return decodePayload(plaintext)
}

// seal draws a token and seals n for it.
func (v *Vault) seal(ctx context.Context, n card.Number) (row, error) {
	token, err := v.NewToken()
	if err != nil {
		return row{}, api.Errorf(api.ErrInternal, "", "no randomness")
	}
	key, err := v.dataKey(ctx, token)
	if err != nil {
		return row{}, err
	}
	defer clear(key.Plaintext)
	plaintext := encodePayload(n)
	defer clear(plaintext)
	message, err := v.envelope.Seal(ctx, key, v.context(token), plaintext)
	if err != nil {
		return row{}, api.Errorf(api.ErrInternal, "", "the envelope cannot be sealed")
	}
	return row{token: token, account: v.AccountID, message: message}, nil
}

// context binds an envelope to its row. KMS conditions of the grants name the same keys.
func (v *Vault) context(token string) envelope.Context {
	return envelope.Context{"table": v.Table, "account_id": v.AccountID, "hash_key": token}
}

func openError(err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e
	}
	for _, known := range []error{envelope.ErrFormat, envelope.ErrContext, envelope.ErrAuthentication} {
		if errors.Is(err, known) {
			return api.Errorf(api.ErrIntegrity, "", "%s", known)
		}
	}
	return api.Errorf(api.ErrInternal, "", "the envelope cannot be opened")
}

// String keeps a vault that is printed from listing its clients.
func (v *Vault) String() string { return fmt.Sprintf("vault %s", v.Table) }
