package vault

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// Revoked is what became of a token that was revoked.
type Revoked struct {
	About
	// Existed tells whether the vault had a row of the token.
	Existed bool
	// InBackupsUntil is when the last backup that holds the sealed row is gone.
	InBackupsUntil time.Time
}

// Revoke ends a token: it puts a tombstone, and deletes the row with what the index has of it. The tombstone is put
// whether or not there is a row, for a row may still be on its way, and it stays, so that a row that comes back opens
// nothing. Revoke opens nothing itself and needs no right to decrypt.
//
// IAM: dynamodb:GetItem and DeleteItem on the vault, PutItem on the state's tombstones, GetItem and DeleteItem on the
// index. Errors: Invalid, Denied, Unavailable; InFlight if somebody else changes the same rows at the moment.
func (v *Vault) Revoke(ctx context.Context, t string) (Revoked, error) {
	tok, err := parseToken(t)
	if err != nil {
		return Revoked{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	r, err := v.getRow(ctx, tok)
	// a damaged row can be revoked too
	if err != nil && !errors.Is(err, failure.NotFound) && !errors.Is(err, failure.Integrity) {
		return Revoked{}, err
	}
	revoked := Revoked{
		About: entry{row: r}.about(), Existed: r.token != "",
		InBackupsUntil: v.now().Add(api.BackupPeriod).UTC().Truncate(time.Second),
	}
	deletes, err := v.indexDeletes(ctx, tok, r.indexed)
	if err != nil {
		return revoked, err
	}
	return revoked, v.bury(ctx, tok, r.ref, deletes)
}

// bury puts the tombstone, deletes the row, and deletes those rows of the index that are the token's. Which these are
// is not authenticated: a row that is another token's stays.
func (v *Vault) bury(ctx context.Context, tok, ref string, deletes []*dynamoapi.Delete) error {
	for {
		err := v.transact(ctx, tok, ref, deletes)
		switch {
		case err == nil:
			return nil
		case isConflict(err):
			return errInFlight
		case !isCancelled(err) || len(deletes) == 0:
			return upstream("dynamodb:TransactWriteItems", err)
		}
		var own []*dynamoapi.Delete
		for i, d := range deletes {
			if !failedAt(err, fixedItems+i) {
				own = append(own, d)
			}
		}
		if len(own) == len(deletes) {
			return upstream("dynamodb:TransactWriteItems", err)
		}
		deletes = own
	}
}

// fixedItems stand before the index's deletes in the transaction: the tombstone and the row's delete. Neither has a
// condition.
const fixedItems = 2

func (v *Vault) transact(ctx context.Context, tok, ref string, deletes []*dynamoapi.Delete) error {
	items := []dynamoapi.TransactWriteItem{
		{Put: v.tombstone(tok, ref, v.now())},
		{Delete: &dynamoapi.Delete{TableName: v.table, Key: v.rowKey(tok)}},
	}
	for _, d := range deletes {
		items = append(items, dynamoapi.TransactWriteItem{Delete: d})
	}
	return v.store.TransactWriteItems(ctx, dynamoapi.TransactWriteItemsInput{
		TransactItems: items, ClientRequestToken: uuid.NewString(),
	})
}

// indexDeletes are the deletes of what the index has of a token: the requests that its row names, its handle, and the
// fingerprints that the handle names.
func (v *Vault) indexDeletes(ctx context.Context, tok string,
	indexed []string) (deletes []*dynamoapi.Delete, err error) {
	if v.index == "" {
		return nil, nil
	}
	for _, key := range indexed { // each key once
		deletes = append(deletes, v.indexDelete(key, conditionIndexOwn, item{":token": text(tok)}))
		if !isHandle(key) {
			continue
		}
		h, err := v.getHandle(ctx, key)
		if err != nil && !errors.Is(err, failure.Integrity) { // a damaged handle can be deleted, and names nothing
			return nil, err
		}
		if h == nil || h.token != tok {
			continue
		}
		for _, fingerprint := range h.fingerprints {
			deletes = append(deletes, v.indexDelete(fingerprint, conditionIndexHandle, item{":handle": text(key)}))
		}
	}
	return deletes, nil
}

func (v *Vault) indexDelete(key, condition string, values item) *dynamoapi.Delete {
	return &dynamoapi.Delete{
		TableName:                 v.index,
		Key:                       item{attrIndexKey: text(key)},
		ConditionExpression:       condition,
		ExpressionAttributeValues: values,
	}
}
