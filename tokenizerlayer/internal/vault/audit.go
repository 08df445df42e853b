package vault

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// hashBytes is how much of an HMAC a token hash keeps: enough to tell tokens apart.
const hashBytes = 16

// TokenHash stands for a token in the log: events of the same token can be told to belong together, by whoever has the log and
// without giving away a token. Its key is a KMS HMAC under FingerprintKey, the same in all environments, made once in each.
//
// IAM: kms:GenerateMac on FingerprintKey.
func (v *Vault) TokenHash(ctx context.Context, token string) (string, error) {
	key, err := v.tokenHashKey(ctx)
	if err != nil || token == "" {
		return "", err
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(token))
	return hex.EncodeToString(h.Sum(nil)[:hashBytes]), nil
}

func (v *Vault) tokenHashKey(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	select {
	case v.hashTurn <- struct{}{}:
		defer func() { <-v.hashTurn }()
	case <-ctx.Done():
		return nil, upstream("kms:GenerateMac", ctx.Err())
	}
	if v.hashKey != nil {
		return v.hashKey, nil
	}
	key, err := v.mac(ctx, v.fingerprintKeys[0], "token-hash", v.account, v.table)
	if err == nil {
		v.hashKey = key
	}
	return key, err
}
