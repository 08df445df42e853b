package tokenizertest

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/inmemory"
)

// condition keeps a put from overwriting a token.
const condition = "attribute_not_exists(Hash_Key)"

// Commit carries out a transaction as far as the vault is concerned: it stores the rows that client.Client.Seal
// returned, all of them or none, and ignores items of other tables. If a token exists already, the error is the
// [types.TransactionCanceledException] that DynamoDB returns, with a reason for each item. A row without the condition
// that Seal gave it is refused, although DynamoDB would take it: your code could overwrite a token.
func (tok *Tokenizer) Commit(items ...types.TransactWriteItem) error {
	var rows []dynamoapi.TransactWriteItem
	var positions []int
	for i, item := range items {
		put := item.Put
		if put == nil || put.TableName == nil || *put.TableName != inmemory.VaultTable {
			continue
		}
		if put.ConditionExpression == nil || *put.ConditionExpression != condition {
			return errors.New(
				"tokenizertest: a row of the vault has lost its condition: commit Put as Seal returned it")
		}
		rows = append(rows, dynamoapi.TransactWriteItem{Put: &dynamoapi.Put{
			TableName: *put.TableName, Item: fromSDK(put.Item), ConditionExpression: *put.ConditionExpression,
		}})
		positions = append(positions, i)
	}
	if len(rows) == 0 {
		return nil
	}
	err := tok.aws.Tables.TransactWriteItems(context.Background(), dynamoapi.TransactWriteItemsInput{
		TransactItems: rows, ClientRequestToken: uuid.NewString(),
	})
	if awsjson.Code(err) == dynamoapi.TransactionCanceledException {
		cancelled, _ := errors.AsType[*awsjson.Error](err)
		return spread(cancelled.Reasons, positions, len(items))
	}
	return err
}

// fromSDK converts a row from the SDK's types. What the vault does not use becomes a value of no known type.
func fromSDK(row map[string]types.AttributeValue) attribute.Item {
	out := attribute.Item{}
	for name, v := range row {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			out[name] = attribute.S(v.Value)
		case *types.AttributeValueMemberN:
			out[name] = attribute.N(v.Value)
		case *types.AttributeValueMemberB:
			out[name] = attribute.B(v.Value)
		default:
			out[name] = attribute.Value{}
		}
	}
	return out
}

// spread gives each of n items a reason: those at positions their own, the others none.
func spread(codes []string, positions []int, n int) error {
	reasons := make([]types.CancellationReason, n)
	for i := range reasons {
		reasons[i].Code = new("None")
	}
	for i, position := range positions {
		reasons[position].Code = &codes[i]
	}
	return &types.TransactionCanceledException{CancellationReasons: reasons}
}
