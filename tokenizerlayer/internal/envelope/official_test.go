package envelope_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	mpl "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygeneratedtypes"
	esdk "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygenerated"
	esdktypes "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygeneratedtypes"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
)

// official is the AWS Encryption SDK for Go. It is slow and big, so it is a judge here and not a part of the extension.
type official struct{ client *esdk.Client }

func newOfficial(t testing.TB) official {
	t.Helper()
	oneKey := int64(1)
	client, err := esdk.NewClient(esdktypes.AwsEncryptionSdkConfig{MaxEncryptedDataKeys: &oneKey})
	if err != nil {
		t.Fatal(err)
	}
	return official{client}
}

// seal writes frames of frameLength bytes; 0 means the library's default.
func (o official) seal(key envelope.DataKey, c envelope.Context, plaintext []byte,
	frameLength int64) (message []byte, err error) {
	if plaintext == nil {
		plaintext = []byte{} // the library panics on nil
	}
	defer refusePanic(&err)
	suite := mpl.ESDKAlgorithmSuiteIdAlgAes256GcmHkdfSha512CommitKey
	in := esdktypes.EncryptInput{
		Plaintext:         plaintext,
		EncryptionContext: maps.Clone(c),
		AlgorithmSuiteId:  &suite,
		Keyring:           &keyring{key: key},
	}
	if frameLength > 0 {
		in.FrameLength = &frameLength
	}
	out, err := o.client.Encrypt(context.Background(), in)
	if err != nil {
		return nil, err
	}
	return out.Ciphertext, nil
}

// open also returns the context that the message is bound to.
func (o official) open(message []byte, unwrap envelope.Unwrap) (plaintext []byte, c envelope.Context, err error) {
	defer refusePanic(&err)
	out, err := o.client.Decrypt(context.Background(),
		esdktypes.DecryptInput{Ciphertext: message, Keyring: &keyring{unwrap: unwrap}})
	if err != nil {
		return nil, nil, err
	}
	return out.Plaintext, out.EncryptionContext, nil
}

// refusePanic makes a panic of the library an error: it panics where a message is cut off in unforeseen places.
func refusePanic(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the library panics: %v", p)
	}
}

// keyring hands the caller's data key to the library.
type keyring struct {
	key    envelope.DataKey
	unwrap envelope.Unwrap
}

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

func (k *keyring) OnDecrypt(in mpl.OnDecryptInput) (*mpl.OnDecryptOutput, error) {
	if len(in.EncryptedDataKeys) != 1 {
		return nil, errRefused
	}
	w := in.EncryptedDataKeys[0]
	plaintext, err := k.unwrap(context.Background(),
		envelope.WrappedKey{Provider: w.KeyProviderId, Info: string(w.KeyProviderInfo), Ciphertext: w.Ciphertext}, nil)
	if err != nil || len(plaintext) != envelope.KeySize {
		return nil, errRefused
	}
	m := in.Materials
	m.PlaintextDataKey = plaintext
	return &mpl.OnDecryptOutput{Materials: m}, nil
}

// errRefused is an error that the library understands: it panics on an ordinary one.
var errRefused = mpl.AwsCryptographicMaterialProvidersException{Message: "the keyring refused"}

// What the writers are tried with.
var (
	frameLengths  = []int64{1, 15, 16, 17, 4096, math.MaxUint32}
	plaintextSize = []int{0, 1, 15, 16, 17, 46, 4095, 4096, 4097, 8192, 8193, envelope.MaxPlaintext}
	contexts      = []envelope.Context{
		bound,
		{"": ""},
		{"a": "", "b": strings.Repeat("x", 300), "": "nameless"},
		{"Ä": "ö", "\uffff": "before", "\U00010000": "after", "Z": "upper", "a": "lower"},
	}
)

func TestEnvelope_PassesBetweenTheOfficialLibraryAndOurs(t *testing.T) {
	library := newOfficial(t)
	key, unwrap := fixedKey()
	for _, size := range plaintextSize {
		plaintext := bytes.Repeat([]byte{'4'}, size)
		for _, c := range contexts {
			ours, err := envelope.Seal(key, c, plaintext)
			if err != nil {
				t.Fatal(err)
			}
			got, bound, err := library.open(ours, unwrap)
			if err != nil || !bytes.Equal(got, plaintext) || !maps.Equal(bound, c) {
				t.Errorf("the library does not open %d bytes of ours: %v", size, err)
			}
			theirs, err := library.seal(key, c, plaintext, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(theirs) != len(ours) || !bytes.Equal(shape(theirs), shape(ours)) {
				t.Errorf("the library's message of %d bytes has another layout", size)
			}
			for _, length := range frameLengths {
				if int64(size) > 100*length { // too large for us, and slow for the library
					continue
				}
				theirs, err := library.seal(key, c, plaintext, length)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := checkedOpen(t, theirs, c, unwrap); err != nil || !bytes.Equal(got, plaintext) {
					t.Errorf("%d bytes of the library's in frames of %d: %v", size, length, err)
				}
			}
		}
	}
}

// shape is a message without what is random in it or depends on that: the message id, the commitment, the tags, the
// ciphertext.
func shape(m []byte) []byte {
	l, ok := dissect(m)
	if !ok {
		return nil
	}
	out := append(bytes.Clone(m[:3]), m[35:l.commitment]...)
	for _, f := range l.frames {
		out = append(out, m[f.start:f.content]...)
	}
	return out
}

// Promise: what was sealed before the codec was our own still opens. testdata/sealed.hex is such a message.
func TestOpen_OpensAMessageFromBeforeTheOwnCodec(t *testing.T) {
	_, unwrap := fixedKey()
	if got, err := checkedOpen(t, sealedSample(t), bound, unwrap); err != nil || string(got) != sample {
		t.Errorf("error = %v", err)
	}
}

func BenchmarkOfficialSeal(b *testing.B) {
	library := newOfficial(b)
	key, _ := newKey(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := library.seal(key, bound, []byte(sample), 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOfficialOpen(b *testing.B) {
	library := newOfficial(b)
	key, unwrap := newKey(b)
	m := seal(b, key, bound)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := library.open(m, unwrap); err != nil {
			b.Fatal(err)
		}
	}
}
