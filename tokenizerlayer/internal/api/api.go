// Package api holds the wire types and limits of the layer's loopback API, version 1. Server and client share it;
// docs/api.md describes the API for people.
package api

import (
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/form"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// Where the API is. Use the address, not the name localhost, which may mean IPv6.
const (
	Host                = "127.0.0.1"
	DefaultPort         = 2774
	PathTokenize        = "/v1/tokenize"
	PathTokenizeBatch   = "/v1/tokenize/batch"
	PathDetokenize      = "/v1/detokenize"
	PathDetokenizeBatch = "/v1/detokenize/batch"
	PathValidate        = "/v1/validate"
	PathMetadata        = "/v1/metadata"
	PathRevoke          = "/v1/revoke"
	PathPing            = "/ping"
)

// ClientTimeout is how long the clients wait for an answer. A function needs a longer timeout than that to handle a
// failed call.
const ClientTimeout = 5 * time.Second

// Headers of a request.
const (
	// TokenHeader must carry the function's AWS_SESSION_TOKEN, which a request that was merely reflected to the
	// loopback address cannot know.
	TokenHeader = "X-Tokenizer-Token"
	// IdempotencyHeader makes POST /v1/tokenize safe to repeat for 24 hours.
	IdempotencyHeader = "Idempotency-Key"
	// RequestHeader is the caller's own name for the request, for the log; the extension makes one up otherwise.
	// Answers carry it too.
	RequestHeader = "X-Request-Id"
)

// MaxBody bounds a request's and an answer's body, in bytes. MinBodyLimit is the least that a lower limit can be set
// to. Batches have limits of their own, which no setting changes.
const (
	MaxBody        = 32 << 10
	MinBodyLimit   = 64
	MaxBatchBody   = 1 << 20
	MaxBatchAnswer = 4 << 20
)

// Limits of members, which docs/api.md lists as well.
const (
	MaxBatch          = 100                  // items
	MaxText           = 4 << 10              // bytes of UTF-8
	MaxTTL            = 10 * 365 * 24 * 3600 // seconds: ten years
	MaxUses           = 1_000_000            // of one token
	MaxMetadata       = 16                   // members
	MaxMetadataBytes  = 2 << 10              // names and values together
	MaxContext        = 8                    // members of a binding's context
	MaxContextBytes   = 1 << 10              // names and values together
	MaxReason         = 256                  // characters
	IdempotencyPeriod = 24 * time.Hour       // for which an Idempotency-Key is remembered
	AttemptPeriod     = 15 * time.Minute     // in which the last attempt may be repeated
	BackupPeriod      = 35 * 24 * time.Hour  // of the table's point-in-time recovery
)

// Limits of the extension's settings, which whoever attaches the layer and the extension itself hold to.
const (
	MaxKeyVersions = 4 // versions of a key in use at a time
	MinPort        = 1024
	MaxPort        = 65535
	// tokens opened a second: far more than one environment, which serves one invocation at a time, needs
	DefaultReadRate    = 100
	MaxReadRate        = 10_000
	DefaultConnections = 64 // at a time
	MaxConnections     = 1024
	DefaultKeysAhead   = 64 // data keys of one purpose that are held before they are needed
	MaxKeysAhead       = 256
)

// IsPurpose tells whether s has the form of a [Binding.Purpose]: 1 to 64 of a-z 0-9 _ -, the first a letter or digit.
func IsPurpose(s string) bool {
	return form.Consists(s, form.Lower+form.Digits+"_-", 1, 64) && form.Begins(s, form.Lower+form.Digits)
}

// IsKeyVersion tells whether s has the form of a name for a version of a key: 1 to 16 of a-z 0-9.
func IsKeyVersion(s string) bool { return form.Consists(s, form.Lower+form.Digits, 1, 16) }

// IsName tells whether s has the form of a name that a caller gives, to a scope, an idempotency key, an attempt, a
// member of metadata: 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit.
func IsName(s string) bool {
	return form.Consists(s, form.Letters+form.Digits+"._:-", 1, 128) && form.Begins(s, form.Letters+form.Digits)
}

// IsKeyARN tells whether s has the form of a KMS key's ARN: arn:PARTITION:kms:REGION:ACCOUNT:key/ID.
func IsKeyARN(s string) bool {
	part := strings.Split(s, ":")
	if len(part) != 6 || part[0] != "arn" || part[2] != "kms" {
		return false
	}
	partition, ofAWS := strings.CutPrefix(part[1], "aws")
	id, ofKey := strings.CutPrefix(part[5], "key/")
	return ofAWS && ofKey && form.Consists(partition, form.Lower+"-", 0, 64) &&
		form.Consists(part[3], form.Lower+form.Digits+"-", 1, 64) &&
		IsAccountID(part[4]) && form.Consists(id, form.Letters+form.Digits+"-", 1, 256)
}

// IsAccountID tells whether s has the form of an AWS account's id: 12 digits.
func IsAccountID(s string) bool { return form.Consists(s, form.Digits, 12, 12) }

// IsTableName tells whether s has the form of a DynamoDB table's name: 3 to 255 of A-Z a-z 0-9 _ . -.
func IsTableName(s string) bool { return form.Consists(s, form.Letters+form.Digits+"_.-", 3, 255) }

// Type says what data is.
type Type string

// The types. TypeCard is what an absent one means.
const (
	TypeCard Type = "card" // a card number: validated, and stored as digits only
	TypeText Type = "text" // any text of at most MaxText bytes, stored as it is
)

// TokenizeRequest is the body of POST /v1/tokenize. Zero values mean that nothing is asked for.
type TokenizeRequest struct {
	// Data is what the token will stand for.
	Data sensitive.Wire `json:"data"`
	Type Type           `json:"type,omitempty"`
	// Format is how the token looks: token.UUID, which "" means, or token.Card for data of TypeCard.
	Format token.Format `json:"format,omitempty"`
	// TTL is how long the token lives, in seconds; nil means until it is revoked.
	TTL *int64 `json:"ttl,omitempty"`
	// MaxUses is how often the token can be detokenized; nil means without limit.
	MaxUses *int64 `json:"max_uses,omitempty"`
	// Deterministic gives the same data in the same Scope the same token.
	Deterministic bool   `json:"deterministic,omitempty"`
	Scope         string `json:"scope,omitempty"`
	// Binding restricts who can detokenize.
	Binding *Binding `json:"binding,omitempty"`
	// Metadata is sealed beside the data and can be read without it.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Store false leaves the row to the caller, who commits it with rows of its own; nil means true.
	Store *bool `json:"store,omitempty"`
	// FirstSix asks for the first six digits in the answer's Card. It is no part of what makes two requests the same.
	FirstSix bool `json:"first_six,omitempty"`
}

// Binding ties a token to what it is for.
type Binding struct {
	// Purpose becomes part of the encryption context: only a function whose grant names it can detokenize.
	// nil means none, and "" is refused: a purpose that was lost on the way must not make a token without one.
	Purpose *string `json:"purpose,omitempty"`
	// Context is sealed: only a request that names the same opens the token. nil means none, and an empty one is
	// refused.
	Context map[string]string `json:"context,omitzero"`
}

// Presented is the binding that a request about a token names.
type Presented struct {
	// Context must be the one that the token was made with.
	Context map[string]string `json:"context,omitempty"`
}

// TokenizeResponse answers POST /v1/tokenize.
type TokenizeResponse struct {
	Token string `json:"token"`
	// ExpiresAt is when the token's life ends, in RFC 3339; absent for one without a TTL.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// Deduplicated tells, for a deterministic token, whether it was there already; absent otherwise.
	Deduplicated *bool `json:"deduplicated,omitempty"`
	// Row is what the caller has to put when Store was false. It is nil otherwise.
	Row *Row `json:"row,omitempty"`
	// Card tells what may be shown and stored of a card beside its token; nil for a text.
	Card *Card `json:"card,omitempty"`
}

// Card is what PCI DSS lets people see and systems store of a card number.
type Card struct {
	// Brand is one of package brand.
	Brand    string `json:"brand"`
	LastFour string `json:"last_four"`
	// Length is how many digits the number has.
	Length int `json:"length"`
	// FirstSix is "" unless it was asked for and the number has 15 digits or more.
	FirstSix string `json:"first_six,omitempty"`
}

// Row is a sealed row of the vault: the input of a conditional put, in DynamoDB's own JSON.
type Row struct {
	TableName string         `json:"table_name"`
	Item      attribute.Item `json:"item"`
	// ConditionExpression must go with the put: it keeps a token from being overwritten.
	ConditionExpression string `json:"condition_expression"`
}

// Redaction says how much of the data an answer shows.
type Redaction string

// The redactions. Masked is what an absent one means.
const (
	Masked    Redaction = "MASKED"
	PlainText Redaction = "PLAIN_TEXT"
)

// Mask says which characters Masked leaves.
type Mask string

// The masks. LastFour is what an absent one means.
const (
	LastFour         Mask = "LAST_4"
	FirstSixLastFour Mask = "FIRST_6_LAST_4" // of cards with 15 digits and more; PCI DSS 3.4.1 allows no more
)

// DetokenizeRequest is the body of POST /v1/detokenize.
type DetokenizeRequest struct {
	Token     string    `json:"token"`
	Redaction Redaction `json:"redaction,omitempty"`
	Mask      Mask      `json:"mask,omitempty"`
	// Attempt is the caller's name for this attempt at a token of limited uses: repeated within AttemptPeriod it gets
	// the same answer and counts once.
	Attempt string `json:"attempt,omitempty"`
	// Binding names the context that the token is bound to.
	Binding Presented `json:"binding,omitzero"`
	// Reason is recorded.
	Reason string `json:"reason,omitempty"`
}

// DetokenizeResponse answers POST /v1/detokenize.
type DetokenizeResponse struct {
	Data      sensitive.Wire `json:"data"`
	Redaction Redaction      `json:"redaction"`
}

// Batch is the body of POST /v1/tokenize/batch and /v1/detokenize/batch, with items of the type [TokenizeItem] or
// [DetokenizeItem], and the body of their answers, with as many items of the type [TokenizeResult] or
// [DetokenizeResult] in the same order.
type Batch[Item any] struct {
	Items []Item `json:"items"`
}

// TokenizeItem is one item of POST /v1/tokenize/batch.
type TokenizeItem struct {
	// Reference is the caller's name for the item; no other item of the batch has it.
	Reference string `json:"reference,omitempty"`
	// IdempotencyKey stands in place of the header.
	IdempotencyKey string `json:"idempotency_key,omitempty"`
	TokenizeRequest
}

// TokenizeResult is what became of one item: an answer or a problem, and nil for the other.
type TokenizeResult struct {
	Reference string `json:"reference,omitempty"`
	*TokenizeResponse
	Problem *problem.Document `json:"problem,omitempty"`
}

// DetokenizeItem is one item of POST /v1/detokenize/batch.
type DetokenizeItem struct {
	// Reference is as for [TokenizeItem].
	Reference string `json:"reference,omitempty"`
	DetokenizeRequest
}

// DetokenizeResult is what became of one item: an answer or a problem, and nil for the other.
type DetokenizeResult struct {
	Reference string `json:"reference,omitempty"`
	*DetokenizeResponse
	Problem *problem.Document `json:"problem,omitempty"`
}

// TokenRequest is the body of POST /v1/validate and /v1/metadata.
type TokenRequest struct {
	Token string `json:"token"`
	// Binding names the context that the token is bound to.
	Binding Presented `json:"binding,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

// RevokeRequest is the body of POST /v1/revoke.
type RevokeRequest struct {
	Token  string `json:"token"`
	Reason string `json:"reason,omitempty"`
}

// ValidateResponse answers POST /v1/validate.
type ValidateResponse struct {
	// Live tells whether a detokenize would be answered now.
	Live bool `json:"live"`
}

// MetadataResponse answers POST /v1/metadata. All of it but Uses is authenticated by the envelope.
type MetadataResponse struct {
	Type      Type              `json:"type"`
	Purpose   string            `json:"purpose,omitempty"`
	CreatedAt time.Time         `json:"created_at"`
	ExpiresAt *time.Time        `json:"expires_at,omitempty"`
	MaxUses   int64             `json:"max_uses,omitempty"`
	Uses      int64             `json:"uses,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

// RevokeResponse answers POST /v1/revoke.
type RevokeResponse struct {
	Revoked bool `json:"revoked"`
	// Existed tells whether the vault had a row of the token.
	Existed bool `json:"existed"`
	// InBackupsUntil is when the last backup that holds the sealed row is gone. A row that is restored from one does
	// not open.
	InBackupsUntil time.Time `json:"in_backups_until"`
}

// PingResponse answers GET /ping.
type PingResponse struct {
	Status string `json:"status"`
	// Release is the digest of the layer's content, the same as the function's TOKENIZER_LAYER_DIGEST.
	Release string `json:"release"`
}
