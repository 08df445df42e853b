package orders

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// Processor charges cards. That no order is charged twice rests on this contract of an implementation:
//
//   - It charges at most once for an IdempotencyKey, however often and from however many places it is asked.
//   - If a key is repeated, it returns the receipt of the charge that was made.
//   - If a key is repeated with another card or order, it returns an [*Error] of the kind ErrKeyReused.
//   - Any other error means that the card may have been charged. Asking again with the same key tells.
//   - It honours ctx, and neither logs the card nor puts it into an error.
//
// It must remember a key for longer than orders stay unpaid. Stripe, for example, forgets keys after 24 hours.
type Processor interface {
	Charge(ctx context.Context, c Charge) (Receipt, error)
}

// Charge asks for the payment of an order.
type Charge struct {
	// IdempotencyKey is the payment's ID.
	IdempotencyKey string
	Card           client.PAN
	// Order is the order's number.
	Order string
}

// Receipt tells of a charge that was made.
type Receipt struct {
	PaymentID string
	Order     string
	// Mask shows the last four digits of the card that was charged.
	Mask string
	// ChargedAt has whole seconds.
	ChargedAt time.Time
}

// LedgerDynamoDB is what a SimulatedProcessor calls. IAM: dynamodb:PutItem and GetItem on the ledger's table.
type LedgerDynamoDB interface {
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
}

// SimulatedProcessor stands in for a payment processor: it moves no money and declines nobody. Its ledger is a table
// with the key PaymentId, outside of the function as a real processor's would be. A row holds the mask of the card, so
// another card with a repeated key is recognized by its length and last four digits only.
type SimulatedProcessor struct {
	DynamoDB LedgerDynamoDB
	Table    string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

const (
	attrPaymentID = "PaymentId"
	attrCharged   = "CreditCardCharged"
	attrChargedAt = "ChargedAt"
)

// Charge enters c into the ledger, or returns the receipt of the entry that exists already.
func (p *SimulatedProcessor) Charge(ctx context.Context, c Charge) (Receipt, error) {
	receipt := Receipt{
		PaymentID: c.IdempotencyKey, Order: c.Order, Mask: c.Card.Mask(),
		ChargedAt: clock(p.Now)().UTC().Truncate(time.Second),
	}
	_, err := p.DynamoDB.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &p.Table,
		Item: values{
			attrPaymentID: text(receipt.PaymentID), attrNumber: text(receipt.Order),
			attrCharged: text(receipt.Mask), attrChargedAt: text(receipt.ChargedAt.Format(time.RFC3339)),
		},
		ConditionExpression: new("attribute_not_exists(" + attrPaymentID + ")"),
	})
	switch {
	case refused(err):
		return p.replay(ctx, receipt)
	case err != nil:
		return Receipt{}, err
	}
	return receipt, nil
}

// replay answers a repeated key with the receipt of the first time.
func (p *SimulatedProcessor) replay(ctx context.Context, asked Receipt) (Receipt, error) {
	out, err := p.DynamoDB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &p.Table, Key: values{attrPaymentID: text(asked.PaymentID)}, ConsistentRead: new(true),
	})
	if err != nil {
		return Receipt{}, err
	}
	first := receiptOf(out.Item)
	if first.Order != asked.Order || first.Mask != asked.Mask {
		return Receipt{}, &Error{Kind: ErrKeyReused}
	}
	return first, nil
}

func receiptOf(item map[string]types.AttributeValue) Receipt {
	at, _ := time.Parse(time.RFC3339, textOf(item[attrChargedAt]))
	return Receipt{
		PaymentID: textOf(item[attrPaymentID]), Order: textOf(item[attrNumber]),
		Mask: textOf(item[attrCharged]), ChargedAt: at,
	}
}
