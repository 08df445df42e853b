package vault

import (
	"crypto/sha256"
	"encoding/binary"
)

// digest is a SHA-256 over parts, each preceded by its length so that no two lists give the same. The first part says
// what the digest is for.
func digest(parts ...string) []byte {
	h := sha256.New()
	for _, part := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}
