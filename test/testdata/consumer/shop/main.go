// Command shop is the CDK app of another team, which knows the vault and the layer by what the environment says about them.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

func main() {
	app := awscdk.NewApp(nil)
	err := build(app)
	if err == nil {
		app.Synth(nil)
	}
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func build(app awscdk.App) error {
	stack := awscdk.NewStack(app, new("Shop"), &awscdk.StackProps{Env: &awscdk.Environment{Account: new("123456789012"), Region: new("us-east-1")}})
	const (
		table = "arn:aws:dynamodb:us-east-1:123456789012:table/"
		key   = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-00000000000"
	)
	vault, err := tokenizerlayer.VaultFromAttributes(stack, "Vault", &tokenizerlayer.VaultAttributes{
		TableArn: table + tokenizerlayer.DefaultVaultTable, StateArn: table + tokenizerlayer.DefaultStateTable, IndexArn: table + tokenizerlayer.DefaultIndexTable,
		TokenKeys:       []tokenizerlayer.KeyVersionAttributes{{Version: "1", KeyArn: key + "1"}},
		StorageKeyArn:   key + "2",
		FingerprintKeys: []tokenizerlayer.KeyVersionAttributes{{Version: "1", KeyArn: key + "3"}},
	})
	if err != nil {
		return err
	}
	version := func(architecture tokenizerlayer.Architecture, digest string) tokenizerlayer.LayerVersionAttributes {
		arn := awsssm.StringParameter_ValueForStringParameter(stack, new("/tokenizer/layer-version-arn/"+string(architecture)), nil)
		return tokenizerlayer.LayerVersionAttributes{LayerVersionArn: *arn, Digest: os.Getenv(digest)}
	}
	layer, err := tokenizerlayer.LayerFromAttributes(stack, "Layer", &tokenizerlayer.LayerAttributes{
		Versions: map[tokenizerlayer.Architecture]tokenizerlayer.LayerVersionAttributes{
			tokenizerlayer.ARM64: version(tokenizerlayer.ARM64, "DIGEST_ARM64"), tokenizerlayer.X86_64: version(tokenizerlayer.X86_64, "DIGEST_X86_64"),
		},
	})
	if err != nil {
		return err
	}
	for name, architecture := range map[string]awslambda.Architecture{"Usual": nil, "Graviton": awslambda.Architecture_ARM_64()} {
		function := awslambda.NewFunction(stack, &name, &awslambda.FunctionProps{
			Runtime: awslambda.Runtime_PYTHON_3_13(), Handler: new("index.handler"), Code: awslambda.Code_FromInline(new("x = 1")), Architecture: architecture,
		})
		if err := layer.Attach(function, vault, tokenizerlayer.Tokenize, nil); err != nil {
			return err
		}
	}
	return nil
}
