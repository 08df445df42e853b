package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// KmsStack holds the keys.
type KmsStack struct {
	Stack awscdk.Stack
	// TokenKey seals card numbers on the client side. No AWS service is ever granted it.
	TokenKey awskms.Key
	// StorageKey encrypts tables at rest.
	StorageKey awskms.Key
}

func newKmsStack(scope constructs.Construct, config Config) *KmsStack {
	stack := config.newStack(scope, "KmsStack", "Tokenizer: encryption keys")
	kms := &KmsStack{
		Stack:      stack,
		TokenKey:   newKey(stack, "TokenKey", "token", "Seals tokenized values on the client side", config),
		StorageKey: newKey(stack, "StorageKey", "storage", "Encrypts the tokenizer's and the application's tables at rest", config),
	}
	tokenizerlayer.DenyDecryptOutside(config.detokenizePath(), kms.TokenKey)
	output(stack, "KMSKeyID", "ARN of the key that seals tokenized values", kms.TokenKey.KeyArn())
	return kms
}

func newKey(stack awscdk.Stack, id, alias, description string, config Config) awskms.Key {
	window := 30.0 // days in which a deletion can be taken back; KMS allows 7 to 30
	if config.destroyable() {
		window = 7
	}
	return awskms.NewKey(stack, &id, &awskms.KeyProps{
		Alias:             new("alias/" + config.NamePrefix + "tokenizer/" + alias),
		Description:       &description,
		EnableKeyRotation: new(true),
		PendingWindow:     awscdk.Duration_Days(&window),
		RemovalPolicy:     tokenizerlayer.RemovalPolicy(config.destroyable()),
	})
}
