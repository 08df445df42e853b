package vault

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// item is a DynamoDB item, or the values of an expression.
type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// textOf is "" for what is no text.
func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// numberOf reads a whole number; ok is false for what is none.
func numberOf(v types.AttributeValue) (n int64, ok bool) {
	s, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(s.Value, 10, 64)
	return n, err == nil
}

// seconds is a time in Unix seconds, as DynamoDB's time to live wants it.
func seconds(t time.Time) types.AttributeValue { return number(t.Unix()) }

// timeOf is the zero time for what is no time.
func timeOf(v types.AttributeValue) time.Time {
	if n, ok := numberOf(v); ok {
		return time.Unix(n, 0)
	}
	return time.Time{}
}
