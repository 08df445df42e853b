package client

import (
	"context"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// PingOutput tells that the extension is ready.
type PingOutput struct {
	// Release is the digest of the layer's content, the same as the function's TOKENIZER_LAYER_DIGEST.
	Release string
}

// Ping reports whether the extension is ready, and which release of the layer it is. It calls neither KMS nor DynamoDB.
//
// IAM: none. Errors: [ErrUnavailable], [ErrNotReady].
func (c *Client) Ping(ctx context.Context) (PingOutput, error) {
	var out api.PingResponse
	if _, err := c.do(ctx, call{path: api.PathPing, repeatable: true}, &out); err != nil {
		return PingOutput{}, err
	}
	return PingOutput{Release: out.Release}, nil
}
