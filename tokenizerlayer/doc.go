// Package tokenizerlayer has the AWS CDK constructs of the tokenizer layer. A CDK app in Go makes a vault for card
// numbers with them, and attaches the layer to functions in any runtime, which then swap a card number for a token.
//
// A security team makes three keys, the vault around them, and the layer:
//
//	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
//		TokenKeys:       tokenizerlayer.FirstVersion(tokenizerlayer.NewTokenKey(stack, "TokenKey", nil)),
//		FingerprintKeys: tokenizerlayer.FirstVersion(tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", nil)),
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
// Another function may read cards back. The security team makes its role, in the stack of the vault. The role is below
// the IAM path that TokenKey's policy demands for decryption. It opens nothing in a function of another name, and a
// boundary limits what others can add to it:
//
//	reader, err := tokenizerlayer.NewDetokenizeRole(stack, "Reader", &tokenizerlayer.DetokenizeRoleProps{
//		Vault: vault, FunctionName: "paybill", ApplicationTables: []string{"Orders"},
//	})
//	if err != nil {
//		return err
//	}
//
// The application team makes the function with this role:
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
// A [Vault] is a table of sealed values, a state table for uses and revocations, and an index that finds existing
// tokens. TokenKey seals each value before it is stored, so whoever lacks kms:Decrypt on it cannot read a value even
// with full access to the table. FingerprintKey makes the keyed fingerprints of the index. StorageKey encrypts the
// tables at rest.
//
// A [Layer] is the Lambda extension that talks to all of these, as a layer version for each architecture. It is
// compiled from source while the app is synthesized, which needs Go and Node.js, but no Docker. Every app that uses the
// same release of this module gets the same binary, which [Layer.Digest] identifies.
//
// [Layer.Attach] connects a function to both: the layer version, its settings, and the smallest set of permissions that
// works. The extension runs with the function's own role, so the grant, not the extension, decides what the function
// can do: one that may only tokenize cannot read a value back in any way. A [DetokenizeRole] gets its grant from the
// security team, and Attach adds none. [Grants] says for each access what it grants, and what it leaves out and why.
//
// # More than one app
//
// [VaultFromAttributes] and [LayerFromAttributes] refer to a vault and a layer of another app or repository, by their
// ARNs. With [NewParameters] in that app, [VaultFromParameters] and [LayerFromParameters] find them without. Functions
// that take a vault or a layer take an [IVault] or an [ILayer], so they work with these, too.
//
// # Conventions
//
// Constructors take scope, id and props, as the CDK's own do. The props may be nil if every field is optional. The zero
// value of a field means its documented default. If props are wrong, a constructor makes nothing and returns a Go error
// that names the construct, the property, the value and what to do. Data are kept when a stack is deleted, unless
// Destroyable is set.
//
// This package imports the CDK and runs while an app is synthesized. Code that runs inside Lambda does not import it.
package tokenizerlayer
