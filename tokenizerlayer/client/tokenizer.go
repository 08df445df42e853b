package client

import "context"

// Tokenizer has the methods of a [Client]. Let a function take it, or a smaller interface with the methods that it
// calls, where tests pass a fake.
type Tokenizer interface {
	Tokenize(context.Context, TokenizeInput) (TokenizeOutput, error)
	TokenizeBatch(context.Context, TokenizeBatchInput) (TokenizeBatchOutput, error)
	Seal(context.Context, SealInput) (SealOutput, error)
	Detokenize(context.Context, DetokenizeInput) (DetokenizeOutput, error)
	DetokenizeBatch(context.Context, DetokenizeBatchInput) (DetokenizeBatchOutput, error)
	Validate(context.Context, ValidateInput) (ValidateOutput, error)
	Metadata(context.Context, MetadataInput) (MetadataOutput, error)
	Revoke(context.Context, RevokeInput) (RevokeOutput, error)
	Ping(context.Context) (PingOutput, error)
}

var _ Tokenizer = (*Client)(nil)
