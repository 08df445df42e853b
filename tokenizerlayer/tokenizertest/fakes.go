// Package tokenizertest has fakes of KMS and of the vault's table for tests in process.
//
// They behave like the services where the vault depends on it: KMS binds a data key to its encryption context, and a put
// obeys exactly the conditions that the vault uses. Any other condition, or none, is taken as DynamoDB would take it or
// refused loudly, so that a test notices.
package tokenizertest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// KeyARN is the only key that a KMS has.
const KeyARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"

// KMS wraps data keys with AES-GCM, the encryption context as additional data.
type KMS struct {
	// Fail, if set, decides the error of an operation ("GenerateDataKey", "Decrypt") before it happens.
	Fail func(operation string) error

	once sync.Once
	aead cipher.AEAD
	mu   sync.Mutex
	// Decrypts counts the calls of Decrypt that were allowed.
	decrypts int
}

func (k *KMS) init() {
	k.once.Do(func() {
		block, err := aes.NewCipher(random(32))
		if err != nil {
			panic(err)
		}
		if k.aead, err = cipher.NewGCM(block); err != nil {
			panic(err)
		}
	})
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the program instead
	return b
}

func (k *KMS) fail(operation string) error {
	k.init()
	if k.Fail == nil {
		return nil
	}
	return k.Fail(operation)
}

func additional(c map[string]string) []byte {
	b, _ := json.Marshal(c) // sorts the keys; a map of strings always marshals
	return b
}

// GenerateDataKey implements vault.KMS.
func (k *KMS) GenerateDataKey(ctx context.Context, in *kms.GenerateDataKeyInput, _ ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error) {
	if err := firstError(ctx, k.fail("GenerateDataKey")); err != nil {
		return nil, err
	}
	if in.KeyId == nil || *in.KeyId != KeyARN || in.KeySpec != kmstypes.DataKeySpecAes256 {
		return nil, &kmstypes.NotFoundException{}
	}
	plain, nonce := random(32), random(k.aead.NonceSize())
	return &kms.GenerateDataKeyOutput{
		KeyId: new(KeyARN), Plaintext: plain, CiphertextBlob: k.aead.Seal(nonce, nonce, plain, additional(in.EncryptionContext)),
	}, nil
}

// Decrypt implements vault.KMS.
func (k *KMS) Decrypt(ctx context.Context, in *kms.DecryptInput, _ ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	if err := firstError(ctx, k.fail("Decrypt")); err != nil {
		return nil, err
	}
	n := k.aead.NonceSize()
	if in.KeyId == nil || *in.KeyId != KeyARN || len(in.CiphertextBlob) < n {
		return nil, &kmstypes.IncorrectKeyException{}
	}
	plain, err := k.aead.Open(nil, in.CiphertextBlob[:n], in.CiphertextBlob[n:], additional(in.EncryptionContext))
	if err != nil {
		return nil, &kmstypes.InvalidCiphertextException{}
	}
	k.mu.Lock()
	k.decrypts++
	k.mu.Unlock()
	return &kms.DecryptOutput{KeyId: new(KeyARN), Plaintext: plain}, nil
}

// Decrypts counts the data keys that were unwrapped.
func (k *KMS) Decrypts() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.decrypts
}

func firstError(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	return ctx.Err()
}

// Table is the vault's table in memory.
type Table struct {
	// Fail, if set, decides the error of an operation before it happens; LoseAnswer, after it happened.
	Fail, LoseAnswer func(operation string) error

	mu   sync.Mutex
	rows map[[2]string]map[string]ddbtypes.AttributeValue
}

func rowKey(item map[string]ddbtypes.AttributeValue) [2]string {
	part := func(name string) string {
		s, ok := item[name].(*ddbtypes.AttributeValueMemberS)
		if !ok {
			panic(fmt.Sprintf("the item has no key attribute %s", name))
		}
		return s.Value
	}
	return [2]string{part("Hash_Key"), part("Account_Id")}
}

// PutItem implements vault.Store. It knows the vault's two conditions; without a condition it overwrites.
func (t *Table) PutItem(ctx context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	if err := before(ctx, t.Fail, "PutItem"); err != nil {
		return nil, err
	}
	if err := t.put(in); err != nil {
		return nil, err
	}
	return &dynamodb.PutItemOutput{}, before(ctx, t.LoseAnswer, "PutItem")
}

func (t *Table) put(in *dynamodb.PutItemInput) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.rows[rowKey(in.Item)]
	if in.ConditionExpression != nil && old != nil {
		switch *in.ConditionExpression {
		case "attribute_not_exists(Hash_Key)":
			return &ddbtypes.ConditionalCheckFailedException{}
		case "attribute_not_exists(Hash_Key) OR CandidateString = :same":
			if !bytes.Equal(binary(old["CandidateString"]), binary(in.ExpressionAttributeValues[":same"])) {
				return &ddbtypes.ConditionalCheckFailedException{}
			}
		default:
			panic("the fake table does not know the condition " + *in.ConditionExpression)
		}
	}
	if t.rows == nil {
		t.rows = map[[2]string]map[string]ddbtypes.AttributeValue{}
	}
	t.rows[rowKey(in.Item)] = in.Item
	return nil
}

// GetItem implements vault.Store.
func (t *Table) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if err := before(ctx, t.Fail, "GetItem"); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return &dynamodb.GetItemOutput{Item: t.rows[rowKey(in.Key)]}, nil
}

// Len counts the rows.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.rows)
}

// MustRow returns the row of a token, to be looked at or altered.
func (t *Table) MustRow(token, account string) map[string]ddbtypes.AttributeValue {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.rows[[2]string{token, account}]
	if row == nil {
		panic("no such row")
	}
	return row
}

func before(ctx context.Context, fail func(string) error, operation string) error {
	if fail != nil {
		if err := fail(operation); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func binary(v ddbtypes.AttributeValue) []byte {
	b, ok := v.(*ddbtypes.AttributeValueMemberB)
	if !ok {
		panic("not a binary attribute")
	}
	return b.Value
}
