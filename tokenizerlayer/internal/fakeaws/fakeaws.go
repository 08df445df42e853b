// Package fakeaws has fakes of KMS and of the vault's tables, in process, for tests and for the development server.
//
// They behave like the services where the vault depends on it: KMS binds a data key to its encryption context, a
// transaction happens as a whole or not at all, and writes obey exactly the conditions that the vault uses. Any other
// condition makes the fake panic, so that a test notices, and so does a read that is not consistent or a transaction
// without a token.
package fakeaws

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
)

// The keys that a KMS has.
const (
	KeyARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555" // TokenKey
	// an earlier version of TokenKey
	OldKeyARN      = "arn:aws:kms:us-east-1:123456789012:key/55555555-2222-3333-4444-555555555555"
	FingerprintARN = "arn:aws:kms:us-east-1:123456789012:key/22222222-2222-3333-4444-555555555555" // FingerprintKey
	// OldFingerprintARN is an earlier version of FingerprintKey.
	OldFingerprintARN = "arn:aws:kms:us-east-1:123456789012:key/33333333-2222-3333-4444-555555555555"
	// ThirdFingerprintARN is yet another version.
	ThirdFingerprintARN = "arn:aws:kms:us-east-1:123456789012:key/44444444-2222-3333-4444-555555555555"
)

// Exception is what a service answers if something fails.
func Exception(code string) error { return &awsjson.Error{Code: code, Status: http.StatusBadRequest} }

// Cancelled is what DynamoDB answers for a transaction that did not happen, with a reason for each item.
func Cancelled(reasons ...string) error {
	return &awsjson.Error{Code: dynamoapi.TransactionCanceledException, Status: http.StatusBadRequest, Reasons: reasons}
}

// KMS wraps data keys with AES-GCM, the encryption context as additional data.
type KMS struct {
	// Fail, if set, decides the error of an operation ("GenerateDataKey", "Decrypt", "GenerateMac") before it happens.
	Fail func(operation string) error

	once  sync.Once
	aeads map[string]cipher.AEAD // keys by ARN
	macs  map[string][]byte
	mu    sync.Mutex
	// Decrypts counts the calls of Decrypt that were allowed.
	decrypts int
}

func (k *KMS) init() {
	k.once.Do(func() {
		k.aeads = map[string]cipher.AEAD{KeyARN: newAEAD(), OldKeyARN: newAEAD()}
		k.macs = map[string][]byte{
			FingerprintARN: random(32), OldFingerprintARN: random(32), ThirdFingerprintARN: random(32),
		}
	})
}

func newAEAD() cipher.AEAD {
	block, err := aes.NewCipher(random(32))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// GenerateMac implements vault.KMS.
func (k *KMS) GenerateMac(ctx context.Context, in kmsapi.GenerateMacInput) (kmsapi.GenerateMacOutput, error) {
	if err := firstError(ctx, k.fail("GenerateMac")); err != nil {
		return kmsapi.GenerateMacOutput{}, err
	}
	key := k.macs[in.KeyID]
	if key == nil {
		return kmsapi.GenerateMacOutput{}, Exception("NotFoundException")
	}
	h := hmac.New(sha256.New, key)
	h.Write(in.Message)
	return kmsapi.GenerateMacOutput{KeyID: in.KeyID, Mac: h.Sum(nil)}, nil
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
func (k *KMS) GenerateDataKey(ctx context.Context,
	in kmsapi.GenerateDataKeyInput) (kmsapi.GenerateDataKeyOutput, error) {
	if err := firstError(ctx, k.fail("GenerateDataKey")); err != nil {
		return kmsapi.GenerateDataKeyOutput{}, err
	}
	aead := k.aeads[in.KeyID]
	if aead == nil {
		return kmsapi.GenerateDataKeyOutput{}, Exception("NotFoundException")
	}
	plain, nonce := random(32), random(aead.NonceSize())
	return kmsapi.GenerateDataKeyOutput{
		KeyID:          in.KeyID,
		Plaintext:      plain,
		CiphertextBlob: aead.Seal(nonce, nonce, plain, additional(in.EncryptionContext)),
	}, nil
}

// Decrypt implements vault.KMS.
func (k *KMS) Decrypt(ctx context.Context, in kmsapi.DecryptInput) (kmsapi.DecryptOutput, error) {
	if err := firstError(ctx, k.fail("Decrypt")); err != nil {
		return kmsapi.DecryptOutput{}, err
	}
	aead := k.aeads[in.KeyID]
	if aead == nil {
		return kmsapi.DecryptOutput{}, Exception("NotFoundException")
	}
	n := aead.NonceSize()
	if len(in.CiphertextBlob) < n {
		return kmsapi.DecryptOutput{}, Exception(kmsapi.InvalidCiphertext)
	}
	plain, err := aead.Open(nil, in.CiphertextBlob[:n], in.CiphertextBlob[n:], additional(in.EncryptionContext))
	if err != nil {
		return kmsapi.DecryptOutput{}, Exception(kmsapi.InvalidCiphertext)
	}
	k.mu.Lock()
	k.decrypts++
	k.mu.Unlock()
	return kmsapi.DecryptOutput{KeyID: in.KeyID, Plaintext: plain}, nil
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

// Tables are the vault's table, its state and its index in memory.
type Tables struct {
	// Fail, if set, decides the error of an operation before it happens; LoseAnswer, after it happened.
	Fail, LoseAnswer func(operation string) error

	mu   sync.Mutex
	rows map[string]Row // by table and key
}

// Row is a stored row.
type Row = attribute.Item

// keyNames are the attributes that make a key, by table. A row of the index has a Hash_Key too.
var keyNames = [][]string{{"Index_Key"}, {"State_Key", "Account_Id"}, {"Hash_Key", "Account_Id"}}

func rowKey(table string, item Row) string {
	i := slices.IndexFunc(keyNames, func(names []string) bool { _, found := item[names[0]]; return found })
	if i < 0 {
		panic("the item has no key attribute")
	}
	names := keyNames[i]
	key := table
	for _, name := range names {
		s, ok := item[name].Text()
		if !ok {
			panic("the item has no key attribute " + name)
		}
		key += "\x00" + s
	}
	return key
}

// conditions are those that the vault uses.
var conditions = map[string]func(old, values Row) bool{
	"attribute_not_exists(Hash_Key)":  func(old, _ Row) bool { return old == nil },
	"attribute_not_exists(Index_Key)": func(old, _ Row) bool { return old == nil },
	"Hash_Key = :token": func(old, values Row) bool {
		return old != nil && text(old["Hash_Key"]) == text(values[":token"])
	},
	"attribute_not_exists(Hash_Key) OR CandidateString = :same": func(old, values Row) bool {
		return old == nil || bytes.Equal(binary(old["CandidateString"]), binary(values[":same"]))
	},
	"attribute_not_exists(Index_Key) OR ExpiresAt <= :now": func(old, values Row) bool {
		return old == nil || number(old["ExpiresAt"]) <= number(values[":now"])
	},
	"attribute_not_exists(Index_Key) OR Hash_Key = :token": func(old, values Row) bool {
		return old == nil || text(old["Hash_Key"]) == text(values[":token"])
	},
	"attribute_not_exists(Index_Key) OR Handle = :void":   handleIs(":void"),
	"attribute_not_exists(Index_Key) OR Handle = :handle": handleIs(":handle"),
	"(attribute_not_exists(Uses) OR Uses >= :zero AND Uses < :max) AND " +
		"(attribute_not_exists(LastAttempt) OR LastAttempt <> :attempt OR LastAttemptAt <= :since)": func(old,
		values Row) bool {
		return (!has(old, "Uses") || number(old["Uses"]) >= number(values[":zero"]) &&
			number(old["Uses"]) < number(values[":max"])) &&
			(!has(old, "LastAttempt") || text(old["LastAttempt"]) != text(values[":attempt"]) ||
				number(old["LastAttemptAt"]) <= number(values[":since"]))
	},
}

func has(row Row, name string) bool {
	_, found := row[name]
	return found
}

func handleIs(value string) func(old, values Row) bool {
	return func(old, values Row) bool {
		return old == nil || text(old["Handle"]) != "" && text(old["Handle"]) == text(values[value])
	}
}

func holds(condition string, old, values Row) bool {
	if condition == "" {
		return true
	}
	holds := conditions[condition]
	if holds == nil {
		panic("the fake does not know the condition " + condition)
	}
	return holds(old, values)
}

// PutItem implements vault.Store.
func (t *Tables) PutItem(ctx context.Context, in dynamoapi.PutItemInput) error {
	return t.write(ctx, "PutItem", func() error {
		key := rowKey(in.TableName, in.Item)
		if !holds(in.ConditionExpression, t.rows[key], in.ExpressionAttributeValues) {
			return Exception(dynamoapi.ConditionalCheckFailedException)
		}
		t.rows[key] = maps.Clone(in.Item)
		return nil
	})
}

// UpdateItem implements vault.Store. It knows the one update that the vault does: counting a use.
func (t *Tables) UpdateItem(ctx context.Context, in dynamoapi.UpdateItemInput) error {
	if in.UpdateExpression != "SET Uses = if_not_exists(Uses, :zero) + :one, LastAttempt = :attempt, "+
		"LastAttemptAt = :now" {
		panic("the fake does not know the update " + in.UpdateExpression)
	}
	return t.write(ctx, "UpdateItem", func() error {
		key, values := rowKey(in.TableName, in.Key), in.ExpressionAttributeValues
		if !holds(in.ConditionExpression, t.rows[key], values) {
			return Exception(dynamoapi.ConditionalCheckFailedException)
		}
		row := maps.Clone(t.rows[key])
		if row == nil {
			row = maps.Clone(in.Key)
			row["Uses"] = values[":zero"]
		}
		uses := strconv.FormatInt(number(row["Uses"])+number(values[":one"]), 10)
		row["Uses"], row["LastAttempt"], row["LastAttemptAt"] = attribute.N(uses), values[":attempt"], values[":now"]
		t.rows[key] = row
		return nil
	})
}

// TransactWriteItems implements vault.Store, for puts and deletes.
func (t *Tables) TransactWriteItems(ctx context.Context, in dynamoapi.TransactWriteItemsInput) error {
	if in.ClientRequestToken == "" {
		panic("a transaction without a token is another one when it is repeated")
	}
	return t.write(ctx, "TransactWriteItems", func() error {
		cancelled := false
		var reasons []string
		after, touched := maps.Clone(t.rows), map[string]bool{}
		for _, item := range in.TransactItems {
			if key := itemKey(item); touched[key] || len(key) > maxKey {
				return Exception("ValidationException") // an item twice, or a key that is too long
			} else {
				touched[key] = true
			}
		}
		for _, item := range in.TransactItems {
			reason := "None"
			if !t.apply(item, after) {
				reason, cancelled = dynamoapi.ConditionalCheckFailed, true
			}
			reasons = append(reasons, reason)
		}
		if cancelled {
			return Cancelled(reasons...)
		}
		t.rows = after
		return nil
	})
}

// maxKey is what DynamoDB allows a partition key, in bytes, and then some for the table's name.
const maxKey = 2048 + 300

func itemKey(item dynamoapi.TransactWriteItem) string {
	if item.Put != nil {
		return rowKey(item.Put.TableName, item.Put.Item)
	}
	return rowKey(item.Delete.TableName, item.Delete.Key)
}

// apply does one item of a transaction on after, and tells whether its condition holds.
func (t *Tables) apply(item dynamoapi.TransactWriteItem, after map[string]Row) bool {
	if put := item.Put; put != nil {
		key := rowKey(put.TableName, put.Item)
		after[key] = maps.Clone(put.Item)
		return holds(put.ConditionExpression, t.rows[key], put.ExpressionAttributeValues)
	}
	key := rowKey(item.Delete.TableName, item.Delete.Key)
	delete(after, key)
	return holds(item.Delete.ConditionExpression, t.rows[key], item.Delete.ExpressionAttributeValues)
}

// write does one operation at a time.
func (t *Tables) write(ctx context.Context, operation string, do func() error) error {
	if err := before(ctx, t.Fail, operation); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[string]Row{}
	}
	if err := do(); err != nil {
		return err
	}
	return before(ctx, t.LoseAnswer, operation)
}

// GetItem implements vault.Store.
func (t *Tables) GetItem(ctx context.Context, in dynamoapi.GetItemInput) (Row, error) {
	if !in.ConsistentRead {
		panic("a read that is not consistent may miss what was written")
	}
	if err := before(ctx, t.Fail, "GetItem"); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.rows[rowKey(in.TableName, in.Key)]), nil
}

// Rows returns copies of a table's rows.
func (t *Tables) Rows(table string) []Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	var rows []Row
	for key, row := range t.rows {
		if name, _, _ := bytes.Cut([]byte(key), []byte{0}); string(name) == table {
			rows = append(rows, maps.Clone(row))
		}
	}
	return rows
}

// MustPut stores a row, whatever is there.
func (t *Tables) MustPut(table string, row Row) {
	if err := t.PutItem(context.Background(), dynamoapi.PutItemInput{TableName: table, Item: row}); err != nil {
		panic(err)
	}
}

// MustRow returns the row with a key, to be looked at or altered. Parts are the key's attributes.
func (t *Tables) MustRow(table string, parts ...string) Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.rows[table+"\x00"+strings.Join(parts, "\x00")]
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

func binary(v attribute.Value) []byte {
	b, ok := v.Bytes()
	if !ok {
		panic("not a binary attribute")
	}
	return b
}

// text is "" for what is no text.
func text(v attribute.Value) string {
	s, _ := v.Text()
	return s
}

func number(v attribute.Value) int64 {
	n, ok := v.Number()
	if !ok {
		panic("not a number attribute")
	}
	i, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		panic(err)
	}
	return i
}
