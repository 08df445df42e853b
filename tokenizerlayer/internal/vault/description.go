package vault

import (
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// Create describes a token to be made. The zero value of each field but Data asks for nothing.
type Create struct {
	Data   Data
	Format token.Format
	// TTL is how long the token lives, in whole seconds.
	TTL time.Duration
	// MaxUses is how often it can be detokenized.
	MaxUses int64
	// Purpose is what it is for: a part of the encryption context.
	Purpose string
	// Context is sealed, and must be named by whoever reads the token.
	Context map[string]string
	// Metadata is sealed beside the data.
	Metadata map[string]string
	// Deterministic gives the same data in the same Scope, and of the same format, purpose and context, the same token.
	Deterministic bool
	Scope         string
	// IdempotencyKey makes repeating the request safe for api.IdempotencyPeriod.
	IdempotencyKey string
}

// Created is a token that was made, or found.
type Created struct {
	Token string
	// Ref names the token in the log; "" for one that was found.
	Ref          string
	ExpiresAt    time.Time // zero for a token without a TTL
	Deduplicated bool      // a deterministic token that existed
}

// complete validates c and fills in what zero values mean.
func (c Create) complete() (Create, error) {
	if c.Format == "" {
		c.Format = token.UUID
	}
	return c, c.validate()
}

// indexed reports whether making the token takes the index.
func (c Create) indexed() bool { return c.Deterministic || c.IdempotencyKey != "" }

func (c Create) validate() error {
	switch {
	case c.Data.kind == "":
		return failure.New(failure.Invalid, "data", "%s", pan.ErrEmpty)
	case c.Format != token.UUID && c.Format != token.Card:
		return failure.New(failure.Invalid, "format", "must be %s or %s", token.UUID, token.Card)
	case c.Format == token.Card && c.Data.kind != api.TypeCard:
		return failure.New(failure.Invalid, "format", "must be %s for data that is not of the type %s", token.UUID,
			api.TypeCard)
	case c.TTL < 0 || c.TTL > api.MaxTTL*time.Second:
		return failure.New(failure.Invalid, "ttl", "must be from 1 to %d seconds", api.MaxTTL)
	case c.MaxUses < 0 || c.MaxUses > api.MaxUses:
		return failure.New(failure.Invalid, "max_uses", "must be from 1 to %d", api.MaxUses)
	case c.Purpose != "" && (!api.IsPurpose(c.Purpose) || pan.Like(c.Purpose)):
		return failure.New(failure.Invalid, "binding.purpose",
			"must have 1 to 64 of a-z 0-9 _ -, the first a letter or digit, and must not be a card number")
	case c.Deterministic && (c.TTL > 0 || c.MaxUses > 0):
		// Such a token would have to be replaced under those who hold it.
		return failure.New(failure.Invalid, "deterministic", "cannot be combined with ttl or max_uses")
	case c.Deterministic && c.IdempotencyKey != "":
		return failure.New(failure.Invalid, "deterministic",
			"cannot be combined with an %s: the same data gets the same token anyway", api.IdempotencyHeader)
	case c.Scope != "" && !c.Deterministic:
		return failure.New(failure.Invalid, "scope", "can be given only with deterministic")
	}
	return firstOf(checkName("scope", c.Scope), checkName(api.IdempotencyHeader, c.IdempotencyKey),
		checkMetadata(c.Metadata), checkContext(c.Context))
}
