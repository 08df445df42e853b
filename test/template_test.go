package test

import (
	"encoding/json"
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

// After a change on purpose: UPDATE_SNAPS=true go test ./test, and review the difference for resources that
// CloudFormation would replace.
func TestTemplates_MatchTheirSnapshots(t *testing.T) {
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

func TestAPI_EveryRouteHasTheAuthorizerAndAModel(t *testing.T) {
	inEveryConfiguration(t, checkRoutes)
}

func checkRoutes(t *testing.T, assembly assembly) {
	for id, method := range assembly.ofType(t, "AWS::ApiGateway::Method") {
		p := method.Properties
		// a browser's question before it sends a token; answered by API Gateway itself
		if p["HttpMethod"] == "OPTIONS" {
			if p["Integration"].(map[string]any)["Type"] != "MOCK" {
				t.Errorf("%s reaches something", id)
			}
			continue
		}
		if p["AuthorizationType"] != "COGNITO_USER_POOLS" || p["AuthorizerId"] == nil {
			t.Errorf("%s has authorization %v by %v", id, p["AuthorizationType"], p["AuthorizerId"])
		}
		if p["AuthorizationScopes"] != nil {
			t.Errorf("%s has scopes: it would refuse ID tokens", id)
		}
		if models, ok := p["RequestModels"].(map[string]any); !ok || models["application/json"] == nil ||
			p["RequestValidatorId"] == nil {
			t.Errorf("%s has models %v and validator %v", id, p["RequestModels"], p["RequestValidatorId"])
		}
	}
	_, authorizer := assembly.one(t, "AWS::ApiGateway::Authorizer", "")
	if authorizer.Properties["Type"] != "COGNITO_USER_POOLS" ||
		assembly.text(t, authorizer.Properties["ProviderARNs"]) != "${UserPool.Arn}" {
		t.Errorf("authorizer is %v", authorizer.Properties)
	}
	_, validator := assembly.one(t, "AWS::ApiGateway::RequestValidator", "")
	if validator.Properties["ValidateRequestBody"] != true {
		t.Error("validator does not validate bodies")
	}
}

// A model's refusal may put the value into execution logs, so models must have nothing to refuse but wrong types.
func TestAPI_ModelsNameTypesAndNothingElse(t *testing.T) {
	for id, model := range prodAssembly(t).ofType(t, "AWS::ApiGateway::Model") {
		schema := model.Properties["Schema"].(map[string]any)
		if got, want := slices.Sorted(maps.Keys(schema)),
			[]string{"$schema", "properties", "type"}; !slices.Equal(got, want) {
			t.Errorf("%s: schema has %v, want %v", id, got, want)
		}
		for field, property := range schema["properties"].(map[string]any) {
			if diff := cmp.Diff(map[string]any{"type": "string"}, property); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", id, field, diff)
			}
		}
	}
}

func TestAPI_LogsNoRequest(t *testing.T) {
	inEveryConfiguration(t, checkNoRequestIsLogged)
}

func checkNoRequestIsLogged(t *testing.T, assembly assembly) {
	_, stage := assembly.one(t, "AWS::ApiGateway::Stage", "")
	if stage.Properties["StageName"] != "dev" {
		t.Errorf("stage is %v, want dev", stage.Properties["StageName"])
	}
	for _, raw := range stage.Properties["MethodSettings"].([]any) {
		if settings := raw.(map[string]any); settings["DataTraceEnabled"] != false ||
			settings["LoggingLevel"] != "OFF" {
			t.Errorf("stage logs requests: %v", settings)
		}
	}
	access := stage.Properties["AccessLogSetting"].(map[string]any)
	var line map[string]string
	if err := json.Unmarshal([]byte(access["Format"].(string)), &line); err != nil {
		t.Fatalf("access log's line is not JSON: %v", err)
	}
	for name, variable := range line {
		if variable != "$context."+name || !slices.Contains(loggable, name) {
			t.Errorf("access log has %s as %s", variable, name)
		}
	}
	if got := assembly.text(t, access["DestinationArn"]); got != "${ApiLogs.Arn}" || line["requestId"] == "" ||
		line["authorizer.claims.sub"] == "" {
		t.Errorf("access log goes to %s, with %v", got, line)
	}
}

// loggable are the facts about a request that are not the caller's own text.
var loggable = strings.Fields(
	"requestId extendedRequestId xrayTraceId requestTime identity.sourceIp authorizer.claims.sub httpMethod resourcePath " +
		"protocol tlsVersion status error.responseType wafResponseCode responseLength responseLatency integrationStatus integrationLatency")

func TestAPI_IsThrottledTracedAndNeedsTLS12(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		_, stage := assembly.one(t, "AWS::ApiGateway::Stage", "")
		for _, raw := range stage.Properties["MethodSettings"].([]any) {
			if got := raw.(map[string]any); got["ThrottlingRateLimit"] != 50.0 || got["ThrottlingBurstLimit"] != 100.0 {
				t.Errorf("stage is throttled by %v", got)
			}
		}
		if stage.Properties["TracingEnabled"] != true {
			t.Error("stage is not traced")
		}
		_, api := assembly.one(t, "AWS::ApiGateway::RestApi", "")
		if api.Properties["SecurityPolicy"] != "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09" ||
			api.Properties["EndpointAccessMode"] == nil {
			t.Errorf("API has TLS policy %v, access mode %v", api.Properties["SecurityPolicy"],
				api.Properties["EndpointAccessMode"])
		}
		for id, function := range assembly.ofType(t, "AWS::Lambda::Function") {
			if assembly.text(t, function.Properties["TracingConfig"]) != "Mode=Active" {
				t.Errorf("%s is not traced", id)
			}
		}
	})
}

func TestAPI_AnswersBrowsersOfTheGivenOriginsOnly(t *testing.T) {
	for _, name := range []string{"prod", "everything"} {
		assembly, origins := configured(t, name), configurations[name].AllowedOrigins
		asked := 0
		for id, method := range assembly.ofType(t, "AWS::ApiGateway::Method") {
			if method.Properties["HttpMethod"] == "OPTIONS" {
				asked++
				if answer := assembly.text(t, method.Properties["Integration"]); !strings.Contains(answer,
					"'https://a.example'") ||
					!strings.Contains(answer, `"https://b.example"`) || strings.Contains(answer, "'*'") {
					t.Errorf("%s answers %s", id, answer)
				}
			}
		}
		if asked > 0 != (len(origins) > 0) {
			t.Errorf("%s: %d routes answer browsers", name, asked)
		}
		for id, function := range assembly.ofType(t, "AWS::Lambda::Function") {
			variables := function.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)
			got, _ := variables["ALLOWED_ORIGINS"].(string)
			if got != strings.Join(origins, ",") {
				t.Errorf("%s: %s has origins %q", name, id, got)
			}
		}
	}
}

func TestFirewall_IsThereOnRequestAndLogsNoBodyAndNoToken(t *testing.T) {
	for _, name := range []string{"prod", "dev", "no network"} {
		if got := configured(t, name).anyOfType("AWS::WAFv2::WebACL"); len(got) > 0 {
			t.Errorf("%s has a firewall", name)
		}
	}
	assembly := configured(t, "everything")
	_, acl := assembly.one(t, "AWS::WAFv2::WebACL", "")
	var rules []string
	for _, raw := range acl.Properties["Rules"].([]any) {
		rule := raw.(map[string]any)
		rules = append(rules, assembly.text(t, rule["Name"])+": "+assembly.text(t, rule["Action"])+assembly.text(t,
			rule["OverrideAction"]))
	}
	want := []string{
		"RatePerAddress: Block=", "AWSManagedRulesAmazonIpReputationList: None=",
		"AWSManagedRulesCommonRuleSet: None=", "AWSManagedRulesKnownBadInputsRuleSet: None=",
	}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	_, logging := assembly.one(t, "AWS::WAFv2::LoggingConfiguration", "")
	_, association := assembly.one(t, "AWS::WAFv2::WebACLAssociation", "")
	_, group := assembly.one(t, "AWS::Logs::LogGroup", "FirewallLogs")
	for what, pair := range map[string][2]string{
		"data protection": {assembly.text(t, acl.Properties["DataProtectionConfig"]),
			"DataProtections=Action=SUBSTITUTION Field=FieldType=BODY," +
				"Action=SUBSTITUTION Field=FieldType=QUERY_STRING,Action=SUBSTITUTION Field=FieldKeys=authorization FieldType=SINGLE_HEADER"},
		"redaction": {
			assembly.text(t, logging.Properties["RedactedFields"]), "SingleHeader=Name=authorization,QueryString=",
		},
		"destination": {
			assembly.text(t, logging.Properties["LogDestinationConfigs"]),
			"arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${FirewallLogs}",
		},
		"target": {assembly.text(t, association.Properties["ResourceArn"]),
			"arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/${Api}/stages/${ApiDeploymentStagedev}"},
		"log group": {group.Properties["LogGroupName"].(string), "aws-waf-logs-tokenizer"}, // AWS WAF demands the start
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %s, want %s", what, pair[0], pair[1])
		}
	}
	for _, sampled := range calls(acl.Properties, "SampledRequestsEnabled") {
		if sampled != false {
			t.Error("samples of requests are kept, with their headers")
		}
	}
}

// A strong reference would make the next layer release fail: "Export cannot be updated as it is in use".
func TestLayer_IsReferredToWeakly(t *testing.T) {
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
		if got := assembly.text(t, function.Properties["Layers"]); got != "${LayerVersionArm64}" {
			t.Errorf("%s has layer %s", id, got)
		}
	}
}

func TestKeysAndTables_AreReferredToStrongly(t *testing.T) {
	assembly := prodAssembly(t)
	for stack, template := range assembly.templates {
		for id, resource := range template.Resources {
			for _, call := range calls(map[string]any{"p": resource.Properties}, "Fn::GetStackOutput") {
				if got := assembly.text(t, map[string]any{"Fn::GetStackOutput": call}); got != "${LayerVersionArm64}" {
					t.Errorf("%s/%s refers weakly to %s", stack, id, got)
				}
			}
		}
	}
	_, function := assembly.one(t, "AWS::Lambda::Function", "Order")
	variables := function.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)
	for name, want := range map[string]string{
		"TOKENIZER_TABLE":       "${VaultTable}",
		"TOKENIZER_STATE_TABLE": "${VaultState}",
		"TOKENIZER_INDEX_TABLE": "${VaultIndex}",
		"TOKENIZER_TOKEN_KEYS":  "1=${TokenKey.Arn}", "TOKENIZER_FINGERPRINT_KEYS": "1=${FingerprintKey.Arn}",
	} {
		if len(calls(variables[name], "Fn::ImportValue")) != 1 || assembly.text(t, variables[name]) != want {
			t.Errorf("%s is %v, want an import of %s", name, variables[name], want)
		}
	}
}

func TestTables_VaultRowsExpireAndOrdersAndStateDoNot(t *testing.T) {
	const expiry = "AttributeName=ExpiresAt Enabled=true"
	want := map[string]string{
		"VaultTable":             expiry,
		"VaultIndex":             expiry,
		"VaultState":             "",
		"CustomerOrderTable":     "",
		"SimulatedPaymentLedger": "",
	}
	got := map[string]string{}
	for id, table := range prodAssembly(t).ofType(t, "AWS::DynamoDB::Table") {
		got[hash.ReplaceAllString(id, "")] = prodAssembly(t).text(t, table.Properties["TimeToLiveSpecification"])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expiry (-want +got):\n%s", diff)
	}
}

// A tombstone that expired, or a state that went with its stack, would bring revoked tokens back.
func TestTables_TheStateKeepsWhatMustNotGoBack(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		id, table := assembly.one(t, "AWS::DynamoDB::Table", "VaultState")
		for name, want := range map[string]string{
			"TableName":                        "CreditCardTokenizerState",
			"KeySchema":                        "AttributeName=State_Key KeyType=HASH,AttributeName=Account_Id KeyType=RANGE",
			"AttributeDefinitions":             "AttributeName=State_Key AttributeType=S,AttributeName=Account_Id AttributeType=S",
			"TimeToLiveSpecification":          "",
			"PointInTimeRecoverySpecification": "PointInTimeRecoveryEnabled=true",
			"SSESpecification":                 "KMSMasterKeyId=${StorageKey.Arn} SSEEnabled=true SSEType=KMS",
			"GlobalSecondaryIndexes":           "",
			"StreamSpecification":              "",
			"ResourcePolicy":                   "",
		} {
			if got := assembly.text(t, table.Properties[name]); got != want {
				t.Errorf("%s has %s %q, want %q", id, name, got, want)
			}
		}
		prod := assembly.config.Stage != stacks.Dev
		policy := map[bool]string{true: "Retain", false: "Delete"}[prod]
		if table.DeletionPolicy != policy || table.UpdateReplacePolicy != policy ||
			table.Properties["DeletionProtectionEnabled"] != prod {
			t.Errorf("%s has policies %s and %s, deletion protection %v", id, table.DeletionPolicy,
				table.UpdateReplacePolicy, table.Properties["DeletionProtectionEnabled"])
		}
	})
}

func TestTables_AreEncryptedRecoverableAndPaidPerRequest(t *testing.T) {
	inEveryConfiguration(t, checkTables)
}

func checkTables(t *testing.T, assembly assembly) {
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

func TestStage_DataOutlivesTheStackInProdAndGoesWithItInDev(t *testing.T) {
	kinds := []string{
		"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Cognito::UserPool", "AWS::Lambda::LayerVersion",
		"AWS::Logs::LogGroup",
	}
	for stage, want := range map[string]struct {
		policy            string
		tableProtected    bool
		poolProtection    string
		keyDeletionInDays float64
	}{
		stacks.Prod: {policy: "Retain", tableProtected: true, poolProtection: "ACTIVE", keyDeletionInDays: 30},
		stacks.Dev:  {policy: "Delete", tableProtected: false, poolProtection: "INACTIVE", keyDeletionInDays: 7},
	} {
		assembly := configured(t, stage)
		for _, kind := range kinds {
			for id, resource := range assembly.ofType(t, kind) {
				if resource.DeletionPolicy != want.policy || resource.UpdateReplacePolicy != want.policy {
					t.Errorf("%s: %s has policies %s and %s, want %s", stage, id, resource.DeletionPolicy,
						resource.UpdateReplacePolicy, want.policy)
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
			if key.Properties["PendingWindowInDays"] != want.keyDeletionInDays ||
				key.Properties["EnableKeyRotation"] != rotated {
				t.Errorf("%s: %s has window %v, rotation %v", stage, id, key.Properties["PendingWindowInDays"],
					key.Properties["EnableKeyRotation"])
			}
		}
		_, pool := assembly.one(t, "AWS::Cognito::UserPool", "")
		if got := pool.Properties["DeletionProtection"]; got != want.poolProtection {
			t.Errorf("%s: user pool has deletion protection %v, want %s", stage, got, want.poolProtection)
		}
	}
}

// `cdk destroy --all` leaves nothing in dev, and takes nothing with it in prod that cannot be made again.
func TestStage_NothingIsLeftBehindInDev(t *testing.T) {
	for _, name := range []string{"dev", "no network"} {
		for stack, template := range configured(t, name).templates {
			for id, resource := range template.Resources {
				if resource.DeletionPolicy == "Retain" || resource.UpdateReplacePolicy == "Retain" ||
					strings.HasPrefix(resource.DeletionPolicy, "Snapshot") {
					t.Errorf("%s: %s/%s (%s) stays", name, stack, id, resource.Type)
				}
				if protected := resource.Properties["DeletionProtectionEnabled"]; protected == true {
					t.Errorf("%s: %s/%s is protected from deletion", name, stack, id)
				}
			}
		}
	}
}

func TestFunctions_HaveALogGroupOfTheirOwn(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		owner := map[string]string{}
		for id, function := range assembly.ofType(t, "AWS::Lambda::Function") {
			group := assembly.text(t, function.Properties["LoggingConfig"])
			if group != "LogGroup=${"+strings.TrimSuffix(hash.ReplaceAllString(id, ""), "Function")+"Logs}" ||
				owner[group] != "" {
				t.Errorf("%s logs to %q, as %q does", id, group, owner[group])
			}
			owner[group] = id
		}
	})
}

func TestStacks_DependOnEarlierOnesOnly(t *testing.T) {
	order := []string{"KmsStack", "TokenizerStack", "AppStack"}
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		for stack, template := range assembly.templates {
			for id, resource := range template.Resources {
				var sources []string
				for _, name := range calls(resource.Properties, "Fn::ImportValue") {
					source, _, _ := strings.Cut(name.(string), ":")
					sources = append(sources, source)
				}
				for _, call := range calls(resource.Properties, "Fn::GetStackOutput") {
					sources = append(sources, call.(map[string]any)["StackName"].(string))
				}
				for _, source := range sources {
					if at := slices.Index(order, source); at < 0 || at >= slices.Index(order, stack) {
						t.Errorf("%s/%s needs %s", stack, id, source)
					}
				}
			}
		}
	})
}

// Scripts and the walkthrough read these by name.
func TestOutputs_HaveTheWalkthroughsNames(t *testing.T) {
	want := map[string]map[string]string{
		"KmsStack": {"KMSKeyID": "${TokenKey.Arn}"},
		"TokenizerStack": {
			"DeployersBoundaryArn": "${DeployersBoundary}",
			"DynamoDBArn":          "${VaultTable.Arn}",
			"LayerVersionArn":      "${LayerVersionArm64}",
		},
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

func TestLogGroups_AreEncryptedAndTheKeyKnowsThem(t *testing.T) {
	inEveryConfiguration(t, checkLogGroups)
}

func checkLogGroups(t *testing.T, assembly assembly) {
	_, key := assembly.one(t, "AWS::KMS::Key", "StorageKey")
	policy := assembly.text(t, key.Properties["KeyPolicy"])
	for stack, template := range assembly.templates {
		for id, group := range template.Resources {
			if group.Type != "AWS::Logs::LogGroup" {
				continue
			}
			if got := assembly.text(t, group.Properties["KmsKeyId"]); got != "${StorageKey.Arn}" ||
				group.Properties["RetentionInDays"] == nil {
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

func TestLayer_IsSharedWithAnOrganizationOnRequestOnly(t *testing.T) {
	for _, template := range prodAssembly(t).templates {
		for id, resource := range template.Resources {
			if resource.Type == "AWS::Lambda::LayerVersionPermission" {
				t.Errorf("%s shares the layer", id)
			}
		}
	}
	for name, policy := range map[string]string{"everything": "Retain", "no network": "Delete"} {
		assembly := configured(t, name)
		for _, version := range []string{"LayerVersionArm64", "LayerVersionX8664"} {
			_, permission := assembly.one(t, "AWS::Lambda::LayerVersionPermission", version)
			got := assembly.text(t, permission.Properties)
			if want := "Action=lambda:GetLayerVersion LayerVersionArn=${" + version +
				"} OrganizationId=o-exampleorg1 Principal=*"; got != want {
				t.Errorf("permission is %q, want %q", got, want)
			}
			if permission.DeletionPolicy != policy || permission.UpdateReplacePolicy != policy {
				t.Errorf("%s: permission has policies %s and %s, want %s", name, permission.DeletionPolicy,
					permission.UpdateReplacePolicy, policy)
			}
		}
	}
}

// Functions of other apps find the vault, and the layer for their architecture. This app's use and output the one for
// theirs.
func TestTokenizerStack_PublishesVaultAndLayer(t *testing.T) {
	vault := map[string]string{
		"/tokenizer/vault-table": "${VaultTable}", "/tokenizer/state-table": "${VaultState}",
		"/tokenizer/index-table": "${VaultIndex}", "/tokenizer/storage-key-arn": "${StorageKey.Arn}",
		"/tokenizer/token-key-arn/1": "${TokenKey.Arn}", "/tokenizer/fingerprint-key-arn/1": "${FingerprintKey.Arn}",
	}
	for name, test := range map[string]struct {
		config stacks.Config
		output string
		want   map[string]string
	}{
		"default": {stacks.Config{}, "${LayerVersionArm64}", map[string]string{
			"/tokenizer/layer-version-arn/arm64":  "${LayerVersionArm64}",
			"/tokenizer/layer-version-arn/x86_64": "${LayerVersionX8664}"}},
		"functions on x86_64": {stacks.Config{Architecture: "x86_64"}, "${LayerVersionX8664}", map[string]string{
			"/tokenizer/layer-version-arn/arm64":  "${LayerVersionArm64}",
			"/tokenizer/layer-version-arn/x86_64": "${LayerVersionX8664}"}},
		"one architecture": {stacks.Config{Architecture: "x86_64", LayerArchitectures: []string{"x86_64"}},
			"${LayerVersionX8664}", map[string]string{
				"/tokenizer/layer-version-arn/x86_64": "${LayerVersionX8664}"}},
	} {
		t.Run(name, func(t *testing.T) {
			assembly := synth(t, test.config)
			got := map[string]string{}
			for _, parameter := range assembly.ofType(t, "AWS::SSM::Parameter") {
				name, value := parameter.Properties["Name"].(string), assembly.text(t, parameter.Properties["Value"])
				if architecture, ok := strings.CutPrefix(name, "/tokenizer/layer-digest/"); !ok {
					got[name] = value
				} else if test.want["/tokenizer/layer-version-arn/"+architecture] == "" || len(value) != 64 {
					t.Errorf("%s is %q", name, value)
				}
			}
			want := maps.Clone(vault)
			maps.Copy(want, test.want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
			if got := assembly.text(t,
				assembly.templates["TokenizerStack"].Outputs["LayerVersionArn"]["Value"]); got != test.output {
				t.Errorf("output is %s, want %s", got, test.output)
			}
			if got := len(assembly.ofType(t, "AWS::Lambda::LayerVersion")); got != len(test.want) {
				t.Errorf("%d layer versions, want %d", got, len(test.want))
			}
			for id, function := range assembly.ofType(t, "AWS::Lambda::Function") {
				if got := assembly.text(t, function.Properties["Layers"]); got != test.output {
					t.Errorf("%s has layers %s, want %s", id, got, test.output)
				}
			}
		})
	}
}

func TestNamePrefix_IsOnEveryName(t *testing.T) {
	const prefix = "acme-"
	assembly := synth(t, stacks.Config{NamePrefix: prefix})
	// property of each kind of resource with a name of its own, and what precedes the prefix
	names := map[string]string{
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
	if got := assembly.text(t, key.Properties["KeyPolicy"]); !strings.Contains(got,
		":role/acme-tokenizer/detokenize/*") || strings.Contains(got, ":role/tokenizer/") {
		t.Errorf("TokenKey's policy names other role paths than the prefixed ones: %s", got)
	}
}

func TestUsers_SignUpByEMailWithAStrongPassword(t *testing.T) {
	assembly := prodAssembly(t)
	_, pool := assembly.one(t, "AWS::Cognito::UserPool", "")
	for name, want := range map[string]string{
		"UsernameAttributes":     "email",
		"AutoVerifiedAttributes": "email",
		"AdminCreateUserConfig":  "AllowAdminCreateUserOnly=false",
		"MfaConfiguration":       "OPTIONAL",
		"EnabledMfas":            "SOFTWARE_TOKEN_MFA",
		"UserPoolTier":           "ESSENTIALS",
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
		"EnableTokenRevocation":      "true",
		"IdTokenValidity":            "60",
		"AccessTokenValidity":        "60",
		"RefreshTokenValidity":       "1440",
		"TokenValidityUnits":         "AccessToken=minutes IdToken=minutes RefreshToken=minutes",
	} {
		if got := assembly.text(t, client.Properties[name]); got != want {
			t.Errorf("client has %s %q, want %q", name, got, want)
		}
	}
}

func TestUsers_SecondFactorsAndThreatProtectionAreAChoice(t *testing.T) {
	for name, want := range map[string]string{
		"prod":       "OPTIONAL ESSENTIALS ",
		"everything": "ON PLUS AdvancedSecurityMode=ENFORCED",
		"no network": "OFF ESSENTIALS ",
	} {
		assembly := configured(t, name)
		_, pool := assembly.one(t, "AWS::Cognito::UserPool", "")
		p := pool.Properties
		if got := strings.Join([]string{
			p["MfaConfiguration"].(string), p["UserPoolTier"].(string), assembly.text(t, p["UserPoolAddOns"]),
		}, " "); got != want {
			t.Errorf("%s: pool has %q, want %q", name, got, want)
		}
	}
}
