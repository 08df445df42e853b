package vault

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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
	// Metadata is sealed beside the data.
	Metadata map[string]string
	// Deterministic gives the same data in the same Scope, and of the same format and purpose, the same token.
	Deterministic bool
	Scope         string
	// IdempotencyKey makes repeating the request safe for api.IdempotencyPeriod.
	IdempotencyKey string
}

// Created is a token that was made, or found.
type Created struct {
	Token        string
	ExpiresAt    time.Time // zero for a token without a TTL
	Deduplicated bool      // a deterministic token that was there
}

// nameForm is that of scopes, metadata, idempotency keys and attempts.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

// checkMetadata: metadata can be read by those who may not see the data.
func checkMetadata(m map[string]string) error {
	const field = "metadata"
	size := 0
	for name, value := range m {
		size += len(name) + len(value)
		switch {
		case !nameForm.MatchString(name):
			return failure.New(failure.Invalid, field, "its names must have 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit")
		case pan.IsAuthenticationData(name):
			return failure.New(failure.Invalid, field, "it names a verification code, track data or a PIN, which must never be sent here; remove it")
		case !Printable(value):
			return failure.New(failure.Invalid, field, "its values must be UTF-8 without control characters")
		case pan.Like(name), pan.Like(value):
			return failure.New(failure.Invalid, field, "it looks like it holds a card number, which belongs in data only")
		}
	}
	if len(m) > api.MaxMetadata || size > api.MaxMetadataBytes {
		return failure.New(failure.Invalid, field, "must have at most %d members with %d bytes in all", api.MaxMetadata, api.MaxMetadataBytes)
	}
	return nil
}

// checkName checks an optional name that the caller gives to something.
func checkName(field, name string) error {
	switch {
	case name == "":
		return nil
	case !nameForm.MatchString(name):
		return failure.New(failure.Invalid, field, "must have 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit")
	case pan.Like(name):
		return failure.New(failure.Invalid, field, "looks like it holds a card number, which belongs in data only")
	}
	return nil
}

func (c Create) validate() error {
	switch {
	case c.Data.kind == "":
		return failure.New(failure.Invalid, "data", "%s", pan.ErrEmpty)
	case c.Format != token.UUID && c.Format != token.Card:
		return failure.New(failure.Invalid, "format", "must be %s or %s", token.UUID, token.Card)
	case c.Format == token.Card && c.Data.kind != api.TypeCard:
		return failure.New(failure.Invalid, "format", "%s goes with data of the type %s only", token.Card, api.TypeCard)
	case c.TTL < 0 || c.TTL > api.MaxTTL*time.Second:
		return failure.New(failure.Invalid, "ttl", "must be from 1 to %d seconds", api.MaxTTL)
	case c.MaxUses < 0 || c.MaxUses > api.MaxUses:
		return failure.New(failure.Invalid, "max_uses", "must be from 1 to %d", api.MaxUses)
	case c.Purpose != "" && (!api.IsPurpose(c.Purpose) || pan.Like(c.Purpose)):
		return failure.New(failure.Invalid, "binding.purpose", "must have 1 to 64 of a-z 0-9 _ -, the first a letter or digit, and be no card number")
	case c.Deterministic && (c.TTL > 0 || c.MaxUses > 0):
		// Such a token would have to be replaced under those who hold it.
		return failure.New(failure.Invalid, "deterministic", "does not go with ttl or max_uses")
	case c.Scope != "" && !c.Deterministic:
		return failure.New(failure.Invalid, "scope", "goes with deterministic only")
	}
	return firstOf(checkName("scope", c.Scope), checkName(api.IdempotencyHeader, c.IdempotencyKey), checkMetadata(c.Metadata))
}

func firstOf(errs ...error) error {
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}

// How often and how long Create tries: a token that is taken is replaced, and transactions on the same index rows cancel each
// other for a while.
const (
	maxDraws   = 5 // a uuid is never taken; of the 90 million card tokens that a card of 12 digits can get, few are
	maxRounds  = 12
	firstPause = 10 * time.Millisecond
	maxPause   = 400 * time.Millisecond
)

// Create makes a token and stores its row. A token that another row has is replaced, never overwritten; a repeated put of the
// same row, as after a lost answer, succeeds.
//
// IAM: kms:GenerateDataKey on TokenKey, dynamodb:PutItem on the vault; for Deterministic and IdempotencyKey also
// kms:GenerateMac on FingerprintKey, dynamodb:GetItem and PutItem on the index.
// Errors: ErrInvalid, ErrKeyReused, ErrInFlight, ErrDenied, ErrUnavailable, ErrNotReady.
func (v *Vault) Create(ctx context.Context, c Create) (Created, error) {
	c, err := c.complete()
	if err != nil {
		return Created{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	if c.Deterministic || c.IdempotencyKey != "" {
		return v.createIndexed(ctx, c)
	}
	for range maxDraws {
		row, err := v.seal(ctx, c)
		if err != nil {
			return Created{}, err
		}
		err = v.put(ctx, row)
		if _, taken := errors.AsType[*types.ConditionalCheckFailedException](err); taken {
			continue
		}
		if err != nil {
			return Created{}, upstream("dynamodb:PutItem", err)
		}
		return row.created(), nil
	}
	return Created{}, errTaken
}

var errTaken = failure.New(failure.Internal, "", "%d tokens in a row were taken", maxDraws)

// complete validates c and fills in what zero values mean.
func (c Create) complete() (Create, error) {
	if c.Format == "" {
		c.Format = token.UUID
	}
	return c, c.validate()
}

// Seal returns a token and the row that the caller has to put, in a transaction with the row that refers to it.
//
// IAM: kms:GenerateDataKey on TokenKey, and dynamodb:PutItem on the vault for whoever commits the row.
func (v *Vault) Seal(ctx context.Context, c Create) (Created, api.Row, error) {
	c, err := c.complete()
	if err != nil {
		return Created{}, api.Row{}, err
	}
	if c.Deterministic || c.IdempotencyKey != "" { // both need rows of the index, which only the extension writes
		return Created{}, api.Row{}, failure.New(failure.Invalid, "store", "must be true for a deterministic token or an %s", api.IdempotencyHeader)
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	r, err := v.seal(ctx, c)
	if err != nil {
		return Created{}, api.Row{}, err
	}
	return r.created(), api.Row{TableName: v.table, Item: r.item(), ConditionExpression: conditionAbsent}, nil
}

// seal draws a token and seals c for it.
func (v *Vault) seal(ctx context.Context, c Create) (row, error) {
	drawn, err := v.newToken(c.Format, c.Data.number)
	if err != nil {
		return row{}, failure.New(failure.Internal, "", "no randomness")
	}
	r := row{token: drawn, account: v.account, purpose: c.Purpose, format: formatCurrent, limited: c.MaxUses > 0}
	now := v.now()
	if c.TTL > 0 {
		r.expires = now.Add(c.TTL)
	}
	key, err := v.dataKey(ctx, r)
	if err != nil {
		return row{}, err
	}
	defer clear(key.Plaintext)
	plaintext := encodePayload(c, now, r.expires)
	defer clear(plaintext)
	if r.message, err = v.envelope.Seal(ctx, key, v.context(r), plaintext); err != nil {
		return row{}, failure.New(failure.Internal, "", "the envelope cannot be sealed")
	}
	return r, nil
}

// pause waits a random while, the longer the more rounds there were, so that rivals do not meet again.
func pause(ctx context.Context, round int) error {
	timer := time.NewTimer(rand.N(min(firstPause<<round, maxPause)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return upstream("dynamodb:TransactWriteItems", ctx.Err())
	}
}

// canonical lists a map's members in one order.
func canonical(m map[string]string) (parts []string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, name, m[name])
	}
	return parts
}
