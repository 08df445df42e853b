package envelope

import (
	"context"
	"errors"
	"testing"

	mpl "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygeneratedtypes"
)

// Open has compared the header's bytes by then. What the library made of them is compared all the same.
func TestKeyringRefusesAContextThatTheLibraryReadOtherwise(t *testing.T) {
	for name, read := range map[string]map[string]string{
		"nothing": nil, "less": {"a": "1"}, "more": {"a": "1", "b": "2", "c": "3"}, "another value": {"a": "1", "b": "3"}, "another key": {"a": "1", "c": "2"},
	} {
		k := &keyring{ctx: t.Context(), want: Context{"a": "1", "b": "2"}, unwrap: func(context.Context, WrappedKey, Context) ([]byte, error) {
			t.Errorf("%s: the key was asked for", name)
			return nil, nil
		}}
		out, err := k.OnDecrypt(mpl.OnDecryptInput{
			Materials:         mpl.DecryptionMaterials{EncryptionContext: read},
			EncryptedDataKeys: []mpl.EncryptedDataKey{{KeyProviderId: KMSProvider}},
		})
		if err == nil || out != nil || !errors.Is(k.err, ErrContext) {
			t.Errorf("%s: error = %v", name, k.err)
		}
	}
}
