package envelope

import (
	"context"
	"maps"

	mpl "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygeneratedtypes"
)

// keyring serves one call of the library with the caller's context and data key. The library's own KMS keyring ignores
// context.Context, shares state between calls in a racy way (aws-encryption-sdk issue 902), and asks KMS with the
// message's context instead of the expected one.
type keyring struct {
	ctx context.Context //nolint:containedctx // lives for one call, and the interface has no room for it

	key DataKey // to seal

	want   Context // to open
	unwrap Unwrap
	err    error // what unwrap said; the library would turn it into text
}

// OnEncrypt hands out the supplied data key.
func (k *keyring) OnEncrypt(in mpl.OnEncryptInput) (*mpl.OnEncryptOutput, error) {
	m := in.Materials
	m.PlaintextDataKey = k.key.Plaintext
	m.EncryptedDataKeys = append(m.EncryptedDataKeys, mpl.EncryptedDataKey{
		KeyProviderId:   k.key.Wrapped.Provider,
		KeyProviderInfo: []byte(k.key.Wrapped.Info),
		Ciphertext:      k.key.Wrapped.Ciphertext,
	})
	return &mpl.OnEncryptOutput{Materials: m}, nil
}

// OnDecrypt unwraps the message's only data key, after comparing the encryption context as the library has read it: a
// message that was moved to another row, account or table is refused, whatever the wrapping key's owner would say.
func (k *keyring) OnDecrypt(in mpl.OnDecryptInput) (*mpl.OnDecryptOutput, error) {
	m := in.Materials
	if !maps.Equal(m.EncryptionContext, k.want) {
		return nil, k.fail(ErrContext)
	}
	if len(in.EncryptedDataKeys) != 1 {
		return nil, k.fail(ErrFormat)
	}
	w := in.EncryptedDataKeys[0]
	plaintext, err := k.unwrap(k.ctx, WrappedKey{w.KeyProviderId, string(w.KeyProviderInfo), w.Ciphertext}, maps.Clone(k.want))
	if err != nil {
		return nil, k.fail(err)
	}
	if len(plaintext) != KeySize {
		return nil, k.fail(ErrAuthentication)
	}
	m.PlaintextDataKey = plaintext
	return &mpl.OnDecryptOutput{Materials: m}, nil
}

// fail remembers err and returns what the library understands: it panics on an ordinary Go error.
func (k *keyring) fail(err error) error {
	k.err = err
	return mpl.AwsCryptographicMaterialProvidersException{Message: "the keyring refused"}
}
