package test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// statement is a policy statement, rendered.
type statement struct {
	effect, actions, resource, principal, conditions string
}

func (s statement) String() string {
	line := fmt.Sprintf("%s %s on %s", s.effect, s.actions, s.resource)
	if s.conditions != "" {
		line += " if " + s.conditions
	}
	return line
}

func (a assembly) statements(t *testing.T, document any) []statement {
	t.Helper()
	var found []statement
	for _, raw := range document.(map[string]any)["Statement"].([]any) {
		fields := raw.(map[string]any)
		for name := range fields {
			if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}, name) {
				t.Fatalf("statement has %s, which this test does not understand", name)
			}
		}
		found = append(found, statement{
			effect:     fields["Effect"].(string),
			actions:    a.text(t, fields["Action"]),
			resource:   a.text(t, fields["Resource"]),
			principal:  a.text(t, fields["Principal"]),
			conditions: a.text(t, fields["Condition"]),
		})
	}
	return found
}

// roleStatements are all statements that allow the role of a function something, and the test that it has no others.
func (a assembly) roleStatements(t *testing.T, function string) []statement {
	t.Helper()
	_, lambda := a.one(t, "AWS::Lambda::Function", function+"Function")
	roleID, role := a.one(t, "AWS::IAM::Role", function+"Role")
	if got, want := a.text(t, lambda.Properties["Role"]), "${"+function+"Role.Arn}"; got != want {
		t.Fatalf("%s runs as %s, want %s", function, got, want)
	}
	for _, other := range []string{"ManagedPolicyArns", "Policies"} {
		if role.Properties[other] != nil {
			t.Errorf("%s has %s; its permissions belong into one inline policy", roleID, other)
		}
	}
	var found []statement
	for _, policy := range a.ofType(t, "AWS::IAM::Policy") {
		if strings.Contains(a.text(t, policy.Properties["Roles"]), "${"+function+"Role}") {
			for _, s := range a.statements(t, policy.Properties["PolicyDocument"]) {
				if s.effect == "Allow" {
					found = append(found, s)
				}
			}
		}
	}
	return found
}

// The central promise, in a test of its own: a change of docs/permissions.md should not be able to take it back
// unnoticed.
func TestPermissions_OrderCannotDecryptAndPaybillCannotMakeTokens(t *testing.T) {
	inEveryConfiguration(t, checkSeparation)
}

func checkSeparation(t *testing.T, assembly assembly) {
	forbidden := map[string]string{"Order": "kms:Decrypt", "Paybill": "kms:GenerateDataKey"}
	needed := map[string]string{"Order": "kms:GenerateDataKey", "Paybill": "kms:Decrypt"}
	for function := range forbidden {
		var onTokenKey []string
		for _, statement := range assembly.roleStatements(t, function) {
			if strings.Contains(statement.resource, "TokenKey") || strings.Contains(statement.resource, "*") {
				onTokenKey = append(onTokenKey, strings.Split(statement.actions, ",")...)
			}
		}
		if slices.Contains(onTokenKey, forbidden[function]) ||
			slices.ContainsFunc(onTokenKey, func(action string) bool { return strings.Contains(action, "*") }) {
			t.Errorf("%s may do %v on TokenKey, must not have %s", function, onTokenKey, forbidden[function])
		}
		if !slices.Contains(onTokenKey, needed[function]) {
			t.Errorf("%s may do %v on TokenKey, needs %s", function, onTokenKey, needed[function])
		}
	}
}

// Whoever may make MACs can try card numbers against the index. The application makes no deterministic tokens, so
// nothing of it may.
func TestPermissions_NothingOfTheApplicationMakesMACs(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		for stack, template := range assembly.templates {
			for id, resource := range template.Resources {
				// A key's policy is about roles outside of the application, too, and the boundaries deny the action.
				of := []string{"AWS::KMS::Key", "AWS::IAM::ManagedPolicy"}
				if !slices.Contains(of, resource.Type) &&
					strings.Contains(assembly.text(t, resource.Properties), "kms:GenerateMac") {
					t.Errorf("%s/%s (%s) has kms:GenerateMac", stack, id, resource.Type)
				}
			}
		}
		for _, function := range []string{"Order", "Paybill"} {
			for _, s := range assembly.roleStatements(t, function) {
				if strings.Contains(s.resource, "FingerprintKey") || strings.Contains(s.resource, "VaultIndex") ||
					strings.Contains(s.conditions, "VaultIndex") {
					t.Errorf("%s reaches the index: %s", function, s)
				}
			}
		}
	})
}

// What must not go back is out of reach of the function that makes tokens, and the one that opens them cannot take any
// of it away.
func TestPermissions_TheApplicationOnlyReadsTombstonesAndCountsUses(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		for function, want := range map[string][]string{
			"Order": nil, "Paybill": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
		} {
			var got []string
			for _, s := range assembly.roleStatements(t, function) {
				if strings.Contains(s.resource, "VaultState") {
					got = append(got, s.actions)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s may %v on the state, want %v", function, got, want)
			}
		}
		account := assembly.account(t)
		for item, want := range map[string][]string{
			"gone#t": {"GetItem"}, "use##t": {"GetItem", "UpdateItem"}, "use#refund#t": nil,
		} {
			for _, action := range []string{"DeleteItem", "GetItem", "PutItem", "UpdateItem"} {
				got := assembly.may(t, account, assembly.roleARN(t, "PaybillRole"), "dynamodb:"+action, "VaultState",
					"dynamodb:LeadingKeys", item, "dynamodb:Attributes", "State_Key", "dynamodb:Attributes", "Uses")
				if got != slices.Contains(want, action) {
					t.Errorf("Paybill and %s of %s: allowed is %t", action, item, got)
				}
			}
		}
	})
}

// IAM cannot tell a new order from an overwritten one, nor see its state, but it can see the attributes of an order
// that is being paid.
func TestPermissions_OrderPutsOrdersAsTheyArePlaced(t *testing.T) {
	placed := []string{
		"Address", "CardBrand", "CardLastFour", "CreatedAt", "CreditCard", "CustomerName", "CustomerOrder", "State",
		"Sub",
	}
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		account, role := assembly.account(t), assembly.roleARN(t, "OrderRole")
		for name, test := range map[string]struct {
			attributes []string
			returns    string // "" means that the request does not say
			want       bool
		}{
			"as they are placed":         {placed, "", true},
			"asking for nothing":         {placed, "NONE", true},
			"asking for the old order":   {placed, "ALL_OLD", false},
			"with a lease":               {append([]string{"LeaseId"}, placed...), "", false},
			"with a payment":             {append([]string{"PaidAt"}, placed...), "", false},
			"without attributes at all":  {nil, "", false},
			"with something of its own":  {[]string{"CustomerOrder", "Whatever"}, "", false},
			"with some of them, at most": {[]string{"CustomerOrder", "State"}, "", true},
		} {
			var context []string
			for _, attribute := range test.attributes {
				context = append(context, "dynamodb:Attributes", attribute)
			}
			if test.returns != "" {
				context = append(context, "dynamodb:ReturnValues", test.returns)
			}
			if got := assembly.may(t, account, role, "dynamodb:PutItem", "CustomerOrderTable",
				context...); got != test.want {
				t.Errorf("%s: allowed is %t", name, got)
			}
		}
	})
}

// The tables in docs/permissions.md say who may use a key; this is what they must never say.
func TestKeys_AdministratorsNeitherUseThemNorHandThemOut(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		for id, key := range assembly.ofType(t, "AWS::KMS::Key") {
			for i, s := range assembly.statements(t, key.Properties["KeyPolicy"]) {
				unconditional := s.effect == "Allow" && s.conditions == ""
				if unconditional != (i == 0) {
					t.Errorf("%s: statement %d is %s; want the first, and no other, without conditions", id, i, s)
				}
				for action := range strings.SplitSeq(s.actions, ",") {
					if unconditional && !administrative.MatchString(action) {
						t.Errorf("%s: administrators may %s", id, action)
					}
				}
				if action := "kms:CreateGrant"; strings.Contains(s.actions, action) &&
					!strings.HasPrefix(id, "StorageKey") {
					t.Errorf("%s can be handed out: %s", id, s)
				}
			}
		}
	})
}

// administrative are actions that neither use a key nor hand it out.
var administrative = regexp.MustCompile(
	`^kms:(CancelKeyDeletion|ScheduleKeyDeletion|PutKeyPolicy|RevokeGrant|RotateKeyOnDemand|` +
		`TagResource|UntagResource|UpdateKeyDescription|(Create|Delete|Update)Alias|(Describe|Disable|Enable)Key|` +
		`(Disable|Enable)KeyRotation|Get(KeyPolicy|KeyRotationStatus)|List[A-Za-z]+)$`)

// onEverything are the only actions that are allowed on every resource, and only so: they know no resources.
var onEverything = map[string]string{
	"ec2:AssignPrivateIpAddresses,ec2:CreateNetworkInterface,ec2:DeleteNetworkInterface,ec2:DescribeNetworkInterfaces," +
		"ec2:DescribeSubnets,ec2:UnassignPrivateIpAddresses": "Null=lambda:SourceFunctionArn=true",
	"xray:PutTelemetryRecords,xray:PutTraceSegments": "",
}

func TestRoles_NeitherDoEverythingNorActOnEverything(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		for id, policy := range assembly.ofType(t, "AWS::IAM::Policy") {
			for _, statement := range assembly.statements(t, policy.Properties["PolicyDocument"]) {
				conditions, known := onEverything[statement.actions]
				if known && statement.resource == "*" && statement.conditions == conditions {
					continue
				}
				if statement.effect == "Allow" &&
					(strings.Contains(statement.actions, "*") || strings.Contains(statement.resource, "*")) {
					t.Errorf("%s has a wildcard: %s", id, statement)
				}
			}
		}
		for id, role := range assembly.ofType(t, "AWS::IAM::Role") {
			if role.Properties["ManagedPolicyArns"] != nil || role.Properties["Policies"] != nil {
				t.Errorf("%s has policies beside its own: %v, %v", id, role.Properties["ManagedPolicyArns"],
					role.Properties["Policies"])
			}
		}
	})
}

// A role can be assumed by one service, each for what it is for.
func TestRoles_AreAssumedByTheirServiceOnly(t *testing.T) {
	want := map[string]string{
		"OrderRole":    "Service=lambda.amazonaws.com",
		"PaybillRole":  "Service=lambda.amazonaws.com",
		"FlowLogsRole": "Service=vpc-flow-logs.amazonaws.com if StringEquals=aws:SourceAccount=${AWS::AccountId}",
	}
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		for id, role := range assembly.ofType(t, "AWS::IAM::Role") {
			for _, statement := range assembly.statements(t, role.Properties["AssumeRolePolicyDocument"]) {
				got := statement.principal
				if statement.conditions != "" {
					got += " if " + statement.conditions
				}
				if got != want[hash.ReplaceAllString(id, "")] {
					t.Errorf("%s can be assumed by %s", id, got)
				}
			}
		}
	})
}

func TestPermissions_NothingIsAllowedToEverybody(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		for id, key := range assembly.ofType(t, "AWS::KMS::Key") {
			for _, statement := range assembly.statements(t, key.Properties["KeyPolicy"]) {
				if statement.effect == "Allow" &&
					(strings.Contains(statement.actions, "*") || strings.Contains(statement.principal, "*")) {
					t.Errorf("%s allows %s to %s", id, statement.actions, statement.principal)
				}
			}
		}
		for id, permission := range assembly.ofType(t, "AWS::Lambda::Permission") {
			source := assembly.text(t, permission.Properties["SourceArn"])
			if strings.Contains(source, "*") || !strings.Contains(source, "/${ApiDeploymentStagedev}/POST/") {
				t.Errorf("%s lets API Gateway invoke from %s, want one method of one stage", id, source)
			}
		}
		for id, permission := range assembly.anyOfType("AWS::Lambda::LayerVersionPermission") {
			if permission.Properties["Principal"] == "*" && permission.Properties["OrganizationId"] == nil {
				t.Errorf("%s shares the layer with everybody", id)
			}
		}
		for id, endpoint := range assembly.anyOfType("AWS::EC2::VPCEndpoint") {
			for _, statement := range assembly.statements(t, endpoint.Properties["PolicyDocument"]) {
				const roles = "ArnEquals=aws:PrincipalArn=${OrderRole.Arn},${PaybillRole.Arn}"
				if statement.conditions != roles || strings.Contains(statement.actions+statement.resource, "*") {
					t.Errorf("%s lets through: %s", id, statement)
				}
			}
		}
	})
}
