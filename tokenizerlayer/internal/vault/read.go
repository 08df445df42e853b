package vault

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// entry is an opened row.
type entry struct {
	row
	payload payload
	data    Data
}

// usedUp tells whether the token has been detokenized as often as it may be.
func (e entry) usedUp() bool { return e.payload.MaxUses > 0 && e.uses >= e.payload.MaxUses }

func checkToken(tok string) error {
	if !token.Valid(tok) {
		return failure.New(failure.Invalid, "token", "must be a token: a UUID in lower case, or 12 to 19 digits that are no card number")
	}
	return nil
}

// open reads and opens the row of a token that has not expired. Every way of reading goes through here: what an entry says is
// authenticated, but for the count of uses.
func (v *Vault) open(ctx context.Context, tok string) (entry, error) {
	if err := checkToken(tok); err != nil {
		return entry{}, err
	}
	r, err := v.get(ctx, tok)
	if err != nil {
		return entry{}, err
	}
	plaintext, err := v.envelope.Open(ctx, r.message, v.context(r), v.unwrap)
	if err != nil {
		return entry{}, openError(err)
	}
	defer clear(plaintext)
	p, data, err := decodePayload(plaintext, r)
	if err != nil {
		return entry{}, err
	}
	if expires := p.expires(); !expires.IsZero() && !v.now().Before(expires) {
		return entry{}, failure.New(failure.Expired, "token", "the token's life is over")
	}
	return entry{r, p, data}, nil
}

// Detokenize returns the data of a token. A token that does not exist and one of another account are not told apart.
//
// A use of a token with limited uses counts when the table has taken it, after the data has been opened and before it is
// released: among any number of simultaneous callers the table lets through as many as there are uses. The promise is at most
// once: whoever loses the answer has lost the use, unless it repeats the same attempt within api.AttemptPeriod. Attempt may be
// empty for a caller that does not repeat.
//
// IAM: kms:Decrypt on TokenKey, dynamodb:GetItem and, for tokens with limited uses, UpdateItem on the vault.
// Errors: ErrInvalid, ErrNotFound, ErrExpired, ErrUsedUp, ErrDenied, ErrIntegrity, ErrUnavailable.
func (v *Vault) Detokenize(ctx context.Context, tok, attempt string) (Opened, error) {
	if err := checkName("attempt", attempt); err != nil {
		return Opened{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	e, err := v.open(ctx, tok)
	if err != nil {
		return Opened{}, err
	}
	if e.payload.MaxUses > 0 {
		if attempt == "" {
			attempt = uuid.NewString()
		}
		if err := v.use(ctx, e, attempt); err != nil {
			return Opened{}, err
		}
	}
	return Opened{e.data, e.purpose}, nil
}

// Opened is what a token stands for, and what it was made for.
type Opened struct {
	Data    Data
	Purpose string
}

// conditionUse: there is a use left, which no row without a counter fulfils, nor one that is gone; and this attempt has not been
// counted, as it is when the SDK repeats an update whose answer got lost.
const conditionUse = attrUses + " < :max AND (attribute_not_exists(" + attrAttempt + ") OR " + attrAttempt + " <> :attempt OR " +
	attrTried + " <= :since)"

var errUsedUp = failure.New(failure.UsedUp, "token", "the token has been used as often as it may be")

// use counts one use, unless this attempt has been counted.
func (v *Vault) use(ctx context.Context, e entry, attempt string) error {
	now := v.now()
	if e.counted(attempt, now) {
		return nil
	}
	_, err := v.store.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           &v.table,
		Key:                 v.key(e.token),
		UpdateExpression:    new("SET " + attrUses + " = " + attrUses + " + :one, " + attrAttempt + " = :attempt, " + attrTried + " = :now"),
		ConditionExpression: new(conditionUse),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":one": number(1), ":attempt": text(attempt), ":now": seconds(now), ":max": number(e.payload.MaxUses),
			":since": seconds(now.Add(-api.AttemptPeriod)),
		},
	})
	if err == nil {
		return nil
	}
	if _, refused := errors.AsType[*types.ConditionalCheckFailedException](err); !refused {
		return upstream("dynamodb:UpdateItem", err)
	}
	// Used up; unless this very attempt came twice.
	r, err := v.get(ctx, e.token)
	switch {
	case err != nil:
		return err
	case r.counted(attempt, now):
		return nil
	}
	return errUsedUp
}

// counted tells whether the last use was this attempt's, and recently. A time in the future is an error of a clock at best.
func (r row) counted(attempt string, now time.Time) bool {
	return attempt != "" && r.attempt == attempt && now.Sub(r.tried).Abs() < api.AttemptPeriod
}

// Live tells whether a Detokenize would be answered now. It counts no use. IAM and other errors: as Detokenize.
func (v *Vault) Live(ctx context.Context, tok string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	e, err := v.open(ctx, tok)
	if errors.Is(err, failure.NotFound) || errors.Is(err, failure.Expired) {
		return false, nil
	}
	return err == nil && !e.usedUp(), err
}

// Metadata is what is known of a token besides its data.
type Metadata struct {
	Type             api.Type
	Purpose          string
	Created, Expires time.Time // zero where there is none
	MaxUses, Uses    int64     // Uses alone is not authenticated
	Metadata         map[string]string
}

// Metadata returns what is known of a token besides its data. It counts no use. IAM and errors: as Detokenize.
func (v *Vault) Metadata(ctx context.Context, tok string) (Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	e, err := v.open(ctx, tok)
	if err != nil {
		return Metadata{}, err
	}
	m := Metadata{
		Type: e.data.kind, Purpose: e.purpose, Expires: e.payload.expires(), MaxUses: e.payload.MaxUses, Uses: e.uses,
		Metadata: e.payload.Metadata,
	}
	if e.payload.Created != 0 {
		m.Created = time.Unix(e.payload.Created, 0).UTC()
	}
	return m, nil
}

// Revoke deletes a token, with what the index has of it. Until then is when the last backup that an administrator could restore
// the row from is gone. It opens nothing and needs no right to decrypt.
//
// IAM: dynamodb:GetItem and DeleteItem on the vault, DeleteItem on the index.
// Errors: ErrInvalid, ErrNotFound, ErrDenied, ErrUnavailable; ErrInFlight if somebody else changes the row at the moment.
func (v *Vault) Revoke(ctx context.Context, tok string) (until time.Time, err error) {
	if err := checkToken(tok); err != nil {
		return time.Time{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	r, err := v.get(ctx, tok)
	if err != nil && !errors.Is(err, failure.Integrity) { // a damaged row can be revoked too
		return time.Time{}, err
	}
	err = v.delete(ctx, tok, r.marks)
	for left := len(r.marks); left > 0 && isCancelled(err) && !refused(err, 0); left-- {
		// The row's list of marks is not authenticated, and names one that is another token's. That one stays.
		var own []string
		for i, mark := range r.marks {
			if !refused(err, i+1) {
				own = append(own, mark)
			}
		}
		r.marks = own
		err = v.delete(ctx, tok, r.marks)
	}
	switch {
	case isCancelled(err):
		return time.Time{}, errNoToken
	case isConflict(err):
		return time.Time{}, errInFlight
	case err != nil:
		return time.Time{}, upstream("dynamodb:TransactWriteItems", err)
	}
	return v.now().Add(api.RecoveryPeriod).UTC().Truncate(time.Second), nil
}

// delete deletes the row of a token together with its marks in the index.
func (v *Vault) delete(ctx context.Context, tok string, marks []string) error {
	items := []types.TransactWriteItem{{Delete: &types.Delete{
		TableName: &v.table, Key: v.key(tok), ConditionExpression: new("attribute_exists(" + attrToken + ")"),
	}}}
	for _, mark := range marks {
		items = append(items, types.TransactWriteItem{Delete: &types.Delete{
			TableName: &v.index, Key: map[string]types.AttributeValue{attrIndexKey: text(mark)},
			ConditionExpression:       new(conditionIndexAbsent + " OR " + attrToken + " = :token"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":token": text(tok)},
		}})
	}
	_, err := v.store.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: items, ClientRequestToken: new(uuid.NewString()),
	})
	return err
}

// refused tells that the condition of a cancelled transaction's i-th item did not hold.
func refused(err error, i int) bool {
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	return ok && i < len(cancelled.CancellationReasons) && cancelled.CancellationReasons[i].Code != nil &&
		*cancelled.CancellationReasons[i].Code == "ConditionalCheckFailed"
}

func openError(err error) error {
	if e, ok := errors.AsType[*failure.Error](err); ok {
		return e
	}
	for _, known := range []error{envelope.ErrFormat, envelope.ErrContext, envelope.ErrAuthentication} {
		if errors.Is(err, known) {
			return failure.New(failure.Integrity, "", "%s", known)
		}
	}
	return failure.New(failure.Internal, "", "the envelope cannot be opened")
}
