package dynamoserver

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// empty is a map without members, where DynamoDB answers with one and minidyn with nothing.
var empty = json.RawMessage("{}")

// maxReads is how many items a BatchGetItem or a TransactGetItems may ask for.
const maxReads = 100

// list carries out ListTables.
func (s *Server) list(in object) (object, error) {
	limit := maxReads
	if in["Limit"] != nil && (json.Unmarshal(in["Limit"], &limit) != nil || limit < 1 || limit > maxReads) {
		return nil, awsjson.Errorf("ValidationException", "Limit: want 1 to %d", maxReads)
	}
	names, more := awsjson.Page(slices.Collect(maps.Keys(s.tables)), text(in["ExclusiveStartTableName"]), limit)
	out := object{"TableNames": encode(names)}
	if more {
		out["LastEvaluatedTableName"] = encode(names[len(names)-1])
	}
	return out, nil
}

// get carries out a GetItem. An item of which nothing is asked for is {}, and one that does not exist is no member.
func (s *Server) get(in object) (object, error) {
	out, err := s.call("GetItem", in)
	if err == nil && out["Item"] == nil && in["ProjectionExpression"] != nil && s.current(in) != nil {
		out["Item"] = empty
	}
	return out, err
}

// search carries out a Query or Scan. minidyn leaves out what is empty or 0, ignores ProjectionExpression and Select,
// and does not count the items that a filter drops.
func (s *Server) search(op string) func(object) (object, error) {
	return func(in object) (object, error) {
		out, err := s.call(op, in)
		if err != nil {
			return nil, err
		}
		items := []object{}
		_ = json.Unmarshal(out["Items"], &items) // which are missing if there are none
		out["Count"], out["ScannedCount"] = encode(len(items)), encode(len(items))
		if in["FilterExpression"] != nil {
			if out["ScannedCount"], err = s.scanned(op, in); err != nil {
				return nil, err
			}
		}
		if text(in["Select"]) == "COUNT" {
			delete(out, "Items")
			return out, nil
		}
		for i := range items {
			if items[i], err = s.project(in, items[i]); err != nil {
				return nil, err
			}
		}
		out["Items"] = encode(items)
		return out, nil
	}
}

// scanned counts the items that a search evaluates.
func (s *Server) scanned(op string, in object) (json.RawMessage, error) {
	all := maps.Clone(in)
	delete(all, "FilterExpression")
	delete(all, "ProjectionExpression")
	keepUsed(all, text(in["KeyConditionExpression"]))
	out, err := s.call(op, all)
	var items []object
	_ = json.Unmarshal(out["Items"], &items) // which are missing if there are none
	return encode(len(items)), err
}

// project returns what a search wants of an item.
func (s *Server) project(in, item object) (object, error) {
	projection := text(in["ProjectionExpression"])
	if projection == "" {
		return item, nil
	}
	key, err := s.key(object{"TableName": in["TableName"], "Item": encode(item)})
	if err != nil {
		return nil, err
	}
	get := object{
		"TableName": in["TableName"], "Key": key, "ProjectionExpression": in["ProjectionExpression"],
		"ExpressionAttributeNames": in["ExpressionAttributeNames"],
	}
	keepUsed(get, projection)
	out, err := s.call("GetItem", get)
	projected := object{}
	_ = json.Unmarshal(out["Item"], &projected) // which is missing if it is empty
	return projected, err
}

// keepUsed drops the names and values that an expression does not use, because they would be an error.
func keepUsed(in object, expression string) {
	for _, member := range []string{"ExpressionAttributeNames", "ExpressionAttributeValues"} {
		used := object{}
		_ = json.Unmarshal(in[member], &used) // minidyn has found no error in it
		maps.DeleteFunc(used, func(name string, _ json.RawMessage) bool {
			return !regexp.MustCompile(regexp.QuoteMeta(name) + `\b`).MatchString(expression)
		})
		in[member] = encode(used)
	}
}

// batchGet carries out a BatchGetItem.
func (s *Server) batchGet(in object) (object, error) {
	tables := map[string]object{}
	if json.Unmarshal(in["RequestItems"], &tables) != nil || len(tables) == 0 {
		return nil, awsjson.Errorf("ValidationException", "RequestItems is missing or no map of tables")
	}
	responses, asked := map[string][]json.RawMessage{}, map[[sha256.Size]byte]bool{}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		request := tables[name]
		var keys []json.RawMessage
		if json.Unmarshal(request["Keys"], &keys) != nil || len(keys) == 0 {
			return nil, awsjson.Errorf("ValidationException", "Keys is missing or no list of keys")
		}
		request["TableName"], responses[name] = quote(name), []json.RawMessage{}
		for _, request["Key"] = range keys {
			id, err := fingerprint(encode([]json.RawMessage{quote(name), request["Key"]}))
			switch {
			case err != nil:
				return nil, err
			case asked[id]:
				return nil, awsjson.Errorf("ValidationException", "Provided list of item keys contains duplicates")
			case len(asked) == maxReads:
				return nil, awsjson.Errorf("ValidationException", "Too many items requested for the BatchGetItem call")
			}
			asked[id] = true
			out, err := s.get(request)
			if err != nil {
				return nil, err
			}
			if out["Item"] != nil {
				responses[name] = append(responses[name], out["Item"])
			}
		}
	}
	return object{"Responses": encode(responses), "UnprocessedKeys": empty}, nil
}

// transactGet carries out a TransactGetItems. One lock around every call makes it one moment's view.
func (s *Server) transactGet(in object) (object, error) {
	var gets []struct{ Get object }
	if json.Unmarshal(in["TransactItems"], &gets) != nil || len(gets) == 0 || len(gets) > maxReads {
		return nil, awsjson.Errorf("ValidationException", "TransactItems: want a list of 1 to %d", maxReads)
	}
	responses := make([]object, len(gets))
	for i := range gets {
		out, err := s.get(gets[i].Get)
		if err != nil {
			return nil, err
		}
		responses[i] = out // {} without an item
	}
	return object{"Responses": encode(responses)}, nil
}

// encode is for what is made of strings, numbers and JSON, which cannot fail.
func encode(v any) json.RawMessage {
	raw, _ := json.Marshal(v)
	return raw
}
