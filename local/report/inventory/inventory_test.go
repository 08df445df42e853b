package inventory_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/inventory"
)

// stack is a stack of these resources: members of a JSON object.
func stack(t *testing.T, resources ...string) *assembly.Stack {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader("{" + strings.Join(resources, ",") + "}"))
	decoder.UseNumber()
	s := &assembly.Stack{Name: "S"}
	if err := decoder.Decode(&s.Template.Resources); err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, resources ...string) (*inventory.Inventory, error) {
	t.Helper()
	return inventory.Read(&assembly.Assembly{Stacks: []*assembly.Stack{stack(t, resources...)}})
}

const (
	trust = `"AssumeRolePolicyDocument":{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}`
	role  = `"Role":{"Type":"AWS::IAM::Role","Properties":{"Path":"/tokenizer/detokenize/",` + trust + `}}`
	key   = `"Key":{"Type":"AWS::KMS::Key","Properties":{"KeyPolicy":{"Statement":[]}}}`
	table = `"Table":{"Type":"AWS::DynamoDB::Table","Properties":{"TableName":"T"}}`
	// function names the key as a TokenKey and the table as the vault's.
	function = `"Function":{"Type":"AWS::Lambda::Function","Properties":{"Role":{"Fn::GetAtt":["Role","Arn"]},"Environment":{"Variables":{
		"TOKENIZER_TOKEN_KEYS":{"Fn::Join":["",["2=",{"Fn::GetAtt":["Key","Arn"]},",1=",{"Fn::GetAtt":["Key","Arn"]}]]},
		"TOKENIZER_TABLE":{"Ref":"Table"},
		"AWS_LAMBDA_EXEC_WRAPPER":"/opt/x"}}}}`
)

func TestRead_ConnectsWhatBelongsTogether(t *testing.T) {
	inv, err := read(t, role, key, table, function,
		`"Policy":{"Type":"AWS::IAM::Policy","Properties":{"PolicyName":"p","PolicyDocument":{"x":1},"Roles":[{"Ref":"Role"}]}}`,
		`"Managed":{"Type":"AWS::IAM::ManagedPolicy","Properties":{"PolicyDocument":{"x":2},"Roles":[{"Ref":"Role"}]}}`,
		`"Layer":{"Type":"AWS::Lambda::LayerVersion","Properties":{"LayerName":"L"}}`,
		`"Share":{"Type":"AWS::Lambda::LayerVersionPermission","Properties":{"LayerVersionArn":{"Ref":"Layer"},"Principal":"*","Action":"lambda:GetLayerVersion","OrganizationId":"o-1"}}`,
		`"Invoke":{"Type":"AWS::Lambda::Permission","Properties":{"FunctionName":{"Fn::GetAtt":["Function","Arn"]},"Principal":"apigateway.amazonaws.com","Action":"lambda:InvokeFunction"}}`,
		`"Parameter":{"Type":"AWS::SSM::Parameter","Properties":{"Name":"/layer","Value":{"Ref":"Layer"}}}`,
	)
	if err != nil {
		t.Fatal(err)
	}
	const roleARN = "arn:aws:iam::ACCOUNT:role/tokenizer/detokenize/S-Role"
	want := &inventory.Inventory{
		Account: "ACCOUNT", Region: "REGION",
		Keys: []*inventory.Key{{
			Named: inventory.Named{Path: "S/Key", ARN: "arn:aws:kms:REGION:ACCOUNT:key/S-Key"}, Use: inventory.TokenKey,
			Policy: inventory.Policy{Name: "the policy of S/Key", Document: map[string]any{"Statement": []any{}}},
		}},
		Tables: []*inventory.Table{{
			Named: inventory.Named{Path: "S/Table", ARN: "arn:aws:dynamodb:REGION:ACCOUNT:table/T"},
			Name:  "T",
			Use:   inventory.Vault,
		}},
		Roles: []*inventory.Role{{
			Named: inventory.Named{Path: "S/Role", ARN: roleARN}, IAMPath: "/tokenizer/detokenize/",
			Policies: []inventory.Policy{
				{Name: "S/Managed", Document: map[string]any{"x": json.Number("2")}},
				{Name: "S/Policy", Document: map[string]any{"x": json.Number("1")}},
			},
		}},
		Functions: []*inventory.Function{{
			Named:     inventory.Named{Path: "S/Function", ARN: "arn:aws:lambda:REGION:ACCOUNT:function:S-Function"},
			Role:      roleARN,
			Tokenizer: true,
			Invoke: []inventory.Permission{{
				Principal: "apigateway.amazonaws.com", Action: "lambda:InvokeFunction",
			}},
			AWSVariables: []string{"AWS_LAMBDA_EXEC_WRAPPER=/opt/x"},
		}},
		Layers: []*inventory.Layer{{
			Named: inventory.Named{Path: "S/Layer", ARN: "arn:aws:lambda:REGION:ACCOUNT:layer:L:1"},
			Shared: []inventory.Permission{{
				Principal:  "*",
				Action:     "lambda:GetLayerVersion",
				Conditions: []policy.Condition{{Key: "OrganizationId", Values: []string{"o-1"}}},
			}},
		}},
		Parameters: []*inventory.Parameter{{
			Named: inventory.Named{Path: "S/Parameter", ARN: "arn:aws:ssm:REGION:ACCOUNT:parameter/layer"},
			Name:  "/layer",
			Value: "arn:aws:lambda:REGION:ACCOUNT:layer:L:1",
		}},
	}
	trusted := inv.Roles[0].Trust
	inv.Roles[0].Trust = nil
	if d := cmp.Diff(want, inv); d != "" {
		t.Error(d)
	}
	if len(trusted) != 1 || trusted[0].Principals[0] != "lambda.amazonaws.com" ||
		trusted[0].Actions[0] != "sts:AssumeRole" {
		t.Errorf("trust: %+v", trusted)
	}
	if f := inv.FunctionsOf(roleARN); len(f) != 1 || f[0].Path != "S/Function" || inv.FunctionsOf("other") != nil {
		t.Errorf("functions of the role: %v", f)
	}
}

func TestRead_Boundary(t *testing.T) {
	inv, err := read(t, `"Managed":{"Type":"AWS::IAM::ManagedPolicy","Properties":{"PolicyDocument":{"x":2}}}`,
		`"Role":{"Type":"AWS::IAM::Role","Properties":{"PermissionsBoundary":{"Ref":"Managed"},`+trust+`}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := &inventory.Policy{Name: "S/Managed", Document: map[string]any{"x": json.Number("2")}}
	if d := cmp.Diff(want, inv.Roles[0].Boundary); d != "" || inv.Roles[0].Policies != nil {
		t.Error(d, inv.Roles[0].Policies)
	}
}

func TestRead_PolicyOfNoRole(t *testing.T) {
	inv, err := read(t, `"Managed":{"Type":"AWS::IAM::ManagedPolicy","Properties":{"PolicyDocument":{"x":2}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]inventory.Policy{{Name: "S/Managed", Document: map[string]any{"x": json.Number("2")}}},
		inv.Loose); d != "" {
		t.Error(d)
	}
}

func TestRead_Routes(t *testing.T) {
	inv, err := read(t, role, key, table, function,
		`"Users":{"Type":"AWS::Cognito::UserPool","Properties":{}}`,
		`"Api":{"Type":"AWS::ApiGateway::RestApi","Properties":{}}`,
		`"Auth":{"Type":"AWS::ApiGateway::Authorizer","Properties":{"Type":"COGNITO_USER_POOLS","ProviderARNs":[{"Fn::GetAtt":["Users","Arn"]}]}}`,
		`"V1":{"Type":"AWS::ApiGateway::Resource","Properties":{"ParentId":{"Fn::GetAtt":["Api","RootResourceId"]},"PathPart":"v1"}}`,
		`"Order":{"Type":"AWS::ApiGateway::Resource","Properties":{"ParentId":{"Ref":"V1"},"PathPart":"order"}}`,
		`"Post":{"Type":"AWS::ApiGateway::Method","Properties":{"RestApiId":{"Ref":"Api"},"ResourceId":{"Ref":"Order"},"HttpMethod":"POST","AuthorizerId":{"Ref":"Auth"},
			"Integration":{"Type":"AWS_PROXY","Uri":{"Fn::Sub":"arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"}}}}`,
		`"Options":{"Type":"AWS::ApiGateway::Method","Properties":{"RestApiId":{"Ref":"Api"},"ResourceId":{"Ref":"V1"},"HttpMethod":"OPTIONS","Integration":{"Type":"MOCK"}}}`,
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []*inventory.Route{
		{API: "S/Api", Method: "OPTIONS", Path: "/v1"},
		{
			API:        "S/Api",
			Method:     "POST",
			Path:       "/v1/order",
			Authorizer: "S/Users",
			Function:   "arn:aws:lambda:REGION:ACCOUNT:function:S-Function",
		},
	}
	if d := cmp.Diff(want, inv.Routes); d != "" {
		t.Error(d)
	}
}

func TestRead_RefusesWhatItDoesNotKnow(t *testing.T) {
	roleWith := func(more string) string {
		return `"Role":{"Type":"AWS::IAM::Role","Properties":{` + trust + `,` + more + `}}`
	}
	for want, resources := range map[string][]string{
		"S/X (AWS::Lambda::Url): the report does not know this type":        {`"X":{"Type":"AWS::Lambda::Url"}`},
		"S/Role (AWS::IAM::Role): the report does not know the property Ne": {roleWith(`"New":1`)},
		"S/Table (AWS::DynamoDB::Table): the report does not know the prope": {
			`"Table":{"Type":"AWS::DynamoDB::Table","Properties":{"StreamSpecification":{}}}`,
		},
		"S/Api (AWS::ApiGateway::RestApi): the report does not know the pro": {
			`"Api":{"Type":"AWS::ApiGateway::RestApi","Properties":{"Policy":{}}}`,
		},
		"the managed policy aws:policy/AdministratorAccess is not one of": {roleWith(
			`"ManagedPolicyArns":["arn:aws:iam::aws:policy/AdministratorAccess"]`)},
		"the managed policy b is not one of the templates": {roleWith(`"PermissionsBoundary":"b"`)},
		"role x is not one of the templates": {
			`"M":{"Type":"AWS::IAM::ManagedPolicy","Properties":{"PolicyDocument":{},"Roles":["x"]}}`,
		},
		"role y is not one of the templates": {
			`"P":{"Type":"AWS::IAM::Policy","Properties":{"Roles":["y"]}}`,
		},
		"S/P (AWS::IAM::Policy): the report does not know the property User": {
			`"P":{"Type":"AWS::IAM::Policy","Properties":{"Users":["y"]}}`,
		},
		"S/Key: nothing tells what the key is for": {key},
		"is used as vault and as index": {role, key, table, function,
			`"G":{"Type":"AWS::Lambda::Function","Properties":{"Role":{"Fn::GetAtt":["Role","Arn"]},"Environment":{"Variables":{"TOKENIZER_INDEX_TABLE":{"Ref":"Table"}}}}}`},
		"arn:elsewhere is used as TokenKey, but is not one of the templates": {role,
			`"G":{"Type":"AWS::Lambda::Function","Properties":{"Role":{"Fn::GetAtt":["Role","Arn"]},"Environment":{"Variables":{"TOKENIZER_TOKEN_KEYS":"1=arn:elsewhere"}}}}`},
		`its role "arn:r" is not one of the templates`: {
			`"G":{"Type":"AWS::Lambda::Function","Properties":{"Role":"arn:r"}}`,
		},
		"functions that a user pool calls": {
			`"U":{"Type":"AWS::Cognito::UserPool","Properties":{"LambdaConfig":{}}}`,
		},
		"authorizers with one user pool": {
			`"A":{"Type":"AWS::ApiGateway::Authorizer","Properties":{"Type":"REQUEST"}}`,
		},
		`integrations of type "HTTP"`: {
			`"M":{"Type":"AWS::ApiGateway::Method","Properties":{"Integration":{"Type":"HTTP"}}}`,
		},
		`function "" is not one`: {
			`"M":{"Type":"AWS::ApiGateway::Method","Properties":{"Integration":{"Type":"AWS_PROXY","Uri":"x"}}}`,
		},
		"function f is not one of the templates": {
			`"I":{"Type":"AWS::Lambda::Permission","Properties":{"FunctionName":"f"}}`,
		},
		"layer version l is not one of the templates": {
			`"I":{"Type":"AWS::Lambda::LayerVersionPermission","Properties":{"LayerVersionArn":"l"}}`,
		},
		"the trust policy: a statement is malformed": {
			`"Role":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":{"Statement":["x"]}}}`,
		},
		"the kind Federated is not evaluated": {
			`"Role":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Federated":"x"}}}}}`,
		},
		"the trust policy: statement 1: the element Not": {
			`"Role":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":{"Statement":{"Effect":"Allow","NotAction":"x","Principal":"*"}}}}`,
		},
	} {
		if _, err := read(t, resources...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

func TestRead_OneEnvironment(t *testing.T) {
	here, there := stack(t, table), stack(t, table)
	here.Account, here.Region, there.Name = "123456789012", "eu-west-1", "Other"
	if _, err := inventory.Read(&assembly.Assembly{Stacks: []*assembly.Stack{here, there}}); err == nil ||
		!strings.Contains(err.Error(), "different accounts") {
		t.Errorf("error = %v", err)
	}
	inv, err := inventory.Read(&assembly.Assembly{Stacks: []*assembly.Stack{here}})
	if err != nil || inv.Account != "123456789012" ||
		inv.Tables[0].ARN != "arn:aws:dynamodb:eu-west-1:123456789012:table/T" {
		t.Errorf("%+v, %v", inv, err)
	}
}
