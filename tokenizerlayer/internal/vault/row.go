package vault

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// The attributes of a row. The first three have the names of the original walkthrough. Attributes are not authenticated: they
// say how to open the envelope and how often that was done, and what they say of anything else is for DynamoDB and people.
const (
	attrToken   = "Hash_Key"
	attrAccount = "Account_Id"
	attrMessage = "CandidateString"
	attrFormat  = "Format"
	attrPurpose = "Purpose"
	attrExpires = "ExpiresAt" // the table's TTL attribute, in Unix seconds: it purges, and decides nothing
	attrUses    = "Uses"      // how often a token of limited uses was detokenized
	attrAttempt = "LastAttempt"
	attrTried   = "LastAttemptAt" // Unix seconds
	attrMarks   = "IndexKeys"     // of a deterministic token: what to delete with it

	attrTokenExpires = "TokenExpiresAt" // in the index
)

// The versions of a row. Version 1 is bound to table, account_id and hash_key and has a payload of version 1; version 2 may be
// bound to a purpose as well and has a payload of version 2.
const (
	formatFirst   = "1"
	formatCurrent = "2"
)

// The conditions of a put. Both keep a token from being overwritten; the second also accepts a repeat of the same row, which
// makes the put safe to retry without a right to read.
const (
	conditionAbsent       = "attribute_not_exists(" + attrToken + ")"
	conditionAbsentOrSame = conditionAbsent + " OR " + attrMessage + " = :same"
)

type row struct {
	token, account string
	message        []byte
	format         string
	purpose        string
	expires        time.Time
	marks          []string
	limited        bool // has a counter
	uses           int64
	attempt        string
	tried          time.Time
	duplicate      bool // stands for a row that was there
}

func (r row) created() Created {
	return Created{Token: r.token, ExpiresAt: r.expires, Deduplicated: r.duplicate}
}

func (r row) item() api.Item {
	item := api.Item{
		attrToken:   {S: &r.token},
		attrAccount: {S: &r.account},
		attrMessage: {B: r.message},
		attrFormat:  {N: &r.format},
	}
	if r.purpose != "" {
		item[attrPurpose] = api.AttributeValue{S: &r.purpose}
	}
	if !r.expires.IsZero() {
		item[attrExpires] = api.AttributeValue{N: new(strconv.FormatInt(r.expires.Unix(), 10))}
	}
	if r.limited {
		item[attrUses] = api.AttributeValue{N: new("0")}
	}
	if len(r.marks) > 0 {
		item[attrMarks] = api.AttributeValue{S: new(strings.Join(r.marks, " "))}
	}
	return item
}

func (v *Vault) put(ctx context.Context, r row) error {
	_, err := v.store.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                 &v.table,
		Item:                      r.item().DynamoDB(),
		ConditionExpression:       new(conditionAbsentOrSame),
		ExpressionAttributeValues: map[string]types.AttributeValue{":same": &types.AttributeValueMemberB{Value: r.message}},
		ReturnValues:              types.ReturnValueNone, // the grant's condition allows nothing else
	})
	return err
}

func (v *Vault) key(token string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{attrToken: text(token), attrAccount: text(v.account)}
}

// errNoToken does not tell an unknown token from another account's.
var errNoToken = failure.New(failure.NotFound, "token", "no such token in this vault")

// get reads the row of a token. With ErrIntegrity it returns what can be read of a damaged one.
func (v *Vault) get(ctx context.Context, token string) (row, error) {
	out, err := v.store.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &v.table, Key: v.key(token), ConsistentRead: new(true), // a token is usable as soon as it has been given out
	})
	switch {
	case err != nil:
		return row{}, upstream("dynamodb:GetItem", err)
	case len(out.Item) == 0:
		return row{}, errNoToken
	}
	item := out.Item
	r := row{
		token: token, account: v.account, purpose: textOf(item[attrPurpose]), marks: marksOf(item[attrMarks]),
		uses: numberOf(item[attrUses]), attempt: textOf(item[attrAttempt]), tried: timeOf(item[attrTried]),
	}
	if f, ok := item[attrFormat].(*types.AttributeValueMemberN); ok {
		r.format = f.Value
	}
	if r.format != formatFirst && r.format != formatCurrent {
		return r, failure.New(failure.Integrity, "", "the row has another format; this release reads the formats %s and %s", formatFirst, formatCurrent)
	}
	m, ok := item[attrMessage].(*types.AttributeValueMemberB)
	if !ok || len(m.Value) > envelope.MaxMessage {
		return r, failure.New(failure.Integrity, "", "the row has no message of a plausible size")
	}
	r.message = m.Value
	return r, nil
}

// marksOf leaves out what can be none of a row's marks: one such would make every attempt to delete them fail. Each version of
// FingerprintKey leaves one at most.
func marksOf(v types.AttributeValue) (marks []string) {
	for _, mark := range strings.Fields(textOf(v)) {
		if len(marks) < api.MaxKeyVersions && strings.HasPrefix(mark, "fp#") && indexKey.MatchString(mark) && !slices.Contains(marks, mark) {
			marks = append(marks, mark)
		}
	}
	return marks
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// numberOf is 0 for what is no number.
func numberOf(v types.AttributeValue) int64 {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	i, _ := strconv.ParseInt(n.Value, 10, 64)
	return i
}

func seconds(t time.Time) types.AttributeValue { return number(t.Unix()) }

func timeOf(v types.AttributeValue) time.Time {
	if n := numberOf(v); n != 0 {
		return time.Unix(n, 0)
	}
	return time.Time{}
}
