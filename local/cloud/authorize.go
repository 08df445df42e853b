package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/iam"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// authorizer decides about every call of a function by the policies in the templates, whoever implements the service.
type authorizer struct {
	account  *iam.Account
	id       string // of the account, 12 digits
	region   string
	troubles *troubles

	mu          sync.RWMutex
	roles       map[string]string // ARNs by name
	aliases     map[string]string // ARNs of keys by alias name
	storageKeys map[string]string // ARNs of the keys that encrypt tables, by the table's name
}

func newAuthorizer(o Options, t *troubles) *authorizer {
	return &authorizer{
		account: iam.NewAccount(o.Account), id: o.Account, region: o.Region, troubles: t,
		roles: map[string]string{}, aliases: map[string]string{}, storageKeys: map[string]string{},
	}
}

// remember records a name for an ARN in one of the maps above.
func (a *authorizer) remember(in map[string]string, name, arn string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	in[name] = arn
}

func (a *authorizer) lookUp(in map[string]string, name string) (arn string, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	arn, ok = in[name]
	return arn, ok
}

// Authorize is [awsproxy.Config.Authorize]. What it logs names role, action, resource and the statement that is missing or
// forbids; values of the call, such as an encryption context, are in none of it.
func (a *authorizer) Authorize(_ context.Context, call awsproxy.Call) error {
	uses, err := a.uses(call)
	if err != nil {
		return err
	}
	for _, use := range uses {
		use.Role = call.Principal
		use.Context["aws:principalarn"] = []string{call.Principal}
		use.Context["aws:principalaccount"] = []string{a.id}
		use.Context["aws:principalisawsservice"] = []string{"false"}
		use.Context["lambda:sourcefunctionarn"] = []string{call.Function}
		if refusal := a.account.Decide(use.Request); refusal != nil {
			a.troubles.add(fmt.Sprintf("access denied: role %s: %s on %s%s: %s", refusal.Role, refusal.Action, refusal.Resource, use.why, refusal.Missing))
			return awsjson.Errorf("AccessDeniedException", "%s", refusal)
		}
	}
	return nil
}

// use is one permission that a call needs.
type use struct {
	iam.Request
	why string // where it does not follow from the call itself
}

// uses lists what a call needs to be allowed.
func (a *authorizer) uses(call awsproxy.Call) ([]use, error) {
	switch call.Service {
	case serviceKMS:
		return a.usesOfKMS(call)
	case serviceDynamoDB:
		return a.usesOfDynamoDB(call)
	}
	return []use{newUse(call.Service+":"+call.Operation, "*")}, nil
}

func newUse(action, resource string) use {
	return use{Request: iam.Request{Action: action, Resource: resource, Context: map[string][]string{}}}
}

func unreadable(call awsproxy.Call) error {
	return awsjson.Errorf("SerializationException", "the body of %s is not JSON of this operation's shape", call.Operation)
}

// usesOfKMS: the action on the key. https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html
func (a *authorizer) usesOfKMS(call awsproxy.Call) ([]use, error) {
	var in struct {
		KeyId, SourceKeyId string
		EncryptionContext  map[string]string
	}
	if json.Unmarshal(call.Body, &in) != nil {
		return nil, unreadable(call)
	}
	if in.SourceKeyId != "" || call.Operation == "Decrypt" && in.KeyId == "" {
		return nil, awsjson.Errorf("AccessDeniedException", "the local run cannot tell which keys %s is about: name the key in KeyId", call.Operation)
	}
	return []use{a.useOfKey("kms:"+call.Operation, in.KeyId, in.EncryptionContext)}, nil
}

func (a *authorizer) useOfKey(action, key string, encryptionContext map[string]string) use {
	u := newUse(action, a.keyARN(key))
	u.Context["kms:calleraccount"] = []string{a.id}
	for name, value := range encryptionContext {
		u.Context["kms:encryptioncontext:"+strings.ToLower(name)] = []string{value}
	}
	return u
}

// keyARN takes any of the four references to a key. Policies know keys by their ARN.
func (a *authorizer) keyARN(ref string) string {
	prefix := "arn:aws:kms:" + a.region + ":" + a.id + ":"
	name := strings.TrimPrefix(ref, prefix)
	if arn, ok := a.lookUp(a.aliases, name); ok {
		return arn
	}
	switch {
	case ref == "":
		return "*" // the operation is not about a key
	case strings.HasPrefix(name, "arn:"), strings.HasPrefix(name, "key/"), strings.HasPrefix(name, "alias/"):
		return ref
	}
	return prefix + "key/" + ref
}

// tableUse is an operation on one table, as far as policies see it.
type tableUse struct {
	TableName, IndexName     string
	ReturnValues             string
	Key, Item                map[string]any
	ExpressionAttributeNames map[string]string
	// What expressions have replaced, and DynamoDB still takes.
	AttributeUpdates, Expected map[string]any
	AttributesToGet            []string

	UpdateExpression, ConditionExpression, ProjectionExpression, FilterExpression, KeyConditionExpression string
}

// names finds what an expression calls by name: attributes, functions and keywords. Placeholders begin with : or #, and what
// follows a dot is within an attribute.
var names = regexp.MustCompile(`[:#.]?[A-Za-z_][A-Za-z0-9_]*`)

// words are the names in expressions that are no attributes, in lower case.
var words = []string{
	"set", "remove", "add", "delete", "and", "or", "not", "between", "in", "if_not_exists", "list_append",
	"attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size",
}

// attributes are the top-level attributes that an operation names: the condition key dynamodb:Attributes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
func (t tableUse) attributes() []string {
	all := slices.Concat(slices.Collect(maps.Keys(t.Key)), slices.Collect(maps.Keys(t.Item)), slices.Collect(maps.Values(t.ExpressionAttributeNames)),
		slices.Collect(maps.Keys(t.AttributeUpdates)), slices.Collect(maps.Keys(t.Expected)), t.AttributesToGet)
	for _, expression := range []string{t.UpdateExpression, t.ConditionExpression, t.ProjectionExpression, t.FilterExpression, t.KeyConditionExpression} {
		for _, name := range names.FindAllString(expression, -1) {
			if !strings.ContainsAny(name[:1], ":#.") && !slices.Contains(words, strings.ToLower(name)) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// usesOfDynamoDB: the action on each table, and the caller's right to the keys that encrypt them. A transaction is authorized
// as its members: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
func (a *authorizer) usesOfDynamoDB(call awsproxy.Call) ([]use, error) {
	var in struct {
		tableUse
		TransactItems []map[string]tableUse
		RequestItems  map[string]any
		Statement     any // PartiQL
		Statements    any
	}
	if json.Unmarshal(call.Body, &in) != nil {
		return nil, unreadable(call)
	}
	if in.Statement != nil || in.Statements != nil {
		return nil, awsjson.Errorf("AccessDeniedException", "the local run cannot tell which tables a PartiQL statement is about: use the operations on items")
	}
	var uses []use
	switch call.Operation { // not by what the body has: a service ignores members of other operations
	case "TransactWriteItems", "TransactGetItems":
		for _, member := range in.TransactItems {
			for kind, on := range member {
				uses = append(uses, a.usesOfTable(members[kind], on)...)
			}
		}
	case "BatchGetItem", "BatchWriteItem":
		for _, table := range slices.Sorted(maps.Keys(in.RequestItems)) {
			uses = append(uses, a.usesOfTable(call.Operation, tableUse{TableName: table})...)
		}
	default:
		return a.usesOfTable(call.Operation, in.tableUse), nil
	}
	if len(uses) == 0 { // the service finds out what is wrong, for those who may ask it
		uses = []use{newUse("dynamodb:"+call.Operation, "*")}
	}
	return uses, nil
}

// members are the actions that members of transactions are authorized as. Another member is none of DynamoDB's: it becomes an
// action without a name, which nothing allows.
var members = map[string]string{
	"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem",
}

func (a *authorizer) usesOfTable(operation string, on tableUse) []use {
	if on.TableName == "" {
		return []use{newUse("dynamodb:"+operation, "*")}
	}
	prefix := "arn:aws:dynamodb:" + a.region + ":" + a.id + ":table/"
	table := strings.TrimPrefix(on.TableName, prefix) // a table can be named by its ARN
	u := newUse("dynamodb:"+operation, prefix+table)
	if on.IndexName != "" {
		u.Resource += "/index/" + on.IndexName
	}
	if attributes := on.attributes(); len(attributes) > 0 {
		u.Context["dynamodb:attributes"] = attributes
	}
	if on.ReturnValues != "" {
		u.Context["dynamodb:returnvalues"] = []string{on.ReturnValues}
	}
	return append([]use{u}, a.usesOfStorageKey(table)...)
}

// usesOfStorageKey: DynamoDB opens a table under a customer's key with the rights of whoever calls it.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html
func (a *authorizer) usesOfStorageKey(table string) []use {
	key, encrypted := a.lookUp(a.storageKeys, table)
	if !encrypted {
		return nil
	}
	decrypt := a.useOfKey("kms:Decrypt", key, map[string]string{"aws:dynamodb:tableName": table, "aws:dynamodb:subscriberId": a.id})
	describe := a.useOfKey("kms:DescribeKey", key, nil)
	for _, u := range []*use{&decrypt, &describe} {
		u.Context["kms:viaservice"] = []string{"dynamodb." + a.region + ".amazonaws.com"}
		u.why = " (through DynamoDB, whose table " + table + " it encrypts)"
	}
	return []use{decrypt, describe}
}
