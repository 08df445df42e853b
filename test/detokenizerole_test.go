package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// The application's stack gets the role that reads by reference. That it synthesizes shows that there is no cycle.
func TestDetokenizeRole_IsNotTheApplicationsToMakeOrWiden(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		for id, resource := range assembly.templates["AppStack"].Resources {
			switch resource.Type {
			case "AWS::IAM::Role":
				if path := fmt.Sprint(resource.Properties["Path"]); strings.Contains(path, "/detokenize/") ||
					strings.Contains(path, "/operate/") {
					t.Errorf("AppStack makes the role %s below %s", id, path)
				}
			case "AWS::IAM::Policy":
				for _, s := range assembly.statements(t, resource.Properties["PolicyDocument"]) {
					if strings.Contains(s.resource, "TokenKey") && s.effect != "Deny" &&
						s.actions != "kms:GenerateDataKey" {
						t.Errorf("AppStack has a statement on TokenKey: %s", s)
					}
				}
				if strings.HasPrefix(id, "Paybill") &&
					strings.Contains(assembly.text(t, resource.Properties), "TokenKey") {
					t.Errorf("%s of AppStack names TokenKey", id)
				}
			case "AWS::Logs::LogGroup":
				if strings.HasPrefix(id, "Paybill") {
					t.Errorf("AppStack makes %s, and could delete it", id)
				}
			}
		}
		if _, isThere := assembly.templates["TokenizerStack"]; !isThere {
			t.Fatal("no TokenizerStack")
		}
	})
}

// reading is what the reading role may do with the vault: actions by the name of the resource, and the context they
// need.
var reading = []struct {
	action, resource string
	context          []string
}{
	{"kms:Decrypt", "TokenKey", []string{
		"kms:EncryptionContext:table", "VaultTable", "kms:EncryptionContext:account_id", evaluatedAccount,
	}},
	{"dynamodb:GetItem", "VaultTable", nil},
	{"dynamodb:GetItem", "VaultState", []string{"dynamodb:LeadingKeys", "gone#t"}},
	{"dynamodb:UpdateItem", "VaultState", []string{"dynamodb:LeadingKeys", "use##t", "dynamodb:Attributes", "Uses"}},
}

func TestDetokenizeRole_IsWorthNothingInAnotherFunction(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		account, role := assembly.account(t), assembly.roleARN(t, "PaybillRole")
		own := assembly.function(t, role)
		for _, r := range reading {
			for function, want := range map[string]bool{
				own: true, own + "2": false, own + ":1": false, strings.Replace(own, "Paybill", "Order", 1): false,
			} {
				context := append([]string{"lambda:SourceFunctionArn", function}, r.context...)
				if got := assembly.may(t, account, role, r.action, r.resource, context...); got != want {
					t.Errorf("%s on %s by %s: allowed is %t", r.action, r.resource, function, got)
				}
			}
		}
	})
}

// Whatever the application adds to the role, with a policy of its own stack or by attaching an administrator's.
func TestDetokenizeRole_GetsNothingBeyondItsBoundary(t *testing.T) {
	assembly := prodAssembly(t)
	account, role := assembly.account(t), assembly.roleARN(t, "PaybillRole")
	everything := map[string]any{"Statement": map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}}
	if err := account.AddRolePolicy(role, "everything", everything); err != nil {
		t.Fatal(err)
	}
	sealed := []string{
		"kms:EncryptionContext:table", "VaultTable", "kms:EncryptionContext:account_id", evaluatedAccount,
	}
	for _, r := range []struct {
		action, resource string
		want             bool
		context          []string
	}{
		{"kms:Decrypt", "TokenKey", true, sealed},
		{"kms:Decrypt", "TokenKey", false, nil},
		{"kms:Decrypt", "TokenKey", false, append([]string{"kms:EncryptionContext:purpose", "refund"}, sealed...)},
		{"kms:Decrypt", "TokenKey", false, append([]string{
			"lambda:SourceFunctionArn", "arn:aws:lambda:eu-central-1:1:function:Mine",
		}, sealed...)},
		{"kms:GenerateDataKey", "TokenKey", false, sealed},
		{"kms:CreateGrant", "TokenKey", false, nil},
		{"kms:PutKeyPolicy", "TokenKey", false, nil},
		{"kms:GenerateMac", "FingerprintKey", false, nil},
		{"kms:Decrypt", "StorageKey", false, nil},
		{"dynamodb:GetItem", "VaultTable", true, nil},
		{"dynamodb:Query", "VaultTable", false, nil},
		{"dynamodb:Scan", "VaultTable", false, nil},
		{"dynamodb:PutItem", "VaultTable", false, nil},
		{"dynamodb:GetItem", "VaultIndex", false, nil},
		{"dynamodb:DeleteItem", "VaultState", false, []string{"dynamodb:LeadingKeys", "gone#t"}},
		{
			"dynamodb:UpdateItem", "VaultState", false,
			[]string{"dynamodb:LeadingKeys", "use#refund#t", "dynamodb:Attributes", "Uses"},
		},
		{"dynamodb:Query", "CustomerOrderTable", true, nil},
		{"dynamodb:Scan", "CustomerOrderTable", false, nil},
		{"dynamodb:PutItem", "SomeOtherTable", false, nil},
	} {
		if got := assembly.may(t, account, role, r.action, r.resource, r.context...); got != r.want {
			t.Errorf("%s on %s with %v: allowed is %t", r.action, r.resource, r.context, got)
		}
	}
	for action, resource := range map[string]string{
		"iam:PutRolePolicy":         role,
		"lambda:UpdateFunctionCode": assembly.function(t, role),
		"sts:AssumeRole":            "arn:aws:iam::" + evaluatedAccount + ":role/admin",
		"logs:DeleteLogGroup":       "arn:aws:logs:eu-central-1:" + evaluatedAccount + ":log-group:x",
		"s3:GetObject":              "arn:aws:s3:::b/k",
		"ssm:PutParameter":          "*",
	} {
		if account.Evaluate(policy.Request{Role: role, Action: action, Resource: resource}) == nil {
			t.Errorf("%s is allowed", action)
		}
	}
}

func TestNewDetokenizeRole_NamesEveryWrongProperty(t *testing.T) {
	_, stack := newStack(t)
	for name, tt := range map[string]struct {
		props *tokenizerlayer.DetokenizeRoleProps
		want  []string
	}{
		"nothing": {nil, []string{"DetokenizeRoleProps.Vault: got none", `DetokenizeRoleProps.FunctionName: got ""`}},
		"wildcards": {&tokenizerlayer.DetokenizeRoleProps{
			FunctionName: "pay*", Purposes: []string{"*"}, ApplicationTables: []string{"Order*"},
		},
			[]string{`FunctionName: got "pay*"`, `Purposes: got the purpose "*"`, `ApplicationTables: got "Order*"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tokenizerlayer.NewDetokenizeRole(stack, "Role", tt.props)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v, want one with %q", err, want)
				}
			}
			if stack.Node().TryFindChild(new("Role")) != nil {
				t.Error("something was made")
			}
		})
	}
}

// madeRole gives a bench's function a role of NewDetokenizeRole, its name and its log group.
func madeRole(t *testing.T, props tokenizerlayer.DetokenizeRoleProps) func(*bench) {
	return func(b *bench) {
		props.Vault, props.FunctionName = b.vault, "reader"
		made, err := tokenizerlayer.NewDetokenizeRole(b.stack, "Reader", &props)
		if err != nil {
			t.Fatal(err)
		}
		b.role, b.props.FunctionName, b.props.LogGroup = made.Role(), new("reader"), made.LogGroup()
	}
}

func TestAttach_GrantsNothingToARoleThatHasItsRights(t *testing.T) {
	statements := func(b *bench) string {
		resolved := b.stack.Resolve(b.role.Node().FindChild(new("DefaultPolicy")).(awsiam.Policy).Document())
		return fmt.Sprint(resolved)
	}
	for name, access := range map[string]struct {
		made    bool
		options *tokenizerlayer.AttachOptions
	}{
		"a role of NewDetokenizeRole": {true, nil},
		"an imported role":            {false, &tokenizerlayer.AttachOptions{Granted: true}},
	} {
		t.Run(name, func(t *testing.T) {
			change := importedRole("arn:aws:iam::111111111111:role/tokenizer/detokenize/name",
				&awsiam.FromRoleArnOptions{Mutable: new(false)})
			if access.made {
				change = madeRole(t, tokenizerlayer.DetokenizeRoleProps{})
			}
			b := newBench(t, change)
			before := ""
			if access.made {
				before = statements(b)
			}
			if message := b.attach(tokenizerlayer.Detokenize, access.options); message != "" {
				t.Fatal(message)
			}
			if access.made && statements(b) != before {
				t.Errorf("the role's policy was %s, and is %s", before, statements(b))
			}
			if !access.made && b.role.Node().TryFindChild(new("Policy")) != nil {
				t.Error("the imported role got a policy")
			}
			if message := b.synth(); message != "" {
				t.Error(message)
			}
		})
	}
}

func TestAttach_RefusesAMadeRoleForSomethingElse(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*bench)
		access  tokenizerlayer.Access
		options *tokenizerlayer.AttachOptions
		want    string
	}{
		"no name": {func(b *bench) {
			b.props.FunctionName = nil
		}, tokenizerlayer.Detokenize, nil,
			"FunctionName: got none, but the role of NewDetokenizeRole is for the function reader only"},
		"another name": {func(b *bench) {
			b.props.FunctionName = new("other")
		}, tokenizerlayer.Detokenize, nil,
			"FunctionName: got other, but the role of NewDetokenizeRole is for the function reader only"},
		"another log group": {func(b *bench) {
			b.props.LogGroup = awslogs.NewLogGroup(b.stack, new("Mine"), nil)
		}, tokenizerlayer.Detokenize, nil,
			"set FunctionProps.LogGroup to DetokenizeRole.LogGroup"},
		"purposes": {nil, tokenizerlayer.Detokenize, &tokenizerlayer.AttachOptions{Purposes: []string{"refund"}},
			"AttachOptions: got Purposes or Index, but the role has its rights already"},
		"revoking": {nil, tokenizerlayer.Revoke, nil,
			"access: got one other than Detokenize for a role of NewDetokenizeRole"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(b *bench) {
				madeRole(t, tokenizerlayer.DetokenizeRoleProps{})(b)
				if tt.change != nil {
					tt.change(b)
				}
			})
			if message := b.attach(tt.access, tt.options); !strings.Contains(message, tt.want) {
				t.Errorf("got %q, want %q", message, tt.want)
			}
		})
	}
}

// With these settings Lambda itself would drop the extension's events, before anybody could read them.
func TestAttach_RefusesALogThatDropsEvents(t *testing.T) {
	for name, tt := range map[string]struct {
		logging *awslambda.CfnFunction_LoggingConfigProperty
		want    string // "" means that it is not refused
	}{
		"text": {&awslambda.CfnFunction_LoggingConfigProperty{LogFormat: new("Text")}, ""},
		"JSON": {&awslambda.CfnFunction_LoggingConfigProperty{LogFormat: new("JSON")}, ""},
		"JSON from INFO": {&awslambda.CfnFunction_LoggingConfigProperty{
			LogFormat: new("JSON"), ApplicationLogLevel: new("INFO"), SystemLogLevel: new("WARN"),
		}, ""},
		"JSON from DEBUG": {&awslambda.CfnFunction_LoggingConfigProperty{
			LogFormat: new("JSON"), ApplicationLogLevel: new("DEBUG"),
		}, ""},
		"JSON from WARN": {&awslambda.CfnFunction_LoggingConfigProperty{
			LogFormat: new("JSON"), ApplicationLogLevel: new("WARN"),
		}, "LoggingConfig.ApplicationLogLevel: got WARN"},
		"JSON from ERROR": {&awslambda.CfnFunction_LoggingConfigProperty{
			LogFormat: new("JSON"), ApplicationLogLevel: new("ERROR"),
		}, "LoggingConfig.ApplicationLogLevel: got ERROR"},
		"JSON from FATAL": {&awslambda.CfnFunction_LoggingConfigProperty{
			LogFormat: new("JSON"), ApplicationLogLevel: new("FATAL"),
		}, "LoggingConfig.ApplicationLogLevel: got FATAL"},
		"a level of deployments": {&awslambda.CfnFunction_LoggingConfigProperty{
			LogFormat: new("JSON"), ApplicationLogLevel: awscdk.Fn_ImportValue(new("level")),
		}, "LoggingConfig.ApplicationLogLevel: got map"},
		"no log group": {
			&awslambda.CfnFunction_LoggingConfigProperty{LogGroup: new("")},
			"LoggingConfig.LogGroup: got an empty name",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.resource().SetLoggingConfig(tt.logging)
			atOnce := b.attach(tokenizerlayer.Detokenize, nil)
			later := newBench(t, nil)
			if message := later.attach(tokenizerlayer.Detokenize, nil); message != "" {
				t.Fatal(message)
			}
			later.resource().SetLoggingConfig(tt.logging)
			for when, message := range map[string]string{"at once": atOnce, "at synthesis": later.synth()} {
				if (tt.want == "") != (message == "") || !strings.Contains(message, tt.want) {
					t.Errorf("%s: got %q, want %q", when, message, tt.want)
				}
			}
		})
	}
}

func TestCodeSigning_IsEnforcedForTheFunctionThatReads(t *testing.T) {
	const profile = "arn:aws:signer:eu-central-1:123456789012:/signing-profiles/tokenizer/AbCdEf1234"
	assembly := synth(t, stacks.Config{CodeSigning: profile})
	_, signing := assembly.one(t, "AWS::Lambda::CodeSigningConfig", "CodeSigning")
	if got, want := assembly.text(t, signing.Properties["AllowedPublishers"]), profile; !strings.Contains(got, want) {
		t.Errorf("publishers %s, want %s", got, want)
	}
	if got := assembly.text(t, signing.Properties["CodeSigningPolicies"]); !strings.Contains(got, "Enforce") {
		t.Errorf("policies %s, want Enforce", got)
	}
	for name, want := range map[string]bool{"PaybillFunction": true, "OrderFunction": false} {
		if _, function := assembly.one(t, "AWS::Lambda::Function",
			name); (function.Properties["CodeSigningConfigArn"] != nil) != want {
			t.Errorf("%s has code signing %v", name, function.Properties["CodeSigningConfigArn"])
		}
	}
	if plain := prodAssembly(t).anyOfType("AWS::Lambda::CodeSigningConfig"); len(plain) > 0 {
		t.Errorf("without the option there is %v", plain)
	}
	if err := (stacks.Config{CodeSigning: strings.TrimSuffix(profile, "/AbCdEf1234")}).Validate(); err == nil ||
		!strings.Contains(err.Error(), "tokenizer:codeSigning") {
		t.Errorf("a profile without a version: error = %v", err)
	}
}

// A deployer with every right in IAM, and the boundary.
func TestDeployersBoundary_LeavesNoWayToCards(t *testing.T) {
	assembly := prodAssembly(t)
	_, boundary := assembly.one(t, "AWS::IAM::ManagedPolicy", "DeployersBoundary")
	const deployer = "arn:aws:iam::" + evaluatedAccount + ":role/deployer"
	account := policy.NewAccount(evaluatedAccount)
	everything := map[string]any{"Statement": map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}}
	if err := account.AddRolePolicy(deployer, "administrator", everything); err != nil {
		t.Fatal(err)
	}
	if err := account.AddBoundary(deployer, "boundary",
		assembly.evaluated(t, boundary.Properties["PolicyDocument"])); err != nil {
		t.Fatal(err)
	}
	const (
		iam, lambda, dynamo = "arn:aws:iam::" + evaluatedAccount + ":", "arn:aws:lambda:eu-central-1:" +
			evaluatedAccount + ":", "arn:aws:dynamodb:eu-central-1:" + evaluatedAccount + ":table/"
		reader  = iam + "role/tokenizer/detokenize/PaybillRole"
		order   = iam + "role/tokenizer/tokenize/OrderRole"
		own     = iam + "policy/tokenizer/tokenizer-deployers"
		paybill = lambda + "function:AppStack-PaybillFunction"
		stack   = "arn:aws:cloudformation:eu-central-1:" + evaluatedAccount + ":stack/"
	)
	readers := assembly.evaluated(t, "${PaybillBoundary}").(string)
	with := func(boundary string) []string { return []string{"iam:permissionsboundary", boundary} }
	for _, r := range []struct {
		action, resource string
		context          []string
		want             bool
	}{
		{"iam:CreateRole", reader + "2", with(own), false},
		{"iam:CreateRole", iam + "role/tokenizer/tokenize/index/X", with(own), false},
		{"iam:CreateRole", iam + "role/tokenizer/operate/X", with(own), false},
		{"iam:CreateRole", iam + "role/tokenizer/administer/X", with(own), false},
		{"iam:CreateRole", order, with(own), true},
		{"iam:CreateRole", order, nil, false},
		{"iam:CreateRole", iam + "role/mine", with(iam + "policy/mine"), false},
		{"iam:CreateUser", iam + "user/mine", nil, false},
		{"iam:PutRolePolicy", iam + "role/admin", nil, false},
		{"iam:AttachRolePolicy", order, with(own), true},
		{"iam:AttachRolePolicy", reader, with(readers), false},
		{"iam:PutRolePolicy", reader, with(readers), true},
		{"iam:PutRolePolicy", iam + "role/tokenizer/operate/X", with(own), false},
		{"iam:UpdateAssumeRolePolicy", reader, with(readers), false},
		{"iam:PutRolePermissionsBoundary", order, with(iam + "policy/mine"), false},
		{"iam:DeleteRolePermissionsBoundary", order, with(own), false},
		{"iam:CreatePolicyVersion", own, nil, false},
		{"iam:SetDefaultPolicyVersion", own, nil, false},
		{"iam:PassRole", reader, []string{"iam:passedtoservice", "lambda.amazonaws.com"}, true},
		{"iam:PassRole", reader, []string{"iam:passedtoservice", "ec2.amazonaws.com"}, false},
		{"iam:PassRole", reader, nil, false},
		{
			"iam:PassRole", iam + "role/tokenizer/operate/X",
			[]string{"iam:passedtoservice", "lambda.amazonaws.com"}, false,
		},
		{"lambda:UpdateFunctionCode", paybill, nil, false},
		{"lambda:UpdateFunctionConfiguration", paybill, nil, false},
		{"lambda:CreateFunction", paybill, nil, false},
		{"lambda:InvokeFunction", paybill + ":1", nil, false},
		{"lambda:DeleteFunctionCodeSigningConfig", paybill, nil, false},
		{"lambda:UpdateFunctionCode", lambda + "function:AppStack-OrderFunction", nil, true},
		{"lambda:GetLayerVersion", lambda + "layer:TokenizeData:1", nil, true},
		{"lambda:PublishLayerVersion", lambda + "layer:TokenizeData", nil, false},
		{"lambda:UpdateCodeSigningConfig", lambda + "code-signing-config:csc-1", nil, false},
		{"ssm:PutParameter", "arn:aws:ssm:eu-central-1:" + evaluatedAccount +
			":parameter/tokenizer/layer-version-arn/arm64", nil, false},
		{"ssm:PutParameter", "arn:aws:ssm:eu-central-1:" + evaluatedAccount +
			":parameter/tokenizer/token-key-arn/1", nil, false},
		{
			"ssm:GetParameter",
			"arn:aws:ssm:eu-central-1:" + evaluatedAccount + ":parameter/tokenizer/layer-version-arn/arm64", nil,
			true,
		},
		{"ssm:PutParameter", "arn:aws:ssm:eu-central-1:" + evaluatedAccount + ":parameter/mine", nil, true},
		{"dynamodb:GetItem", dynamo + "VaultTable", nil, false},
		{"dynamodb:ExportTableToPointInTime", dynamo + "VaultTable", nil, false},
		{"dynamodb:RestoreTableToPointInTime", dynamo + "VaultTable", nil, false},
		{"dynamodb:Query", dynamo + "VaultTable/index/x", nil, false},
		{"dynamodb:UpdateTable", dynamo + "VaultState", nil, false},
		{"dynamodb:PutItem", dynamo + "VaultState", nil, false},
		{"dynamodb:PutItem", dynamo + "VaultTable", nil, true},
		{"dynamodb:CreateTable", dynamo + "CustomerOrderTable", nil, true},
		{"cloudformation:UpdateStack", stack + "TokenizerStack/1", nil, false},
		{"cloudformation:ExecuteChangeSet", stack + "KmsStack/1", nil, false},
		{"cloudformation:DescribeStacks", stack + "KmsStack/1", nil, true},
		{"cloudformation:UpdateStack", stack + "AppStack/1", nil, true},
		{
			"logs:DeleteLogGroup", "arn:aws:logs:eu-central-1:" + evaluatedAccount + ":log-group:PaybillLogs:*",
			nil, false,
		},
		{"logs:DeleteLogGroup", "arn:aws:logs:eu-central-1:" + evaluatedAccount + ":log-group:PaybillLogs", nil, false},
		{"s3:GetObject", "arn:aws:s3:::b/k", nil, true},
	} {
		request := policy.Request{
			Role: deployer, Action: r.action, Resource: r.resource, Context: map[string][]string{},
		}
		for i := 0; i < len(r.context); i += 2 {
			request.Context[r.context[i]] = []string{r.context[i+1]}
		}
		if denial := account.Evaluate(request); (denial == nil) != r.want {
			t.Errorf("%s on %s with %v: %v", r.action, r.resource, r.context, denial)
		}
	}
}

// Whoever deploys the application makes roles with the boundary only; the role that reads has one of its own.
func TestDeployersBoundary_IsOnEveryRoleOfTheApplication(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		roles := 0
		for id, resource := range assembly.templates["AppStack"].Resources {
			if resource.Type == "AWS::IAM::Role" {
				roles++
				if got := assembly.text(t, resource.Properties["PermissionsBoundary"]); got != "${DeployersBoundary}" {
					t.Errorf("%s has the boundary %s", id, got)
				}
			}
		}
		if roles == 0 {
			t.Error("AppStack has no roles")
		}
	})
}

// IAM takes managed policies of up to 6144 characters.
func TestBoundaries_AreShortEnough(t *testing.T) {
	const longest, prefix = 6144, "A-prefix-of-20-chars"
	for id, resource := range synth(t, stacks.Config{NamePrefix: prefix}).ofType(t, "AWS::IAM::ManagedPolicy") {
		text := documentText(resource.Properties["PolicyDocument"])
		if len(text) > longest {
			t.Errorf("%s may have %d characters: %s", id, len(text), text)
		}
		if !slices.Contains([]string{"DeployersBoundary", "PaybillBoundary"}, hash.ReplaceAllString(id, "")) {
			t.Errorf("%s is in no table", id)
		}
	}
}

// documentText is a policy as IAM counts it, with the longest values that references may have.
func documentText(document any) string {
	text, _ := json.Marshal(longest(document))
	return string(text)
}

func longest(v any) any {
	switch v := v.(type) {
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = longest(v[i])
		}
		return all
	case map[string]any:
		if join, ok := v["Fn::Join"].([]any); ok {
			var text strings.Builder
			for _, part := range join[1].([]any) {
				text.WriteString(longest(part).(string))
			}
			return text.String()
		}
		if ref, ok := v["Ref"].(string); ok {
			return map[string]string{
				"AWS::Partition": "aws-us-gov", "AWS::Region": "ap-southeast-1", "AWS::AccountId": evaluatedAccount,
			}[ref] +
				strings.Repeat("x", map[bool]int{true: 0, false: 110}[strings.HasPrefix(ref, "AWS::")])
		}
		for _, function := range []string{"Fn::ImportValue", "Fn::GetAtt"} {
			if v[function] != nil {
				return strings.Repeat("x", 105)
			}
		}
		all := map[string]any{}
		for key := range v {
			all[key] = longest(v[key])
		}
		return all
	}
	return v
}
