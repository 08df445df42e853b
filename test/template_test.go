package test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gkampitakis/go-snaps/snaps"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
)

// After a change on purpose: UPDATE_SNAPS=true go test ./test, and review the difference for resources that CloudFormation
// would replace.
func TestTemplatesMatchTheirSnapshots(t *testing.T) {
	for suffix, config := range map[string]stacks.Config{
		"":     {},
		"-dev": {Stage: stacks.Dev},
		// The keys and the vault are as they are without.
		"-no-network": {Network: stacks.NoNetwork},
	} {
		dir := t.TempDir()
		if _, err := synthesize(dir, config, nil); err != nil {
			t.Fatal(err)
		}
		for _, stack := range []string{"KmsStack", "TokenizerStack", "AppStack"} {
			if suffix == "-no-network" && stack != "AppStack" {
				continue
			}
			content, err := os.ReadFile(filepath.Join(dir, stack+".template.json"))
			if err != nil {
				t.Fatal(err)
			}
			snaps.WithConfig(snaps.Filename(stack+suffix)).MatchStandaloneJSON(t, content)
		}
	}
}

func TestEveryRouteHasTheAuthorizerAndAModel(t *testing.T) {
	assembly := prodAssembly(t)
	for id, method := range assembly.ofType(t, "AWS::ApiGateway::Method") {
		p := method.Properties
		if p["AuthorizationType"] != "COGNITO_USER_POOLS" || p["AuthorizerId"] == nil {
			t.Errorf("%s has authorization %v by %v", id, p["AuthorizationType"], p["AuthorizerId"])
		}
		if p["AuthorizationScopes"] != nil {
			t.Errorf("%s has scopes: it would refuse ID tokens", id)
		}
		if models, ok := p["RequestModels"].(map[string]any); !ok || models["application/json"] == nil || p["RequestValidatorId"] == nil {
			t.Errorf("%s has models %v and validator %v", id, p["RequestModels"], p["RequestValidatorId"])
		}
	}
	_, authorizer := assembly.one(t, "AWS::ApiGateway::Authorizer", "")
	if authorizer.Properties["Type"] != "COGNITO_USER_POOLS" || assembly.text(t, authorizer.Properties["ProviderARNs"]) != "${UserPool.Arn}" {
		t.Errorf("authorizer is %v", authorizer.Properties)
	}
	_, validator := assembly.one(t, "AWS::ApiGateway::RequestValidator", "")
	if validator.Properties["ValidateRequestBody"] != true {
		t.Error("validator does not validate bodies")
	}
}

// A model's refusal may put the value into execution logs, so models must have nothing to refuse but wrong types.
func TestModelsNameTypesAndNothingElse(t *testing.T) {
	for id, model := range prodAssembly(t).ofType(t, "AWS::ApiGateway::Model") {
		schema := model.Properties["Schema"].(map[string]any)
		if got, want := slices.Sorted(maps.Keys(schema)), []string{"$schema", "properties", "type"}; !slices.Equal(got, want) {
			t.Errorf("%s: schema has %v, want %v", id, got, want)
		}
		for field, property := range schema["properties"].(map[string]any) {
			if diff := cmp.Diff(map[string]any{"type": "string"}, property); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", id, field, diff)
			}
		}
	}
}

func TestNoRequestIsLogged(t *testing.T) {
	_, stage := prodAssembly(t).one(t, "AWS::ApiGateway::Stage", "")
	if stage.Properties["StageName"] != "dev" {
		t.Errorf("stage is %v, want dev", stage.Properties["StageName"])
	}
	for _, raw := range stage.Properties["MethodSettings"].([]any) {
		if settings := raw.(map[string]any); settings["DataTraceEnabled"] != false || settings["LoggingLevel"] != "OFF" {
			t.Errorf("stage logs requests: %v", settings)
		}
	}
}

// A strong reference would make the next layer release fail: "Export cannot be updated as it is in use".
func TestLayerReferenceIsWeak(t *testing.T) {
	assembly := prodAssembly(t)
	for name, value := range assembly.exports() {
		if strings.Contains(assembly.text(t, value), "Layer") {
			t.Errorf("export %s is the layer's", name)
		}
	}
	functions := assembly.ofType(t, "AWS::Lambda::Function")
	for id, function := range functions {
		if got := calls(function.Properties["Layers"], "Fn::GetStackOutput"); len(got) != 1 {
			t.Errorf("%s has layers %v, want one Fn::GetStackOutput", id, function.Properties["Layers"])
		}
		if got := assembly.text(t, function.Properties["Layers"]); got != "${LayerVersion}" {
			t.Errorf("%s has layer %s", id, got)
		}
	}
}

func TestKeyAndTableReferencesAreStrong(t *testing.T) {
	assembly := prodAssembly(t)
	for stack, template := range assembly.templates {
		for id, resource := range template.Resources {
			for _, call := range calls(map[string]any{"p": resource.Properties}, "Fn::GetStackOutput") {
				if got := assembly.text(t, map[string]any{"Fn::GetStackOutput": call}); got != "${LayerVersion}" {
					t.Errorf("%s/%s refers weakly to %s", stack, id, got)
				}
			}
		}
	}
	_, function := assembly.one(t, "AWS::Lambda::Function", "Order")
	variables := function.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)
	for name, want := range map[string]string{"TOKENIZER_TABLE": "${VaultTable}", "TOKENIZER_KEY_ARN": "${TokenKey.Arn}"} {
		if len(calls(variables[name], "Fn::ImportValue")) != 1 || assembly.text(t, variables[name]) != want {
			t.Errorf("%s is %v, want an import of %s", name, variables[name], want)
		}
	}
}

func TestTablesAreEncryptedRecoverableAndPaidPerRequest(t *testing.T) {
	assembly := prodAssembly(t)
	for id, table := range assembly.ofType(t, "AWS::DynamoDB::Table") {
		p := table.Properties
		for name, want := range map[string]string{
			"SSESpecification":                 "KMSMasterKeyId=${StorageKey.Arn} SSEEnabled=true SSEType=KMS",
			"PointInTimeRecoverySpecification": "PointInTimeRecoveryEnabled=true",
			"BillingMode":                      "PAY_PER_REQUEST",
		} {
			if got := assembly.text(t, p[name]); got != want {
				t.Errorf("%s has %s %q, want %q", id, name, got, want)
			}
		}
	}
}

func TestDataOutlivesTheStackInProdAndGoesWithItInDev(t *testing.T) {
	kinds := []string{"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Cognito::UserPool", "AWS::Lambda::LayerVersion", "AWS::Logs::LogGroup"}
	for stage, want := range map[string]struct {
		policy            string
		tableProtected    bool
		poolProtection    string
		keyDeletionInDays float64
	}{
		stacks.Prod: {policy: "Retain", tableProtected: true, poolProtection: "ACTIVE", keyDeletionInDays: 30},
		stacks.Dev:  {policy: "Delete", tableProtected: false, poolProtection: "INACTIVE", keyDeletionInDays: 7},
	} {
		assembly := synth(t, stacks.Config{Stage: stage})
		for _, kind := range kinds {
			for id, resource := range assembly.ofType(t, kind) {
				if resource.DeletionPolicy != want.policy || resource.UpdateReplacePolicy != want.policy {
					t.Errorf("%s: %s has policies %s and %s, want %s", stage, id, resource.DeletionPolicy, resource.UpdateReplacePolicy, want.policy)
				}
			}
		}
		for id, table := range assembly.ofType(t, "AWS::DynamoDB::Table") {
			if got := table.Properties["DeletionProtectionEnabled"]; got != want.tableProtected {
				t.Errorf("%s: %s has deletion protection %v", stage, id, got)
			}
		}
		for id, key := range assembly.ofType(t, "AWS::KMS::Key") {
			rotated := any(true)
			if key.Properties["KeySpec"] == "HMAC_256" {
				rotated = nil // KMS cannot rotate these
			}
			if key.Properties["PendingWindowInDays"] != want.keyDeletionInDays || key.Properties["EnableKeyRotation"] != rotated {
				t.Errorf("%s: %s has window %v, rotation %v", stage, id, key.Properties["PendingWindowInDays"], key.Properties["EnableKeyRotation"])
			}
		}
		_, pool := assembly.one(t, "AWS::Cognito::UserPool", "")
		if got := pool.Properties["DeletionProtection"]; got != want.poolProtection {
			t.Errorf("%s: user pool has deletion protection %v, want %s", stage, got, want.poolProtection)
		}
	}
}

// Scripts and the walkthrough read these by name.
func TestOutputsHaveTheWalkthroughsNames(t *testing.T) {
	want := map[string]map[string]string{
		"KmsStack":       {"KMSKeyID": "${TokenKey.Arn}"},
		"TokenizerStack": {"LayerVersionArn": "${LayerVersion}", "DynamoDBArn": "${VaultTable.Arn}"},
		"AppStack": {
			"CustomerOrderFunction": "${OrderFunction.Arn}",
			"PaymentMethodApiURL":   "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${ApiDeploymentStagedev}",
			"AccountId":             "${AWS::AccountId}",
			"Region":                "${AWS::Region}",
			"UserPoolId":            "${UserPool}",
			"UserPoolAppClientId":   "${UserPoolAppClient}",
		},
	}
	assembly := prodAssembly(t)
	for stack, outputs := range want {
		got := map[string]string{}
		for name, output := range assembly.templates[stack].Outputs {
			if output["Export"] == nil && !strings.HasPrefix(name, "PublishOutput") {
				got[name] = assembly.text(t, output["Value"])
			}
		}
		if diff := cmp.Diff(outputs, got); diff != "" {
			t.Errorf("%s outputs (-want +got):\n%s", stack, diff)
		}
	}
}

func TestLogGroupsAreEncryptedAndTheKeyKnowsThem(t *testing.T) {
	assembly := prodAssembly(t)
	_, key := assembly.one(t, "AWS::KMS::Key", "StorageKey")
	policy := assembly.text(t, key.Properties["KeyPolicy"])
	for stack, template := range assembly.templates {
		for id, group := range template.Resources {
			if group.Type != "AWS::Logs::LogGroup" {
				continue
			}
			if got := assembly.text(t, group.Properties["KmsKeyId"]); got != "${StorageKey.Arn}" || group.Properties["RetentionInDays"] == nil {
				t.Errorf("%s has key %q, retention %v", id, got, group.Properties["RetentionInDays"])
			}
			pattern := stack + "-*"
			if name, named := group.Properties["LogGroupName"].(string); named {
				pattern = name
			}
			if !strings.Contains(policy, ":log-group:"+pattern) {
				t.Errorf("StorageKey's policy does not know %s as %s", id, pattern)
			}
		}
	}
}

func TestLayerIsSharedWithAnOrganizationOnRequestOnly(t *testing.T) {
	for _, template := range prodAssembly(t).templates {
		for id, resource := range template.Resources {
			if resource.Type == "AWS::Lambda::LayerVersionPermission" {
				t.Errorf("%s shares the layer", id)
			}
		}
	}
	for stage, policy := range map[string]string{stacks.Prod: "Retain", stacks.Dev: "Delete"} {
		assembly := synth(t, stacks.Config{Stage: stage, OrgID: "o-exampleorg1"})
		_, permission := assembly.one(t, "AWS::Lambda::LayerVersionPermission", "")
		got := assembly.text(t, permission.Properties)
		if want := "Action=lambda:GetLayerVersion LayerVersionArn=${LayerVersion} OrganizationId=o-exampleorg1 Principal=*"; got != want {
			t.Errorf("permission is %q, want %q", got, want)
		}
		if permission.DeletionPolicy != policy || permission.UpdateReplacePolicy != policy {
			t.Errorf("%s: permission has policies %s and %s, want %s", stage, permission.DeletionPolicy, permission.UpdateReplacePolicy, policy)
		}
	}
}

func TestNamePrefixIsOnEveryName(t *testing.T) {
	const prefix = "acme-"
	assembly := synth(t, stacks.Config{NamePrefix: prefix})
	names := map[string]string{ // property of each kind of resource with a name of its own, and what precedes the prefix
		"AWS::DynamoDB::Table":      "TableName",
		"AWS::KMS::Alias":           "AliasName alias/",
		"AWS::Lambda::LayerVersion": "LayerName",
		"AWS::SSM::Parameter":       "Name /",
		"AWS::Cognito::UserPool":    "UserPoolName",
		"AWS::ApiGateway::RestApi":  "Name",
		"AWS::IAM::Role":            "Path /",
	}
	for kind, rule := range names {
		property, before, _ := strings.Cut(rule, " ")
		for id, resource := range assembly.ofType(t, kind) {
			if got, _ := resource.Properties[property].(string); !strings.HasPrefix(got, before+prefix) {
				t.Errorf("%s has %s %q, want it to start with %q", id, property, got, before+prefix)
			}
		}
	}
	_, key := assembly.one(t, "AWS::KMS::Key", "TokenKey")
	if got := assembly.text(t, key.Properties["KeyPolicy"]); !strings.Contains(got, ":role/acme-tokenizer/detokenize/*") {
		t.Errorf("TokenKey's policy does not name the prefixed role path: %s", got)
	}
}

func TestUsersSignUpByEMailWithAStrongPassword(t *testing.T) {
	assembly := prodAssembly(t)
	_, pool := assembly.one(t, "AWS::Cognito::UserPool", "")
	for name, want := range map[string]string{
		"UsernameAttributes":     "email",
		"AutoVerifiedAttributes": "email",
		"AdminCreateUserConfig":  "AllowAdminCreateUserOnly=false",
		"Policies": "PasswordPolicy=MinimumLength=12 RequireLowercase=true RequireNumbers=true RequireSymbols=true " +
			"RequireUppercase=true TemporaryPasswordValidityDays=1",
	} {
		if got := assembly.text(t, pool.Properties[name]); got != want {
			t.Errorf("user pool has %s %q, want %q", name, got, want)
		}
	}
	_, client := assembly.one(t, "AWS::Cognito::UserPoolClient", "")
	for name, want := range map[string]string{
		"ExplicitAuthFlows":          "ALLOW_USER_PASSWORD_AUTH,ALLOW_REFRESH_TOKEN_AUTH",
		"GenerateSecret":             "false",
		"PreventUserExistenceErrors": "ENABLED",
	} {
		if got := assembly.text(t, client.Properties[name]); got != want {
			t.Errorf("client has %s %q, want %q", name, got, want)
		}
	}
}
