package vault

import (
	"strconv"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
)

// item is a DynamoDB item, or the values of an expression.
type item = attribute.Item

func text(s string) attribute.Value { return attribute.S(s) }

// textOf is "" for what is no text.
func textOf(v attribute.Value) string {
	s, _ := v.Text()
	return s
}

func number(n int64) attribute.Value { return attribute.N(strconv.FormatInt(n, 10)) }

// numberOf reads a whole number; ok is false for what is none.
func numberOf(v attribute.Value) (n int64, ok bool) {
	s, ok := v.Number()
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// seconds is a time in Unix seconds, as DynamoDB's time to live wants it.
func seconds(t time.Time) attribute.Value { return number(t.Unix()) }

// timeOf is the zero time for what is no time.
func timeOf(v attribute.Value) time.Time {
	if n, ok := numberOf(v); ok {
		return time.Unix(n, 0)
	}
	return time.Time{}
}
