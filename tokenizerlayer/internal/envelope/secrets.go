package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
)

// secrets is what one call of Seal or Open must not leave in memory. What the standard library keeps for itself is out
// of reach: the buffers of HKDF and the round keys of AES.
type secrets struct {
	dataKey       []byte // that Open was given by Unwrap
	pseudorandom  []byte // what HKDF extracts from the data key
	encryptionKey []byte
	commitment    []byte
	plaintext     []byte // until it is handed over, all of it authentic
}

// wipe clears the secrets, also those parts of the plaintext that are not authentic.
func (s *secrets) wipe() {
	clear(s.dataKey)
	clear(s.pseudorandom)
	clear(s.encryptionKey)
	clear(s.commitment)
	clear(s.plaintext[:cap(s.plaintext)])
}

// derive returns the cipher of one message, and keeps the commitment to its key. The message id is the salt, so
// messages under the same data key would still have keys of their own.
//
// https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/client-apis/key-derivation.md
func (s *secrets) derive(dataKey, id []byte) (cipher.AEAD, error) {
	info := binary.BigEndian.AppendUint16(nil, suiteID)
	var err error
	if s.pseudorandom, err = hkdf.Extract(sha512.New, dataKey, id); err != nil {
		return nil, err
	}
	if s.encryptionKey, err = hkdf.Expand(sha512.New, s.pseudorandom, string(info)+"DERIVEKEY", KeySize); err != nil {
		return nil, err
	}
	if s.commitment, err = hkdf.Expand(sha512.New, s.pseudorandom, "COMMITKEY", commitmentSize); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(s.encryptionKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
