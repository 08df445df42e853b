package upstream

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"slices"
	"sync/atomic"
)

// The keys that KMS has.
const (
	TokenKeyARN       = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	FingerprintKeyARN = "arn:aws:kms:us-east-1:123456789012:key/22222222-2222-3333-4444-555555555555"
)

// blobSize is the size of a wrapped data key of 32 bytes, as KMS makes them.
const blobSize = 184

// kms wraps data keys with AES-GCM and has the key's ARN and the encryption context authenticated, so it needs no
// memory of them.
type kms struct {
	aead  cipher.AEAD
	mac   []byte
	nonce atomic.Uint64
}

func newKMS() *kms {
	secret := make([]byte, 64)
	_, _ = rand.Read(secret) // never fails: crypto/rand aborts the program instead
	block, err := aes.NewCipher(secret[:32])
	if err != nil {
		panic(err) // the key has the right size
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the right block size
	}
	return &kms{aead: aead, mac: secret[32:]}
}

func (k *kms) answer(operation, body []byte) answer {
	var in struct{ key, spec, context, blob, message []byte }
	if err := members(body, func(name, value []byte) bool {
		switch string(name) {
		case "KeyId":
			in.key = text(value)
		case "KeySpec":
			in.spec = text(value)
		case "EncryptionContext":
			in.context = value
		case "CiphertextBlob":
			in.blob = text(value)
		case "Message":
			in.message = text(value)
		}
		return true
	}); err != nil {
		return failed("SerializationException")
	}
	switch string(operation) {
	case "GenerateDataKey":
		if string(in.key) != TokenKeyARN || string(in.spec) != "AES_256" {
			return failed("NotFoundException")
		}
		return k.generate(in.context)
	case "Decrypt":
		return k.decrypt(in.blob, in.context)
	default:
		return k.generateMAC(in.key, in.message)
	}
}

func (k *kms) generate(context []byte) answer {
	var plain [32]byte
	_, _ = rand.Read(plain[:])
	blob := make([]byte, 12, blobSize)
	binary.BigEndian.PutUint64(blob[4:], k.nonce.Add(1))
	blob = k.aead.Seal(blob, blob[:12], plain[:], additional(context))
	blob = blob[:blobSize] // the rest is zero
	out := make([]byte, 0, 512)
	out = append(out, `{"CiphertextBlob":"`...)
	out = base64.StdEncoding.AppendEncode(out, blob)
	out = append(out, `","KeyId":"`+TokenKeyARN+`","Plaintext":"`...)
	out = base64.StdEncoding.AppendEncode(out, plain[:])
	return answer{http.StatusOK, append(out, `"}`...)}
}

func (k *kms) decrypt(blob, context []byte) answer {
	wrapped, err := base64.StdEncoding.AppendDecode(nil, blob)
	if err != nil || len(wrapped) != blobSize {
		return failed("InvalidCiphertextException")
	}
	plain, err := k.aead.Open(nil, wrapped[:12], wrapped[12:12+32+k.aead.Overhead()], additional(context))
	if err != nil {
		return failed("InvalidCiphertextException")
	}
	out := append(make([]byte, 0, 256),
		`{"EncryptionAlgorithm":"SYMMETRIC_DEFAULT","KeyId":"`+TokenKeyARN+`","Plaintext":"`...)
	out = base64.StdEncoding.AppendEncode(out, plain)
	return answer{http.StatusOK, append(out, `"}`...)}
}

func (k *kms) generateMAC(key, message []byte) answer {
	plain, err := base64.StdEncoding.AppendDecode(nil, message)
	if err != nil || string(key) != FingerprintKeyARN {
		return failed("NotFoundException")
	}
	h := hmac.New(sha256.New, k.mac)
	h.Write(plain)
	out := append(make([]byte, 0, 256), `{"KeyId":"`+FingerprintKeyARN+`","MacAlgorithm":"HMAC_SHA_256","Mac":"`...)
	out = base64.StdEncoding.AppendEncode(out, h.Sum(nil))
	return answer{http.StatusOK, append(out, `"}`...)}
}

// additional is an encryption context in one form: clients write its members in any order.
func additional(context []byte) []byte {
	if context == nil {
		return nil
	}
	var pairs [][]byte
	if members(context, func(name, value []byte) bool {
		pairs = append(pairs, append(append(slices.Clone(name), 0), value...))
		return true
	}) != nil {
		return nil
	}
	slices.SortFunc(pairs, bytes.Compare)
	return bytes.Join(pairs, []byte{1})
}
