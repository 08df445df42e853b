// Command security is the CDK app of a team that makes the vault and the layer, and attaches three functions of its own with the
// defaults of the CDK: one in Python, one in Node, and one in Go that is compiled beside it.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
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
	stack := awscdk.NewStack(app, new("Security"), nil)
	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
		TokenKeys:       tokenizerlayer.FirstVersion(tokenizerlayer.NewTokenKey(stack, "TokenKey", nil)),
		StorageKey:      tokenizerlayer.NewStorageKey(stack, "StorageKey", nil),
		FingerprintKeys: tokenizerlayer.FirstVersion(tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", nil)),
	})
	if err != nil {
		return err
	}
	layer, err := tokenizerlayer.NewLayer(stack, "Layer", nil)
	if err != nil {
		return err
	}
	for architecture, name := range map[tokenizerlayer.Architecture]string{tokenizerlayer.ARM64: "DigestArm64", tokenizerlayer.X86_64: "DigestX8664"} {
		awscdk.NewCfnOutput(stack, new(name), &awscdk.CfnOutputProps{Value: new(layer.Digest(architecture))})
	}

	python := awslambda.NewFunction(stack, new("Python"), &awslambda.FunctionProps{
		Runtime: awslambda.Runtime_PYTHON_3_13(), Handler: new("index.handler"), Code: awslambda.Code_FromInline(new("from lambda_tokenizer import tokenize")),
	})
	if err := layer.Attach(python, vault, tokenizerlayer.Tokenize, nil); err != nil {
		return err
	}
	node := awslambda.NewFunction(stack, new("Node"), &awslambda.FunctionProps{
		Runtime: awslambda.Runtime_NODEJS_22_X(), Handler: new("index.handler"), Code: awslambda.Code_FromInline(new("exports.handler = async () => {}")),
		Role: awsiam.NewRole(stack, new("NodeRole"), &awsiam.RoleProps{
			AssumedBy: awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil),
			Path:      new(tokenizerlayer.DefaultRolePath + tokenizerlayer.DetokenizePath),
		}),
	})
	if err := layer.Attach(node, vault, tokenizerlayer.Detokenize, nil); err != nil {
		return err
	}
	asset, err := tokenizerlayer.NewGoAsset(stack, "GoCode", &tokenizerlayer.GoAssetProps{
		Package: "example.com/consumer/function", Architecture: tokenizerlayer.X86_64,
	})
	if err != nil {
		return err
	}
	function := awslambda.NewFunction(stack, new("Go"), &awslambda.FunctionProps{
		Runtime: awslambda.Runtime_PROVIDED_AL2023(), Handler: new("bootstrap"), Code: awslambda.Code_FromBucketV2(asset.Bucket(), asset.S3ObjectKey(), nil),
	})
	return layer.Attach(function, vault, tokenizerlayer.Tokenize, nil)
}
