package tokenizertest

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
)

// condition keeps a put from overwriting a token.
const condition = "attribute_not_exists(Hash_Key)"

// Commit carries out a transaction as far as the vault is concerned: it stores the rows that client.Client.Seal returned, all of them
// or none, and ignores items of other tables. If a token exists already, the error is the [types.TransactionCanceledException] that
// DynamoDB returns, with a reason for each item. A row without the condition that Seal gave it is refused, although DynamoDB would take
// it: your code could overwrite a token.
func (tok *Tokenizer) Commit(items ...types.TransactWriteItem) error {
	var rows []types.TransactWriteItem
	var positions []int
	for i, item := range items {
		put := item.Put
		if put == nil || put.TableName == nil || *put.TableName != vaultTable {
			continue
		}
		if put.ConditionExpression == nil || *put.ConditionExpression != condition {
			return errors.New("tokenizertest: a row of the vault has lost its condition: commit Put as Seal returned it")
		}
		rows, positions = append(rows, item), append(positions, i)
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := tok.tables.TransactWriteItems(context.Background(), &dynamodb.TransactWriteItemsInput{
		TransactItems: rows, ClientRequestToken: new(uuid.NewString()),
	})
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return spread(cancelled, positions, len(items))
	}
	return err
}

// spread gives each of n items a reason: those at positions their own, the others none.
func spread(cancelled *types.TransactionCanceledException, positions []int, n int) error {
	reasons := make([]types.CancellationReason, n)
	for i := range reasons {
		reasons[i].Code = new("None")
	}
	for i, position := range positions {
		reasons[position] = cancelled.CancellationReasons[i]
	}
	return &types.TransactionCanceledException{CancellationReasons: reasons}
}
