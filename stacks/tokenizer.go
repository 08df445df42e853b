package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// TokenizerStack holds the vault and the layer.
type TokenizerStack struct {
	Stack awscdk.Stack
	Vault tokenizerlayer.IVault
	Layer tokenizerlayer.ILayer
	// Reader is the role of the one function that reads cards.
	Reader *tokenizerlayer.DetokenizeRole
	// CodeSigning says what that function may run; nil for whatever is deployed.
	CodeSigning awslambda.ICodeSigningConfig
	// DeployersBoundary caps whoever deploys the application's stack, and the roles of that stack.
	DeployersBoundary awsiam.IManagedPolicy
}

type tokenizerStackProps struct {
	Config Config
	Kms    *KmsStack
}

func newTokenizerStack(scope constructs.Construct, props tokenizerStackProps) (*TokenizerStack, error) {
	config := props.Config
	stack := config.newStack(scope, "TokenizerStack", "Tokenizer: vault and layer")
	buildWithEveryStack(stack)

	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
		TokenKeys:       tokenizerlayer.FirstVersion(props.Kms.TokenKey),
		StorageKey:      props.Kms.StorageKey,
		FingerprintKeys: tokenizerlayer.FirstVersion(props.Kms.FingerprintKey),
		RolePath:        config.rolePath(),
		TableName:       config.NamePrefix + tokenizerlayer.DefaultVaultTable,
		StateName:       config.NamePrefix + tokenizerlayer.DefaultStateTable,
		IndexName:       config.NamePrefix + tokenizerlayer.DefaultIndexTable,
		Destroyable:     config.destroyable(),
	})
	if err != nil {
		return nil, err
	}
	acceptTable(vault.Table())
	acceptState(vault.State())
	acceptTable(vault.Index())
	reader, err := newReader(stack, config, vault)
	if err != nil {
		return nil, err
	}
	layer, err := tokenizerlayer.NewLayer(stack, "Layer", &tokenizerlayer.LayerProps{
		LayerVersionName: config.NamePrefix + layerName,
		OrganizationID:   config.OrgID,
		Architectures:    config.layerArchitectures(),
		Destroyable:      config.destroyable(),
		BuildOS:          config.BuildOS,
		ModuleDir:        config.ModuleDir,
	})
	if err != nil {
		return nil, err
	}

	_, err = tokenizerlayer.NewParameters(stack, "Parameters", &tokenizerlayer.ParametersProps{
		Path: "/" + config.NamePrefix + "tokenizer/", Vault: vault, Layer: layer,
	})
	if err != nil {
		return nil, err
	}
	output(stack, "LayerVersionArn", "ARN of the tokenizer layer's current version",
		layer.Version(config.architecture()).LayerVersionArn())
	output(stack, "DynamoDBArn", "ARN of the vault's table", vault.Table().TableArn())
	boundary := newDeployersBoundary(stack, config, vault, reader)
	awscdk.CrossStackReferences_Of(boundary).Produce(awscdk.ReferenceStrength_STRONG)
	output(stack, "DeployersBoundaryArn", "ARN of the permissions boundary for whoever deploys the application's stack",
		boundary.ManagedPolicyArn())
	return &TokenizerStack{
		Stack:             stack,
		Vault:             vault,
		Layer:             layer,
		Reader:            reader,
		CodeSigning:       newCodeSigning(stack, config.CodeSigning),
		DeployersBoundary: boundary,
	}, nil
}

// newReader makes the role of the function that reads cards. The application's stack makes the function.
func newReader(stack awscdk.Stack, config Config, vault tokenizerlayer.IVault) (*tokenizerlayer.DetokenizeRole, error) {
	logs := logGroups{stack: stack, key: vault.StorageKey(), destroyable: config.destroyable()}
	reader, err := tokenizerlayer.NewDetokenizeRole(stack, "Paybill", &tokenizerlayer.DetokenizeRoleProps{
		Vault: vault, FunctionName: config.NamePrefix + readingFunction, InVPC: config.Network != NoNetwork,
		Revoke:            config.RevokePaid,
		ApplicationTables: []string{config.NamePrefix + orderTable, config.NamePrefix + ledgerTable},
		LogGroup:          logs.make("PaybillLogs", ""),
	})
	if err != nil {
		return nil, err
	}
	acceptRolePolicy(reader.Role(), everywhere(config.Network != NoNetwork))
	acceptBoundary(reader.Boundary(), false)
	return reader, nil
}

// newCodeSigning makes what Lambda checks the code of a function by, and its layers: a signature by a version of a
// signing profile. "" is no check.
func newCodeSigning(stack awscdk.Stack, profileVersion string) awslambda.ICodeSigningConfig {
	if profileVersion == "" {
		return nil
	}
	made := awslambda.NewCfnCodeSigningConfig(stack, new("CodeSigning"), &awslambda.CfnCodeSigningConfigProps{
		Description: new("Code and layers of the function that reads cards"),
		AllowedPublishers: &awslambda.CfnCodeSigningConfig_AllowedPublishersProperty{
			SigningProfileVersionArns: &[]*string{&profileVersion},
		},
		CodeSigningPolicies: &awslambda.CfnCodeSigningConfig_CodeSigningPoliciesProperty{
			UntrustedArtifactOnDeployment: new("Enforce"),
		},
	})
	return awslambda.CodeSigningConfig_FromCodeSigningConfigArn(stack, new("CodeSigningReference"),
		made.AttrCodeSigningConfigArn())
}

// buildWithEveryStack has this stack's asset built whenever any stack's is. The CLI leaves out those of unselected
// stacks (`cdk deploy -e AppStack`), but AppStack carries the layer's digest, and would be deployed with a wrong one.
func buildWithEveryStack(stack awscdk.Stack) {
	const key = "aws:cdk:bundling-stacks"
	if selected, ok := stack.Node().TryGetContext(new(key)).([]any); ok && len(selected) > 0 {
		stack.Node().SetContext(new(key), []string{"**"})
	}
}
