package tokenizerlayer_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// TestMain ends the process that the CDK runs in.
func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// newStack is where the examples make their constructs. Your app calls awscdk.NewApp(nil); this one has no assets
// built.
func newStack() awscdk.Stack {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	app := awscdk.NewApp(&awscdk.AppProps{
		Outdir: &dir, Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}},
	})
	return awscdk.NewStack(app, new("Shop"), nil)
}

func newFunction(stack awscdk.Stack, id string) awslambda.Function {
	return awslambda.NewFunction(stack, &id, &awslambda.FunctionProps{
		Runtime: awslambda.Runtime_PYTHON_3_13(),
		Handler: new("index.handler"),
		Code:    awslambda.Code_FromInline(new("import lambda_tokenizer")),
	})
}

// A function that may make tokens needs nothing but Attach, which gives its role the path that the keys' policies
// demand. One that is to read cards back needs a role of that path, and Attach says so if it has none.
func ExampleLayer_Attach() {
	stack := newStack()
	defer os.RemoveAll(*awscdk.Stage_Of(stack).Outdir())
	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
		TokenKeys:       tokenizerlayer.FirstVersion(tokenizerlayer.NewTokenKey(stack, "TokenKey", nil)),
		FingerprintKeys: tokenizerlayer.FirstVersion(tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", nil)),
		StorageKey:      tokenizerlayer.NewStorageKey(stack, "StorageKey", nil),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	layer, err := tokenizerlayer.NewLayer(stack, "Layer", nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	order, paybill := newFunction(stack, "Order"), newFunction(stack, "Paybill")
	fmt.Println(layer.Attach(order, vault, tokenizerlayer.Tokenize, nil))
	fmt.Println(layer.Attach(paybill, vault, tokenizerlayer.Detokenize, &tokenizerlayer.AttachOptions{Port: 2773}))
	// Output:
	// <nil>
	// Shop/Paybill: port: got 2773, which is taken by the AWS Parameters and Secrets extension: set another with AttachOptions.Port; Role: got one with the IAM path /, but the keys' policies let only roles below /tokenizer/detokenize/ do this: make the function's role with NewDetokenizeRole
}

// An app of another team attaches its functions to a vault and a layer that it knows by their ARNs only.
func ExampleVaultFromAttributes() {
	stack := newStack()
	defer os.RemoveAll(*awscdk.Stage_Of(stack).Outdir())
	const (
		table = "arn:aws:dynamodb:eu-central-1:123456789012:table/"
		key   = "arn:aws:kms:eu-central-1:123456789012:key/"
	)
	vault, err := tokenizerlayer.VaultFromAttributes(stack, "Vault", &tokenizerlayer.VaultAttributes{
		TableArn: table + tokenizerlayer.DefaultVaultTable,
		StateArn: table + tokenizerlayer.DefaultStateTable,
		IndexArn: table + tokenizerlayer.DefaultIndexTable,
		TokenKeys: []tokenizerlayer.KeyVersionAttributes{{
			Version: "1", KeyArn: key + "11111111-2222-3333-4444-555555555555",
		}},
		FingerprintKeys: []tokenizerlayer.KeyVersionAttributes{{
			Version: "1", KeyArn: key + "33333333-2222-3333-4444-555555555555",
		}},
		StorageKeyArn: key + "22222222-2222-3333-4444-555555555555",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	layer, err := tokenizerlayer.LayerFromAttributes(stack, "Layer", &tokenizerlayer.LayerAttributes{
		Versions: map[tokenizerlayer.Architecture]tokenizerlayer.LayerVersionAttributes{
			tokenizerlayer.X86_64: {LayerVersionArn: "arn:aws:lambda:eu-central-1:123456789012:layer:TokenizeData:7"},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	order := newFunction(stack, "Order")
	fmt.Println(layer.Attach(order, vault, tokenizerlayer.Tokenize, nil))
	fmt.Println(*vault.Table().TableName(), layer.Architectures())
	// Output:
	// <nil>
	// CreditCardTokenizerTable [x86_64]
}
