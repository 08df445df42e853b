package client

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// DataType says what data is.
type DataType string

// The types of data.
const (
	// TypeCard is a card number. It is checked, and stored as digits only.
	TypeCard = DataType(api.TypeCard)
	// TypeText is any text of at most 4 KiB of UTF-8, stored as it is.
	TypeText = DataType(api.TypeText)
)

// Format says how a token looks.
type Format string

// The formats of tokens.
const (
	// FormatUUID is a version 4 UUID in lower case, with 122 random bits.
	FormatUUID = Format(token.UUID)
	// FormatCard has the length and the last four digits of the card, and a check digit that does not fit.
	FormatCard = Format(token.Card)
)

// TokenizeInput asks for a token. Only Data is required.
type TokenizeInput struct {
	// Data is what the token will stand for.
	Data Secret
	// Type says what Data is; "" means [TypeCard].
	Type DataType
	// Format says how the token looks; "" means [FormatUUID]. [FormatCard] is for data of [TypeCard].
	Format Format
	// TTL is how long the token lives, in whole seconds from 1 second to 10 years; 0 means until it is revoked.
	TTL time.Duration
	// MaxUses is how often the token can be detokenized, 1 to 1,000,000; 0 means without limit.
	MaxUses int64
	// Purpose binds the token: only a function whose grant names the purpose can detokenize it. It has 1 to 64 of a-z 0-9 _ -, the
	// first a letter or digit; "" binds it to no purpose.
	Purpose string
	// Metadata is sealed beside Data, at most 16 members and 2 KiB in all. Reading it takes the Detokenize grant.
	Metadata map[string]string
	// Deterministic gives the same data in the same Scope the same token. It takes the Index grant, and cannot be combined with TTL or
	// MaxUses.
	Deterministic bool
	// Scope separates deterministic tokens, for example by customer. It has 1 to 128 of A-Z a-z 0-9 . _ : -; "" is a scope too.
	Scope string
	// IdempotencyKey makes repeating the call safe: for 24 hours the same key gives the same token. It takes the Index grant, and has 1
	// to 128 of A-Z a-z 0-9 . _ : -; "" means that a repeated call makes another token.
	IdempotencyKey string
	// RequestID names the call in the extension's log, 1 to 64 of A-Z a-z 0-9 -; "" lets the extension make up a name.
	RequestID string
}

// TokenizeOutput is a token that is stored.
type TokenizeOutput struct {
	Token string
	// ExpiresAt is when the token's life ends; the zero time for a token without a TTL.
	ExpiresAt time.Time
	// Deduplicated tells that a deterministic token existed already.
	Deduplicated bool
}

// Tokenize stores data in the vault and returns its token. If the call fails with [ErrUnavailable], the token may exist, but nobody
// knows it; with an IdempotencyKey, repeating the call returns it.
//
// IAM: the Tokenize grant, and the Index grant for Deterministic and IdempotencyKey. Errors: [ErrInvalid], [ErrDenied],
// [ErrTooLarge], [ErrUnavailable], [ErrNotReady]; with IdempotencyKey also [ErrKeyReused], and [ErrInFlight], as with Deterministic.
func (c *Client) Tokenize(ctx context.Context, in TokenizeInput) (TokenizeOutput, error) {
	what := description{in.Data, in.Type, in.Format, in.TTL, in.MaxUses, in.Purpose, in.Metadata}
	body, err := what.request()
	if err != nil {
		return TokenizeOutput{}, err
	}
	body.Deterministic, body.Scope = in.Deterministic, in.Scope
	var out api.TokenizeResponse
	err = c.call(ctx, call{
		method: http.MethodPost, path: api.PathTokenize, requestID: in.RequestID, idempotencyKey: in.IdempotencyKey, body: body,
	}, &out)
	return TokenizeOutput{
		Token: out.Token, ExpiresAt: timeOf(out.ExpiresAt), Deduplicated: out.Deduplicated != nil && *out.Deduplicated,
	}, err
}

// SealInput asks for a token whose row you store yourself. Only Data is required. The fields are those of [TokenizeInput].
type SealInput struct {
	Data      Secret
	Type      DataType
	Format    Format
	TTL       time.Duration
	MaxUses   int64
	Purpose   string
	Metadata  map[string]string
	RequestID string
}

// SealOutput is a token that is not stored yet.
type SealOutput struct {
	Token string
	// ExpiresAt is when the token's life ends; the zero time for a token without a TTL.
	ExpiresAt time.Time
	// Put stores the token's row unless the token exists already. Commit it in the same TransactWriteItems as your own row that holds the
	// token: then neither row can exist without the other.
	Put types.TransactWriteItem
}

// Seal returns a token for data, and leaves storing the vault's row to you. Until the row is stored the token opens nothing.
//
// IAM: the Tokenize grant, of which the extension uses kms:GenerateDataKey and you use dynamodb:PutItem. Errors: [ErrInvalid],
// [ErrDenied], [ErrTooLarge], [ErrUnavailable], [ErrNotReady].
func (c *Client) Seal(ctx context.Context, in SealInput) (SealOutput, error) {
	what := description{in.Data, in.Type, in.Format, in.TTL, in.MaxUses, in.Purpose, in.Metadata}
	body, err := what.request()
	if err != nil {
		return SealOutput{}, err
	}
	body.Store = new(false)
	var out api.TokenizeResponse
	if err := c.post(ctx, api.PathTokenize, in.RequestID, body, &out); err != nil {
		return SealOutput{}, err
	}
	if out.Row == nil || out.Token == "" {
		return SealOutput{}, newError(failure.New(failure.Internal, "", "the extension's answer has no row"))
	}
	return SealOutput{Token: out.Token, ExpiresAt: timeOf(out.ExpiresAt), Put: types.TransactWriteItem{Put: &types.Put{
		TableName:           &out.Row.TableName,
		Item:                out.Row.Item.DynamoDB(),
		ConditionExpression: &out.Row.ConditionExpression,
	}}}, nil
}

// description is what Tokenize and Seal can say about a token.
type description struct {
	data     Secret
	kind     DataType
	format   Format
	ttl      time.Duration
	maxUses  int64
	purpose  string
	metadata map[string]string
}

// request refuses what would otherwise get lost on the way: the API has no word for a negative number, or for half a second.
func (d description) request() (api.TokenizeRequest, error) {
	body := api.TokenizeRequest{
		Data: sensitive.OnWire(d.data.text), Type: api.Type(d.kind), Format: token.Format(d.format), Metadata: d.metadata,
	}
	if d.ttl != 0 {
		if d.ttl < 0 || d.ttl%time.Second != 0 {
			return body, newError(failure.New(failure.Invalid, "ttl", "must be a positive number of whole seconds"))
		}
		body.TTL = new(int64(d.ttl / time.Second))
	}
	if d.maxUses != 0 {
		body.MaxUses = &d.maxUses
	}
	if d.purpose != "" {
		body.Binding = &api.Binding{Purpose: d.purpose}
	}
	return body, nil
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
