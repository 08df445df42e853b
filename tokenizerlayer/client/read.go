package client

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// Redaction says how much of the data an answer shows.
type Redaction string

// The redactions.
const (
	// Masked shows of a card what [Mask] says; of a text its last four characters, but never more than a quarter of it.
	Masked = Redaction(api.Masked)
	// PlainText shows all of the data.
	PlainText = Redaction(api.PlainText)
)

// Mask says which digits of a card [Masked] shows.
type Mask string

// The masks.
const (
	// LastFour shows the last four digits: ************1111.
	LastFour = Mask(api.LastFour)
	// FirstSixLastFour shows the first six digits, which name the issuer, and the last four: 411111******1111. PCI DSS
	// 3.4.1 lets no more be displayed. Of a card with fewer than 15 digits it shows only the last four.
	FirstSixLastFour = Mask(api.FirstSixLastFour)
)

// DetokenizeInput asks what a token stands for. Only Token is required.
type DetokenizeInput struct {
	Token string
	// Context is the one that the token was made with, exactly; nil for a token that is bound to none.
	Context map[string]string
	// Redaction says how much the answer shows; "" means [Masked].
	Redaction Redaction
	// Mask says which digits [Masked] shows; "" means [LastFour]. It is refused with [PlainText].
	Mask Mask
	// Attempt names this attempt at a token of limited uses. If you repeat the call with the same name within 15
	// minutes, and no other attempt was counted since, you get the same answer and both calls count as one use. It has
	// 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit; "" makes each call a use of its own.
	Attempt string
	// Reason is recorded in the extension's log. It has at most 256 characters, and must not hold control characters or
	// a card number.
	Reason string
	// RequestID names the call in the extension's log. It has 1 to 64 of A-Z a-z 0-9 -, the first a letter or digit;
	// the extension makes up a name in place of "" and of what has another form.
	RequestID string
}

// DetokenizeOutput is what a token stands for.
type DetokenizeOutput struct {
	// Data shows as much as Redaction says.
	Data Secret
	// Redaction is that of the input, or [Masked] if the input had none.
	Redaction Redaction
}

// Detokenize returns what a token stands for. Each call counts as one use of a token of limited uses, whatever it
// shows, and even if the answer is lost on its way. Give an Attempt to be able to repeat the call.
//
// IAM: the Detokenize grant, for the token's purpose. Errors: [ErrInvalid], [ErrBindingMismatch], [ErrNotFound],
// [ErrRevoked], [ErrExpired], [ErrUsedUp], [ErrDenied], [ErrIntegrity], [ErrRateLimited], [ErrUnavailable],
// [ErrNotReady].
func (c *Client) Detokenize(ctx context.Context, in DetokenizeInput) (DetokenizeOutput, error) {
	body, err := in.request()
	if err != nil {
		return DetokenizeOutput{}, err
	}
	var out api.DetokenizeResponse
	requestID, err := c.do(ctx, call{
		path: api.PathDetokenize, requestID: in.RequestID, body: body, repeatable: in.Attempt != "",
		secrets: []string{in.Token},
	}, &out)
	if err != nil {
		return DetokenizeOutput{}, err
	}
	shown, err := detokenized(&out)
	return shown, about(requestID, err)
}

func (in DetokenizeInput) request() (api.DetokenizeRequest, error) {
	if err := checkTexts(in.Token, in.Reason, in.Context); err != nil {
		return api.DetokenizeRequest{}, err
	}
	if !utf8.ValidString(in.Attempt) {
		return api.DetokenizeRequest{}, NewError(ErrInvalid, "attempt", "must be UTF-8")
	}
	return api.DetokenizeRequest{
		Token:     in.Token,
		Binding:   api.Presented{Context: in.Context},
		Redaction: api.Redaction(in.Redaction),
		Mask:      api.Mask(in.Mask),
		Attempt:   in.Attempt,
		Reason:    in.Reason,
	}, nil
}

func detokenized(out *api.DetokenizeResponse) (DetokenizeOutput, error) {
	if out == nil || out.Data.IsZero() {
		return DetokenizeOutput{}, notUnderstood()
	}
	return DetokenizeOutput{Data: Secret{out.Data.String}, Redaction: Redaction(out.Redaction)}, nil
}

// checkTexts refuses what would not arrive as it is: JSON holds nothing but UTF-8.
func checkTexts(token, reason string, context map[string]string) error {
	switch {
	case !utf8.ValidString(token):
		return NewError(ErrInvalid, "token", "must be UTF-8")
	case !utf8.ValidString(reason):
		return NewError(ErrInvalid, "reason", "must be UTF-8")
	case !isUTF8(context):
		return NewError(ErrInvalid, "binding.context", "its names and values must be UTF-8")
	}
	return nil
}

// read asks about a token without a use of it.
func (c *Client) read(ctx context.Context, path, requestID string, body api.TokenRequest, out any) error {
	if err := checkTexts(body.Token, body.Reason, body.Binding.Context); err != nil {
		return err
	}
	_, err := c.do(ctx, call{
		path: path, requestID: requestID, body: body, repeatable: true, secrets: []string{body.Token},
	}, out)
	return err
}

// ValidateInput asks whether a token can be detokenized. Only Token is required.
type ValidateInput struct {
	Token string
	// Context is as for [DetokenizeInput].
	Context map[string]string
	// Reason and RequestID are recorded in the extension's log, as for [DetokenizeInput].
	Reason, RequestID string
}

// ValidateOutput tells whether a token can be detokenized.
type ValidateOutput struct {
	// Live is false for a token that does not exist, was revoked, has expired or is used up.
	Live bool
}

// Validate reports whether [Client.Detokenize] would return the data now. It counts no use.
//
// IAM: the Detokenize grant, for the token's purpose. Errors: [ErrInvalid], [ErrBindingMismatch], [ErrDenied],
// [ErrIntegrity], [ErrRateLimited], [ErrUnavailable], [ErrNotReady].
func (c *Client) Validate(ctx context.Context, in ValidateInput) (ValidateOutput, error) {
	var out api.ValidateResponse
	body := api.TokenRequest{Token: in.Token, Binding: api.Presented{Context: in.Context}, Reason: in.Reason}
	if err := c.read(ctx, api.PathValidate, in.RequestID, body, &out); err != nil {
		return ValidateOutput{}, err
	}
	return ValidateOutput{Live: out.Live}, nil
}

// MetadataInput asks what is known of a token besides its data. Only Token is required.
type MetadataInput struct {
	Token string
	// Context is as for [DetokenizeInput].
	Context map[string]string
	// Reason and RequestID are recorded in the extension's log, as for [DetokenizeInput].
	Reason, RequestID string
}

// MetadataOutput is what is known of a token besides its data. All of it but Uses is authenticated: nobody who can only
// write to the table can change it.
type MetadataOutput struct {
	Type      DataType
	Purpose   string            // "" if the token is bound to none
	CreatedAt time.Time         // in whole seconds
	ExpiresAt time.Time         // in whole seconds; the zero time for a token without a TTL
	MaxUses   int64             // 0 for a token without a limit
	Uses      int64             // so far; 0 for a token without a limit, whose uses are not counted
	Metadata  map[string]string // as given to Tokenize or Seal; nil if none was
}

// Metadata returns what is known of a token besides its data. It counts no use.
//
// IAM: the Detokenize grant, for the token's purpose. Errors: [ErrInvalid], [ErrBindingMismatch], [ErrNotFound],
// [ErrRevoked], [ErrExpired], [ErrDenied], [ErrIntegrity], [ErrRateLimited], [ErrUnavailable], [ErrNotReady].
func (c *Client) Metadata(ctx context.Context, in MetadataInput) (MetadataOutput, error) {
	var out api.MetadataResponse
	body := api.TokenRequest{Token: in.Token, Binding: api.Presented{Context: in.Context}, Reason: in.Reason}
	if err := c.read(ctx, api.PathMetadata, in.RequestID, body, &out); err != nil {
		return MetadataOutput{}, err
	}
	return MetadataOutput{
		Type: DataType(out.Type), Purpose: out.Purpose, CreatedAt: out.CreatedAt, ExpiresAt: timeOf(out.ExpiresAt),
		MaxUses: out.MaxUses, Uses: out.Uses, Metadata: out.Metadata,
	}, nil
}

// RevokeInput asks to end a token. Only Token is required.
type RevokeInput struct {
	Token string
	// Reason and RequestID are recorded in the extension's log, as for [DetokenizeInput].
	Reason, RequestID string
}

// RevokeOutput tells that a token has ended.
type RevokeOutput struct {
	// Existed tells whether the vault had a row of the token. A token without one is revoked too: its row may still be
	// on its way.
	Existed bool
	// InBackupsUntil is when the last backup that holds the sealed row is gone: 35 days from now. A row that is
	// restored from one does not open.
	InBackupsUntil time.Time
}

// Revoke ends a token for good: nobody can detokenize it any more, even if its row is put back. If you revoke a
// deterministic token, the same data gets another token next time. It is safe to repeat.
//
// IAM: the Revoke grant, which cannot read any data. Errors: [ErrInvalid], [ErrInFlight], [ErrDenied],
// [ErrUnavailable], [ErrNotReady].
func (c *Client) Revoke(ctx context.Context, in RevokeInput) (RevokeOutput, error) {
	if err := checkTexts(in.Token, in.Reason, nil); err != nil {
		return RevokeOutput{}, err
	}
	var out api.RevokeResponse
	if _, err := c.do(ctx, call{
		path: api.PathRevoke, requestID: in.RequestID, body: api.RevokeRequest{Token: in.Token, Reason: in.Reason},
		repeatable: true, secrets: []string{in.Token},
	}, &out); err != nil {
		return RevokeOutput{}, err
	}
	return RevokeOutput{Existed: out.Existed, InBackupsUntil: out.InBackupsUntil}, nil
}
