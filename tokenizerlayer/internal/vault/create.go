package vault

import (
	"context"
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
		return failure.New(failure.Invalid, "format", "must be %s for data that is not of the type %s", token.UUID, api.TypeCard)
	case c.TTL < 0 || c.TTL > api.MaxTTL*time.Second:
		return failure.New(failure.Invalid, "ttl", "must be from 1 to %d seconds", api.MaxTTL)
	case c.MaxUses < 0 || c.MaxUses > api.MaxUses:
		return failure.New(failure.Invalid, "max_uses", "must be from 1 to %d", api.MaxUses)
	case c.Purpose != "" && (!api.IsPurpose(c.Purpose) || pan.Like(c.Purpose)):
		return failure.New(failure.Invalid, "binding.purpose", "must have 1 to 64 of a-z 0-9 _ -, the first a letter or digit, and be no card number")
	case c.Deterministic && (c.TTL > 0 || c.MaxUses > 0):
		// Such a token would have to be replaced under those who hold it.
		return failure.New(failure.Invalid, "deterministic", "cannot be combined with ttl or max_uses")
	case c.Deterministic && c.IdempotencyKey != "":
		return failure.New(failure.Invalid, "deterministic", "cannot be combined with an %s: the same data gets the same token anyway", api.IdempotencyHeader)
	case c.Scope != "" && !c.Deterministic:
		return failure.New(failure.Invalid, "scope", "can be given only with deterministic")
	}
	return firstOf(checkName("scope", c.Scope), checkName(api.IdempotencyHeader, c.IdempotencyKey), checkMetadata(c.Metadata), checkContext(c.Context))
}

// maxDraws is how often Create draws another token because one exists. Two UUIDs are never the same; of the 90 million card tokens
// that a card of 12 digits can get, few exist.
const maxDraws = 5

var errTaken = failure.New(failure.Internal, "", "%d tokens in a row existed already", maxDraws)

// Create makes a token and stores its row. If the token exists already, Create draws another one; it never overwrites a row. A
// repeated put of the same row, as after a lost answer, succeeds.
//
// IAM: kms:GenerateDataKey on TokenKey, dynamodb:PutItem on the vault; for Deterministic and IdempotencyKey also kms:GenerateMac on
// FingerprintKey, dynamodb:GetItem and PutItem on the index. Errors: Invalid, Denied, Unavailable; with the index also KeyReused,
// InFlight, Integrity, NotReady.
func (v *Vault) Create(ctx context.Context, c Create) (Created, error) {
	c, err := c.complete()
	if err != nil {
		return Created{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	if c.indexed() {
		return v.createIndexed(ctx, c)
	}
	for range maxDraws {
		r, err := v.seal(ctx, c)
		if err != nil {
			return Created{}, err
		}
		err = v.putRow(ctx, r)
		if isRefused(err) {
			continue
		}
		if err != nil {
			return Created{}, upstream("dynamodb:PutItem", err)
		}
		return r.created(), nil
	}
	return Created{}, errTaken
}

// Seal returns a token and the row that the caller has to put, in a transaction with the row that refers to it.
//
// IAM: kms:GenerateDataKey on TokenKey, and dynamodb:PutItem on the vault for whoever commits the row.
func (v *Vault) Seal(ctx context.Context, c Create) (Created, api.Row, error) {
	c, err := c.complete()
	if err != nil {
		return Created{}, api.Row{}, err
	}
	if c.indexed() { // that takes rows of the index, which only the extension writes
		return Created{}, api.Row{}, failure.New(failure.Invalid, "store", "must be true for a deterministic token or an %s", api.IdempotencyHeader)
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	r, err := v.seal(ctx, c)
	if err != nil {
		return Created{}, api.Row{}, err
	}
	return r.created(), api.Row{TableName: v.table, Item: v.rowItem(r), ConditionExpression: conditionAbsent}, nil
}

// seal makes a token for c and seals c for it. The seed is in the envelope, and nowhere else afterwards.
func (v *Vault) seal(ctx context.Context, c Create) (row, error) {
	seed := v.newSeed()
	defer clear(seed[:])
	r := row{token: seed.Token(c.Format, c.Data.number), ref: seed.Ref(), purpose: c.Purpose}
	now := v.now()
	if c.TTL > 0 {
		r.expires = now.Add(c.TTL)
	}
	key, err := v.dataKey(ctx, r.ref, r.purpose)
	if err != nil {
		return row{}, err
	}
	defer clear(key.Plaintext)
	p := newPayload(c, seed, now, r.expires)
	defer p.wipe()
	plaintext := p.encode()
	defer clear(plaintext)
	if r.message, err = v.envelope.Seal(ctx, key, v.context(r.ref, r.purpose), plaintext); err != nil {
		return row{}, failure.New(failure.Internal, "", "the envelope cannot be sealed")
	}
	return r, nil
}
