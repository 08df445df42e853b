package vault

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// The index table finds tokens that exist: by a fingerprint of their data (deterministic tokens), and by the key of an
// idempotent request. It holds no data, sealed or not, and tokenize may read it while the vault stays closed to it.
//
// A fingerprint is a KMS HMAC, so nobody without kms:GenerateMac on FingerprintKey can try card numbers against the index; the
// token itself is random all the same, since whoever may compute the HMAC could otherwise compute tokens.

// Attributes of the index's rows. Hash_Key is the token, under the vault's own name for it.
const (
	attrIndexKey   = "Index_Key"
	attrRequestMAC = "RequestMac" // of an idempotent request: versions and MACs
	attrDuplicate  = "Deduplicated"
	// SameAs is another index key, of an older version of FingerprintKey, whose row has the token. The vault's row cannot be told of
	// versions that came after it, so revoking it deletes that other row alone; and with it, what this one says is void.
	attrSameAs = "SameAs"
)

const (
	conditionIndexAbsent  = "attribute_not_exists(" + attrIndexKey + ")"
	conditionIndexExpired = conditionIndexAbsent + " OR " + attrExpires + " <= :now"
	conditionIndexVoid    = conditionIndexAbsent + " OR " + attrSameAs + " = :void"
)

// indexKey is what an index key looks like: that of a request, or a mark.
var indexKey = regexp.MustCompile(`^(id#[0-9a-f]{64}|fp#[a-z0-9]{1,16}#[A-Za-z0-9_-]{43})$`)

// FingerprintKey is a version of the key that fingerprints are made with.
type FingerprintKey struct {
	Version string // 1 to 16 of a-z 0-9
	ARN     string
}

// plan is what an indexed request needs besides its row.
type plan struct {
	marks       []string          // index keys of the fingerprint, the current version first; empty unless deterministic
	void        map[string]string // what marks stand for of which nothing is left, as of the last look
	idempotency string            // index key of the request; empty without an idempotency key
	requestMACs []string          // of all versions, so that the request is known before, during and after a rotation
}

// found is an index row that applies.
type found struct {
	Created
	mark        string // that of the row with the token, which may be another than was looked for
	requestMACs []string
}

// createIndexed makes a token together with its index rows, or finds one. Rows of index and vault are written in one
// transaction, each only if absent: among any number of simultaneous requests one wins, and the others find its rows.
func (v *Vault) createIndexed(ctx context.Context, c Create) (Created, error) {
	if v.index == "" {
		return Created{}, failure.New(failure.NotReady, "", "this vault has no index table, which deterministic tokens and %s need", api.IdempotencyHeader)
	}
	p, err := v.plan(ctx, c)
	if err != nil {
		return Created{}, err
	}
	conflicts := false
	inTime := func(err error) error { // what kept the request from being answered in time is the other one
		if conflicts && ctx.Err() != nil {
			return errInFlight
		}
		return err
	}
	for round := range maxRounds {
		there, err := v.find(ctx, p)
		if err != nil {
			return Created{}, inTime(err)
		}
		if there != nil {
			return *there, nil
		}
		r, err := v.seal(ctx, c)
		if err != nil {
			return Created{}, inTime(err)
		}
		r.marks = p.marks
		err = v.commit(ctx, p, &r)
		if err == nil {
			return r.created(), nil
		}
		if conflicts = isConflict(err); !conflicts && !isCancelled(err) {
			return Created{}, upstream("dynamodb:TransactWriteItems", err)
		}
		if err := pause(ctx, round); err != nil {
			return Created{}, inTime(err)
		}
	}
	if conflicts {
		return Created{}, errInFlight
	}
	return Created{}, errTaken
}

var errInFlight = &failure.Error{Kind: failure.InFlight, Detail: "another request for the same is being carried out", RetryAfter: time.Second}

func (v *Vault) plan(ctx context.Context, c Create) (plan, error) {
	p := plan{void: map[string]string{}}
	if c.Deterministic {
		for _, key := range v.fingerprintKeys {
			mac, err := v.mac(ctx, key, "fingerprint", v.account, v.table, c.Scope, string(c.Data.kind), string(c.Format), c.Purpose, c.Data.Reveal())
			if err != nil {
				return plan{}, err
			}
			p.marks = append(p.marks, "fp#"+key.Version+"#"+base64.RawURLEncoding.EncodeToString(mac))
		}
	}
	if c.IdempotencyKey != "" {
		name := sha256.Sum256(digest("idempotency", v.account, v.table, c.IdempotencyKey)) // a name, not data: it needs no key
		p.idempotency = "id#" + hex.EncodeToString(name[:])
		for _, key := range v.fingerprintKeys {
			mac, err := v.requestMAC(ctx, key, c)
			if err != nil {
				return plan{}, err
			}
			p.requestMACs = append(p.requestMACs, mac)
		}
	}
	return p, nil
}

// requestMAC stands for everything that a request asks for, so that another request with its key is noticed.
func (v *Vault) requestMAC(ctx context.Context, key FingerprintKey, c Create) (string, error) {
	parts := []string{
		"request", c.Data.Reveal(), string(c.Data.kind), string(c.Format), strconv.FormatInt(int64(c.TTL/time.Second), 10),
		strconv.FormatInt(c.MaxUses, 10), c.Purpose, strconv.FormatBool(c.Deterministic), c.Scope,
	}
	mac, err := v.mac(ctx, key, append(parts, canonical(c.Metadata)...)...)
	return key.Version + "#" + base64.RawURLEncoding.EncodeToString(mac), err
}

// sameRequest tells whether two requests have a MAC in common. MACs of different versions differ by their names already.
func sameRequest(a, b []string) bool {
	return slices.ContainsFunc(a, func(one string) bool {
		return slices.ContainsFunc(b, func(other string) bool { return hmac.Equal([]byte(one), []byte(other)) })
	})
}

// mac asks KMS for the HMAC of parts, of which KMS sees only a digest. The first part says what the MAC is for.
func (v *Vault) mac(ctx context.Context, key FingerprintKey, parts ...string) ([]byte, error) {
	out, err := v.kms.GenerateMac(ctx, &kms.GenerateMacInput{
		KeyId: &key.ARN, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256, Message: digest(parts...),
	})
	if err != nil {
		return nil, upstream("kms:GenerateMac", err)
	}
	if len(out.Mac) != sha256.Size {
		return nil, failure.New(failure.Unavailable, "", "kms:GenerateMac answered no HMAC-SHA-256")
	}
	return out.Mac, nil
}

// digest is a SHA-256 over parts, each preceded by its length so that no two lists give the same.
func digest(parts ...string) []byte {
	h := sha256.New()
	for _, part := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// find looks for what an earlier request has made: first under the idempotency key, then under the fingerprint.
func (v *Vault) find(ctx context.Context, p plan) (*Created, error) {
	if p.idempotency != "" {
		there, err := v.lookUp(ctx, p.idempotency)
		if err != nil {
			return nil, err
		}
		if there != nil {
			if !sameRequest(there.requestMACs, p.requestMACs) {
				return nil, failure.New(failure.KeyReused, api.IdempotencyHeader, "came with another request before; use another key")
			}
			return &there.Created, nil
		}
	}
	clear(p.void)
	for i, mark := range p.marks {
		there, err := v.lookUpMark(ctx, p, mark)
		if err != nil {
			return nil, err
		}
		if there == nil {
			continue
		}
		// What is missing beside it: the mark of a newer key version, the row of this idempotency key.
		missing := plan{marks: p.marks[:i], void: p.void, idempotency: p.idempotency, requestMACs: p.requestMACs}
		known := row{token: there.Token, marks: []string{there.mark}, duplicate: true}
		if len(missing.marks) > 0 || missing.idempotency != "" {
			if err := v.commit(ctx, missing, &known); isConflict(err) || isCancelled(err) {
				return nil, nil // somebody else was faster: look again
			} else if err != nil {
				return nil, upstream("dynamodb:TransactWriteItems", err)
			}
		}
		return &Created{Token: there.Token, Deduplicated: true}, nil
	}
	return nil, nil
}

// lookUpMark finds the row of a mark, or of the one that it stands for, and notes a mark that stands for nothing any more.
func (v *Vault) lookUpMark(ctx context.Context, p plan, mark string) (*found, error) {
	item, err := v.indexItem(ctx, mark)
	if err != nil {
		return nil, err
	}
	other := textOf(item[attrSameAs])
	if other == "" {
		return v.foundIn(item), nil
	}
	if item, err = v.indexItem(ctx, other); err != nil {
		return nil, err
	}
	there := v.foundIn(item)
	if there == nil {
		p.void[mark] = other
	}
	return there, nil
}

func (v *Vault) lookUp(ctx context.Context, key string) (*found, error) {
	item, err := v.indexItem(ctx, key)
	if err != nil {
		return nil, err
	}
	return v.foundIn(item), nil
}

func (v *Vault) indexItem(ctx context.Context, key string) (map[string]types.AttributeValue, error) {
	if !indexKey.MatchString(key) { // an attribute of the index, which is not authenticated
		return nil, nil
	}
	out, err := v.store.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &v.index, Key: map[string]types.AttributeValue{attrIndexKey: text(key)}, ConsistentRead: new(true),
	})
	if err != nil {
		return nil, upstream("dynamodb:GetItem", err)
	}
	return out.Item, nil
}

// foundIn reads an index row; nil if it is none, stands for another, or has expired.
func (v *Vault) foundIn(item map[string]types.AttributeValue) *found {
	token := textOf(item[attrToken])
	if expires := timeOf(item[attrExpires]); token == "" || !expires.IsZero() && !v.now().Before(expires) {
		return nil
	}
	return &found{
		Created: Created{
			Token: token, ExpiresAt: timeOf(item[attrTokenExpires]), Deduplicated: numberOf(item[attrDuplicate]) > 0,
		},
		mark:        textOf(item[attrIndexKey]),
		requestMACs: strings.Fields(textOf(item[attrRequestMAC])),
	}
}

// commit writes p's index rows for r, and r itself unless it is a row that was found.
func (v *Vault) commit(ctx context.Context, p plan, r *row) error {
	var items []types.TransactWriteItem
	if !r.duplicate {
		items = append(items, types.TransactWriteItem{Put: &types.Put{
			TableName: &v.table, Item: r.item().DynamoDB(), ConditionExpression: new(conditionAbsent),
		}})
	}
	for _, mark := range p.marks {
		items = append(items, types.TransactWriteItem{Put: v.markRow(p, r, mark)})
	}
	if p.idempotency != "" {
		items = append(items, types.TransactWriteItem{Put: v.idempotencyRow(p, r)})
	}
	_, err := v.store.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: items, ClientRequestToken: new(uuid.NewString()), // makes the SDK's own repeats the same transaction
	})
	return err
}

// markRow leads from a mark to r: to its token, or for one that was found, to the mark that is deleted with it.
func (v *Vault) markRow(p plan, r *row, mark string) *types.Put {
	item := map[string]types.AttributeValue{attrIndexKey: text(mark), attrToken: text(r.token)}
	if r.duplicate {
		item = map[string]types.AttributeValue{attrIndexKey: text(mark), attrSameAs: text(r.marks[0])}
	}
	put := &types.Put{TableName: &v.index, Item: item, ConditionExpression: new(conditionIndexAbsent)}
	if void := p.void[mark]; void != "" {
		put.ConditionExpression = new(conditionIndexVoid)
		put.ExpressionAttributeValues = map[string]types.AttributeValue{":void": text(void)}
	}
	return put
}

func (v *Vault) idempotencyRow(p plan, r *row) *types.Put {
	now := v.now()
	item := map[string]types.AttributeValue{
		attrIndexKey: text(p.idempotency), attrToken: text(r.token), attrRequestMAC: text(strings.Join(p.requestMACs, " ")),
		attrExpires: seconds(now.Add(api.IdempotencyPeriod)),
	}
	if !r.expires.IsZero() {
		item[attrTokenExpires] = seconds(r.expires)
	}
	if r.duplicate {
		item[attrDuplicate] = number(1)
	}
	return &types.Put{
		TableName: &v.index, Item: item, ConditionExpression: new(conditionIndexExpired),
		ExpressionAttributeValues: map[string]types.AttributeValue{":now": seconds(now)},
	}
}

// isCancelled tells that a transaction was cancelled because a row was there already.
func isCancelled(err error) bool { return hasReason(err, "ConditionalCheckFailed") }

// isConflict tells that a transaction was cancelled for another on the same rows, or for a passing lack of capacity.
func isConflict(err error) bool {
	return hasReason(err, "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded")
}

func hasReason(err error, codes ...string) bool {
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	return ok && slices.ContainsFunc(cancelled.CancellationReasons, func(r types.CancellationReason) bool {
		return r.Code != nil && slices.Contains(codes, *r.Code)
	})
}
