package kmsserver

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// Limits of the API, in bytes.
const (
	maxPlaintext  = 4096
	maxCiphertext = 6144
	maxDataKey    = 1024
	maxContext    = 8192
)

// The specs of symmetric keys, whose only algorithm has the same name, and of HMAC keys.
const (
	algorithm = "SYMMETRIC_DEFAULT"
	hmacSpec  = "HMAC_256"
)

var (
	usages = map[string]string{algorithm: "ENCRYPT_DECRYPT", hmacSpec: "GENERATE_VERIFY_MAC"}
	names  = map[string]string{algorithm: algorithm, hmacSpec: "HMAC_SHA_256"} // of their algorithms
)

// A ciphertext blob consists of blobVersion, the 16 bytes of the key's id, and AES-256-GCM's nonce, ciphertext and tag.
// As on AWS it is opaque to clients, and names its key, so that Decrypt needs no KeyId.
const (
	blobVersion = 1
	blobHeader  = 1 + 16
)

// cryptoInput holds the members that the three operations have in common.
type cryptoInput struct {
	KeyId, EncryptionAlgorithm string
	EncryptionContext          map[string]string
}

type encryptInput struct {
	cryptoInput
	Plaintext []byte
}

func (s *Server) encrypt(_ context.Context, in encryptInput) (object, error) {
	if n := len(in.Plaintext); n < 1 || n > maxPlaintext {
		return nil, awsjson.Errorf("ValidationException", "Plaintext has %d bytes: want 1 to %d", n, maxPlaintext)
	}
	return s.seal(in.cryptoInput, in.Plaintext)
}

type generateDataKeyInput struct {
	cryptoInput
	KeySpec       string
	NumberOfBytes *int
}

func (s *Server) generateDataKey(_ context.Context, in generateDataKeyInput) (object, error) {
	size, err := dataKeySize(in.KeySpec, in.NumberOfBytes)
	if err != nil {
		return nil, err
	}
	plaintext := make([]byte, size)
	rand.Read(plaintext)
	out, err := s.seal(in.cryptoInput, plaintext)
	if err != nil {
		return nil, err
	}
	return object{"KeyId": out["KeyId"], "CiphertextBlob": out["CiphertextBlob"], "Plaintext": plaintext}, nil
}

func dataKeySize(spec string, size *int) (int, error) {
	switch {
	case (spec == "") == (size == nil):
		return 0, awsjson.Errorf("ValidationException", "Please specify either number of bytes or key spec.")
	case spec == "AES_256":
		return 32, nil
	case spec == "AES_128":
		return 16, nil
	case spec != "":
		return 0, awsjson.Errorf("ValidationException", "KeySpec %q: want AES_256 or AES_128", spec)
	case *size < 1 || *size > maxDataKey:
		return 0, awsjson.Errorf("ValidationException", "NumberOfBytes is %d: want 1 to %d", *size, maxDataKey)
	}
	return *size, nil
}

func (s *Server) seal(in cryptoInput, plaintext []byte) (object, error) {
	aad, err := in.additionalData()
	if err != nil {
		return nil, err
	}
	k, err := s.usable(in.KeyId, algorithm)
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(k.id)
	if err != nil {
		return nil, err
	}
	blob := k.aead.Seal(append([]byte{blobVersion}, id[:]...), nil, plaintext, aad)
	return object{"KeyId": k.arn, "CiphertextBlob": blob, "EncryptionAlgorithm": algorithm}, nil
}

type decryptInput struct {
	cryptoInput
	CiphertextBlob []byte
}

func (s *Server) decrypt(_ context.Context, in decryptInput) (object, error) {
	if n := len(in.CiphertextBlob); n < 1 || n > maxCiphertext {
		return nil, awsjson.Errorf("ValidationException", "CiphertextBlob has %d bytes: want 1 to %d", n, maxCiphertext)
	}
	aad, err := in.additionalData()
	if err != nil {
		return nil, err
	}
	k, err := s.decryptionKey(in.KeyId, in.CiphertextBlob)
	if err != nil {
		return nil, err
	}
	plaintext, err := k.aead.Open(nil, nil, in.CiphertextBlob[blobHeader:], aad)
	if err != nil {
		return nil, errInvalidCiphertext
	}
	return object{"KeyId": k.arn, "Plaintext": plaintext, "EncryptionAlgorithm": algorithm}, nil
}

// errInvalidCiphertext does not say whether blob or context is wrong; nor does AWS.
var errInvalidCiphertext = awsjson.Errorf("InvalidCiphertextException", "")

// decryptionKey finds the key that made a blob, which must be the one that the caller names, if it names one.
func (s *Server) decryptionKey(ref string, blob []byte) (*key, error) {
	if len(blob) < blobHeader || blob[0] != blobVersion {
		return nil, errInvalidCiphertext
	}
	id := uuid.UUID(blob[1:blobHeader]).String()
	k, err := s.usable(cmp.Or(ref, id), algorithm)
	if e, ok := errors.AsType[*awsjson.Error](err); ok && ref == "" && e.Code == "NotFoundException" {
		return nil, awsjson.Errorf("AccessDeniedException", "The ciphertext refers to a customer master key that "+
			"does not exist, does not exist in this region, or you are not allowed to access.")
	}
	if err == nil && k.id != id {
		return nil, awsjson.Errorf("IncorrectKeyException",
			"The key ID in the request does not identify a CMK that can perform this operation.")
	}
	return k, err
}

func newKey(spec string) (*key, error) {
	material := make([]byte, 32)
	rand.Read(material)
	if spec == hmacSpec {
		return &key{mac: material}, nil
	}
	block, err := aes.NewCipher(material)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &key{aead: aead}, err
}

func (s *Server) generateMac(_ context.Context, in struct {
	KeyId, MacAlgorithm string
	Message             []byte
}) (object, error) {
	if n := len(in.Message); n < 1 || n > maxPlaintext {
		return nil, awsjson.Errorf("ValidationException", "Message has %d bytes: want 1 to %d", n, maxPlaintext)
	}
	k, err := s.usable(in.KeyId, hmacSpec)
	if err != nil {
		return nil, err
	}
	if in.MacAlgorithm != names[hmacSpec] {
		return nil, awsjson.Errorf("InvalidKeyUsageException", "MacAlgorithm %q cannot be used with KeySpec %s",
			in.MacAlgorithm, hmacSpec)
	}
	h := hmac.New(sha256.New, k.mac)
	h.Write(in.Message)
	return object{"KeyId": k.arn, "Mac": h.Sum(nil), "MacAlgorithm": in.MacAlgorithm}, nil
}

// additionalData checks algorithm and context, and returns the bytes that authenticate the context. Their JSON is
// always the same for the same context, because encoding/json sorts the keys of a map. To KMS, no context is the same
// as an empty one.
func (in cryptoInput) additionalData() ([]byte, error) {
	if in.EncryptionAlgorithm != "" && in.EncryptionAlgorithm != algorithm {
		return nil, awsjson.Errorf("InvalidKeyUsageException",
			"EncryptionAlgorithm %q cannot be used with a symmetric key", in.EncryptionAlgorithm)
	}
	size := 0
	for name, value := range in.EncryptionContext {
		size += len(name) + len(value)
	}
	if size > maxContext {
		return nil, awsjson.Errorf("ValidationException", "EncryptionContext has %d bytes: want at most %d", size,
			maxContext)
	}
	if len(in.EncryptionContext) == 0 {
		return nil, nil
	}
	return json.Marshal(in.EncryptionContext)
}
