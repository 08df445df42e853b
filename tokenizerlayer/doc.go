// Package tokenizerlayer holds the AWS CDK constructs of the tokenizer layer: what a security team publishes and an
// application team attaches to its functions.
//
//	const path = "/tokenizer/detokenize/" // IAM path of the roles that may read values back
//	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
//		TokenKey:   tokenizerlayer.NewTokenKey(stack, "TokenKey", path, &tokenizerlayer.KeyProps{}),
//		StorageKey: tokenizerlayer.NewStorageKey(stack, "StorageKey", &tokenizerlayer.StorageKeyProps{}),
//		FingerprintKeys: []tokenizerlayer.FingerprintKey{
//			{Version: "1", Key: tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", &tokenizerlayer.KeyProps{})},
//		},
//		DetokenizePath: path,
//	})
//	layer, err := tokenizerlayer.NewLayer(stack, "Layer", &tokenizerlayer.LayerProps{})
//	...
//	err = layer.Attach(orderFunction, vault, tokenizerlayer.Tokenize, tokenizerlayer.AttachOptions{})
//	err = layer.Attach(paybillFunction, vault, tokenizerlayer.Detokenize, tokenizerlayer.AttachOptions{Port: 2775})
//
// A [Vault] is a table of sealed values, the index by which tokens are found again, and the keys around them. TokenKey seals
// each value on the client side, so whoever lacks kms:Decrypt on it cannot read a value even with full access to the table.
// FingerprintKey makes the keyed fingerprints of the index. StorageKey encrypts tables at rest. A [Layer] is the Lambda extension that talks to both, built from Go source on the host, without Docker.
// [Layer.Attach] connects a function to them: the layer, its settings, and the smallest set of permissions that works.
//
// Attach grants one of [Tokenize], [Detokenize] and [Revoke]. The extension runs with the function's own role, so the grant, not
// the extension, decides what a function can do: one that may only tokenize cannot read a value back by any route.
//
// This package imports the CDK and runs while an app is synthesized. What runs inside Lambda lives in the packages
// below this one, none of which imports the CDK.
package tokenizerlayer
