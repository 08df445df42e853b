package cloud_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
)

// properties are those of a resource whose logical id begins with prefix, to be read or changed.
func properties(t *testing.T, a *assembly.Assembly, kind, prefix string) map[string]any {
	t.Helper()
	for _, stack := range a.Stacks {
		for id, resource := range stack.Template.Resources {
			if resource.Type == kind && len(id) >= len(prefix) && id[:len(prefix)] == prefix {
				return resource.Properties
			}
		}
	}
	t.Fatalf("no %s begins with %s", kind, prefix)
	return nil
}

// reads are what a role needs to read a card back, each as a call.
func (s system) reads(t *testing.T, a actor) map[string]func() error {
	t.Helper()
	sealed := map[string]string{
		"table": vaultTable, "account_id": synth.Account, "ref": "00000000000000000000000000000000",
	}
	dataKey, err := s.Clients.KMS.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{
		KeyId: new(s.Outputs["KMSKeyID"]), KeySpec: "AES_256", EncryptionContext: sealed,
	})
	if err != nil {
		t.Fatal(err)
	}
	account := &types.AttributeValueMemberS{Value: synth.Account}
	return map[string]func() error{
		"decrypt": func() error { return a.decrypt(t, dataKey.CiphertextBlob, sealed) },
		"read the row": func() error {
			return a.get(t, vaultTable,
				map[string]types.AttributeValue{
					"Hash_Key": &types.AttributeValueMemberS{Value: token}, "Account_Id": account,
				})
		},
		"read the state": func() error {
			return a.get(t, stateTable,
				map[string]types.AttributeValue{
					"State_Key": &types.AttributeValueMemberS{Value: "gone#" + token}, "Account_Id": account,
				})
		},
	}
}

// Somebody passes the role that reads to another function. Its credentials carry that function's ARN.
func TestBoundary_TheReadingRoleIsWorthNothingInAnotherFunction(t *testing.T) {
	a := load(t)
	properties(t, a, "AWS::Lambda::Function", "OrderFunction")["Role"] = properties(t, a, "AWS::Lambda::Function",
		"PaybillFunction")["Role"]
	s := deploy(t, a)
	for what, call := range s.reads(t, s.actAs(t, "AppStack-Paybill")) {
		if err := call(); err != nil {
			t.Errorf("paybill cannot %s: %v", what, err)
		}
	}
	for what, call := range s.reads(t, s.actAs(t, "AppStack-Order")) {
		if err := call(); !denied(err) {
			t.Errorf("with the role, another function can %s: %v", what, err)
		}
	}
}

// The application gives its own policy of the role everything.
func TestBoundary_APolicyBeyondItIsWorthNothing(t *testing.T) {
	widened := func() *assembly.Assembly {
		a := load(t)
		document := properties(t, a, "AWS::IAM::Policy", "PaybillPolicy")["PolicyDocument"].(map[string]any)
		document["Statement"] = append(document["Statement"].([]any),
			map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"})
		return a
	}
	sealed := map[string]string{
		"table": vaultTable, "account_id": synth.Account, "ref": "00000000000000000000000000000000",
	}
	row := map[string]types.AttributeValue{
		"Hash_Key":   &types.AttributeValueMemberS{Value: token},
		"Account_Id": &types.AttributeValueMemberS{Value: synth.Account},
	}
	more := func(s system) map[string]func() error {
		paybill := s.actAs(t, "AppStack-Paybill")
		return map[string]func() error{
			"scan the vault":       func() error { return paybill.scan(t, vaultTable) },
			"delete from it":       func() error { return paybill.delete(t, vaultTable, row) },
			"put into it":          func() error { return paybill.put(t, vaultTable, row, "") },
			"read the index":       func() error { return paybill.get(t, indexTable, key("Index_Key", "x")) },
			"scan its own orders":  func() error { return paybill.scan(t, orderTable) },
			"delete the tombstone": func() error { return paybill.delete(t, stateTable, stateKey("gone#"+token)) },
		}
	}
	s := deploy(t, widened())
	if err := s.use(t.Context()); err != nil {
		t.Errorf("%v\n%s", err, s.log)
	}
	for what, call := range more(s) {
		if err := call(); !denied(err) {
			t.Errorf("beyond its boundary the role can %s: %v", what, err)
		}
	}
	paybill := s.actAs(t, "AppStack-Paybill")
	if _, err := paybill.generate(t, sealed); !denied(err) {
		t.Errorf("beyond its boundary the role can seal: %v", err)
	}

	// It is the boundary that denies.
	a := widened()
	delete(properties(t, a, "AWS::IAM::Role", "PaybillRole"), "PermissionsBoundary")
	for what, call := range more(deploy(t, a)) {
		if err := call(); err != nil {
			t.Errorf("without the boundary the role cannot %s: %v", what, err)
		}
	}
}

func stateKey(name string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"State_Key":  &types.AttributeValueMemberS{Value: name},
		"Account_Id": &types.AttributeValueMemberS{Value: synth.Account},
	}
}

// denied tells whether a call was refused by policies.
func denied(err error) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	return ok && e.ErrorCode() == "AccessDeniedException"
}
