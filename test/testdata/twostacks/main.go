// Command twostacks is a CDK app with two stacks. One makes a vault and a layer, and publishes them as SSM parameters. The
// functions of the other find them there. Its name comes first, and nothing tells the CDK that it needs the other.
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
	err := owner(awscdk.NewStack(app, new("Owner"), nil))
	if err == nil {
		err = functions(awscdk.NewStack(app, new("App"), nil))
	}
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

// owner is the stack of the security team.
func owner(stack awscdk.Stack) error {
	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
		TokenKeys:       tokenizerlayer.FirstVersion(tokenizerlayer.NewTokenKey(stack, "TokenKey", nil)),
		FingerprintKeys: tokenizerlayer.FirstVersion(tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", nil)),
		StorageKey:      tokenizerlayer.NewStorageKey(stack, "StorageKey", nil),
	})
	if err != nil {
		return err
	}
	layer, err := tokenizerlayer.NewLayer(stack, "Layer", nil)
	if err != nil {
		return err
	}
	_, err = tokenizerlayer.NewParameters(stack, "Parameters",
		&tokenizerlayer.ParametersProps{Vault: vault, Layer: layer})
	return err
}

// handler tokenizes a card, or reads a token. Its answer has the token in any case, for the next invocation.
const handler = `
from lambda_tokenizer import TokenizerError, detokenize, tokenize


def handler(event, context):
    if "card" in event:
        return {"token": tokenize(event["card"]).token}
    try:
        return {"token": event["token"], "card": detokenize(event["token"]).data}
    except TokenizerError as e:
        return {"token": event["token"], "refused": e.status}
`

// functions is the stack of the application team.
func functions(stack awscdk.Stack) error {
	vault, err := tokenizerlayer.VaultFromParameters(stack, "Vault", nil)
	if err != nil {
		return err
	}
	layer, err := tokenizerlayer.LayerFromParameters(stack, "Layer", nil)
	if err != nil {
		return err
	}
	for id, access := range map[string]tokenizerlayer.Access{
		"Order": tokenizerlayer.Tokenize, "Reader": tokenizerlayer.Detokenize,
	} {
		path := map[tokenizerlayer.Access]string{
			tokenizerlayer.Tokenize: tokenizerlayer.TokenizePath, tokenizerlayer.Detokenize: tokenizerlayer.DetokenizePath,
		}
		function := awslambda.NewFunction(stack, &id, &awslambda.FunctionProps{
			Runtime: awslambda.Runtime_PYTHON_3_13(), Handler: new("index.handler"),
			Code: awslambda.Code_FromInline(new(handler)),
			Role: awsiam.NewRole(stack, new(id+"Role"), &awsiam.RoleProps{
				AssumedBy: awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil),
				Path:      new(tokenizerlayer.DefaultRolePath + path[access]),
			}),
		})
		if err := layer.Attach(function, vault, access, nil); err != nil {
			return err
		}
	}
	return nil
}
