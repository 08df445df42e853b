package authorizer

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// tableAccess holds the members of an operation on one table that policies look at.
type tableAccess struct {
	TableName, IndexName     string
	ReturnValues             string
	Key, Item                map[string]any
	ExpressionAttributeNames map[string]string
	// DynamoDB still accepts these, which expressions have replaced.
	AttributeUpdates, Expected map[string]any
	AttributesToGet            []string

	UpdateExpression, ConditionExpression, ProjectionExpression, FilterExpression, KeyConditionExpression string
}

// names finds the names in an expression: attributes, functions and keywords. A name after a colon or # is a
// placeholder, and one after a dot belongs to a nested attribute.
var names = regexp.MustCompile(`[:#.]?[A-Za-z_][A-Za-z0-9_]*`)

// words are the functions and keywords of expressions, in lower case.
var words = []string{
	"set", "remove", "add", "delete", "and", "or", "not", "between", "in", "if_not_exists", "list_append",
	"attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size",
}

// attributes returns the top-level attributes that the operation names, which are the condition key
// dynamodb:Attributes. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
func (t tableAccess) attributes() []string {
	all := slices.Concat(slices.Collect(maps.Keys(t.Key)), slices.Collect(maps.Keys(t.Item)),
		slices.Collect(maps.Values(t.ExpressionAttributeNames)),
		slices.Collect(maps.Keys(t.AttributeUpdates)), slices.Collect(maps.Keys(t.Expected)), t.AttributesToGet)
	for _, expression := range []string{
		t.UpdateExpression, t.ConditionExpression, t.ProjectionExpression, t.FilterExpression,
		t.KeyConditionExpression,
	} {
		for _, name := range names.FindAllString(expression, -1) {
			if !strings.ContainsAny(name[:1], ":#.") && !slices.Contains(words, strings.ToLower(name)) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// unknownKey is the partition key of an operation whose keys this package cannot tell. No sensible pattern of a policy
// matches it.
const unknownKey = "\x00 unknown"

// leadingKeys returns the partition keys that the operation is about, which are the condition key dynamodb:LeadingKeys.
// A scan is about none, as on AWS, and a condition with ForAllValues lets it pass. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
func (t tableAccess) leadingKeys(operation, partitionKey string) []string {
	switch operation {
	case "Scan", "DescribeTable":
		return nil
	case "PutItem", "GetItem", "UpdateItem", "DeleteItem", "ConditionCheckItem", "BatchGetItem":
		item := t.Key
		if operation == "PutItem" {
			item = t.Item // a Key that came along is none of the service's
		}
		value, _ := item[partitionKey].(map[string]any)
		if text, ok := value["S"].(string); ok && len(value) == 1 {
			return []string{text}
		}
	}
	return []string{unknownKey}
}

// dynamoDBPermissions returns the permissions that a call to DynamoDB needs: for the operation on each table, and for
// the keys that encrypt the tables. A transaction needs the permissions of its members. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
func (r *resources) dynamoDBPermissions(call awsproxy.Call) ([]permission, error) {
	var in struct {
		tableAccess
		TransactItems []map[string]tableAccess
		RequestItems  map[string]json.RawMessage
		Statement     any // PartiQL
		Statements    any
	}
	if json.Unmarshal(call.Body, &in) != nil || !hasOwnNames(call.Body) {
		return nil, unreadable(call)
	}
	if in.Statement != nil || in.Statements != nil {
		return nil, awsjson.Errorf("AccessDeniedException",
			"the local run cannot tell which tables a PartiQL statement is about: use the operations on items")
	}
	var permissions []permission
	switch call.Operation { // not the body's members, because a service ignores those of other operations
	case "TransactWriteItems", "TransactGetItems":
		for _, member := range in.TransactItems {
			for kind, on := range member {
				permissions = append(permissions, r.tablePermissions(members[kind], on)...)
			}
		}
	case "BatchGetItem":
		for _, table := range slices.Sorted(maps.Keys(in.RequestItems)) {
			var of struct {
				tableAccess
				Keys []map[string]any
			}
			if json.Unmarshal(in.RequestItems[table], &of) != nil {
				return nil, unreadable(call)
			}
			of.TableName = table
			if len(of.Keys) == 0 { // which the service refuses
				of.Keys = []map[string]any{nil}
			}
			for _, of.Key = range of.Keys {
				permissions = append(permissions, r.tablePermissions(call.Operation, of.tableAccess)...)
			}
		}
	case "BatchWriteItem":
		for _, table := range slices.Sorted(maps.Keys(in.RequestItems)) {
			permissions = append(permissions, r.tablePermissions(call.Operation, tableAccess{TableName: table})...)
		}
	default:
		return r.tablePermissions(call.Operation, in.tableAccess), nil
	}
	// the call is malformed, which only the service may say, and only to those who may call it
	if len(permissions) == 0 {
		permissions = []permission{newPermission("dynamodb:"+call.Operation, "*")}
	}
	return permissions, nil
}

// hasOwnNames reports whether the names of the members that this package reads differ in more than case. The service
// tells TableName from tablename, and encoding/json does not.
func hasOwnNames(body []byte) bool {
	var top map[string]json.RawMessage
	if json.Unmarshal(body, &top) != nil || !differInMoreThanCase(slices.Collect(maps.Keys(top))) {
		return false
	}
	var items []map[string]map[string]json.RawMessage
	var tables map[string]map[string]json.RawMessage
	_ = json.Unmarshal(top["TransactItems"], &items) // of another operation, or none
	_ = json.Unmarshal(top["RequestItems"], &tables)
	for _, item := range append(items, tables) {
		for _, on := range item {
			if !differInMoreThanCase(slices.Collect(maps.Keys(on))) {
				return false
			}
		}
	}
	return true
}

// members holds the actions for which the members of transactions need permission. For any other member the action has
// no name, so that nothing allows it.
var members = map[string]string{
	"Put":            "PutItem",
	"Update":         "UpdateItem",
	"Delete":         "DeleteItem",
	"ConditionCheck": "ConditionCheckItem",
	"Get":            "GetItem",
}

func (r *resources) tablePermissions(operation string, on tableAccess) []permission {
	if on.TableName == "" {
		return []permission{newPermission("dynamodb:"+operation, "*")}
	}
	name, arn, table := r.table(on.TableName)
	p := newPermission("dynamodb:"+operation, arn)
	if on.IndexName != "" {
		p.Resource += "/index/" + on.IndexName
	}
	if attributes := on.attributes(); len(attributes) > 0 {
		p.Context["dynamodb:attributes"] = attributes
	}
	if keys := on.leadingKeys(operation, table.PartitionKey); len(keys) > 0 {
		p.Context["dynamodb:leadingkeys"] = keys
	}
	if on.ReturnValues != "" {
		p.Context["dynamodb:returnvalues"] = []string{on.ReturnValues}
	}
	return append([]permission{p}, r.storageKeyPermissions(name, table.StorageKeyARN)...)
}

// storageKeyPermissions returns the permissions for the key that encrypts a table. DynamoDB uses a customer managed key
// with the rights of its caller. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html
func (r *resources) storageKeyPermissions(table, key string) []permission {
	if key == "" {
		return nil
	}
	needed := []permission{
		r.keyPermission("kms:Decrypt", key, map[string]string{
			"aws:dynamodb:tableName": table, "aws:dynamodb:subscriberId": r.account,
		}),
		r.keyPermission("kms:DescribeKey", key, nil),
	}
	for i := range needed {
		needed[i].Context["kms:viaservice"] = []string{"dynamodb." + r.region + ".amazonaws.com"}
		needed[i].why = " (through DynamoDB, whose table " + table + " it encrypts)"
	}
	return needed
}
