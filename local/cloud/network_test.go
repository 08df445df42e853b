package cloud_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
)

// actAsFromOutside is actAs with the function's credentials in the hands of somebody outside of its VPC.
func (s system) actAsFromOutside(t *testing.T, function string) actor {
	t.Helper()
	config, err := s.ActAsFromOutside(function)
	if err != nil {
		t.Fatal(err)
	}
	config.RetryMaxAttempts = 1
	return actor{kms.NewFromConfig(config), dynamodb.NewFromConfig(config), s.Outputs["KMSKeyID"]}
}

// What a function may do from its VPC, tried with its role's credentials from there and from elsewhere.
func TestCredentials_AreWorthNothingOutsideTheVPC(t *testing.T) {
	s := deploy(t, load(t))
	if err := s.use(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, s.log)
	}
	sealed := map[string]string{
		"table": vaultTable, "account_id": synth.Account, "ref": "00000000000000000000000000000000",
	}
	row := map[string]types.AttributeValue{
		"Hash_Key":   &types.AttributeValueMemberS{Value: token},
		"Account_Id": &types.AttributeValueMemberS{Value: synth.Account},
	}
	tombstone := map[string]types.AttributeValue{
		"State_Key":  &types.AttributeValueMemberS{Value: "gone#" + token},
		"Account_Id": &types.AttributeValueMemberS{Value: synth.Account},
	}
	dataKey, err := s.actAs(t, "AppStack-Order").generate(t, sealed)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, function string
		do             func(a actor) error
	}{
		{"order makes a data key", "AppStack-Order", func(a actor) error { return second(a.generate(t, sealed)) }},
		{"order puts a row", "AppStack-Order", func(a actor) error { return a.put(t, vaultTable, row, "") }},
		{"order reads an order", "AppStack-Order", func(a actor) error {
			return a.get(t, orderTable, key("CustomerOrder", "1"))
		}},
		{"paybill opens a data key", "AppStack-Paybill", func(a actor) error { return a.decrypt(t, dataKey, sealed) }},
		{"paybill reads a row", "AppStack-Paybill", func(a actor) error { return a.get(t, vaultTable, row) }},
		{"paybill reads the state", "AppStack-Paybill", func(a actor) error { return a.get(t, stateTable, tombstone) }},
		{"paybill reads an order", "AppStack-Paybill", func(a actor) error {
			return a.get(t, orderTable, key("CustomerOrder", "1"))
		}},
		{"paybill reads the ledger", "AppStack-Paybill", func(a actor) error {
			return a.get(t, ledgerTable, key("PaymentId", "1"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(s.actAs(t, tt.function)); err != nil {
				t.Errorf("from the VPC: %v", err)
			}
			if err := tt.do(s.actAsFromOutside(t, tt.function)); err == nil ||
				!strings.Contains(err.Error(), "explicit deny in an identity-based policy") {
				t.Errorf("from outside: error = %v, want an explicit deny", err)
			}
		})
	}
}

// denyOutside returns the statements that deny a role what does not come from the VPC.
func denyOutside(a *assembly.Assembly) (found []map[string]any) {
	for _, stack := range a.Stacks {
		for id, resource := range stack.Template.Resources {
			if resource.Type != "AWS::IAM::Policy" {
				continue
			}
			for _, statement := range statements(a, id) {
				if s := statement.(map[string]any); s["Effect"] == "Deny" {
					found = append(found, s)
				}
			}
		}
	}
	return found
}

// The statements leave StorageKey out for a reason: DynamoDB uses it in the caller's name from outside of the VPC.
func TestDenyOutsideVPC_OfStorageKeyWouldStopEveryTable(t *testing.T) {
	a := load(t)
	for _, statement := range denyOutside(a) {
		if action := actions(statement); action[0] == "kms:*" {
			statement["Resource"] = "*"
		}
	}
	s := deploy(t, a)
	if err := s.use(t.Context()); err == nil ||
		!strings.Contains(strings.Join(s.Trouble(), "\n"), "(through DynamoDB, whose table ") {
		t.Errorf("error = %v, trouble %q", err, s.Trouble())
	}
}

// A call that goes around the endpoints carries no VPC.
func TestDenyOutsideVPC_NeedsTheEndpoints(t *testing.T) {
	a := load(t)
	for _, stack := range a.Stacks {
		for _, resource := range stack.Template.Resources {
			if resource.Type == "AWS::EC2::VPCEndpoint" && resource.Properties["VpcEndpointType"] == "Interface" {
				resource.Properties["ServiceName"] = "com.amazonaws.us-east-1.sts"
			}
		}
	}
	s := deploy(t, a)
	if err := s.use(t.Context()); err == nil ||
		!strings.Contains(strings.Join(s.Trouble(), "\n"), "kms:GenerateDataKey on ") {
		t.Errorf("error = %v, trouble %q", err, s.Trouble())
	}
}
