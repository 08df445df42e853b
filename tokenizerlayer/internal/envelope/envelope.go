// Package envelope seals and opens single values as AWS Encryption SDK messages.
//
// Format: message format version 2, algorithm suite 0x0478 (AES-256-GCM, HKDF-SHA512, key commitment, no signature), as
// specified in https://github.com/awslabs/aws-encryption-sdk-specification. Any AWS Encryption SDK of version 2 or
// later opens these messages, given the wrapping key, and the other way round. The package reads and writes this suite
// only, and all of its cryptography is the standard library's. docs/adr/0009 says why it is not an AWS library.
//
// The caller supplies the data key. A data key is used for one message only and never cached: one key per token keeps
// KMS in every read, so revoking a grant takes effect at once.
//
//	message, err := envelope.Seal(key, context, plaintext)
//	plaintext, err := envelope.Open(ctx, message, context, unwrap)
//
// Open is stricter than the AWS libraries. The message has exactly one data key, and its encryption context is all of
// the expected one and nothing else. Open compares the context and checks the layout of the whole message before it
// asks for the data key, so that a message that cannot be ours costs no call of KMS.
//
// # Files
//
// header.go is the header, with the encryption context. body.go is the frames of the body. secrets.go derives the keys,
// and wipes them.
package envelope

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Sizes in bytes.
const (
	KeySize      = 32
	MaxPlaintext = 16 << 10
	MaxMessage   = 20 << 10
)

// KMSProvider is the provider id of data keys wrapped by AWS KMS, whose provider info is the key's ARN.
const KMSProvider = "aws-kms"

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

// Unwrap returns the plaintext of a wrapped data key, KeySize bytes long, which Open clears after use. c is the context
// that the caller of Open expects, and equals the message's. Unwrap must not change w or c.
type Unwrap func(ctx context.Context, w WrappedKey, c Context) ([]byte, error)

// What can be wrong with a message. None of the errors quotes it.
var (
	// ErrFormat: the message is not laid out like one of this package: it has another version or suite, more than one
	// data key, frames out of order, too few bytes or too many. Unwrap was not called.
	ErrFormat = errors.New("not a message of format version 2 and suite 0x0478")
	// ErrContext: the message's encryption context is not the expected one, or is empty. Unwrap was not called.
	ErrContext = errors.New("the message's encryption context is not the expected one")
	// ErrAuthentication: the message was altered, or the data key is not its own.
	ErrAuthentication = errors.New("the message does not authenticate")
)

// Seal encrypts plaintext under key and binds it to c.
func Seal(key DataKey, c Context, plaintext []byte) (message []byte, err error) {
	return new(secrets).seal(key, c, plaintext)
}

// Open authenticates and decrypts message, if its encryption context is exactly want. An error of unwrap is returned
// as it is; every other error is ErrFormat, ErrContext or ErrAuthentication. With an error there is no plaintext, not
// even a part of it.
func Open(ctx context.Context, message []byte, want Context, unwrap Unwrap) ([]byte, error) {
	return new(secrets).open(ctx, message, want, unwrap)
}

func (s *secrets) seal(key DataKey, c Context, plaintext []byte) ([]byte, error) {
	size := headerSize(c, key.Wrapped) + bodySize(len(plaintext))
	switch {
	case len(key.Plaintext) != KeySize:
		return nil, fmt.Errorf("envelope: got a data key of %d bytes, want %d", len(key.Plaintext), KeySize)
	case len(plaintext) > MaxPlaintext:
		return nil, fmt.Errorf("envelope: got a plaintext of %d bytes, want at most %d", len(plaintext), MaxPlaintext)
	case len(c) == 0:
		return nil, errors.New("envelope: got no encryption context: an envelope must be bound to something")
	case size > MaxMessage: // also keeps each field below the 65,536 bytes that its length can tell
		return nil,
			fmt.Errorf(
				"envelope: the message would have %d bytes, but at most %d can be opened: shorten context or wrapped key", size, MaxMessage)
	case !c.valid():
		return nil, errors.New("envelope: the encryption context is not UTF-8, or has a reserved name")
	case !utf8.ValidString(key.Wrapped.Provider):
		return nil, errors.New("envelope: the provider of the data key is not UTF-8")
	}
	defer s.wipe()
	id := make([]byte, messageIDSize)
	rand.Read(id) // never fails
	aead, err := s.derive(key.Plaintext, id)
	if err != nil {
		return nil, err
	}
	message := appendHeader(make([]byte, 0, size), id, c, key.Wrapped, s.commitment)
	message = aead.Seal(message, iv(headerIV), nil, message)
	return appendBody(message, aead, id, plaintext), nil
}

// open works in the order that the specification prescribes: the header, its tag, the body. Only the layout of the body
// is read earlier.
//
// https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/client-apis/decrypt.md#behavior
func (s *secrets) open(ctx context.Context, message []byte, want Context, unwrap Unwrap) ([]byte, error) {
	if !ours(message) {
		return nil, ErrFormat
	}
	if !boundTo(message, want) {
		return nil, ErrContext
	}
	h, ok := parseHeader(message, want.size())
	if !ok {
		return nil, ErrFormat
	}
	frames, ok := parseBody(h)
	if !ok {
		return nil, ErrFormat
	}
	defer s.wipe()
	var err error
	if s.dataKey, err = unwrap(ctx, h.wrapped, want); err != nil {
		return nil, err
	}
	if len(s.dataKey) != KeySize {
		return nil, ErrAuthentication
	}
	aead, err := s.derive(s.dataKey, h.id)
	if err != nil || !h.authentic(aead, s.commitment) || !s.decrypt(aead, h.id, frames) {
		return nil, ErrAuthentication
	}
	plaintext := s.plaintext
	s.plaintext = nil // it is the caller's now, and not wiped
	return plaintext, nil
}
