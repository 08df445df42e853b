package vault

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// The index table finds tokens that exist. It holds no data, sealed or not, but it holds keyed hashes of data. There
// are three kinds of row, told apart by the beginning of their key:
//
//	fp#<version>#<MAC>   a fingerprint of a deterministic token's data -> Handle
//	h#<random>           the handle -> Hash_Key, the token, and FingerprintKeys, what else to delete with it
//	id#<version>#<MAC>   an idempotent request's key -> Hash_Key, and RequestMac of all that it asked for
//
// The vault's row names the handle, which is random: whoever reads the vault learns nothing that could be tried against
// card numbers. Revoking a token deletes the handle, so whatever fingerprints led to it find nothing.
//
// MACs are made by KMS under FingerprintKey, one call each. Whoever may make them and read the index can try card
// numbers, call by call, and learn which of them are in the vault and under which token: the index grant is a way to
// read deterministic tokens' data, and is treated as one. Rows of the index are not authenticated: whoever may write
// them can point one at another token.

// Attributes of the index's rows. Hash_Key and ExpiresAt are named as in the vault.
const (
	attrIndexKey     = "Index_Key"
	attrHandle       = "Handle"
	attrFingerprints = "FingerprintKeys" // index keys
	attrRequestMAC   = "RequestMac"
	attrTokenExpires = "TokenExpiresAt"
)

const (
	conditionIndexAbsent  = "attribute_not_exists(" + attrIndexKey + ")"
	conditionIndexExpired = conditionIndexAbsent + " OR " + attrExpires + " <= :now"
	conditionIndexVoid    = conditionIndexAbsent + " OR " + attrHandle + " = :void"
	conditionIndexToken   = attrToken + " = :token"
	// What revoking deletes: the token's own row, or one that does not exist.
	conditionIndexOwn    = conditionIndexAbsent + " OR " + conditionIndexToken
	conditionIndexHandle = conditionIndexAbsent + " OR " + attrHandle + " = :handle"
)

// How often and how long createIndexed tries: transactions on the same index rows cancel each other for a while.
const (
	maxRounds  = 12
	firstPause = 10 * time.Millisecond
	maxPause   = 400 * time.Millisecond
)

// plan is what an indexed request needs besides its row. Everything is there once for each version of FingerprintKey,
// the current one first, so that a request is known before, during and after a rotation.
type plan struct {
	fingerprints []string          // index keys of the data; empty unless deterministic
	void         map[string]string // handles of fingerprints that lead nowhere any more, as of the last look
	requests     []string          // index keys of the request; empty without an idempotency key
	requestMACs  []string          // of all that is asked for
}

var errInFlight = &failure.Error{
	Kind: failure.InFlight, Detail: "the same request is still being carried out", RetryAfter: time.Second,
}

// createIndexed makes a token together with its index rows, or finds one. Rows of index and vault are written in one
// transaction, each only if absent: among any number of simultaneous requests one wins, and the others find its rows.
//
// The draft comes before anything is looked up: KMS alone knows which purposes the function may tokenize for.
func (v *Vault) createIndexed(ctx context.Context, c Create) (Created, error) {
	if v.index == "" {
		return Created{}, failure.New(failure.NotReady, "",
			"this vault has no index table, which deterministic tokens and %s need", api.IdempotencyHeader)
	}
	d, err := v.draft(ctx, c)
	if err != nil {
		return Created{}, err
	}
	defer v.drop(d)
	p, err := v.plan(ctx, c)
	if err != nil {
		return Created{}, err
	}
	conflicts := false // in the last round that ended
	for round := range maxRounds {
		created, conflict, err := v.findOrCommit(ctx, p, d)
		if created != nil {
			return *created, nil
		}
		if err == nil {
			conflicts = conflict
			err = pause(ctx, round)
		}
		switch {
		case err != nil && conflicts && ctx.Err() != nil: // the other request kept this one from being answered in time
			return Created{}, errInFlight
		case err != nil:
			return Created{}, err
		}
	}
	if conflicts {
		return Created{}, errInFlight
	}
	return Created{}, errTaken
}

// findOrCommit finds what an earlier request has made, or writes the draft's row. If neither works but may in another
// round, it returns no error, and whether another transaction on the same rows was in the way. If the draft's token
// exists already, it drafts another row.
func (v *Vault) findOrCommit(ctx context.Context, p plan, d *draft) (created *Created, conflict bool, err error) {
	if created, err = v.find(ctx, p); created != nil || err != nil {
		return created, false, err
	}
	r, err := v.seal(d)
	if err != nil {
		return nil, false, err
	}
	failure := v.commit(ctx, p, r)
	switch {
	case failure == nil:
		return new(r.created()), false, nil
	case !isConflict(failure) && !isCancelled(failure):
		return nil, false, upstream("dynamodb:TransactWriteItems", failure)
	case failedAt(failure, 0):
		err = v.redraft(ctx, d)
	}
	return nil, isConflict(failure), err
}

func (v *Vault) plan(ctx context.Context, c Create) (plan, error) {
	p := plan{void: map[string]string{}}
	for _, key := range v.fingerprintKeys {
		if c.Deterministic {
			parts := append([]string{
				"fingerprint", v.account, v.table, c.Scope, string(c.Data.kind), string(c.Format), c.Purpose,
				c.Data.Reveal(),
			}, canonical(c.Context)...)
			mac, err := v.mac(ctx, key, parts...)
			if err != nil {
				return plan{}, err
			}
			p.fingerprints = append(p.fingerprints, "fp#"+key.Version+"#"+mac)
			continue
		}
		// Names are each function's own, and each purpose's: another function that uses the same order number is
		// another request.
		name, err := v.mac(ctx, key, "idempotency", v.account, v.table, v.idempotencyScope, c.Purpose, c.IdempotencyKey)
		if err != nil {
			return plan{}, err
		}
		mac, err := v.requestMAC(ctx, key, c)
		if err != nil {
			return plan{}, err
		}
		p.requests = append(p.requests, "id#"+key.Version+"#"+name)
		p.requestMACs = append(p.requestMACs, mac)
	}
	return p, nil
}

// requestMAC stands for everything that a request asks for, so that another request with its key is noticed.
func (v *Vault) requestMAC(ctx context.Context, key Key, c Create) (string, error) {
	parts := []string{
		"request", c.Data.Reveal(), string(c.Data.kind), string(c.Format),
		strconv.FormatInt(int64(c.TTL/time.Second), 10),
		strconv.FormatInt(c.MaxUses, 10), c.Purpose, strconv.Itoa(len(c.Context)),
	}
	return v.mac(ctx, key, slices.Concat(parts, canonical(c.Context), canonical(c.Metadata))...)
}

// find looks for what an earlier request has made.
func (v *Vault) find(ctx context.Context, p plan) (*Created, error) {
	for i, key := range p.requests {
		found, err := v.findRequest(ctx, key, p.requestMACs[i])
		if found != nil || err != nil {
			return found, err
		}
	}
	clear(p.void)
	for i, key := range p.fingerprints {
		h, err := v.findHandle(ctx, p, key)
		if err != nil {
			return nil, err
		}
		if h == nil {
			continue
		}
		if i > 0 { // the newer versions of the key do not know the token yet
			if err := v.commitFingerprints(ctx, p, p.fingerprints[:i], *h); isConflict(err) || isCancelled(err) {
				return nil, nil // somebody else was faster: look again
			} else if err != nil {
				return nil, upstream("dynamodb:TransactWriteItems", err)
			}
		}
		return &Created{Token: h.token, Deduplicated: true}, nil
	}
	return nil, nil
}

// findRequest finds the token of a request that was made before under the same key; nil if there is none, or its time
// is over.
func (v *Vault) findRequest(ctx context.Context, key, mac string) (*Created, error) {
	i, err := v.indexItem(ctx, key)
	if err != nil || len(i) == 0 || !v.now().Before(timeOf(i[attrExpires])) {
		return nil, err
	}
	tok, ok := token.Parse(textOf(i[attrToken]))
	stored := textOf(i[attrRequestMAC])
	switch {
	case !ok || stored == "":
		return nil, errIndex
	case !hmac.Equal([]byte(stored), []byte(mac)):
		return nil, failure.New(failure.KeyReused, api.IdempotencyHeader,
			"was used for another request before: use another key")
	}
	return &Created{Token: tok, ExpiresAt: timeOf(i[attrTokenExpires])}, nil
}

var errIndex = integrity("the index has a row that this release cannot have written")

// handle is the row of a handle.
type handle struct {
	key          string
	token        string
	fingerprints []string // index keys that lead here
}

// findHandle follows a fingerprint to its handle; nil if there is none. It notes a fingerprint that leads nowhere.
func (v *Vault) findHandle(ctx context.Context, p plan, fingerprint string) (*handle, error) {
	i, err := v.indexItem(ctx, fingerprint)
	if err != nil || len(i) == 0 {
		return nil, err
	}
	key := textOf(i[attrHandle])
	if !isHandle(key) {
		return nil, errIndex
	}
	h, err := v.getHandle(ctx, key)
	if h == nil && err == nil {
		p.void[fingerprint] = key
	}
	return h, err
}

// getHandle reads a handle; nil if there is none.
func (v *Vault) getHandle(ctx context.Context, key string) (*handle, error) {
	i, err := v.indexItem(ctx, key)
	if err != nil || len(i) == 0 {
		return nil, err
	}
	h := handle{key: key}
	var ok bool
	if h.token, ok = token.Parse(textOf(i[attrToken])); !ok {
		return nil, errIndex
	}
	for _, fingerprint := range strings.Fields(textOf(i[attrFingerprints])) {
		known := isFingerprint(fingerprint)
		if !known || len(h.fingerprints) == maxFingerprints || slices.Contains(h.fingerprints, fingerprint) {
			return nil, errIndex
		}
		h.fingerprints = append(h.fingerprints, fingerprint)
	}
	return &h, nil
}

// maxFingerprints is how many fingerprints a handle remembers: the oldest ones are forgotten by the rotations after it.
// They lead nowhere once the handle is gone, remembered or not.
const maxFingerprints = 2 * api.MaxKeyVersions

func (v *Vault) indexItem(ctx context.Context, key string) (item, error) {
	i, err := v.store.GetItem(ctx, dynamoapi.GetItemInput{
		TableName: v.index, Key: item{attrIndexKey: text(key)}, ConsistentRead: true,
	})
	if err != nil {
		return nil, upstream("dynamodb:GetItem", err)
	}
	return i, nil
}

// commit writes r and its index rows. The row is the first item of the transaction.
func (v *Vault) commit(ctx context.Context, p plan, r *row) error {
	var puts []*dynamoapi.Put
	if len(p.fingerprints) > 0 {
		var random [16]byte
		_, _ = rand.Read(random[:]) // never fails: crypto/rand aborts the program instead
		h := handle{key: "h#" + hex.EncodeToString(random[:]), token: r.token, fingerprints: p.fingerprints}
		r.indexed = []string{h.key}
		put := v.handleRow(h)
		put.ConditionExpression = conditionIndexAbsent
		puts = append(puts, put)
		for _, fingerprint := range p.fingerprints {
			puts = append(puts, v.fingerprintRow(p, fingerprint, h))
		}
	}
	if len(p.requests) > 0 {
		r.indexed = p.requests
		for i, request := range p.requests {
			puts = append(puts, v.requestRow(request, p.requestMACs[i], r))
		}
	}
	row := &dynamoapi.Put{TableName: v.table, Item: v.rowItem(*r), ConditionExpression: conditionAbsent}
	return v.putAll(ctx, append([]*dynamoapi.Put{row}, puts...))
}

// commitFingerprints makes more fingerprints lead to a handle that exists, and has the handle remember them.
func (v *Vault) commitFingerprints(ctx context.Context, p plan, fingerprints []string, h handle) error {
	h.fingerprints = slices.Concat(fingerprints, h.fingerprints)
	h.fingerprints = h.fingerprints[:min(len(h.fingerprints), maxFingerprints)]
	put := v.handleRow(h)
	put.ConditionExpression = conditionIndexToken
	put.ExpressionAttributeValues = item{":token": text(h.token)}
	puts := []*dynamoapi.Put{put}
	for _, fingerprint := range fingerprints {
		puts = append(puts, v.fingerprintRow(p, fingerprint, h))
	}
	return v.putAll(ctx, puts)
}

func (v *Vault) putAll(ctx context.Context, puts []*dynamoapi.Put) error {
	var items []dynamoapi.TransactWriteItem
	for _, put := range puts {
		items = append(items, dynamoapi.TransactWriteItem{Put: put})
	}
	return v.store.TransactWriteItems(ctx, dynamoapi.TransactWriteItemsInput{
		// makes the client's own repeats the same transaction
		TransactItems: items, ClientRequestToken: uuid.NewString(),
	})
}

func (v *Vault) handleRow(h handle) *dynamoapi.Put {
	return &dynamoapi.Put{TableName: v.index, Item: item{
		attrIndexKey: text(h.key), attrToken: text(h.token), attrFingerprints: text(strings.Join(h.fingerprints, " ")),
	}}
}

// fingerprintRow makes a fingerprint lead to a handle, unless it leads to one that exists.
func (v *Vault) fingerprintRow(p plan, fingerprint string, h handle) *dynamoapi.Put {
	put := &dynamoapi.Put{
		TableName:           v.index,
		Item:                item{attrIndexKey: text(fingerprint), attrHandle: text(h.key)},
		ConditionExpression: conditionIndexAbsent,
	}
	if void := p.void[fingerprint]; void != "" {
		put.ConditionExpression = conditionIndexVoid
		put.ExpressionAttributeValues = item{":void": text(void)}
	}
	return put
}

func (v *Vault) requestRow(key, mac string, r *row) *dynamoapi.Put {
	now := v.now()
	i := item{
		attrIndexKey:   text(key),
		attrToken:      text(r.token),
		attrRequestMAC: text(mac),
		attrExpires:    seconds(now.Add(api.IdempotencyPeriod)),
	}
	if !r.expires.IsZero() {
		i[attrTokenExpires] = seconds(r.expires)
	}
	return &dynamoapi.Put{
		TableName: v.index, Item: i, ConditionExpression: conditionIndexExpired,
		ExpressionAttributeValues: item{":now": seconds(now)},
	}
}

// pause waits a random while, the longer the more rounds there were, so that rivals do not meet again.
func pause(ctx context.Context, round int) error {
	timer := time.NewTimer(mathrand.N(min(firstPause<<round, maxPause)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return upstream("dynamodb:TransactWriteItems", ctx.Err())
	}
}
