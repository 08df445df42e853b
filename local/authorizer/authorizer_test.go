package authorizer_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

const (
	account  = "123456789012"
	role     = "arn:aws:iam::123456789012:role/r"
	key      = "arn:aws:kms:us-east-1:123456789012:key/1"
	table    = "arn:aws:dynamodb:us-east-1:123456789012:table/T"
	sealed   = "arn:aws:dynamodb:us-east-1:123456789012:table/Sealed" // encrypted with key
	function = "arn:aws:lambda:us-east-1:123456789012:function:f"
)

// authorize is authorizeFrom no VPC.
func authorize(t *testing.T, statement, service, operation, body string) (log string, err error) {
	t.Helper()
	return authorizeFrom(t, "", statement, service, operation, body)
}

// authorizeFrom makes a call from a VPC under one statement of the role's policy, and returns the error and what is
// logged. The key's policy leaves every decision to the account. The VPC vpc-1 has endpoints for both services, vpc-2
// has one for KMS.
func authorizeFrom(t *testing.T, vpc, statement, service, operation, body string) (log string, err error) {
	t.Helper()
	policies := policy.NewAccount(account)
	delegate := `{"Effect":"Allow","Action":"kms:*","Resource":"*","Principal":{"AWS":"arn:aws:iam::` + account +
		`:root"}}`
	if err := policies.AddResourcePolicy(key, "key policy", document(t, delegate)); err != nil {
		t.Fatal(err)
	}
	if err := policies.AddRolePolicy(role, "P", document(t, statement)); err != nil {
		t.Fatal(err)
	}
	a := authorizer.New(authorizer.Config{
		Account: account, Region: "us-east-1", Policies: policies,
		Denied: func(_ string, err error) { log += err.Error() },
	})
	a.AddAlias("alias/a", "1")
	a.AddTable("T", authorizer.Table{PartitionKey: "id"})
	a.AddTable("Sealed", authorizer.Table{PartitionKey: "id", StorageKeyARN: key})
	a.AddEndpoint("vpc-1", "kms")
	a.AddEndpoint("vpc-1", "dynamodb")
	a.AddEndpoint("vpc-2", "kms")
	err = a.Authorize(t.Context(), awsproxy.Call{
		Principal: role, Function: function, VPC: vpc, Service: service, Operation: operation, Body: []byte(body),
	})
	return log, err
}

func document(t *testing.T, statements string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(`{"Statement":[`+statements+`]}`), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func allow(action, resource, condition string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `","Condition":{` + condition + `}}`
}

func TestAuthorize_FindsThePermissionsThatACallNeeds(t *testing.T) {
	for _, tt := range []struct {
		name, statement, service, operation, body string
		denied                                    string // action; "" if the call may pass
	}{
		{"a key by its id", allow("kms:Decrypt", key, ""), "kms", "Decrypt", `{"KeyId":"1"}`, ""},
		{"a key by its ARN", allow("kms:Decrypt", key, ""), "kms", "Decrypt", `{"KeyId":"` + key + `"}`, ""},
		{"a key by its alias", allow("kms:Decrypt", key, ""), "kms", "Decrypt", `{"KeyId":"alias/a"}`, ""},
		{
			"a key by its alias's ARN", allow("kms:Decrypt", key, ""), "kms", "Decrypt",
			`{"KeyId":"arn:aws:kms:us-east-1:123456789012:alias/a"}`, "",
		},
		{"another key", allow("kms:Decrypt", key, ""), "kms", "Decrypt", `{"KeyId":"2"}`, "kms:Decrypt"},
		{"an operation on no key", allow("kms:CreateKey", "*", ""), "kms", "CreateKey", `{}`, ""},
		{"a list of aliases is not about a key", allow("kms:ListAliases", key, ""), "kms", "ListAliases",
			`{"KeyId":"1"}`,
			"kms:ListAliases"},
		{"a list of aliases", allow("kms:ListAliases", "*", ""), "kms", "ListAliases", `{"KeyId":"1"}`, ""},
		{"a list of keys", allow("kms:ListKeys", "*", ""), "kms", "ListKeys", `{}`, ""},
		{"partition keys of a batch", allow("dynamodb:BatchGetItem", table,
			`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"gone#*"}`), "dynamodb", "BatchGetItem",
			`{"RequestItems":{"T":{"Keys":[{"id":{"S":"gone#1"}},{"id":{"S":"gone#2"}}]}}}`, ""},
		{"another partition key in a batch", allow("dynamodb:BatchGetItem", table,
			`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"gone#*"}`), "dynamodb", "BatchGetItem",
			`{"RequestItems":{"T":{"Keys":[{"id":{"S":"gone#1"}},{"id":{"S":"use#2"}}]}}}`, "dynamodb:BatchGetItem"},
		{"attributes of a batch", allow("dynamodb:BatchGetItem", table,
			`"ForAllValues:StringEquals":{"dynamodb:Attributes":["id","uses"]}`), "dynamodb", "BatchGetItem",
			`{"RequestItems":{"T":{"Keys":[{"id":{}}],"ProjectionExpression":"uses"}}}`, ""},
		{"another attribute of a batch", allow("dynamodb:BatchGetItem", table,
			`"ForAllValues:StringEquals":{"dynamodb:Attributes":["id","uses"]}`), "dynamodb", "BatchGetItem",
			`{"RequestItems":{"T":{"Keys":[{"id":{}}],"ProjectionExpression":"uses, #d","ExpressionAttributeNames":{"#d":"data"}}}}`,
			"dynamodb:BatchGetItem"},
		{
			"an encryption context",
			allow("kms:Decrypt", key, `"StringEquals":{"kms:EncryptionContext:table":"T"}`), "kms", "Decrypt",
			`{"KeyId":"1","EncryptionContext":{"Table":"T"}}`, "",
		},
		{
			"another encryption context",
			allow("kms:Decrypt", key, `"StringEquals":{"kms:EncryptionContext:table":"T"}`), "kms", "Decrypt",
			`{"KeyId":"1","EncryptionContext":{"Table":"U"}}`, "kms:Decrypt",
		},
		{
			"the function", allow("kms:Decrypt", key, `"StringEquals":{"lambda:SourceFunctionArn":"`+function+`"}`),
			"kms", "Decrypt", `{"KeyId":"1"}`, "",
		},
		{"a table", allow("dynamodb:GetItem", table, ""), "dynamodb", "GetItem", `{"TableName":"T"}`, ""},
		{
			"a table by its ARN", allow("dynamodb:GetItem", table, ""), "dynamodb", "GetItem",
			`{"TableName":"` + table + `"}`, "",
		},
		{
			"an index of a table", allow("dynamodb:Query", table, ""), "dynamodb", "Query",
			`{"TableName":"T","IndexName":"I"}`, "dynamodb:Query",
		},
		{"no table", allow("dynamodb:GetItem", table, ""), "dynamodb", "ListTables", `{}`, "dynamodb:ListTables"},
		{
			"a table's key", allow("dynamodb:GetItem", sealed, ""), "dynamodb", "GetItem", `{"TableName":"Sealed"}`,
			"kms:Decrypt",
		},
		{"a table's key, through DynamoDB", allow("dynamodb:GetItem", sealed, "") + "," +
			allow("kms:*", key, `"StringEquals":{"kms:ViaService":"dynamodb.us-east-1.amazonaws.com"}`), "dynamodb",
			"GetItem", `{"TableName":"Sealed"}`, ""},
		{"named attributes", allow("dynamodb:UpdateItem", table,
			`"ForAllValues:StringEquals":{"dynamodb:Attributes":["id","uses"]}`), "dynamodb", "UpdateItem",
			`{"TableName":"T","Key":{"id":{}},"UpdateExpression":"SET #u = if_not_exists(uses, :x)","ExpressionAttributeNames":{"#u":"uses"}}`, ""},
		{"one more attribute", allow("dynamodb:UpdateItem", table,
			`"ForAllValues:StringEquals":{"dynamodb:Attributes":["id","uses"]}`), "dynamodb", "UpdateItem",
			`{"TableName":"T","Key":{"id":{}},"UpdateExpression":"REMOVE data.part"}`, "dynamodb:UpdateItem"},
		{"a partition key", allow("dynamodb:PutItem", table,
			`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"gone#*"}`), "dynamodb", "PutItem",
			`{"TableName":"T","Item":{"id":{"S":"gone#1"}}}`, ""},
		{"another partition key", allow("dynamodb:PutItem", table,
			`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"gone#*"}`), "dynamodb", "PutItem",
			`{"TableName":"T","Item":{"id":{"S":"use#1"}}}`, "dynamodb:PutItem"},
		{"a partition key that is not the item's", allow("dynamodb:PutItem", table,
			`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"gone#*"}`), "dynamodb", "PutItem",
			`{"TableName":"T","Key":{"id":{"S":"gone#1"}},"Item":{"id":{"S":"use#1"}}}`, "dynamodb:PutItem"},
		{"a partition key of two types", allow("dynamodb:PutItem", table,
			`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"gone#*"}`), "dynamodb", "PutItem",
			`{"TableName":"T","Item":{"id":{"S":"gone#1","N":"1"}}}`, "dynamodb:PutItem"},
		{"unknown partition keys", allow("dynamodb:Query", table,
			`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"gone#*"}`), "dynamodb", "Query", `{"TableName":"T"}`,
			"dynamodb:Query"},
		{"a pending window", allow("kms:ScheduleKeyDeletion", key,
			`"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`), "kms", "ScheduleKeyDeletion",
			`{"KeyId":"1","PendingWindowInDays":29}`, ""},
		{
			"members of a transaction", allow("dynamodb:PutItem", table, ""), "dynamodb", "TransactWriteItems",
			`{"TransactItems":[{"Put":{"TableName":"T"}}]}`, "",
		},
		{
			"another member", allow("dynamodb:PutItem", table, ""), "dynamodb", "TransactWriteItems",
			`{"TransactItems":[{"Put":{"TableName":"T"}},{"Delete":{"TableName":"T"}}]}`, "dynamodb:DeleteItem",
		},
		{
			"a member that does not exist", allow("dynamodb:*Item", table, ""), "dynamodb", "TransactWriteItems",
			`{"TransactItems":[{"Drop":{"TableName":"T"}}]}`, "dynamodb:",
		},
		{
			"members of another operation", allow("dynamodb:PutItem", table, ""), "dynamodb", "GetItem",
			`{"TableName":"T","TransactItems":[{"Put":{"TableName":"T"}}]}`, "dynamodb:GetItem",
		},
		{
			"a batch", allow("dynamodb:BatchGetItem", table, ""), "dynamodb", "BatchGetItem",
			`{"RequestItems":{"T":{}}}`, "",
		},
		{"another service", allow("cognito-idp:SignUp", "*", ""), "cognito-idp", "SignUp", `{}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, err := authorize(t, tt.statement, tt.service, tt.operation, tt.body)
			if tt.denied == "" {
				if err != nil {
					t.Errorf("error = %v", err)
				}
				return
			}
			if e, ok := errors.AsType[*awsjson.Error](err); !ok || e.Code != "AccessDeniedException" {
				t.Errorf("error = %v, want AccessDeniedException", err)
			}
			if want := "access denied: role " + role + ": " + tt.denied + " on "; !strings.HasPrefix(log, want) {
				t.Errorf("the log says %q, want %q", log, want)
			}
		})
	}
}

func TestAuthorize_KnowsTheVPCThatACallComesThrough(t *testing.T) {
	fromVPC := `"StringEquals":{"aws:SourceVpc":"vpc-1"}`
	storageKey := allow("kms:*", key, `"StringEquals":{"kms:ViaService":"dynamodb.us-east-1.amazonaws.com"}`)
	for _, tt := range []struct {
		name, statement, vpc, service, operation, body string
		allowed                                        bool
	}{
		{"from the VPC", allow("kms:Decrypt", key, fromVPC), "vpc-1", "kms", "Decrypt", `{"KeyId":"1"}`, true},
		{"from another VPC", allow("kms:Decrypt", key, fromVPC), "vpc-2", "kms", "Decrypt", `{"KeyId":"1"}`, false},
		{"from none", allow("kms:Decrypt", key, fromVPC), "", "kms", "Decrypt", `{"KeyId":"1"}`, false},
		{
			"without an endpoint for the service", allow("dynamodb:GetItem", table, fromVPC), "vpc-2", "dynamodb",
			"GetItem", `{"TableName":"T"}`, false,
		},
		{
			"a table that a key encrypts", allow("dynamodb:GetItem", sealed, fromVPC) + "," + storageKey, "vpc-1",
			"dynamodb", "GetItem", `{"TableName":"Sealed"}`, true,
		},
		// DynamoDB uses the key in its caller's name, from a place of its own.
		{
			"a condition on that key", allow("dynamodb:GetItem", sealed, "") + "," + allow("kms:*", key, fromVPC),
			"vpc-1", "dynamodb", "GetItem", `{"TableName":"Sealed"}`, false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, err := authorizeFrom(t, tt.vpc, tt.statement, tt.service, tt.operation, tt.body)
			if (err == nil) != tt.allowed {
				t.Errorf("error = %v, log %s", err, log)
			}
		})
	}
}

func TestAuthorize_RefusesCallsWhosePermissionsItCannotTell(t *testing.T) {
	for _, tt := range []struct{ service, operation, body, code string }{
		{"kms", "Decrypt", `{"CiphertextBlob":"eA=="}`, "AccessDeniedException"},
		{"kms", "ReEncrypt", `{"DestinationKeyId":"1","SourceKeyId":"1"}`, "AccessDeniedException"},
		{"kms", "ReEncrypt", `{"DestinationKeyId":"1"}`, "AccessDeniedException"},
		{"kms", "CreateAlias", `{"AliasName":"alias/b","TargetKeyId":"1"}`, "AccessDeniedException"},
		{
			"kms", "GenerateDataKey", `{"KeyId":"1","EncryptionContext":{"purpose":"a","Purpose":"b"}}`,
			"AccessDeniedException",
		},
		{"kms", "Decrypt", `[]`, "SerializationException"},
		{"dynamodb", "ExecuteStatement", `{"Statement":"SELECT * FROM T"}`, "AccessDeniedException"},
		{"dynamodb", "BatchExecuteStatement", `{"Statements":[]}`, "AccessDeniedException"},
		{"dynamodb", "GetItem", `{"TableName":1}`, "SerializationException"},
		{"dynamodb", "GetItem", `{"TableName":"T","tablename":"U"}`, "SerializationException"},
		{"dynamodb", "BatchGetItem", `{"RequestItems":{"T":{"Keys":[],"keys":[]}}}`, "SerializationException"},
		{"dynamodb", "BatchGetItem", `{"RequestItems":{"T":1}}`, "SerializationException"},
		{
			"dynamodb", "TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"T","tablename":"U"}}]}`,
			"SerializationException",
		},
	} {
		_, err := authorize(t, allow("*", "*", ""), tt.service, tt.operation, tt.body)
		if e, ok := errors.AsType[*awsjson.Error](err); !ok || e.Code != tt.code {
			t.Errorf("%s: error = %v, want %s", tt.operation, err, tt.code)
		}
	}
}

func TestAuthorize_LogsNoValuesOfTheCall(t *testing.T) {
	log, err := authorize(t, allow("kms:Decrypt", key, `"StringEquals":{"kms:EncryptionContext:table":"T"}`),
		"kms", "Decrypt", `{"KeyId":"1","EncryptionContext":{"table":"secret"}}`)
	if err == nil || log == "" || strings.Contains(err.Error()+log, "secret") {
		t.Errorf("error = %v, log %q", err, log)
	}
}
