package vault

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// The state table holds what must not go back: that a token was revoked, and how often it was used. A role that may
// tokenize cannot write it. There are two kinds of item, told apart by the beginning of their key, because IAM can
// limit a role to keys with a beginning (dynamodb:LeadingKeys) but cannot let it read one attribute of an item and not
// another:
//
//	gone#<token>            the tombstone of a revoked token. Revoke puts it, nobody may delete it, it never expires
//	use#<purpose>#<token>   the uses of a token. Detokenize counts there, for its own purposes only
//
// The token can be read from these keys, as from the vault's own: it opens nothing without the right to detokenize.

// Attributes of the state table. Account_Id is the sort key.
const (
	attrState     = "State_Key"
	attrRevokedAt = "RevokedAt" // Unix seconds, as all times
	attrUses      = "Uses"
	attrAttempt   = "LastAttempt"
	attrTried     = "LastAttemptAt"
)

func (v *Vault) stateKey(key string) item {
	return item{attrState: text(key), attrAccount: text(v.account)}
}

func goneKey(tok string) string { return "gone#" + tok }

func useKey(purpose, tok string) string { return "use#" + purpose + "#" + tok }

// getState reads an item of the state. If it cannot be read, nothing is known: that is an error, never "not revoked".
func (v *Vault) getState(ctx context.Context, key string) (item, error) {
	i, err := v.store.GetItem(ctx, dynamoapi.GetItemInput{
		TableName: v.state, Key: v.stateKey(key), ConsistentRead: true,
	})
	if err != nil {
		return nil, upstream("dynamodb:GetItem", err)
	}
	return i, nil
}

// isGone reports whether a token has a tombstone. Whatever the tombstone says, it is one.
func (v *Vault) isGone(ctx context.Context, tok string) (bool, error) {
	i, err := v.getState(ctx, goneKey(tok))
	return len(i) > 0, err
}

// tombstone is the put that revokes a token.
func (v *Vault) tombstone(tok, ref string, now time.Time) *dynamoapi.Put {
	i := v.stateKey(goneKey(tok))
	i[attrRevokedAt] = seconds(now)
	if ref != "" {
		i[attrRef] = text(ref)
	}
	return &dynamoapi.Put{TableName: v.state, Item: i}
}

// use is what the state says of a token's uses.
type use struct {
	count   int64
	attempt string // digest of the last attempt
	tried   time.Time
}

// getUse reads how often a token was used, at most limit times. A token that was never used has no item. A count that
// no counting can have led to is an integrity error.
func (v *Vault) getUse(ctx context.Context, r row, limit int64) (use, error) {
	i, err := v.getState(ctx, useKey(r.purpose, r.token))
	if err != nil || len(i) == 0 {
		return use{}, err
	}
	count, ok := numberOf(i[attrUses])
	if !ok || count < 1 || count > limit {
		return use{}, integrity("the token's count of uses is not from 1 to its limit")
	}
	return use{count: count, attempt: textOf(i[attrAttempt]), tried: timeOf(i[attrTried])}, nil
}

// isBy reports whether the last use was this attempt's, and recent. A time in the future is an error of a clock at
// best.
func (u use) isBy(attempt string, now time.Time) bool {
	return u.attempt == attempt && now.Sub(u.tried).Abs() < api.AttemptPeriod
}

// attemptDigest stands for an attempt: the caller's name for it, who made it, and how much it shows, so that a repeat
// cannot show more than what was counted. A caller that gives no name repeats nothing, but the client of DynamoDB may
// repeat the update for it.
func (v *Vault) attemptDigest(name, redaction string) string {
	if name == "" {
		name = uuid.NewString()
	}
	return hex.EncodeToString(digest("attempt", v.actor, name, redaction)[:16])
}

// There is a use left, and this attempt has not been counted, as it has when an update is repeated whose answer got
// lost.
const (
	conditionUse = "(attribute_not_exists(" + attrUses + ") OR " + attrUses + " >= :zero AND " + attrUses +
		" < :max) AND " +
		"(attribute_not_exists(" + attrAttempt + ") OR " + attrAttempt + " <> :attempt OR " + attrTried + " <= :since)"
	updateUse = "SET " + attrUses + " = if_not_exists(" + attrUses + ", :zero) + :one, " + attrAttempt +
		" = :attempt, " + attrTried + " = :now"
)

var errUsedUp = failure.New(failure.UsedUp, "token", "the token has been used as often as it may be")

// countUse counts one use of a token that has limit of them, unless this attempt has been counted.
func (v *Vault) countUse(ctx context.Context, r row, limit int64, attempt string) error {
	now := v.now()
	err := v.store.UpdateItem(ctx, dynamoapi.UpdateItemInput{
		TableName:           v.state,
		Key:                 v.stateKey(useKey(r.purpose, r.token)),
		UpdateExpression:    updateUse,
		ConditionExpression: conditionUse,
		ExpressionAttributeValues: item{
			":zero":    number(0),
			":one":     number(1),
			":max":     number(limit),
			":attempt": text(attempt),
			":now":     seconds(now),
			":since":   seconds(now.Add(-api.AttemptPeriod)),
		},
	})
	if err == nil {
		return nil
	}
	if !isRefused(err) {
		return upstream("dynamodb:UpdateItem", err)
	}
	// The token is used up; unless this very attempt came twice, or the count was tampered with.
	used, err := v.getUse(ctx, r, limit)
	if err != nil {
		return err
	}
	if used.isBy(attempt, now) {
		return nil
	}
	return errUsedUp
}
