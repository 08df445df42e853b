package stacks

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// newDeployersBoundary makes the permissions boundary of whoever deploys the application's stack: people, pipelines,
// and CloudFormation's role. It allows everything but the ways around the separation; docs/deployers.md explains each.
// The roles that deployers make carry it too, or a deployer would have another role do it.
func newDeployersBoundary(stack awscdk.Stack, config Config, vault tokenizerlayer.IVault,
	reader *tokenizerlayer.DetokenizeRole) awsiam.ManagedPolicy {
	// A name of its own, because the policy names itself.
	name := config.NamePrefix + "tokenizer-deployers"
	b := deployers{stack: stack, config: config}
	b.own = b.arn("iam", "policy"+strings.TrimSuffix(config.rolePath(), "/"), name)
	statements := []awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: new("TheRest"), Actions: &[]*string{new("*")}, Resources: &[]*string{new("*")},
	})}
	statements = append(statements, b.roles(reader.Boundary().ManagedPolicyArn())...)
	statements = append(statements, b.code()...)
	statements = append(statements, b.vault(vault)...)
	statements = append(statements, denyAll("NoOtherTrail",
		[]string{"logs:Delete*", "logs:DisassociateKmsKey", "logs:Put*Policy", "logs:Unmask"},
		b.arn("logs", "log-group", *reader.LogGroup().LogGroupName()+"*")))
	policy := awsiam.NewManagedPolicy(stack, new("DeployersBoundary"), &awsiam.ManagedPolicyProps{
		ManagedPolicyName: &name, Path: new(config.rolePath()),
		Description: new("The most that whoever deploys the application may do: everything but what leads to cards"),
		Statements:  &statements,
	})
	acceptBoundary(policy, true)
	return policy
}

// deployers makes the statements of the deployers' boundary.
type deployers struct {
	stack  awscdk.Stack
	config Config
	own    *string // ARN of the boundary
}

// arn is the ARN of a resource whose name follows a slash, or a colon where the service has it so.
func (b deployers) arn(service, resource, name string) *string {
	parts := &awscdk.ArnComponents{Service: &service, Resource: &resource, ResourceName: &name}
	switch service {
	case "iam":
		parts.Region = new("")
	case "lambda", "logs":
		parts.ArnFormat = awscdk.ArnFormat_COLON_RESOURCE_NAME
	}
	return b.stack.FormatArn(parts)
}

// roles are the statements on IAM.
func (b deployers) roles(readersBoundary *string) []awsiam.PolicyStatement {
	below := func(path string) *string {
		return b.arn("iam", "role"+strings.TrimSuffix(b.config.rolePath()+path, "/"), "*")
	}
	readers := below(tokenizerlayer.DetokenizePath)
	others := []*string{
		below(tokenizerlayer.IndexPath), below(tokenizerlayer.OperatePath), below(tokenizerlayer.AdministerPath),
	}
	unless := func(boundaries ...*string) map[string]any {
		return map[string]any{"ArnNotEquals": map[string]any{"iam:PermissionsBoundary": boundaries}}
	}
	change := []string{
		"iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DetachRolePolicy", "iam:Update*",
	}
	return []awsiam.PolicyStatement{
		denyAll("NoRolesOfTheVault", append([]string{"iam:DeleteRolePolicy", "iam:PassRole", "iam:PutRolePolicy"},
			change...), others...),
		denyAll("NoRolesThatRead", change, readers),
		// CloudFormation puts the application's own policy into the reading role, whose boundary caps it.
		denyWhere("OnlyInsideTheReadersBoundary", []string{"iam:DeleteRolePolicy", "iam:PutRolePolicy"},
			unless(readersBoundary), readers),
		denyWhere("ReadersRunInLambdaOnly", []string{"iam:PassRole"},
			map[string]any{"StringNotEquals": map[string]any{"iam:PassedToService": "lambda.amazonaws.com"}}, readers),
		denyWhere("WhoIsMadeHasABoundary", []string{
			"iam:Attach*Policy", "iam:CreateRole", "iam:CreateUser", "iam:Put*PermissionsBoundary", "iam:PutRolePolicy",
			"iam:PutUserPolicy",
		}, unless(b.own, readersBoundary), new("*")),
		denyAll("BoundariesStay", []string{"iam:Delete*PermissionsBoundary"}, new("*")),
		denyAll("TheirPoliciesStay", []string{"iam:*PolicyVersion", "iam:DeletePolicy"},
			b.arn("iam", "policy"+strings.TrimSuffix(b.config.rolePath(), "/"), "*")),
	}
}

// code are the statements on what runs with the reading role: function, layer, signatures, and the parameter that names
// the layer.
func (b deployers) code() []awsiam.PolicyStatement {
	prefix := b.config.NamePrefix
	return []awsiam.PolicyStatement{
		denyAll("NoOtherCodeOfTheReader", []string{
			"lambda:Create*", "lambda:Delete*", "lambda:Invoke*", "lambda:PublishVersion",
			"lambda:PutFunctionCodeSigningConfig", "lambda:PutRuntime*", "lambda:Update*",
		}, b.arn("lambda", "function", prefix+readingFunction),
			b.arn("lambda", "function", prefix+readingFunction+":*")),
		denyAll("NoOtherSignatures", []string{"lambda:DeleteCodeSigningConfig", "lambda:UpdateCodeSigningConfig"},
			new("*")),
		denyAll("NoOtherLayer", []string{
			"lambda:AddLayerVersionPermission", "lambda:DeleteLayerVersion", "lambda:PublishLayerVersion",
			"lambda:RemoveLayerVersionPermission", "ssm:Delete*", "ssm:LabelParameterVersion", "ssm:PutParameter",
		},
			b.arn("lambda", "layer", prefix+layerName), b.arn("lambda", "layer", prefix+layerName+":*"),
			b.arn("ssm", "parameter", prefix+"tokenizer/*")),
	}
}

// What changes a table or reads it; PutItem, which tokenizing needs, is apart.
var tableActions = []string{
	"dynamodb:Batch*", "dynamodb:Create*", "dynamodb:Delete*", "dynamodb:Disable*", "dynamodb:Enable*",
	"dynamodb:Export*", "dynamodb:Get*", "dynamodb:PartiQL*", "dynamodb:PutResourcePolicy", "dynamodb:Query",
	"dynamodb:Restore*", "dynamodb:Scan", "dynamodb:*Tag*", "dynamodb:Update*",
}

// vault are the statements on keys, tables and the stacks that hold them. Roles that tokenize keep what they need:
// GenerateDataKey on TokenKey, PutItem on the vault, and StorageKey through DynamoDB.
func (b deployers) vault(vault tokenizerlayer.IVault) []awsiam.PolicyStatement {
	var used []*string
	for _, key := range append(vault.TokenKeys(), vault.FingerprintKeys()...) {
		used = append(used, key.Key.KeyArn())
	}
	change := []string{
		"kms:*Alias", "kms:Disable*", "kms:*KeyDeletion", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:*agResource",
		"kms:Update*",
	}
	use := []string{
		"kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKeyP*", "kms:GenerateDataKeyW*",
		"kms:GenerateMac", "kms:ReEncrypt*",
	}
	return []awsiam.PolicyStatement{
		denyAll("NoUseOfKeysButSealing", append(use, change...), used...),
		denyAll("NoChangeOfStorageKey", change, vault.StorageKey().KeyArn()),
		denyAll("NoAccessToTablesButPut", tableActions, withParts(vault.Table(), vault.State(), vault.Index())...),
		denyAll("NoPutIntoStateAndIndex", []string{"dynamodb:PutItem"}, vault.State().TableArn(),
			vault.Index().TableArn()),
		denyAll("NoChangeOfTheirStacks", []string{
			"cloudformation:*ChangeSet", "cloudformation:DeleteStack", "cloudformation:SetStackPolicy",
			"cloudformation:Update*",
		},
			b.arn("cloudformation", "stack", b.config.NamePrefix+"KmsStack/*"),
			b.arn("cloudformation", "stack", b.config.NamePrefix+"TokenizerStack/*")),
	}
}

// withParts are patterns for tables with their indexes, streams and backups. A policy has 6144 characters at most, so
// each is one.
func withParts(tables ...awsdynamodb.ITable) (arns []*string) {
	for _, table := range tables {
		arns = append(arns, new(*table.TableArn()+"*"))
	}
	return arns
}

func denyAll(sid string, actions []string, resources ...*string) awsiam.PolicyStatement {
	return denyWhere(sid, actions, nil, resources...)
}

// denyWhere denies actions where conditions, if there are any, hold.
func denyWhere(sid string, actions []string, conditions map[string]any, resources ...*string) awsiam.PolicyStatement {
	props := &awsiam.PolicyStatementProps{
		Sid: &sid, Effect: awsiam.Effect_DENY, Actions: pointers(actions), Resources: &resources,
	}
	if conditions != nil {
		props.Conditions = &conditions
	}
	return awsiam.NewPolicyStatement(props)
}
