// Package dynamoapi has the four operations of DynamoDB that the vault calls
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/). An empty text in an input leaves the member out.
package dynamoapi

import (
	"context"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// Exceptions and reasons that callers tell apart.
const (
	// ConditionalCheckFailedException is the exception about a single write whose condition did not hold.
	ConditionalCheckFailedException = "ConditionalCheckFailedException"
	// TransactionCanceledException is the exception about a transaction that did not happen; [awsjson.Error] has its
	// Reasons.
	TransactionCanceledException = "TransactionCanceledException"
	// ConditionalCheckFailed is the reason of an item whose condition did not hold.
	ConditionalCheckFailed = "ConditionalCheckFailed"
)

// GetItemInput asks for the row with a key.
type GetItemInput struct {
	TableName      string
	Key            attribute.Item
	ConsistentRead bool
}

// PutItemInput puts a row. DynamoDB answers none of the old row's values: the grant's condition allows nothing else.
type PutItemInput struct {
	TableName                 string
	Item                      attribute.Item
	ConditionExpression       string
	ExpressionAttributeValues attribute.Item
}

// UpdateItemInput changes a row.
type UpdateItemInput struct {
	TableName                 string
	Key                       attribute.Item
	UpdateExpression          string
	ConditionExpression       string
	ExpressionAttributeValues attribute.Item
}

// TransactWriteItemsInput is a transaction. A repeat with the same token is the same transaction.
type TransactWriteItemsInput struct {
	TransactItems      []TransactWriteItem
	ClientRequestToken string
}

// TransactWriteItem holds exactly one of its members.
type TransactWriteItem struct {
	Put    *Put
	Delete *Delete
}

// Put is a put in a transaction.
type Put struct {
	TableName                 string
	Item                      attribute.Item
	ConditionExpression       string
	ExpressionAttributeValues attribute.Item
}

// Delete is a delete in a transaction.
type Delete struct {
	TableName                 string
	Key                       attribute.Item
	ConditionExpression       string
	ExpressionAttributeValues attribute.Item
}

// Client calls DynamoDB. It is safe for concurrent use. Errors that DynamoDB answers are of the type [awsjson.Error].
type Client struct{ *awsjson.Client }

// New returns a client. The error names the variable of the environment that is wrong.
func New(e awsjson.Environment, o awsjson.Options) (*Client, error) {
	c, err := awsjson.New(awsjson.Service{
		Name: "dynamodb", Target: "DynamoDB_20120810", ContentType: "application/x-amz-json-1.0",
		MaxAnswer: 4 << 20, // a row has at most 400 KiB, which JSON makes six times as long at worst
	}, e, o)
	if err != nil {
		return nil, err
	}
	return &Client{c}, nil
}

// GetItem returns a row; nil if there is none.
func (c *Client) GetItem(ctx context.Context, in GetItemInput) (row attribute.Item, err error) {
	encode := func(to []byte) []byte {
		to = in.Key.AppendJSON(appendName(appendText(append(to, '{'), "TableName", in.TableName), "Key"))
		if in.ConsistentRead {
			to = append(appendName(to, "ConsistentRead"), "true"...)
		}
		return append(to, '}')
	}
	err = c.Do(ctx, "GetItem", encode, func(d *wirejson.Decoder) (err error) {
		row, err = readItem(d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}

// PutItem puts a row.
func (c *Client) PutItem(ctx context.Context, in PutItemInput) error {
	return c.Do(ctx, "PutItem", func(to []byte) []byte {
		to = appendText(append(to, '{'), "TableName", in.TableName)
		to = in.Item.AppendJSON(appendName(to, "Item"))
		to = appendCondition(to, in.ConditionExpression, in.ExpressionAttributeValues)
		return append(appendText(to, "ReturnValues", "NONE"), '}')
	}, readNothing)
}

// UpdateItem changes a row.
func (c *Client) UpdateItem(ctx context.Context, in UpdateItemInput) error {
	return c.Do(ctx, "UpdateItem", func(to []byte) []byte {
		to = appendText(append(to, '{'), "TableName", in.TableName)
		to = in.Key.AppendJSON(appendName(to, "Key"))
		to = appendText(to, "UpdateExpression", in.UpdateExpression)
		return append(appendCondition(to, in.ConditionExpression, in.ExpressionAttributeValues), '}')
	}, readNothing)
}

// TransactWriteItems does all that it is given, or nothing.
func (c *Client) TransactWriteItems(ctx context.Context, in TransactWriteItemsInput) error {
	return c.Do(ctx, "TransactWriteItems", func(to []byte) []byte {
		to = append(appendName(append(to, '{'), "TransactItems"), '[')
		for i, item := range in.TransactItems {
			if i > 0 {
				to = append(to, ',')
			}
			to = item.append(to)
		}
		to = append(to, ']')
		return append(appendText(to, "ClientRequestToken", in.ClientRequestToken), '}')
	}, readNothing)
}

func (i TransactWriteItem) append(to []byte) []byte {
	if put := i.Put; put != nil {
		to = appendText(append(to, `{"Put":{`...), "TableName", put.TableName)
		to = put.Item.AppendJSON(appendName(to, "Item"))
		to = appendCondition(to, put.ConditionExpression, put.ExpressionAttributeValues)
		return append(to, "}}"...)
	}
	to = appendText(append(to, `{"Delete":{`...), "TableName", i.Delete.TableName)
	to = i.Delete.Key.AppendJSON(appendName(to, "Key"))
	to = appendCondition(to, i.Delete.ConditionExpression, i.Delete.ExpressionAttributeValues)
	return append(to, "}}"...)
}

func appendName(to []byte, name string) []byte { return wirejson.AppendName(to, name) }

func appendText(to []byte, name, text string) []byte {
	if text == "" {
		return to
	}
	return wirejson.AppendString(appendName(to, name), text)
}

func appendCondition(to []byte, condition string, values attribute.Item) []byte {
	to = appendText(to, "ConditionExpression", condition)
	if len(values) > 0 {
		to = values.AppendJSON(appendName(to, "ExpressionAttributeValues"))
	}
	return to
}

// readItem reads what GetItem answers, and passes over members that it does not know.
func readItem(d *wirejson.Decoder) (row attribute.Item, err error) {
	err = d.Object(func(name []byte) (err error) {
		if string(name) != "Item" {
			return d.Skip()
		}
		row, err = attribute.Read(d)
		return err
	})
	return row, err
}

func readNothing(d *wirejson.Decoder) error { return d.Skip() }
