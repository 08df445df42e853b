package report_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
)

// templatesOf are the app's templates while a test changes them.
type templatesOf struct {
	t *testing.T
	*assembly.Assembly
}

type object = map[string]any

// find returns the resource whose construct has a path, with its stack and logical id.
func (a templatesOf) find(path string) (*assembly.Stack, string, assembly.Resource) {
	a.t.Helper()
	for _, stack := range a.Stacks {
		for id, resource := range stack.Template.Resources {
			if strings.TrimSuffix(stack.ConstructPath(id), "/Resource") == path {
				return stack, id, resource
			}
		}
	}
	a.t.Fatalf("no resource %s", path)
	return nil, "", assembly.Resource{}
}

func (a templatesOf) properties(path string) object {
	a.t.Helper()
	_, _, resource := a.find(path)
	return resource.Properties
}

// add adds a resource to AppStack.
func (a templatesOf) add(id, kind string, properties object) {
	a.t.Helper()
	stack, _, _ := a.find("AppStack/OrderRole")
	stack.Template.Resources[id] = assembly.Resource{Type: kind, Properties: properties}
}

// arn refers to a resource from within its stack.
func (a templatesOf) arn(path string) object {
	a.t.Helper()
	_, id, _ := a.find(path)
	return object{"Fn::GetAtt": []any{id, "Arn"}}
}

// documentOf returns the policy of a role or key, or another one by its name.
func (a templatesOf) documentOf(owner string) object {
	a.t.Helper()
	if strings.HasSuffix(owner, "Key") {
		return a.properties("KmsStack/" + owner)["KeyPolicy"].(object)
	}
	path := map[string]string{
		"OrderRole":       "AppStack/OrderRole/DefaultPolicy",
		"PaybillRole":     "TokenizerStack/Paybill/Role/DefaultPolicy",
		"OnlyFromVpc":     "AppStack/OnlyFromVpc",
		"PaybillBoundary": "TokenizerStack/Paybill/Boundary", "DeployersBoundary": "TokenizerStack/DeployersBoundary",
	}[owner]
	return a.properties(path)["PolicyDocument"].(object)
}

// allow adds a statement to the policy of a role or key. Its members override those of a statement that allows.
func (a templatesOf) allow(owner string, members object) {
	a.t.Helper()
	statement := object{"Effect": "Allow", "Sid": "New"}
	maps.Copy(statement, members)
	if strings.HasSuffix(owner, "Key") {
		statement["Resource"] = "*"
	}
	document := a.documentOf(owner)
	document["Statement"] = append(document["Statement"].([]any), statement)
}

// statement returns the only statement of a role or key that has all parts in its text.
func (a templatesOf) statement(owner string, parts ...string) object {
	a.t.Helper()
	var found []object
	for _, s := range a.documentOf(owner)["Statement"].([]any) {
		text, err := json.Marshal(s)
		if err != nil {
			a.t.Fatal(err)
		}
		if hasLine([]string{string(text)}, parts) {
			found = append(found, s.(object))
		}
	}
	if len(found) != 1 {
		a.t.Fatalf("%d statements of %s have %q, want 1", len(found), owner, parts)
	}
	return found[0]
}

// drop takes condition keys from a statement.
func (a templatesOf) drop(statement object, keys ...string) {
	a.t.Helper()
	conditions := statement["Condition"].(object)
	for _, key := range keys {
		found := false
		for _, tests := range conditions {
			_, has := tests.(object)[key]
			found = found || has
			delete(tests.(object), key)
		}
		if !found {
			a.t.Fatalf("no condition on %s", key)
		}
	}
	maps.DeleteFunc(conditions, func(_ string, tests any) bool { return len(tests.(object)) == 0 })
}

// dropStatement takes a statement from a policy.
func (a templatesOf) dropStatement(owner, sid string) {
	a.t.Helper()
	document := a.documentOf(owner)
	before := document["Statement"].([]any)
	after := slices.DeleteFunc(slices.Clone(before), func(s any) bool { return s.(object)["Sid"] == sid })
	if len(after) != len(before)-1 {
		a.t.Fatalf("no statement %s of %s", sid, owner)
	}
	document["Statement"] = after
}

// Resources, as statements of AppStack name them.
func (a templatesOf) tokenKey() any {
	return a.statement("OrderRole", "kms:GenerateDataKey", "TokenKey")["Resource"]
}
func (a templatesOf) vault() any {
	return a.statement("OrderRole", "dynamodb:PutItem", "VaultTable")["Resource"]
}
func (a templatesOf) state() any {
	return "arn:aws:dynamodb:REGION:ACCOUNT:table/CreditCardTokenizerState"
}

// reader is the ARN of the role that reads, as AppStack names it.
func (a templatesOf) reader() any { return a.properties("AppStack/PaybillFunction")["Role"] }

// bounded are the templates as they are.
func bounded(t *testing.T) templatesOf { return templatesOf{t, app(t)} }

// unbounded are the templates without permissions boundaries. With them, most changes of a role's own policy would come
// to nothing.
func unbounded(t *testing.T) templatesOf {
	t.Helper()
	a := templatesOf{t, app(t)}
	for _, stack := range a.Stacks {
		for _, resource := range stack.Template.Resources {
			if resource.Type == "AWS::IAM::Role" {
				delete(resource.Properties, "PermissionsBoundary")
			}
		}
	}
	return a
}

var trustLambda = object{"Statement": []any{object{
	"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"Service": "lambda.amazonaws.com"},
}}}

const (
	purposeKey = "kms:EncryptionContext:purpose"
	tableKey   = "kms:EncryptionContext:table"
	account2   = "arn:aws:iam::210987654321:root"
)

type change struct {
	change func(templatesOf)
	// want are lines that the report has then and did not have before, each by parts that it has.
	want [][]string
}

// ofBoundaries are changes of the templates as they are, with the boundaries of their roles.
func ofBoundaries() map[string]change {
	const reader = "TokenizerStack/Paybill/Role"
	return map[string]change{
		"the boundary of the role that reads goes": {
			func(a templatesOf) { delete(a.properties(reader), "PermissionsBoundary") },
			[][]string{{"`" + reader + "`", "`AppStack/PaybillFunction`", "| none | yes: tokens without a purpose"}},
		},
		"the boundary of the order role goes": {
			func(a templatesOf) { delete(a.properties("AppStack/OrderRole"), "PermissionsBoundary") },
			[][]string{{"`AppStack/OrderRole`", "`AppStack/OrderFunction`", "| none | no, only the row"}},
		},
		"the boundary of the role that reads allows more": {
			func(a templatesOf) {
				document := a.properties("TokenizerStack/Paybill/Boundary")["PolicyDocument"].(object)
				document["Statement"] = append(document["Statement"].([]any),
					object{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})
			},
			[][]string{{"`" + reader + "`", "`TokenizerStack/Paybill/Boundary`", "`kms:Decrypt`", "`*`", "always"}},
		},
		"the grant to read is widened, which the boundary refuses": {
			func(a templatesOf) { a.drop(a.statement("PaybillRole", "kms:Decrypt", "TokenKey"), purposeKey) },
			[][]string{{
				"`" + reader + "`", "the data key: `kms:Decrypt`", "account_id = ACCOUNT",
				"`AppStack/PaybillFunction`",
			}},
		},
		"the order role gets kms:Decrypt, which its boundary refuses": {
			func(a templatesOf) { a.allow("OrderRole", object{"Action": "kms:Decrypt", "Resource": a.tokenKey()}) },
			[][]string{{
				"`AppStack/OrderRole`", "`kms:Decrypt`", "`KmsStack/TokenKey`",
				`"NoUseOfKeysButSealing" of TokenizerStack/DeployersBoundary denies it`,
			}},
		},
	}
}

// changes are changes that let somebody do more, in templates without permissions boundaries.
func changes() map[string]change {
	return map[string]change{
		"the grant to read loses its condition on the purpose": {
			func(a templatesOf) { a.drop(a.statement("PaybillRole", "kms:Decrypt", "TokenKey"), purposeKey) },
			[][]string{
				{"`TokenizerStack/Paybill/Role`", "yes: all tokens"},
				{"the data key: `kms:Decrypt`", "account_id = ACCOUNT", "`AppStack/PaybillFunction`"},
			},
		},
		"the grant to read gets a purpose": {
			func(a templatesOf) {
				s := a.statement("PaybillRole", "kms:Decrypt", "TokenKey")
				a.drop(s, purposeKey)
				s["Condition"].(object)["StringEquals"].(object)[purposeKey] = []any{"refund", "charge"}
			},
			[][]string{
				{"`TokenizerStack/Paybill/Role`", "yes: tokens of purpose `charge`, tokens of purpose `refund`"},
				{"kms:EncryptionContext:purpose = refund, charge"},
			},
		},
		"the grant to read loses its condition on the table": {
			func(a templatesOf) { a.drop(a.statement("PaybillRole", "kms:Decrypt", "TokenKey"), tableKey) },
			[][]string{{"the data key: `kms:Decrypt`", "account_id = ACCOUNT`;"}},
		},
		"the grant to read is for every action on the key": {
			func(a templatesOf) { a.statement("PaybillRole", "kms:Decrypt", "TokenKey")["Action"] = "kms:*" },
			[][]string{
				{"`TokenizerStack/Paybill/Role`", "keys |"}, {"keys: `kms:CancelKeyDeletion`", "`kms:PutKeyPolicy`"},
				{
					"`kms:GenerateDataKey`", "`KmsStack/TokenKey`",
					"\"DenyGenerateDataKeyOutsideItsRoles\" of the policy of KmsStack/TokenKey denies it",
				},
			},
		},
		"the grant to read is for one function": {
			func(a templatesOf) {
				a.statement("PaybillRole", "kms:Decrypt", "TokenKey")["Condition"].(object)["ArnLike"] =
					object{"lambda:SourceFunctionArn": "arn:aws:lambda:*:*:function:Paybill"}
			},
			[][]string{{
				"the data key: `kms:Decrypt`",
				"ArnLike lambda:SourceFunctionArn = arn:aws:lambda:*:*:function:Paybill",
			}},
		},
		"the order role gets kms:Decrypt": {
			func(a templatesOf) { a.allow("OrderRole", object{"Action": "kms:Decrypt", "Resource": a.tokenKey()}) },
			[][]string{{
				"`AppStack/OrderRole`", "`kms:Decrypt`", "`KmsStack/TokenKey`", "DenyDecryptOutsideItsRoles",
				"denies it",
			}},
		},
		"the order role gets kms:Decrypt and another path": {
			func(a templatesOf) {
				a.allow("OrderRole", object{"Action": "kms:Decrypt", "Resource": a.tokenKey()})
				a.properties("AppStack/OrderRole")["Path"] = "/tokenizer/detokenize/"
			},
			[][]string{
				{"`AppStack/OrderRole`", "yes: all tokens"},
				{"`AppStack/OrderRole`", "the data key: `kms:Decrypt`", "always"},
			},
		},
		"the order role gets dynamodb:GetItem on the vault": {
			func(a templatesOf) { a.allow("OrderRole", object{"Action": "dynamodb:GetItem", "Resource": a.vault()}) },
			[][]string{{
				"`AppStack/OrderRole`", "the row: `dynamodb:GetItem`", "`TokenizerStack/Vault/Table`", "always",
			}},
		},
		"the order role can delete tombstones": {
			func(a templatesOf) {
				a.allow("OrderRole", object{"Action": "dynamodb:DeleteItem", "Resource": a.state()})
				s := a.statement("OrderRole", "kms:Decrypt", "StorageKey", "VaultTable")
				conditions :=
					object{
						"StringEquals": object{
							"kms:EncryptionContext:aws:dynamodb:tableName": "CreditCardTokenizerState",
						},
					}
				a.allow("OrderRole", object{
					"Action": "kms:Decrypt", "Resource": s["Resource"], "Condition": conditions,
				})
			},
			[][]string{
				{"`AppStack/OrderRole`", "tombstones, uses"},
				{"tombstones: `dynamodb:DeleteItem`", "`TokenizerStack/Vault/State`"},
			},
		},
		"the order role could, but lacks StorageKey": {
			func(a templatesOf) {
				a.allow("OrderRole", object{"Action": "dynamodb:DeleteItem", "Resource": a.state()})
			},
			[][]string{{
				"`AppStack/OrderRole`", "`dynamodb:DeleteItem`",
				"DynamoDB lacks the principal's kms:Decrypt on the table's StorageKey",
			}},
		},
		"a role that writes uses of a purpose lacks StorageKey": {
			func(a templatesOf) {
				conditions := object{"ForAllValues:StringLike": object{"dynamodb:LeadingKeys": []any{"use#refund#*"}}}
				a.allow("OrderRole", object{
					"Action": "dynamodb:UpdateItem", "Resource": a.state(), "Condition": conditions,
				})
			},
			[][]string{{
				"`AppStack/OrderRole`", "`dynamodb:UpdateItem`", "use#refund#*",
				"DynamoDB lacks the principal's kms:Decrypt on the table's StorageKey",
			}},
		},
		"a role may copy the state, whatever its keys are": {
			func(a templatesOf) {
				conditions := object{"ForAllValues:StringLike": object{"dynamodb:LeadingKeys": "x#*"}}
				a.allow("PaybillRole", object{
					"Action": "dynamodb:WriteDataForReplication", "Resource": a.state(), "Condition": conditions,
				})
			},
			[][]string{{"`TokenizerStack/Paybill/Role`", "tombstones: `dynamodb:WriteDataForReplication`", "x#*"}},
		},
		"a role's tables cannot be described": {
			func(a templatesOf) { a.statement("PaybillRole", "kms:DescribeKey")["Action"] = "kms:ListGrants" },
			[][]string{
				{"`TokenizerStack/Paybill/Role`", "no, only the data key"},
				{"`dynamodb:GetItem`", "DynamoDB lacks the principal's kms:DescribeKey on the table's StorageKey"},
			},
		},
		"the grant to read has an exception": {
			func(a templatesOf) {
				a.allow("PaybillRole", object{
					"Effect": "Deny", "Action": "kms:Decrypt", "Resource": a.tokenKey(),
					"Condition": object{"StringEquals": object{"kms:EncryptionContext:ref": "0123"}},
				})
			},
			[][]string{{
				"`TokenizerStack/Paybill/Role`", "the data key",
				"`New` of `TokenizerStack/Paybill/Role/DefaultPolicy` denies it if `StringEquals kms:EncryptionContext:ref = 0123`",
			}},
		},
		"the order role can change roles": {
			func(a templatesOf) {
				a.allow("OrderRole", object{"Action": []any{"iam:PutRolePolicy", "iam:PassRole"}, "Resource": "*"})
			},
			[][]string{{"the system: `iam:PassRole`, `iam:PutRolePolicy`", "`*`"}},
		},
		"the state loses its condition on keys": {
			func(a templatesOf) {
				a.drop(a.statement("PaybillRole", "dynamodb:UpdateItem", "VaultState"), "dynamodb:LeadingKeys")
			},
			[][]string{
				{"`TokenizerStack/Paybill/Role`", "tombstones, uses"}, {"tombstones: `dynamodb:UpdateItem`"},
				{"uses: `dynamodb:UpdateItem`", "Uses` and `Null dynamodb:Attributes = false`"},
			},
		},
		"the state's condition names the uses of a purpose": {
			func(a templatesOf) {
				conditions := a.statement("PaybillRole", "dynamodb:UpdateItem", "VaultState")["Condition"].(object)
				conditions["ForAllValues:StringLike"].(object)["dynamodb:LeadingKeys"] = []any{"*#refund#*"}
			},
			[][]string{
				{"tombstones: `dynamodb:UpdateItem`", "*#refund#*"}, {"uses: `dynamodb:UpdateItem`", "*#refund#*"},
			},
		},
		"a put to the vault may ask for the old row": {
			func(a templatesOf) {
				a.drop(a.statement("OrderRole", "dynamodb:PutItem", "VaultTable"), "dynamodb:ReturnValues")
			},
			[][]string{{"the row: `dynamodb:PutItem`", "always"}},
		},
		"StorageKey can be used without DynamoDB": {
			func(a templatesOf) {
				a.drop(a.statement("OrderRole", "kms:Decrypt", "VaultTable"), "kms:ViaService")
			},
			[][]string{{"`AppStack/OrderRole`", "`KmsStack/StorageKey`", "tableName = CreditCardTokenizerTable` |"}},
		},

		"a role is added to the policy of TokenKey": {
			func(a templatesOf) {
				a.allow("TokenKey", object{
					"Action":    "kms:Decrypt",
					"Principal": object{"AWS": "arn:aws:iam::ACCOUNT:role/tokenizer/detokenize/Debug"},
				})
			},
			[][]string{
				{"`arn:aws:iam::ACCOUNT:role/tokenizer/detokenize/Debug`", "the data key: `kms:Decrypt`"},
				{
					"`KmsStack/TokenKey`", "`kms:Decrypt`",
					"`arn:aws:iam::ACCOUNT:role/tokenizer/detokenize/Debug`, roles below", "`New` allows it",
				},
			},
		},
		"a role elsewhere is added to the policy of TokenKey": {
			func(a templatesOf) {
				a.allow("TokenKey", object{
					"Action": "kms:Decrypt", "Principal": object{"AWS": "arn:aws:iam::ACCOUNT:role/admin"},
				})
			},
			[][]string{
				{"`arn:aws:iam::ACCOUNT:role/admin`", "`kms:Decrypt`", "DenyDecryptOutsideItsRoles"},
				{"The policies were tried with", "`arn:aws:iam::ACCOUNT:role/admin`"},
			},
		},
		"another account is added to the policy of FingerprintKey": {
			func(a templatesOf) {
				a.allow("FingerprintKey", object{"Action": "kms:VerifyMac", "Principal": object{"AWS": "210987654321"}})
			},
			[][]string{
				{"account `210987654321`", "fingerprints: `kms:VerifyMac`"},
				{"`KmsStack/FingerprintKey`", "`kms:VerifyMac`", "account `210987654321`"},
			},
		},
		"a service is added to the policy of TokenKey": {
			func(a templatesOf) {
				a.allow("TokenKey", object{
					"Action": "kms:DescribeKey", "Principal": object{"Service": "s3.amazonaws.com"},
				})
				a.allow("TokenKey", object{
					"Action": "kms:CreateGrant", "Principal": object{"Service": "s3.amazonaws.com"},
				})
			},
			[][]string{
				{"`s3.amazonaws.com`", "keys: `kms:CreateGrant`"},
				{"`KmsStack/TokenKey`", "`kms:CreateGrant`", "`s3.amazonaws.com`"},
			},
		},
		"everybody is added to the policy of FingerprintKey": {
			func(a templatesOf) {
				a.allow("FingerprintKey", object{
					"Action":    "kms:VerifyMac",
					"Principal": "*",
					"Condition": object{"StringEquals": object{"kms:CallerAccount": "210987654321"}},
				})
			},
			[][]string{
				{"everybody", "fingerprints: `kms:VerifyMac`", "kms:CallerAccount = 210987654321"},
				{"`kms:VerifyMac`", "| account `210987654321` |"},
			},
		},
		"everybody in the account is added to the policy of FingerprintKey": {
			func(a templatesOf) {
				a.allow("FingerprintKey", object{
					"Action":    "kms:VerifyMac",
					"Principal": "*",
					"Condition": object{"StringEquals": object{"kms:CallerAccount": "ACCOUNT"}},
				})
			},
			[][]string{
				{"`AppStack/OrderRole`", "fingerprints: `kms:VerifyMac`", "kms:CallerAccount = ACCOUNT"},
				{"everybody", "fingerprints: `kms:VerifyMac`"},
				{"`KmsStack/FingerprintKey`", "`kms:VerifyMac`", "| every role and user of the account |"},
			},
		},
		"everybody below a path of any account may decrypt with TokenKey": {
			func(a templatesOf) {
				a.allow("TokenKey", object{"Action": "kms:Decrypt", "Principal": "*"})
				a.statement("TokenKey", "DenyDecryptOutsideItsRoles")["Condition"] =
					object{"ArnNotLike": object{"aws:PrincipalArn": "arn:aws:iam::*:role/debug/*"}}
			},
			[][]string{
				{"everybody", "the data key: `kms:Decrypt`"},
				{"`KmsStack/TokenKey`", "`kms:Decrypt`", "| `arn:aws:iam::*:role/debug/*`, other accounts |"},
			},
		},
		"services may use TokenKey for others": {
			func(a templatesOf) {
				a.drop(a.statement("TokenKey", "UseByRolesOfTheAccountAndByNoService"), "kms:ViaService")
			},
			[][]string{{"`KmsStack/TokenKey`", "`kms:Decrypt`", "roles below `/tokenizer/operate/` | the same |"}},
		},
		"TokenKey's Deny of Decrypt goes": {
			func(a templatesOf) { a.dropStatement("TokenKey", "DenyDecryptOutsideItsRoles") },
			[][]string{{"`KmsStack/TokenKey`", "`kms:Decrypt`", "every role and user of the account"}},
		},
		"TokenKey's Deny of GenerateDataKey goes": {
			func(a templatesOf) { a.dropStatement("TokenKey", "DenyGenerateDataKeyOutsideItsRoles") },
			[][]string{{"`KmsStack/TokenKey`", "`kms:GenerateDataKey`", "every role and user of the account"}},
		},
		"FingerprintKey's Deny goes": {
			func(a templatesOf) { a.dropStatement("FingerprintKey", "DenyGenerateMacOutsideItsRoles") },
			[][]string{{"`KmsStack/FingerprintKey`", "`kms:GenerateMac`", "every role and user of the account"}},
		},
		"StorageKey may be deleted by everybody": {
			func(a templatesOf) { a.dropStatement("StorageKey", "DenyScheduleKeyDeletionOutsideItsRoles") },
			[][]string{{"`KmsStack/StorageKey`", "`kms:ScheduleKeyDeletion`", "every role and user of the account"}},
		},
		"TokenKey may be deleted without notice": {
			func(a templatesOf) { a.dropStatement("TokenKey", "DenyDeletionWithoutNotice") },
			[][]string{{"`KmsStack/TokenKey`", "`kms:ScheduleKeyDeletion`"}},
		},
		"TokenKey's Deny leaves out one more path": {
			func(a templatesOf) {
				paths := a.statement("TokenKey",
					"DenyDecryptOutsideItsRoles")["Condition"].(object)["ArnNotLike"].(object)
				paths["aws:PrincipalArn"] = append(paths["aws:PrincipalArn"].([]any), "arn:aws:iam::*:role/debug/*")
			},
			[][]string{{
				"`KmsStack/TokenKey`", "`kms:Decrypt`",
				"| `arn:aws:iam::*:role/debug/*`, roles below `/tokenizer/detokenize/`",
			}},
		},
		"another account may read the vault's table": {
			func(a templatesOf) {
				a.properties("TokenizerStack/Vault/Table")["ResourcePolicy"] =
					object{"PolicyDocument": object{"Statement": []any{
						object{
							"Sid":       "Copy",
							"Effect":    "Allow",
							"Action":    "dynamodb:ExportTableToPointInTime",
							"Resource":  "*",
							"Principal": object{"AWS": account2},
						},
					}}}
			},
			[][]string{
				{"account `210987654321`", "the row: `dynamodb:ExportTableToPointInTime`"},
				{"`TokenizerStack/Vault/Table`", "every role and user of the account, account `210987654321`"},
			},
		},
		"nobody may delete the vault's table": {
			func(a templatesOf) {
				a.properties("TokenizerStack/Vault/Table")["ResourcePolicy"] =
					object{"PolicyDocument": object{"Statement": []any{
						object{"Effect": "Deny", "Action": "dynamodb:DeleteTable", "Resource": "*", "Principal": "*"},
					}}}
			},
			[][]string{
				{"`TokenizerStack/Vault/Table`", "`dynamodb:BatchGetItem`", "IAM alone decides"},
				{"`KmsStack/TokenKey`, `TokenizerStack/Vault/Table` | every action that has no other line | nobody"},
			},
		},

		"a role's trust policy gets another principal": {
			func(a templatesOf) {
				document := a.properties("TokenizerStack/Paybill/Role")["AssumeRolePolicyDocument"].(object)
				document["Statement"] = append(document["Statement"].([]any),
					object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"AWS": account2}})
			},
			[][]string{{"account `210987654321`", "`sts:AssumeRole`", "`TokenizerStack/Paybill/Role`", "always"}},
		},
		"a role's trust policy denies": {
			func(a templatesOf) {
				document := a.properties("TokenizerStack/Paybill/Role")["AssumeRolePolicyDocument"].(object)
				document["Statement"] = append(document["Statement"].([]any),
					object{"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": "*"})
			},
			[][]string{{"everybody", "never `sts:AssumeRole`", "`TokenizerStack/Paybill/Role`"}},
		},
		"a new role below the detokenize path": {
			func(a templatesOf) {
				a.add("DebugRole", "AWS::IAM::Role",
					object{"Path": "/tokenizer/detokenize/debug/", "AssumeRolePolicyDocument": trustLambda})
			},
			[][]string{
				{"`AppStack/DebugRole`", "no"},
				{"`lambda.amazonaws.com`", "`AppStack/DebugRole`, IAM path `/tokenizer/detokenize/debug/`", "none"},
			},
		},
		"a new role that reads": {
			func(a templatesOf) {
				a.add("DebugRole", "AWS::IAM::Role", object{
					"Path": "/tokenizer/detokenize/", "AssumeRolePolicyDocument": trustLambda,
					"Policies": []any{object{
						"PolicyName": "Inline",
						"PolicyDocument": object{"Statement": object{
							"Effect": "Allow", "Action": "kms:Decrypt", "Resource": a.tokenKey(),
						}},
					}},
				})
			},
			[][]string{
				{"`AppStack/DebugRole`", "no, only the data key"},
				{"`AppStack/DebugRole`", "the data key: `kms:Decrypt`"},
			},
		},
		"a policy that roles share": {
			func(a templatesOf) {
				a.add("Shared", "AWS::IAM::ManagedPolicy", object{
					"PolicyDocument": object{"Statement": object{
						"Effect": "Allow", "Action": "dynamodb:Scan", "Resource": a.vault(),
					}},
					"Roles": a.properties("AppStack/PaybillPolicy")["Roles"],
				})
			},
			[][]string{{"`TokenizerStack/Paybill/Role`", "the row: `dynamodb:Scan`"}},
		},
		"a policy for somebody else": {
			func(a templatesOf) {
				a.add("Support", "AWS::IAM::ManagedPolicy", object{"PolicyDocument": object{"Statement": []any{
					object{"Effect": "Allow", "Action": "dynamodb:Scan", "Resource": a.vault()},
					object{"Effect": "Deny", "NotAction": []any{"s3:Get*", "iam:PassRole"}, "NotResource": "arn:x",
						"Condition": object{
							"StringNotEquals": object{"iam:PermissionsBoundary": "${aws:PrincipalTag/b}"},
							"Bool":            object{"aws:SecureTransport": false},
						}},
				}}})
			},
			[][]string{
				{"`AppStack/Support`", "| `dynamodb:Scan` | `TokenizerStack/Vault/Table` | always |"},
				{
					"`AppStack/Support`",
					"| never all but `s3:Get*`, `iam:PassRole` | all but `arn:x` | `Bool aws:SecureTransport = false` and `StringNotEquals iam:PermissionsBoundary = ${aws:PrincipalTag/b}` |",
				},
			},
		},
		"another function runs with the role that reads": {
			func(a templatesOf) {
				a.add("Debug", "AWS::Lambda::Function", object{"Role": a.reader()})
			},
			[][]string{
				{"the data key", "`AppStack/Debug`, `AppStack/PaybillFunction`"},
				{"`lambda.amazonaws.com`", "`AppStack/Debug`, `AppStack/PaybillFunction`"},
				{"`AppStack/Debug`", "`TokenizerStack/Paybill/Role`", "none"},
			},
		},
		"a function may be invoked by somebody else": {
			func(a templatesOf) {
				a.add("Invoke", "AWS::Lambda::Permission", object{
					"FunctionName": a.arn("AppStack/PaybillFunction"),
					"Principal":    "events.amazonaws.com",
					"Action":       "lambda:InvokeFunction",
				})
			},
			[][]string{{"`events.amazonaws.com`", "`lambda:InvokeFunction`", "`AppStack/PaybillFunction`", "always"}},
		},
		"a route loses its authorizer": {
			func(a templatesOf) { delete(a.properties("AppStack/Api/Default/paybill/POST"), "AuthorizerId") },
			[][]string{{"everybody", "`POST /paybill`", "`AppStack/PaybillFunction`"}},
		},
		"the layer is shared": {
			func(a templatesOf) {
				stack, id, _ := a.find("TokenizerStack/Layer/VersionArm64")
				stack.Template.Resources["Share"] = assembly.Resource{Type: "AWS::Lambda::LayerVersionPermission",
					Properties: object{
						"LayerVersionArn": object{"Ref": id},
						"Principal":       "*",
						"Action":          "lambda:GetLayerVersion",
						"OrganizationId":  "o-exampleorg1",
					}}
			},
			[][]string{{
				"everybody", "`lambda:GetLayerVersion`", "`OrganizationId = o-exampleorg1`",
				"`AppStack/OrderFunction`, `AppStack/PaybillFunction`",
			}},
		},
		"a function gets another layer": {
			func(a templatesOf) {
				f := a.properties("AppStack/PaybillFunction")
				f["Layers"] = append(f["Layers"].([]any), "arn:aws:lambda:us-east-1:210987654321:layer:x:1")
			},
			[][]string{{
				"`AppStack/PaybillFunction`",
				"`TokenizerStack/Layer/VersionArm64`, `arn:aws:lambda:us-east-1:210987654321:layer:x:1`",
			}},
		},
		"a function is wrapped": {
			func(a templatesOf) {
				variables := a.properties("AppStack/PaybillFunction")["Environment"].(object)["Variables"].(object)
				variables["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/wrapper"
			},
			[][]string{{"`AppStack/PaybillFunction`", "`AWS_LAMBDA_EXEC_WRAPPER=/opt/wrapper`"}},
		},
		"a layer parameter names something else": {
			func(a templatesOf) {
				a.properties("TokenizerStack/Parameters/layer-version-arn--arm64")["Value"] = "arn:other"
			},
			[][]string{{"`/tokenizer/layer-version-arn/arm64`", "`arn:other`"}},
		},
		"a key parameter names something else": {
			func(a templatesOf) {
				a.properties("TokenizerStack/Parameters/token-key-arn--1")["Value"] = "arn:other"
			},
			[][]string{{"`/tokenizer/token-key-arn/1`", "`arn:other`"}},
		},
		"a role gets a permissions boundary": {
			func(a templatesOf) {
				a.add("Boundary", "AWS::IAM::ManagedPolicy", object{"PolicyDocument": object{"Statement": object{
					"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*",
				}}})
				a.properties("AppStack/OrderRole")["PermissionsBoundary"] = object{"Ref": "Boundary"}
			},
			[][]string{
				{"`AppStack/OrderRole`", "`AppStack/Boundary` | no | no | no | no | no | no |"},
				{
					"`kms:GenerateDataKey`", "`KmsStack/TokenKey`",
					"the role's boundary lacks {Allow it on KmsStack/TokenKey}",
				},
				{"`AppStack/OrderRole`", "`AppStack/Boundary`", "`dynamodb:*`", "`*`"},
			},
		},
	}
}
