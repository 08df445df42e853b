package dynamoserver

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// write carries out a PutItem or DeleteItem. minidyn always answers PutItem with the *new* item, and never returns the
// old one.
func (s *Server) write(op string) func(object) (object, error) {
	return func(in object) (object, error) {
		var old json.RawMessage
		if v := text(in["ReturnValues"]); v != "" && v != "NONE" && v != "ALL_OLD" {
			return nil, awsjson.Errorf("ValidationException", "ReturnValues can only be ALL_OLD or NONE")
		}
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

// update carries out an UpdateItem. minidyn keeps the attributes that an update removes, returns the key as ALL_OLD of
// an item that is new, and leaves out of UPDATED_OLD and UPDATED_NEW what an update sets to the value that it has.
func (s *Server) update(in object) (object, error) {
	returns, old := text(in["ReturnValues"]), s.current(in)
	in = maps.Clone(in)
	in["ReturnValues"] = quote(cmp.Or(returns, "NONE"))
	if slices.Contains([]string{"ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"}, returns) {
		in["ReturnValues"] = quote("ALL_NEW")
	}
	out, err := s.call("UpdateItem", in)
	if err != nil {
		return nil, err
	}
	targets, removed := updateTargets(in)
	if len(removed) > 0 {
		if err := s.remove(in, removed); err != nil {
			return nil, err
		}
	}
	if returns == "ALL_OLD" || returns == "UPDATED_OLD" {
		out["Attributes"] = old
	}
	attributes := object{}
	_ = json.Unmarshal(out["Attributes"], &attributes) // of minidyn, or none
	maps.DeleteFunc(attributes, func(name string, _ json.RawMessage) bool {
		return strings.HasSuffix(returns, "_NEW") && slices.Contains(removed, name) ||
			strings.HasPrefix(returns, "UPDATED_") && !slices.Contains(targets, name)
	})
	delete(out, "Attributes")
	if len(attributes) > 0 {
		out["Attributes"] = encode(attributes)
	}
	return out, nil
}

// remove takes attributes out of an item.
func (s *Server) remove(in object, names []string) error {
	item := object{}
	if err := json.Unmarshal(s.current(in), &item); err != nil {
		return err
	}
	maps.DeleteFunc(item, func(name string, _ json.RawMessage) bool { return slices.Contains(names, name) })
	_, err := s.call("PutItem", object{"TableName": in["TableName"], "Item": encode(item)})
	return err
}

var (
	updateTokens = regexp.MustCompile(`[(),.[]|[#:]?\w+`)
	updateClause = regexp.MustCompile(`^(?i:SET|REMOVE|ADD|DELETE)$`)
)

// updateTargets returns the names of the attributes that an update is about, with which its actions begin, and those
// that it removes as a whole.
func updateTargets(in object) (targets, removed []string) {
	names := map[string]string{}
	_ = json.Unmarshal(in["ExpressionAttributeNames"], &names) // minidyn has found no error in it
	clause, depth, begins, whole := "", 0, false, false
	for _, token := range updateTokens.FindAllString(text(in["UpdateExpression"]), -1) {
		if whole && (token == "." || token == "[") { // only a part of it is removed
			removed = removed[:len(removed)-1]
		}
		whole = false
		switch {
		case token == "(":
			depth++
		case token == ")":
			depth--
		case token == ",":
			begins = depth == 0
		case begins:
			targets, begins = append(targets, cmp.Or(names[token], token)), false
			if whole = strings.EqualFold(clause, "REMOVE"); whole {
				removed = append(removed, targets[len(targets)-1])
			}
		case updateClause.MatchString(token):
			clause, begins = token, true
		}
	}
	return targets, removed
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
	check["ExpressionAttributeNames"], check["ExpressionAttributeValues"] = operation["ExpressionAttributeNames"],
		operation["ExpressionAttributeValues"]
	keepUsed(check, condition) // the other expression of an Update may use more of them
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
