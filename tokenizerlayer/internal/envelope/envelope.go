// Package envelope seals and opens single values as AWS Encryption SDK messages.
//
// Format: message format version 2, algorithm suite 0x0478 (AES-256-GCM, HKDF-SHA512, key commitment, no signature), as
// specified in https://github.com/awslabs/aws-encryption-sdk-specification. Any AWS Encryption SDK of version 2 or later
// opens these messages, given the wrapping key.
//
// The caller supplies the data key. A data key is used for one message only and never cached: one key per token keeps
// KMS in every read, so revoking a grant takes effect at once.
//
//	message, err := e.Seal(ctx, key, context, plaintext)
//	plaintext, err := e.Open(ctx, message, context, unwrap)
//
// Open compares the message's encryption context with the expected one, all of it, before anything else: the library alone
// would accept a message that carries more than what is expected, and takes seconds to read a context of thousands of pairs.
package envelope

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	mpl "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygeneratedtypes"
	esdk "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygenerated"
	esdktypes "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygeneratedtypes"
)

// Sizes in bytes.
const (
	KeySize      = 32
	MaxPlaintext = 16 << 10
	MaxMessage   = 20 << 10
)

// KMSProvider is the provider id of data keys wrapped by AWS KMS, whose provider info is the key's ARN.
const KMSProvider = "aws-kms"

const (
	messageVersion = 2
	suiteID        = 0x0478
	contextOffset  = 1 + 2 + 32 // behind version, suite and message id
)

// Context is an encryption context: authenticated, not encrypted, and visible in CloudTrail. Keys are lower case, since
// the SDKs do not agree on how upper and lower case sort.
type Context map[string]string

// WrappedKey is a data key as a message carries it.
type WrappedKey struct {
	Provider   string
	Info       string
	Ciphertext []byte
}

// DataKey is a data key in both forms. Plaintext has KeySize bytes; Seal does not keep it.
type DataKey struct {
	Plaintext []byte
	Wrapped   WrappedKey
}

// Unwrap returns the plaintext of a wrapped data key, KeySize bytes long. c is the context that the caller of Open
// expects, and equals the message's.
type Unwrap func(ctx context.Context, w WrappedKey, c Context) ([]byte, error)

// What can be wrong with a message. Neither error quotes it.
var (
	// ErrFormat: the message is not of this package's format.
	ErrFormat = errors.New("not a message of format version 2 and suite 0x0478")
	// ErrContext: the message's encryption context is not the expected one, or is empty.
	ErrContext = errors.New("the message's encryption context is not the expected one")
	// ErrAuthentication: the message was altered, or the data key is not its own.
	ErrAuthentication = errors.New("the message does not authenticate")
)

// errSeal stands for whatever the library says, whose text may quote values.
var errSeal = errors.New("envelope: the encryption sdk refused to seal")

// Envelope seals and opens messages. It is safe for concurrent use.
type Envelope struct{ client *esdk.Client }

// New returns an Envelope.
func New() (*Envelope, error) {
	oneKey := int64(1) // more than one would let a second key holder read
	client, err := esdk.NewClient(esdktypes.AwsEncryptionSdkConfig{MaxEncryptedDataKeys: &oneKey})
	if err != nil {
		return nil, fmt.Errorf("encryption sdk: %w", err)
	}
	return &Envelope{client: client}, nil
}

// Seal encrypts plaintext under key and binds it to c.
func (e *Envelope) Seal(ctx context.Context, key DataKey, c Context, plaintext []byte) (message []byte, err error) {
	switch {
	case len(key.Plaintext) != KeySize:
		return nil, fmt.Errorf("envelope: a data key of %d bytes, want %d", len(key.Plaintext), KeySize)
	case len(plaintext) > MaxPlaintext:
		return nil, fmt.Errorf("envelope: a plaintext of %d bytes, at most %d are sealed", len(plaintext), MaxPlaintext)
	case len(c) == 0:
		return nil, errors.New("envelope: no encryption context; an envelope is always bound to something")
	}
	if plaintext == nil {
		plaintext = []byte{} // the library panics on nil
	}
	defer guard(&err, errSeal)
	suite := mpl.ESDKAlgorithmSuiteIdAlgAes256GcmHkdfSha512CommitKey
	out, err := e.client.Encrypt(ctx, esdktypes.EncryptInput{
		Plaintext:         plaintext,
		EncryptionContext: maps.Clone(c),
		AlgorithmSuiteId:  &suite,
		Keyring:           &keyring{ctx: ctx, key: key},
	})
	if err != nil {
		return nil, errSeal
	}
	if len(out.Ciphertext) > MaxMessage {
		return nil, fmt.Errorf("envelope: a message of %d bytes, at most %d are opened: shorten context or wrapped key", len(out.Ciphertext), MaxMessage)
	}
	return out.Ciphertext, nil
}

// Open authenticates and decrypts message, if its encryption context is exactly want. An error of unwrap is returned
// as it is; every other error is ErrFormat, ErrContext or ErrAuthentication.
func (e *Envelope) Open(ctx context.Context, message []byte, want Context, unwrap Unwrap) (plaintext []byte, err error) {
	if !ours(message) {
		return nil, ErrFormat
	}
	if !boundTo(message, want) {
		return nil, ErrContext
	}
	defer guard(&err, ErrAuthentication)
	ring := &keyring{ctx: ctx, want: want, unwrap: unwrap}
	// The expected context is not given to the library: it would merge it into the message's, and the keyring could no
	// longer tell one from the other.
	out, err := e.client.Decrypt(ctx, esdktypes.DecryptInput{Ciphertext: message, Keyring: ring})
	switch {
	case ring.err != nil:
		return nil, ring.err
	case err != nil:
		return nil, ErrAuthentication
	}
	return out.Plaintext, nil
}

// ours checks what can be checked without parsing, so that nothing else reaches the library.
func ours(message []byte) bool {
	return len(message) >= contextOffset && len(message) <= MaxMessage &&
		message[0] == messageVersion && binary.BigEndian.Uint16(message[1:]) == suiteID
}

// boundTo compares the context in the header, byte by byte, with c as a header carries it. The library authenticates those
// bytes later, but needs seconds and gigabytes to parse thousands of pairs, which fit into MaxMessage. Nothing is bound to
// an empty context.
//
// Form: https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/data-format/message-header.md#aad
func boundTo(message []byte, c Context) bool {
	pairs := binary.BigEndian.AppendUint16(nil, uint16(len(c)))
	for _, name := range slices.Sorted(maps.Keys(c)) {
		for _, s := range []string{name, c[name]} {
			pairs = append(binary.BigEndian.AppendUint16(pairs, uint16(len(s))), s...)
		}
	}
	section := binary.BigEndian.AppendUint16(nil, uint16(len(pairs)))
	return len(c) > 0 && bytes.HasPrefix(message[contextOffset:], append(section, pairs...))
}

// guard turns a panic of the library into an error: it panics where a message is cut off in unforeseen places.
func guard(err *error, instead error) {
	if recover() != nil {
		*err = instead
	}
}
