package orders

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DynamoDB is what a Store calls. IAM: dynamodb:PutItem and GetItem on the order table to place orders, UpdateItem and
// GetItem to pay them. A transaction is authorized as its members.
type DynamoDB interface {
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput,
		...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput,
		...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}

// Store keeps orders in a table with the key CustomerOrder. Every write is conditional, so each method either moves an
// order from one state to another or leaves it alone.
//
// Its errors are the SDK's, because the callers know what a failure means to them.
type Store struct {
	DynamoDB DynamoDB
	Table    string
}

// Attributes of the order table. CreditCard holds the token: the name is the walkthrough's.
// LeaseUntil and LeaseId mean something in the state CHARGING only, and stay in the row afterwards. PaidAt is never
// read.
const (
	attrNumber     = "CustomerOrder"
	attrName       = "CustomerName"
	attrCard       = "CreditCard"
	attrBrand      = "CardBrand"
	attrLastFour   = "CardLastFour"
	attrAddress    = "Address"
	attrSub        = "Sub"
	attrState      = "State"
	attrCreatedAt  = "CreatedAt"
	attrLeaseUntil = "LeaseUntil"
	attrLeaseID    = "LeaseId"
)

// vaultPosition is the position of the vault's row in the transaction: DynamoDB reports by position what cancelled it.
const vaultPosition = 1

// place commits o together with its vault row, or neither. Repeating it with the same requestToken is safe.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
func (s *Store) place(ctx context.Context, o Order, vaultRow types.TransactWriteItem, requestToken string) error {
	_, err := s.DynamoDB.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		ClientRequestToken: &requestToken,
		TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{
				TableName:           &s.Table,
				Item:                rowOf(o),
				ConditionExpression: new("attribute_not_exists(" + attrNumber + ")"),
			}},
			vaultRow,
		},
	})
	return err
}

// get reads an order as the last write that was answered left it.
func (s *Store) get(ctx context.Context, number string) (o Order, found bool, err error) {
	out, err := s.DynamoDB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.Table, Key: key(number), ConsistentRead: new(true),
	})
	if err != nil {
		return Order{}, false, err
	}
	return orderOf(out.Item), len(out.Item) > 0, nil
}

// charge moves sub's order to CHARGING under the lease l: from PLACED, or from CHARGING when its lease has run out.
func (s *Store) charge(ctx context.Context, number, sub string, l Lease, now time.Time) (Order, error) {
	out, err := s.update(ctx, number, sub,
		"SET #State = :charging, LeaseUntil = :until, LeaseId = :lease",
		"#State = :placed OR (#State = :charging AND LeaseUntil <= :now)",
		values{
			":placed": text(string(Placed)), ":charging": text(string(Charging)),
			":now": millis(now), ":until": millis(l.Until), ":lease": text(l.ID),
		})
	if err != nil {
		return Order{}, err
	}
	return orderOf(out.Attributes), nil
}

// release gives the lease of o back: CHARGING to PLACED, unless another lease has taken its place.
func (s *Store) release(ctx context.Context, o Order) error {
	_, err := s.update(ctx, o.Number, o.Sub,
		"SET #State = :placed",
		"#State = :charging AND LeaseId = :lease",
		values{":placed": text(string(Placed)), ":charging": text(string(Charging)), ":lease": text(o.Lease.ID)})
	return err
}

// paid records that o was charged: CHARGING to PAID, whoever holds the lease, because the charge is a fact.
func (s *Store) paid(ctx context.Context, o Order, at time.Time) error {
	_, err := s.update(ctx, o.Number, o.Sub,
		"SET #State = :paid, PaidAt = :at",
		"#State = :charging",
		values{
			":paid": text(string(Paid)), ":charging": text(string(Charging)),
			":at": text(at.UTC().Format(time.RFC3339)),
		})
	return err
}

type values = map[string]types.AttributeValue

// update changes one order if it is sub's and meets the condition, and returns the changed order. State and Sub are
// reserved words:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
func (s *Store) update(ctx context.Context, number, sub, change, condition string,
	v values) (*dynamodb.UpdateItemOutput, error) {
	v[":sub"] = text(sub)
	return s.DynamoDB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &s.Table,
		Key:                       key(number),
		UpdateExpression:          &change,
		ConditionExpression:       new("#Sub = :sub AND (" + condition + ")"),
		ExpressionAttributeNames:  map[string]string{"#State": attrState, "#Sub": attrSub},
		ExpressionAttributeValues: v,
		ReturnValues:              types.ReturnValueAllNew,
	})
}

func key(number string) values { return values{attrNumber: text(number)} }

func rowOf(o Order) values {
	return values{
		attrNumber:    text(o.Number),
		attrName:      text(o.CustomerName),
		attrCard:      text(o.Token),
		attrBrand:     text(o.CardBrand),
		attrLastFour:  text(o.CardLastFour),
		attrAddress:   text(o.Address),
		attrSub:       text(o.Sub),
		attrState:     text(string(o.State)),
		attrCreatedAt: text(o.CreatedAt.UTC().Format(time.RFC3339)),
	}
}

// orderOf reads a row leniently: what is missing or has another type stays zero, and no caller has the zero Sub.
func orderOf(item values) Order {
	created, _ := time.Parse(time.RFC3339, textOf(item[attrCreatedAt]))
	o := Order{
		Number:       textOf(item[attrNumber]),
		CustomerName: textOf(item[attrName]),
		Address:      textOf(item[attrAddress]),
		Token:        textOf(item[attrCard]),
		CardBrand:    textOf(item[attrBrand]),
		CardLastFour: textOf(item[attrLastFour]),
		Sub:          textOf(item[attrSub]),
		State:        State(textOf(item[attrState])),
		CreatedAt:    created,
	}
	if o.State == Charging {
		o.Lease = Lease{ID: textOf(item[attrLeaseID]), Until: timeOf(item[attrLeaseUntil])}
	}
	return o
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func millis(t time.Time) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(t.UnixMilli(), 10)}
}

func timeOf(v types.AttributeValue) time.Time {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// refused reports whether err says for certain that a condition did not hold.
func refused(err error) bool {
	_, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	return ok
}

// tokenTaken reports whether the transaction was cancelled because the vault has a row of this token.
func tokenTaken(err error) bool {
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	return ok && len(cancelled.CancellationReasons) > vaultPosition &&
		reasonCode(cancelled.CancellationReasons[vaultPosition]) == "ConditionalCheckFailed"
}

// conflicting reports whether the transaction was cancelled for a reason that passes.
func conflicting(err error) bool {
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return false
	}
	for _, r := range cancelled.CancellationReasons {
		switch reasonCode(r) {
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			return true
		}
	}
	return false
}

func reasonCode(r types.CancellationReason) string {
	if r.Code == nil {
		return ""
	}
	return *r.Code
}
