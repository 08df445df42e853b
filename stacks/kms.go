package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// KmsStack holds the keys. Their policies name accounts, services and patterns, but nothing of a later stack.
type KmsStack struct {
	Stack awscdk.Stack
	// TokenKey seals card numbers on the client side. No AWS service is ever granted it.
	TokenKey awskms.Key
	// FingerprintKey makes keyed fingerprints, by which the same value can be found again.
	FingerprintKey awskms.Key
	// StorageKey encrypts tables and logs at rest.
	StorageKey awskms.Key
}

func newKmsStack(scope constructs.Construct, config Config) *KmsStack {
	stack := config.newStack(scope, "KmsStack", "Tokenizer: encryption keys")
	alias := config.NamePrefix + "tokenizer/"
	kms := &KmsStack{
		Stack: stack,
		TokenKey: tokenizerlayer.NewTokenKey(stack, "TokenKey", &tokenizerlayer.KeyProps{
			RolePath: config.rolePath(), Alias: alias + "token", Destroyable: config.destroyable(),
		}),
		FingerprintKey: tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", &tokenizerlayer.KeyProps{
			RolePath: config.rolePath(), Alias: alias + "fingerprint", Destroyable: config.destroyable(),
		}),
		StorageKey: tokenizerlayer.NewStorageKey(stack, "StorageKey", &tokenizerlayer.StorageKeyProps{
			// CloudFormation names log groups after their stack; only the firewall's needs a name of its own.
			LogGroups: []string{
				config.NamePrefix + "AppStack-*", config.NamePrefix + "TokenizerStack-*", config.firewallLogGroup(),
			},
			RolePath: config.rolePath(), Alias: alias + "storage", Destroyable: config.destroyable(),
		}),
	}
	output(stack, "KMSKeyID", "ARN of the key that seals tokenized values", kms.TokenKey.KeyArn())
	return kms
}
