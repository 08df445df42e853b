package vault

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/form"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// The attributes of a row. The first three have the names of the original walkthrough. Attributes are not
// authenticated: they say how to open the envelope, and nothing is believed that the envelope does not confirm.
const (
	attrToken   = "Hash_Key"
	attrAccount = "Account_Id"
	attrMessage = "CandidateString"
	attrRef     = "Ref"
	attrFormat  = "Format"
	attrPurpose = "Purpose"
	attrExpires = "ExpiresAt" // the table's TTL attribute, in Unix seconds: it purges, and decides nothing
	// what revoking the token has to delete from the index: its handle, and the keys of its request
	attrIndexed = "IndexKeys"
)

// format is the version of a row and of its payload.
const format = "3"

// The conditions of a put. Both keep a token from being overwritten; the second also accepts a repeat of the same row,
// which makes the put safe to retry without a right to read.
const (
	conditionAbsent       = "attribute_not_exists(" + attrToken + ")"
	conditionAbsentOrSame = conditionAbsent + " OR " + attrMessage + " = :same"
)

// row is a row of the vault's table.
type row struct {
	token   string
	ref     string
	message []byte
	purpose string
	expires time.Time
	indexed []string // index keys
}

// rowItem is the row as DynamoDB stores it.
func (v *Vault) rowItem(r row) item {
	i := item{
		attrToken:   text(r.token),
		attrAccount: text(v.account),
		attrMessage: attribute.B(r.message),
		attrRef:     text(r.ref),
		attrFormat:  attribute.N(format),
	}
	if r.purpose != "" {
		i[attrPurpose] = text(r.purpose)
	}
	if !r.expires.IsZero() {
		i[attrExpires] = seconds(r.expires)
	}
	if len(r.indexed) > 0 {
		i[attrIndexed] = text(strings.Join(r.indexed, " "))
	}
	return i
}

func (v *Vault) putRow(ctx context.Context, r row) error {
	return v.store.PutItem(ctx, dynamoapi.PutItemInput{
		TableName:                 v.table,
		Item:                      v.rowItem(r),
		ConditionExpression:       conditionAbsentOrSame,
		ExpressionAttributeValues: item{":same": attribute.B(r.message)},
	})
}

func (v *Vault) rowKey(tok string) item {
	return item{attrToken: text(tok), attrAccount: text(v.account)}
}

// errNoToken does not tell an unknown token from another account's.
var errNoToken = failure.New(failure.NotFound, "token", "no such token in this vault")

// getRow reads the row of a token. If the row is damaged, it returns the fields that it can read and an error of kind
// Integrity.
func (v *Vault) getRow(ctx context.Context, tok string) (row, error) {
	i, err := v.store.GetItem(ctx, dynamoapi.GetItemInput{
		// a token is usable as soon as it has been given out
		TableName: v.table, Key: v.rowKey(tok), ConsistentRead: true,
	})
	switch {
	case err != nil:
		return row{}, upstream("dynamodb:GetItem", err)
	case len(i) == 0:
		return row{}, errNoToken
	}
	return parseRow(tok, i)
}

func parseRow(tok string, i item) (row, error) {
	r := row{token: tok, indexed: indexedOf(i[attrIndexed])}
	if ref := textOf(i[attrRef]); token.IsRef(ref) {
		r.ref = ref
	}
	if purpose := textOf(i[attrPurpose]); api.IsPurpose(purpose) {
		r.purpose = purpose
	}
	message, isMessage := i[attrMessage].Bytes()
	stored, _ := i[attrFormat].Number()
	_, isBound := i[attrPurpose]
	switch {
	case stored != format:
		return r, integrity("the row has another format than %s, the only one that this release reads", format)
	case r.ref == "":
		return r, integrity("the row has no ref")
	case r.purpose == "" && isBound:
		return r, integrity("the row's purpose is malformed")
	case !isMessage || len(message) > envelope.MaxMessage:
		return r, integrity("the row has no message of a plausible size")
	}
	r.message = message
	return r, nil
}

// The keys of the index have one of three forms, with a MAC of 32 bytes in base64: fp#VERSION#MAC, id#VERSION#MAC, or
// h# and 32 hexadecimal digits.

func isFingerprint(key string) bool { return isMAC(key, "fp#") }

func isRequest(key string) bool { return isMAC(key, "id#") }

func isMAC(key, kind string) bool {
	rest, ok := strings.CutPrefix(key, kind)
	version, mac, _ := strings.Cut(rest, "#")
	return ok && api.IsKeyVersion(version) && form.Consists(mac, form.Base64, 43, 43)
}

func isHandle(key string) bool {
	random, ok := strings.CutPrefix(key, "h#")
	return ok && form.Consists(random, form.Hex, 32, 32)
}

// indexedOf reads the index keys that a row names, and passes over what can be none: one such would make every attempt
// to delete them fail. A row names its handle, or a request in each version of the key.
func indexedOf(v attribute.Value) (keys []string) {
	for _, key := range strings.Fields(textOf(v)) {
		if len(keys) < api.MaxKeyVersions && (isHandle(key) || isRequest(key)) && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}
