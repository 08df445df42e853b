// Command functions is a CDK app that attaches the tokenizer layer to a Python and a Node function. It is a module of
// its own, as your app is: what it imports is tokenizerlayer.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// rolePath is the IAM path below which the functions' roles are. The keys' policies let roles below it use the keys,
// each kind below a path of its own, and nobody else.
const rolePath = "/example/tokenizer/"

func main() {
	app := awscdk.NewApp(nil)
	err := build(app)
	if err == nil {
		app.Synth(nil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Stderr = nil // jsii.Close sometimes complains about the process that it has just ended, which means nothing
	jsii.Close()
	if err != nil {
		os.Exit(1)
	}
}

func build(app awscdk.App) error {
	stack := awscdk.NewStack(app, new("Functions"), nil)

	// What a security team owns: here in the same stack, to be short. Destroyable, because it is an example.
	key := tokenizerlayer.KeyProps{RolePath: rolePath, Destroyable: true}
	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
		TokenKeys: tokenizerlayer.FirstVersion(tokenizerlayer.NewTokenKey(stack, "TokenKey", &key)),
		StorageKey: tokenizerlayer.NewStorageKey(stack, "StorageKey",
			&tokenizerlayer.StorageKeyProps{RolePath: rolePath, Destroyable: true}),
		FingerprintKeys: tokenizerlayer.FirstVersion(tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", &key)),
		RolePath:        rolePath,
		TableName:       "ExampleVault",
		StateName:       "ExampleVaultState",
		IndexName:       "ExampleVaultIndex",
		Destroyable:     true,
	})
	if err != nil {
		return err
	}
	layer, err := tokenizerlayer.NewLayer(stack, "Layer",
		&tokenizerlayer.LayerProps{LayerVersionName: "ExampleTokenizeData", Destroyable: true})
	if err != nil {
		return err
	}

	// What an application team owns.
	tokenize := newFunction(stack, "Tokenize", rolePath+tokenizerlayer.TokenizePath, &awslambda.FunctionProps{
		Runtime: awslambda.Runtime_PYTHON_3_13(), Handler: new("index.handler"),
		Code: awslambda.Code_FromAsset(new("python"), nil),
	})
	if err := layer.Attach(tokenize, vault, tokenizerlayer.Tokenize, nil); err != nil {
		return err
	}
	detokenize := newFunction(stack, "Detokenize", rolePath+tokenizerlayer.DetokenizePath, &awslambda.FunctionProps{
		Runtime: awslambda.Runtime_NODEJS_22_X(), Handler: new("index.handler"),
		Code: awslambda.Code_FromAsset(new("node"), nil),
	})
	return layer.Attach(detokenize, vault, tokenizerlayer.Detokenize,
		&tokenizerlayer.AttachOptions{LogLevel: tokenizerlayer.LogWarn})
}

// newFunction makes a function whose role may write its own log, and nothing else before the layer is attached.
func newFunction(stack awscdk.Stack, id, rolePath string, props *awslambda.FunctionProps) awslambda.Function {
	logs := awslogs.NewLogGroup(stack, new(id+"Logs"), &awslogs.LogGroupProps{
		Retention: awslogs.RetentionDays_ONE_WEEK, RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	role := awsiam.NewRole(stack, new(id+"Role"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil), Path: &rolePath,
	})
	logs.Grant(role, new("logs:CreateLogStream"), new("logs:PutLogEvents"))

	props.LogGroup, props.Role = logs, role
	return awslambda.NewFunction(stack, new(id+"Function"), props)
}
