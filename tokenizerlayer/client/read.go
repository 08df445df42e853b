package client

import (
	"context"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// Redaction says how much of the data an answer shows.
type Redaction string

// The redactions.
const (
	// Masked shows of a card what [Mask] says, of a text at most its last four characters.
	Masked = Redaction(api.Masked)
	// PlainText shows all of it.
	PlainText = Redaction(api.PlainText)
)

// Mask says which digits of a card [Masked] shows.
type Mask string

// The masks.
const (
	LastFour = Mask(api.LastFour)
	// FirstSixLastFour is for cards with 15 digits and more, and the most that PCI DSS 3.4.1 lets be displayed.
	FirstSixLastFour = Mask(api.FirstSixLastFour)
)

// DetokenizeInput asks what a token stands for. Only Token is required.
type DetokenizeInput struct {
	Token string
	// Redaction says how much the answer shows; "" means [Masked].
	Redaction Redaction
	// Mask says which digits [Masked] shows; "" means [LastFour].
	Mask Mask
	// Attempt names this attempt at a token of limited uses: repeated within 15 minutes it gets the same answer and counts as one use.
	// It has 1 to 128 of A-Z a-z 0-9 . _ : -; "" makes each call a use of its own.
	Attempt string
	// Reason is recorded in the extension's log, at most 256 characters. It must not hold a card number.
	Reason string
	// RequestID names the call in the extension's log, 1 to 64 of A-Z a-z 0-9 -; "" lets the extension make up a name.
	RequestID string
}

// DetokenizeOutput is what a token stands for.
type DetokenizeOutput struct {
	// Data shows as much as Redaction says.
	Data      Secret
	Redaction Redaction
}

// Detokenize returns what a token stands for. Reading a token of limited uses counts one use, also if the answer gets lost on its
// way: give an Attempt to be able to repeat the call.
//
// IAM: the Detokenize grant, for the token's purpose. Errors: [ErrInvalid], [ErrNotFound], [ErrExpired], [ErrUsedUp], [ErrDenied],
// [ErrIntegrity], [ErrRateLimited], [ErrUnavailable], [ErrNotReady].
func (c *Client) Detokenize(ctx context.Context, in DetokenizeInput) (DetokenizeOutput, error) {
	var out api.DetokenizeResponse
	err := c.post(ctx, api.PathDetokenize, in.RequestID, api.DetokenizeRequest{
		Token: in.Token, Redaction: api.Redaction(in.Redaction), Mask: api.Mask(in.Mask), Attempt: in.Attempt, Reason: in.Reason,
	}, &out)
	return DetokenizeOutput{Data: Secret{out.Data.String}, Redaction: Redaction(out.Redaction)}, err
}

// ValidateInput asks whether a token can be detokenized. Only Token is required.
type ValidateInput struct {
	Token string
	// Reason and RequestID are recorded in the extension's log, as for [DetokenizeInput].
	Reason, RequestID string
}

// ValidateOutput tells whether a token can be detokenized.
type ValidateOutput struct {
	// Live is false for a token that does not exist, has expired or is used up.
	Live bool
}

// Validate reports whether a Detokenize would be answered now. It counts no use.
//
// IAM: the Detokenize grant. Errors: [ErrInvalid], [ErrDenied], [ErrIntegrity], [ErrRateLimited], [ErrUnavailable], [ErrNotReady].
func (c *Client) Validate(ctx context.Context, in ValidateInput) (ValidateOutput, error) {
	var out api.ValidateResponse
	err := c.post(ctx, api.PathValidate, in.RequestID, api.TokenRequest{Token: in.Token, Reason: in.Reason}, &out)
	return ValidateOutput{Live: out.Live}, err
}

// MetadataInput asks what is known of a token besides its data. Only Token is required.
type MetadataInput struct {
	Token string
	// Reason and RequestID are recorded in the extension's log, as for [DetokenizeInput].
	Reason, RequestID string
}

// MetadataOutput is what is known of a token besides its data. All of it but Uses is authenticated by the envelope.
type MetadataOutput struct {
	Type      DataType
	Purpose   string    // "" if the token is bound to none
	CreatedAt time.Time // in whole seconds, as ExpiresAt
	ExpiresAt time.Time // the zero time for a token without a TTL
	MaxUses   int64     // 0 for a token without a limit
	Uses      int64     // counted so far; 0 for a token without a limit
	Metadata  map[string]string
}

// Metadata returns what is known of a token besides its data. It counts no use.
//
// IAM: the Detokenize grant. Errors: [ErrInvalid], [ErrNotFound], [ErrExpired], [ErrDenied], [ErrIntegrity], [ErrRateLimited],
// [ErrUnavailable], [ErrNotReady].
func (c *Client) Metadata(ctx context.Context, in MetadataInput) (MetadataOutput, error) {
	var out api.MetadataResponse
	err := c.post(ctx, api.PathMetadata, in.RequestID, api.TokenRequest{Token: in.Token, Reason: in.Reason}, &out)
	return MetadataOutput{
		Type: DataType(out.Type), Purpose: out.Purpose, CreatedAt: timeOf(out.CreatedAt), ExpiresAt: timeOf(out.ExpiresAt),
		MaxUses: out.MaxUses, Uses: out.Uses, Metadata: out.Metadata,
	}, err
}

// RevokeInput asks to delete a token. Only Token is required.
type RevokeInput struct {
	Token string
	// Reason and RequestID are recorded in the extension's log, as for [DetokenizeInput].
	Reason, RequestID string
}

// RevokeOutput tells that a token is deleted.
type RevokeOutput struct {
	// RecoverableUntil is when the last backup from which an administrator could restore the token's row is gone.
	RecoverableUntil time.Time
}

// Revoke deletes a token: it cannot be detokenized any more.
//
// IAM: the Revoke grant. Errors: [ErrInvalid], [ErrNotFound], [ErrDenied], [ErrUnavailable], [ErrNotReady].
func (c *Client) Revoke(ctx context.Context, in RevokeInput) (RevokeOutput, error) {
	var out api.RevokeResponse
	err := c.post(ctx, api.PathRevoke, in.RequestID, api.TokenRequest{Token: in.Token, Reason: in.Reason}, &out)
	return RevokeOutput{RecoverableUntil: out.RecoverableUntil}, err
}

// PingOutput tells that the extension is ready.
type PingOutput struct {
	// Release is the digest of the layer's content, the same as the function's TOKENIZER_LAYER_DIGEST.
	Release string
}
