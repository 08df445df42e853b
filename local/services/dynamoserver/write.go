package dynamoserver

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// write carries out a PutItem or DeleteItem. minidyn always answers PutItem with the *new* item, and never returns the
// old one.
func (s *Server) write(op string) func(object) (object, error) {
	return func(in object) (object, error) {
		var old json.RawMessage
		onSuccess, onFailure := wantsOld(in, "ReturnValues"), wantsOld(in, "ReturnValuesOnConditionCheckFailure")
		if onSuccess || onFailure {
			old = s.current(in)
		}
		out, err := s.call(op, in)
		if e, failed := errors.AsType[*awsjson.Error](err); failed && e.Code == "ConditionalCheckFailedException" &&
			onFailure && old != nil {
			e.Fields["Item"] = old
		}
		delete(out, "Attributes")
		if err == nil && onSuccess && old != nil {
			out["Attributes"] = old
		}
		return out, err
	}
}

func wantsOld(in object, member string) bool { return text(in[member]) == "ALL_OLD" }

// current returns the stored item that an operation is about. It returns nil if there is none, and for a malformed
// request, which the operation itself finds out.
func (s *Server) current(in object) json.RawMessage {
	key, err := s.key(in)
	if err != nil {
		return nil
	}
	out, err := s.call("GetItem", object{"TableName": in["TableName"], "Key": key})
	if err != nil {
		return nil
	}
	return out["Item"]
}

// key returns the Key of an operation. For a Put that is a part of its Item.
func (s *Server) key(in object) (json.RawMessage, error) {
	if in["Key"] != nil {
		return in["Key"], nil
	}
	out, err := s.call("DescribeTable", object{"TableName": in["TableName"]})
	if err != nil {
		return nil, err
	}
	var table struct {
		KeySchema []struct{ AttributeName string }
	}
	item, key := object{}, object{}
	if json.Unmarshal(out["Table"], &table) != nil || json.Unmarshal(in["Item"], &item) != nil {
		return nil, awsjson.Errorf("ValidationException", "Item is missing or no map of attribute values")
	}
	for _, part := range table.KeySchema {
		if value, ok := item[part.AttributeName]; ok {
			key[part.AttributeName] = value
		}
	}
	return json.Marshal(key)
}

// tokenLife is how long DynamoDB remembers a ClientRequestToken.
const tokenLife = 10 * time.Minute

type transaction struct {
	items [sha256.Size]byte
	ended time.Time
}

// transact carries out a TransactWriteItems once for each ClientRequestToken. The SDKs always send one, and repeat it
// on retries. Otherwise the retry of a transaction whose answer was lost would find its own items and fail.
func (s *Server) transact(in object) (object, error) {
	now := s.config.Now()
	maps.DeleteFunc(s.tokens, func(_ string, t transaction) bool { return now.Sub(t.ended) >= tokenLife })
	token := text(in["ClientRequestToken"])
	items, err := fingerprint(in["TransactItems"])
	if err != nil {
		return nil, err
	}
	if done, repeated := s.tokens[token]; repeated {
		if done.items != items {
			return nil, awsjson.Errorf("IdempotentParameterMismatchException",
				"the ClientRequestToken was used with other parameters within the last 10 minutes")
		}
		return object{}, nil
	}
	out, err := s.call("TransactWriteItems", in)
	if e, failed := errors.AsType[*awsjson.Error](err); failed && e.Code == "TransactionCanceledException" {
		return nil, s.cancelled(in, e)
	}
	if err == nil && token != "" {
		s.tokens[token] = transaction{items, now}
	}
	return out, err
}

// fingerprint does not depend on the order of members in objects. Go's client orders them differently each time.
func fingerprint(raw json.RawMessage) ([sha256.Size]byte, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return [sha256.Size]byte{}, awsjson.Errorf("ValidationException", "TransactItems is missing")
	}
	canonical, err := json.Marshal(v)
	return sha256.Sum256(canonical), err
}

// cancelled completes a TransactionCanceledException. minidyn gives only the first failed condition, and no item for a
// Put. Nothing was written, so each item's condition can be checked again, by itself.
func (s *Server) cancelled(in object, e *awsjson.Error) error {
	var items []map[string]object // one member each: Put, Update, Delete or ConditionCheck
	if err := json.Unmarshal(in["TransactItems"], &items); err != nil {
		return err
	}
	reasons, codes := make([]any, len(items)), make([]string, len(items))
	for i, item := range items {
		reasons[i], codes[i] = object{"Code": quote("None")}, "None"
		for _, operation := range item {
			if reason := s.failedCondition(operation); reason != nil {
				reasons[i], codes[i] = reason, "ConditionalCheckFailed"
			}
		}
	}
	e.Message = fmt.Sprintf("Transaction cancelled, please refer cancellation reasons for specific reasons [%s]",
		strings.Join(codes, ", "))
	e.Fields["CancellationReasons"] = reasons
	return e
}

func (s *Server) failedCondition(operation object) json.RawMessage {
	key, err := s.key(operation)
	condition := text(operation["ConditionExpression"])
	if err != nil || condition == "" {
		return nil
	}
	check := object{"Key": key}
	for _, member := range []string{"TableName", "ConditionExpression", "ReturnValuesOnConditionCheckFailure"} {
		if operation[member] != nil {
			check[member] = operation[member]
		}
	}
	for _, member := range []string{"ExpressionAttributeNames", "ExpressionAttributeValues"} {
		// The other expression of an Update may use more of them, but unused ones are an error.
		used := object{}
		_ = json.Unmarshal(operation[member], &used) // minidyn has found no error in it
		maps.DeleteFunc(used, func(name string, _ json.RawMessage) bool { return !strings.Contains(condition, name) })
		if check[member], err = json.Marshal(used); err != nil {
			return nil
		}
	}
	_, err = s.call("TransactWriteItems",
		map[string]any{"TransactItems": []any{map[string]any{"ConditionCheck": check}}})
	if e, failed := errors.AsType[*awsjson.Error](err); failed && e.Code == "TransactionCanceledException" {
		var reasons []json.RawMessage
		if raw, ok := e.Fields["CancellationReasons"].(json.RawMessage); ok && json.Unmarshal(raw, &reasons) == nil &&
			len(reasons) == 1 {
			return reasons[0]
		}
	}
	return nil
}
