// Package tokenizerlayer has the AWS CDK constructs of the tokenizer layer. A CDK app in Go makes a vault for card
// numbers with them, and attaches the layer to functions in any runtime, which then swap a card number for a token.
//
// A security team makes three keys, the vault around them, and the layer:
//
//	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
//		TokenKeys:       []tokenizerlayer.KeyVersion{{Version: "1", Key: tokenizerlayer.NewTokenKey(stack, "TokenKey", nil)}},
//		FingerprintKeys: []tokenizerlayer.KeyVersion{{Version: "1", Key: tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", nil)}},
//		StorageKey:      tokenizerlayer.NewStorageKey(stack, "StorageKey", nil),
//	})
//	if err != nil {
//		return err
//	}
//	layer, err := tokenizerlayer.NewLayer(stack, "Layer", nil)
//	if err != nil {
//		return err
//	}
//
// An application team attaches the layer to its functions. This one may make tokens, and cannot read a card back:
//
//	order := awslambda.NewFunction(stack, new("Order"), &awslambda.FunctionProps{
//		Runtime: awslambda.Runtime_PYTHON_3_13(),
//		Handler: new("index.handler"),
//		Code:    awslambda.Code_FromAsset(new("order"), nil),
//	})
//	if err := layer.Attach(order, vault, tokenizerlayer.Tokenize, nil); err != nil {
//		return err
//	}
//
// Another may read cards back. Its role is the security team's to make, in the stack of the vault. It is below the IAM
// path outside of which TokenKey's policy denies decryption, it is worth nothing in a function of another name, and a
// boundary caps what others add to it:
//
//	reader, err := tokenizerlayer.NewDetokenizeRole(stack, "Reader", &tokenizerlayer.DetokenizeRoleProps{
//		Vault: vault, FunctionName: "paybill", ApplicationTables: []string{"Orders"},
//	})
//	if err != nil {
//		return err
//	}
//
// The application team makes the function with it:
//
//	paybill := awslambda.NewFunction(stack, new("Paybill"), &awslambda.FunctionProps{
//		FunctionName: new("paybill"),
//		Runtime:      awslambda.Runtime_NODEJS_22_X(),
//		Handler:      new("index.handler"),
//		Code:         awslambda.Code_FromAsset(new("paybill"), nil),
//		Role:         reader.Role(),
//		LogGroup:     reader.LogGroup(),
//	})
//	if err := layer.Attach(paybill, vault, tokenizerlayer.Detokenize, nil); err != nil {
//		return err
//	}
//
// In its code, the order function calls one of the layer's clients, such as tokenize("4111 1111 1111 1111") in Python.
// A Go function imports the package tokenizerlayer/client.
//
// # What is made
//
// A [Vault] is a table of sealed values, a table of what must not go back (uses and revocations), and an index by which
// tokens are found again. TokenKey seals each value before it is stored, so whoever lacks kms:Decrypt on it cannot read
// a value even with full access to the table. FingerprintKey makes the keyed fingerprints of the index. StorageKey
// encrypts the tables at rest.
//
// A [Layer] is the Lambda extension that talks to all of these, as a layer version for each architecture. It is
// compiled from source while the app is synthesized; Go and Node.js are enough, without Docker. Every app that uses the
// same release of this module gets the same binary, which [Layer.Digest] identifies.
//
// [Layer.Attach] connects a function to both: the layer version, its settings, and the smallest set of permissions that
// works. The extension runs with the function's own role, so the grant, not the extension, decides what the function
// can do: one that may only tokenize cannot read a value back by any route. A [DetokenizeRole] has its grant from the
// security team, and Attach adds none. [Grants] says for each access what is granted, and what is left out and why.
//
// # More than one app
//
// [VaultFromAttributes] and [LayerFromAttributes] refer to a vault and a layer of another app or repository, by their
// ARNs. What takes a vault or a layer takes an [IVault] or an [ILayer], so it works with these, too.
//
// # Conventions
//
// Constructors take scope, id and props, as the CDK's own do; props may be nil where every field is optional. The zero
// value of a field means its documented default. Wrong props are a Go error that names the construct, the property,
// what it got and what to do; nothing is made then. Removal policies keep data unless Destroyable is set.
//
// This package imports the CDK and runs while an app is synthesized. What runs inside Lambda does not import it.
package tokenizerlayer
