package client

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// DataType says what data is.
type DataType string

// The types of data.
const (
	// TypeCard is a card number, as [ParsePAN] describes it. It is checked, and stored as digits only.
	TypeCard = DataType(api.TypeCard)
	// TypeText is any text of 1 to 4096 bytes of UTF-8, stored as it is.
	TypeText = DataType(api.TypeText)
)

// Format says how a token looks.
type Format string

// The formats of tokens.
const (
	// FormatUUID is a version 4 UUID in lower case, with 122 random bits.
	FormatUUID = Format(token.UUID)
	// FormatCard has as many digits as the card. The last four are the card's, the others are random. The check digit
	// never fits, so the token is not Luhn-valid. So few digits can be guessed: use [FormatUUID] unless something
	// demands digits.
	FormatCard = Format(token.Card)
)

// TokenizeInput asks for a token. Only Data is required.
type TokenizeInput struct {
	// Data is what the token stands for.
	Data Secret
	// Type says what Data is; "" means [TypeCard].
	Type DataType
	// Format says how the token looks; "" means [FormatUUID]. Only data of [TypeCard] can have [FormatCard].
	Format Format
	// TTL is how long the token lives, in whole seconds from 1 second to 10 years; 0 means until it is revoked.
	TTL time.Duration
	// MaxUses is how often the token can be detokenized, from 1 to 1,000,000; 0 means without limit.
	MaxUses int64
	// Purpose binds the token: only a function whose Detokenize grant names the purpose can read it, which KMS
	// enforces. It has 1 to 64 of a-z 0-9 _ -, the first a letter or digit; "" binds the token to no purpose.
	Purpose string
	// Context binds the token to what it belongs to, such as an order and a user: a request that does not name the same
	// context gets [ErrBindingMismatch]. It is sealed, at most 8 members and 1024 bytes in all; names, values and
	// refusals are as for Metadata. nil binds the token to no context, and an empty map is refused.
	Context map[string]string
	// Metadata is sealed beside Data, at most 16 members and 2048 bytes in all. [Client.Metadata] reads it without
	// showing Data. Names have 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit; values are texts without
	// control characters. Metadata that looks like a card number, or is named like a verification code or a PIN, is
	// refused.
	Metadata map[string]string
	// FirstSix asks for the first six digits in the output's Card.
	FirstSix bool
	// Deterministic gives the same data in the same Scope the same token, as long as Type, Format, Purpose and Context
	// are the same too. The Metadata is that of the first request. It takes the Index grant. You cannot combine it with
	// TTL, MaxUses or an IdempotencyKey.
	Deterministic bool
	// Scope separates deterministic tokens, for example by shop. It has 1 to 128 of A-Z a-z 0-9 . _ : -, the first a
	// letter or digit; "" is a scope too. It is refused without Deterministic.
	Scope string
	// IdempotencyKey makes it safe to repeat the call: for 24 hours the same input with the same key gets the same
	// token. It takes the Index grant. It has 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit; "" means
	// that a repeated call makes another token.
	IdempotencyKey string
	// RequestID names the call in the extension's log. It has 1 to 64 of A-Z a-z 0-9 -, the first a letter or digit;
	// the extension makes up a name in place of "" and of what has another form.
	RequestID string
}

// TokenizeOutput is a token that is stored.
type TokenizeOutput struct {
	// Token stands for the data.
	Token string
	// ExpiresAt is when the token's life ends, in whole seconds; the zero time for a token without a TTL.
	ExpiresAt time.Time
	// Deduplicated tells that a deterministic token existed already.
	Deduplicated bool
	// Card has what may be shown of a card; the zero value for a text.
	Card Card
}

// Card has what may be shown and stored of a card number (PCI DSS 3.4.1 and 3.5.1).
type Card struct {
	Brand    string // such as "visa", by a table that may be out of date; "unknown" if the table does not have it
	LastFour string
	Length   int
	FirstSix string // "" unless the input asks for it and the number has 15 digits or more
}

// Tokenize stores data in the vault and returns its token. If the call fails with [ErrUnavailable], the data may have
// been stored under a token that nobody knows; with an IdempotencyKey, repeating the call returns that token.
//
// IAM: the Tokenize grant, and the Index grant for Deterministic and IdempotencyKey. Errors: [ErrInvalid], [ErrDenied],
// [ErrTooLarge], [ErrUnavailable], [ErrNotReady]; with Deterministic also [ErrInFlight], [ErrIntegrity] and
// [ErrRateLimited]; with IdempotencyKey these and [ErrKeyReused].
func (c *Client) Tokenize(ctx context.Context, in TokenizeInput) (TokenizeOutput, error) {
	body, err := in.request()
	if err != nil {
		return TokenizeOutput{}, err
	}
	var out api.TokenizeResponse
	requestID, err := c.do(ctx, call{
		path:           api.PathTokenize,
		requestID:      in.RequestID,
		idempotencyKey: in.IdempotencyKey,
		body:           body,
		repeatable:     in.Deterministic || in.IdempotencyKey != "",
		secrets:        []string{in.Data.Reveal()},
	}, &out)
	if err != nil {
		return TokenizeOutput{}, err
	}
	made, err := tokenized(&out)
	return made, about(requestID, err)
}

// request is what the input says, without the IdempotencyKey.
func (in TokenizeInput) request() (api.TokenizeRequest, error) {
	body, err := description{
		in.Data, in.Type, in.Format, in.TTL, in.MaxUses, in.Purpose, in.Context, in.Metadata, in.FirstSix,
	}.request()
	if err == nil && !utf8.ValidString(in.Scope) {
		err = NewError(ErrInvalid, "scope", "must be UTF-8")
	}
	if err != nil {
		return api.TokenizeRequest{}, err
	}
	body.Deterministic, body.Scope = in.Deterministic, in.Scope
	return body, nil
}

func tokenized(out *api.TokenizeResponse) (TokenizeOutput, error) {
	if out == nil || out.Token == "" {
		return TokenizeOutput{}, notUnderstood()
	}
	return TokenizeOutput{
		Token: out.Token, ExpiresAt: timeOf(out.ExpiresAt), Deduplicated: out.Deduplicated != nil && *out.Deduplicated,
		Card: cardOf(out.Card),
	}, nil
}

// about names the request that an error is about.
func about(requestID string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.RequestID = requestID
	}
	return err
}

func cardOf(facts *api.Card) Card {
	if facts == nil {
		return Card{}
	}
	return Card{Brand: facts.Brand, LastFour: facts.LastFour, Length: facts.Length, FirstSix: facts.FirstSix}
}

// SealInput asks for a token whose row you store yourself. Only Data is required. Each field means what it means in
// [TokenizeInput].
type SealInput struct {
	Data      Secret
	Type      DataType
	Format    Format
	TTL       time.Duration
	MaxUses   int64
	Purpose   string
	Context   map[string]string
	Metadata  map[string]string
	FirstSix  bool
	RequestID string
}

// SealOutput is a token that is not stored yet.
type SealOutput struct {
	// Token stands for the data as soon as Put is committed.
	Token string
	// ExpiresAt is when the token's life ends, in whole seconds; the zero time for a token without a TTL.
	ExpiresAt time.Time
	// Card has what may be shown of a card; the zero value for a text.
	Card Card
	// Put stores the token's row unless a row of the same token exists. Commit it, unchanged, in the TransactWriteItems
	// that also writes your own row with the token: then neither row can exist without the other. The row holds
	// ciphertext only.
	Put types.TransactWriteItem
}

// Seal returns a token for data and leaves it to you to store the vault's row. Until the row is stored, the token opens
// nothing. If DynamoDB cancels the transaction because of the condition of Put, the token is taken: call Seal again.
// That is likely for [FormatCard] only.
//
// IAM: the Tokenize grant, with which the extension seals the row and your function puts it. Errors: [ErrInvalid],
// [ErrDenied], [ErrTooLarge], [ErrUnavailable], [ErrNotReady].
func (c *Client) Seal(ctx context.Context, in SealInput) (SealOutput, error) {
	body, err := description{
		in.Data, in.Type, in.Format, in.TTL, in.MaxUses, in.Purpose, in.Context, in.Metadata, in.FirstSix,
	}.request()
	if err != nil {
		return SealOutput{}, err
	}
	body.Store = new(false)
	var out api.TokenizeResponse
	requestID, err := c.do(ctx, call{
		path: api.PathTokenize, requestID: in.RequestID, body: body, repeatable: true, // nothing is stored
		secrets: []string{in.Data.Reveal()},
	}, &out)
	if err != nil {
		return SealOutput{}, err
	}
	made, err := sealed(&out)
	return made, about(requestID, err)
}

func sealed(out *api.TokenizeResponse) (SealOutput, error) {
	if out.Row == nil || out.Token == "" {
		return SealOutput{}, notUnderstood()
	}
	row, ok := toSDK(out.Row.Item)
	if !ok {
		return SealOutput{}, notUnderstood()
	}
	put := types.TransactWriteItem{Put: &types.Put{
		TableName:           &out.Row.TableName,
		Item:                row,
		ConditionExpression: &out.Row.ConditionExpression,
	}}
	return SealOutput{
		Token: out.Token, ExpiresAt: timeOf(out.ExpiresAt), Card: cardOf(out.Card), Put: put,
	}, nil
}

// toSDK converts a row to the SDK's types. It fails for a value of a type that the vault does not use.
func toSDK(row attribute.Item) (map[string]types.AttributeValue, bool) {
	out := make(map[string]types.AttributeValue, len(row))
	for name, v := range row {
		if text, ok := v.Text(); ok {
			out[name] = &types.AttributeValueMemberS{Value: text}
		} else if number, ok := v.Number(); ok {
			out[name] = &types.AttributeValueMemberN{Value: number}
		} else if b, ok := v.Bytes(); ok {
			out[name] = &types.AttributeValueMemberB{Value: b}
		} else {
			return nil, false
		}
	}
	return out, true
}

// description is what Tokenize and Seal can say about a token.
type description struct {
	data     Secret
	kind     DataType
	format   Format
	ttl      time.Duration
	maxUses  int64
	purpose  string
	context  map[string]string
	metadata map[string]string
	firstSix bool
}

// request refuses what would be lost on the way: the API counts in whole seconds, and JSON holds nothing but UTF-8.
func (d description) request() (api.TokenizeRequest, error) {
	switch {
	case !utf8.ValidString(d.data.Reveal()):
		return api.TokenizeRequest{}, NewError(ErrInvalid, "data", "must be UTF-8")
	case !utf8.ValidString(d.purpose):
		return api.TokenizeRequest{}, NewError(ErrInvalid, "binding.purpose", "must be UTF-8")
	case !isUTF8(d.context):
		return api.TokenizeRequest{}, NewError(ErrInvalid, "binding.context", "its names and values must be UTF-8")
	case !isUTF8(d.metadata):
		return api.TokenizeRequest{}, NewError(ErrInvalid, "metadata", "its names and values must be UTF-8")
	case d.ttl < 0 || d.ttl%time.Second != 0:
		return api.TokenizeRequest{}, NewError(ErrInvalid, "ttl", "must be a positive number of whole seconds")
	}
	body := api.TokenizeRequest{
		Data:     sensitive.OnWire(d.data.text),
		Type:     api.Type(d.kind),
		Format:   token.Format(d.format),
		Metadata: d.metadata,
		FirstSix: d.firstSix,
	}
	if d.ttl > 0 {
		body.TTL = new(int64(d.ttl / time.Second))
	}
	if d.maxUses != 0 {
		body.MaxUses = &d.maxUses
	}
	if d.purpose != "" || d.context != nil { // the extension refuses an empty one
		body.Binding = &api.Binding{Context: d.context}
		if d.purpose != "" {
			body.Binding.Purpose = &d.purpose
		}
	}
	return body, nil
}

func isUTF8(m map[string]string) bool {
	for name, value := range m {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return false
		}
	}
	return true
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
