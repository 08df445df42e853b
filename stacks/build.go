package stacks

import "github.com/aws/constructs-go/constructs/v10"

// Stacks are the three stacks of one installation.
type Stacks struct {
	Kms       *KmsStack
	Tokenizer *TokenizerStack
	App       *AppStack
}

// Build makes the three stacks below scope, which is the app or a CDK stage. It compiles the Go programs that are
// deployed, unless the app's context says that no bundling is required.
//
// An error is [Config.Validate]'s, or says what could not be built, with the compiler's message.
func Build(scope constructs.Construct, config Config) (Stacks, error) {
	if err := config.Validate(); err != nil {
		return Stacks{}, err
	}
	kms := newKmsStack(scope, config)
	tokenizer, err := newTokenizerStack(scope, tokenizerStackProps{Config: config, Kms: kms})
	if err != nil {
		return Stacks{}, err
	}
	app, err := newAppStack(scope, appStackProps{
		Config: config, StorageKey: kms.StorageKey, Vault: tokenizer.Vault, Layer: tokenizer.Layer,
		Reader: tokenizer.Reader, CodeSigning: tokenizer.CodeSigning, Boundary: tokenizer.DeployersBoundary,
	})
	if err != nil {
		return Stacks{}, err
	}
	return Stacks{Kms: kms, Tokenizer: tokenizer, App: app}, nil
}
