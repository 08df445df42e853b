package vault

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/card"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/envelope"
)

// The attributes of a row. The first three have the names of the original walkthrough.
const (
	attrToken   = "Hash_Key"
	attrAccount = "Account_Id"
	attrMessage = "CandidateString"
	attrFormat  = "Format"
)

// format is the version of a row: an envelope bound to table, account_id and hash_key, with a payload of version 1.
// Attributes are not authenticated: the format only says how to try.
const format = "1"

// The conditions of a put. Both keep a token from being overwritten; the second also accepts a repeat of the same row,
// which makes the put safe to retry without a right to read.
const (
	conditionAbsent       = "attribute_not_exists(" + attrToken + ")"
	conditionAbsentOrSame = conditionAbsent + " OR " + attrMessage + " = :same"
)

type row struct {
	token, account string
	message        []byte
}

func (r row) item() api.Item {
	return api.Item{
		attrToken:   {S: &r.token},
		attrAccount: {S: &r.account},
		attrMessage: {B: r.message},
		attrFormat:  {N: new(format)},
	}
}

func (v *Vault) put(ctx context.Context, r row) error {
	_, err := v.Store.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                 &v.Table,
		Item:                      r.item().DynamoDB(),
		ConditionExpression:       new(conditionAbsentOrSame),
		ExpressionAttributeValues: map[string]types.AttributeValue{":same": &types.AttributeValueMemberB{Value: r.message}},
		ReturnValues:              types.ReturnValueNone, // the grant's condition allows nothing else
	})
	return err
}

func (v *Vault) get(ctx context.Context, token string) (row, error) {
	out, err := v.Store.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &v.Table,
		Key: map[string]types.AttributeValue{
			attrToken:   &types.AttributeValueMemberS{Value: token},
			attrAccount: &types.AttributeValueMemberS{Value: v.AccountID},
		},
		ConsistentRead: new(true), // a token is usable as soon as it has been given out
	})
	switch {
	case err != nil:
		return row{}, upstream("dynamodb:GetItem", err)
	case len(out.Item) == 0:
		return row{}, api.Errorf(api.ErrNotFound, "token", "no such token in this vault")
	}
	if f, ok := out.Item[attrFormat].(*types.AttributeValueMemberN); !ok || f.Value != format {
		return row{}, api.Errorf(api.ErrIntegrity, "", "the row has another format; this release reads format %s", format)
	}
	m, ok := out.Item[attrMessage].(*types.AttributeValueMemberB)
	if !ok || len(m.Value) > envelope.MaxMessage {
		return row{}, api.Errorf(api.ErrIntegrity, "", "the row has no message of a plausible size")
	}
	return row{token: token, account: v.AccountID, message: m.Value}, nil
}

// payload is what an envelope holds. Everything about the data that must not be forged belongs here, not into a row's
// attributes.
type payload struct {
	Version int    `json:"v"`
	Type    string `json:"type"`
	Data    string `json:"data"` // digits only
}

const (
	payloadVersion = 1
	typeCard       = "card"
)

func encodePayload(n card.Number) []byte {
	b, err := json.Marshal(payload{payloadVersion, typeCard, n.Reveal()})
	if err != nil { // an int and two strings always marshal
		panic(err)
	}
	return b
}

func decodePayload(b []byte) (card.Number, error) {
	var p payload
	if json.Unmarshal(b, &p) != nil || p.Version != payloadVersion || p.Type != typeCard {
		return card.Number{}, api.Errorf(api.ErrIntegrity, "", "the envelope holds no card payload of version %d", payloadVersion)
	}
	n, err := card.Parse(p.Data)
	if err != nil {
		return card.Number{}, api.Errorf(api.ErrIntegrity, "", "the envelope holds no card number")
	}
	return n, nil
}
