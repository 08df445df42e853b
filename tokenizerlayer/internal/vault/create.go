package vault

import (
	"context"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// maxDraws is how often Create draws another token because one exists. Two UUIDs are never the same; of the 90 million
// card tokens that a card of 12 digits can get, few exist.
const maxDraws = 5

var errTaken = failure.New(failure.Internal, "", "%d tokens in a row existed already", maxDraws)

// Create makes a token and stores its row. If the token exists already, Create draws another one; it never overwrites a
// row. A repeated put of the same row, as after a lost answer, succeeds.
//
// IAM: kms:GenerateDataKey on TokenKey, dynamodb:PutItem on the vault; for Deterministic and IdempotencyKey also
// kms:GenerateMac on FingerprintKey, dynamodb:GetItem and PutItem on the index. Errors: Invalid, Denied, Unavailable;
// with the index also KeyReused, InFlight, Integrity, NotReady.
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
		r, err := v.sealNew(ctx, c)
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
		return Created{}, api.Row{}, failure.New(failure.Invalid, "store",
			"must be true for a deterministic token or an %s", api.IdempotencyHeader)
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	r, err := v.sealNew(ctx, c)
	if err != nil {
		return Created{}, api.Row{}, err
	}
	return r.created(), api.Row{TableName: v.table, Item: v.rowItem(r), ConditionExpression: conditionAbsent}, nil
}
