package vault

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/keypool"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
)

// context binds an envelope to its row. The conditions of the grants name the same keys. CloudTrail records it in
// clear: the ref is in it, and the token is not. Ref and purpose come from the row's own attributes, which are not
// authenticated and need not be: with others the envelope does not open.
func (v *Vault) context(ref, purpose string) envelope.Context {
	c := envelope.Context{"table": v.table, "account_id": v.account, "ref": ref}
	if purpose != "" {
		c["purpose"] = purpose
	}
	return c
}

// takeEntry returns a seed and its data key, for one token of a purpose. Whoever takes it wipes it, or gives it back
// unused.
func (v *Vault) takeEntry(ctx context.Context, purpose string) (*keypool.Entry, error) {
	e, err := v.pool.Take(ctx, purpose)
	if err == nil || errors.As(err, new(*failure.Error)) {
		return e, err
	}
	return nil, upstream("kms:GenerateDataKey", err) // the time was over before KMS answered
}

// fetchEntry draws a seed and asks KMS for its data key. The seed stands in the entry only, which is wiped after
// its use.
func (v *Vault) fetchEntry(ctx context.Context, purpose string) (*keypool.Entry, error) {
	e := &keypool.Entry{Seed: v.newSeed()}
	key, err := v.dataKey(ctx, e.Seed.Ref(), purpose)
	if err != nil {
		e.Wipe()
		return nil, err
	}
	e.Key = key
	return e, nil
}

// dataKeySize is the size of a data key in bytes.
const dataKeySize = 32

// dataKey asks KMS for a data key for one token, under the current version of TokenKey.
func (v *Vault) dataKey(ctx context.Context, ref, purpose string) (envelope.DataKey, error) {
	key := v.tokenKeys[0].ARN
	out, err := v.kms.GenerateDataKey(ctx, kmsapi.GenerateDataKeyInput{
		KeyID: key, EncryptionContext: v.context(ref, purpose),
	})
	if err != nil {
		return envelope.DataKey{}, upstream("kms:GenerateDataKey", err)
	}
	if out.KeyID != key || len(out.Plaintext) != dataKeySize {
		clear(out.Plaintext)
		// Whoever answers in place of KMS must not get data sealed under a key of its own.
		return envelope.DataKey{}, failure.New(failure.Unavailable, "",
			"kms:GenerateDataKey answered for another key, or with a key that does not have 256 bits")
	}
	return envelope.DataKey{
		Plaintext: out.Plaintext,
		Wrapped:   envelope.WrappedKey{Provider: envelope.KMSProvider, Info: key, Ciphertext: out.CiphertextBlob},
	}, nil
}

// unwrap asks KMS for the data key of a message. The context is the expected one, so KMS checks it once more, on its
// own record. The key is named, and is one of TokenKey's versions, so a message under somebody else's key is refused.
func (v *Vault) unwrap(ctx context.Context, w envelope.WrappedKey, c envelope.Context) ([]byte, error) {
	if w.Provider != envelope.KMSProvider || !slices.ContainsFunc(v.tokenKeys, func(k Key) bool {
		return k.ARN == w.Info
	}) {
		return nil, integrity("the row was sealed under another key")
	}
	out, err := v.kms.Decrypt(ctx, kmsapi.DecryptInput{
		KeyID: w.Info, CiphertextBlob: w.Ciphertext, EncryptionContext: c,
	})
	if err != nil {
		if awsjson.Code(err) == kmsapi.InvalidCiphertext {
			return nil, integrity("KMS refuses the row's data key")
		}
		return nil, upstream("kms:Decrypt", err)
	}
	if out.KeyID != w.Info || len(out.Plaintext) != dataKeySize {
		clear(out.Plaintext)
		return nil, integrity("KMS answered for another key, or no key of 256 bits")
	}
	return out.Plaintext, nil
}

// mac asks KMS for the HMAC of parts, of which KMS sees only a digest. The first part says what the MAC is for.
func (v *Vault) mac(ctx context.Context, key Key, parts ...string) (string, error) {
	out, err := v.kms.GenerateMac(ctx, kmsapi.GenerateMacInput{KeyID: key.ARN, Message: digest(parts...)})
	if err != nil {
		return "", upstream("kms:GenerateMac", err)
	}
	if out.KeyID != key.ARN || len(out.Mac) != sha256.Size {
		return "", failure.New(failure.Unavailable, "",
			"kms:GenerateMac answered for another key, or with something other than an HMAC-SHA-256")
	}
	return base64.RawURLEncoding.EncodeToString(out.Mac), nil
}
