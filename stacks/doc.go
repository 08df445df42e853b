// Package stacks wires the system into three CloudFormation stacks:
//
//	KmsStack        the three keys                                security team
//	TokenizerStack  the vault's table and the tokenizer layer     security team
//	AppStack        API, users, functions and the app's tables    application team
//
// [Build] makes all three from one [Config]. A stack gets what it needs from an earlier one through its props struct,
// as typed constructs; the CDK turns those into CloudFormation exports and imports. Arrows point one way, from AppStack
// to KmsStack, so the stacks deploy in that order and can be deleted in the other.
//
// This package only connects constructs. The code for tokenization is in the constructs of package tokenizerlayer.
package stacks
