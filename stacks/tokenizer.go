package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// TokenizerStack holds the vault and the layer.
type TokenizerStack struct {
	Stack awscdk.Stack
	Vault tokenizerlayer.IVault
	Layer tokenizerlayer.ILayer
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
		TokenKeys:       []tokenizerlayer.KeyVersion{{Version: "1", Key: props.Kms.TokenKey}},
		StorageKey:      props.Kms.StorageKey,
		FingerprintKeys: []tokenizerlayer.KeyVersion{{Version: "1", Key: props.Kms.FingerprintKey}},
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
	layer, err := tokenizerlayer.NewLayer(stack, "Layer", &tokenizerlayer.LayerProps{
		LayerVersionName: config.NamePrefix + "TokenizeData",
		OrganizationID:   config.OrgID,
		Architectures:    config.layerArchitectures(),
		Destroyable:      config.destroyable(),
		BuildOS:          config.BuildOS,
		ModuleDir:        config.ModuleDir,
	})
	if err != nil {
		return nil, err
	}

	for _, architecture := range layer.Architectures() {
		name := string(architecture)
		awsssm.NewStringParameter(stack, new("LayerVersionArnParameter-"+name), &awsssm.StringParameterProps{
			ParameterName: new("/" + config.NamePrefix + "tokenizer/layer-version-arn/" + name),
			Description:   new("Current tokenizer layer for " + name + ", for stacks outside this app"),
			StringValue:   layer.Version(architecture).LayerVersionArn(),
		})
	}
	output(stack, "LayerVersionArn", "ARN of the tokenizer layer's current version", layer.Version(config.architecture()).LayerVersionArn())
	output(stack, "DynamoDBArn", "ARN of the vault's table", vault.Table().TableArn())
	return &TokenizerStack{Stack: stack, Vault: vault, Layer: layer}, nil
}

// buildWithEveryStack has this stack's asset built whenever any stack's is. The CLI leaves out those of unselected
// stacks (`cdk deploy -e AppStack`), but AppStack carries the layer's digest, and would be deployed with a wrong one.
func buildWithEveryStack(stack awscdk.Stack) {
	const key = "aws:cdk:bundling-stacks"
	if selected, ok := stack.Node().TryGetContext(new(key)).([]any); ok && len(selected) > 0 {
		stack.Node().SetContext(new(key), []string{"**"})
	}
}
