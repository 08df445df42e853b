package envelope

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The header of version 2, in its order. Numbers are big-endian, and a field whose size is not fixed follows its
// length.
//
//	version 1 | suite 2 | message id 32 | encryption context | data keys | content type 1 | frame length 4 | commitment 32 | tag 16
//
// https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/data-format/message-header.md#header-body-version-2-0
const (
	messageVersion = 2
	suiteID        = 0x0478

	messageIDSize  = 32
	commitmentSize = 32
	tagSize        = 16
	contextOffset  = 1 + 2 + messageIDSize

	nonFramed = 1 // the body is one block
	framed    = 2
)

// reservedPrefix begins the names that the SDKs keep for themselves. None of them is used with a suite without
// signature.
//
// https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/framework/structures.md#encryption-context
const reservedPrefix = "aws-crypto-"

// header is what a message says before its body. Its slices are parts of the message. Nothing of it is authentic before
// authentic has said so.
type header struct {
	id          []byte
	wrapped     WrappedKey
	contentType byte
	frameLength uint32
	commitment  []byte
	protected   []byte // all up to here, which the tag authenticates
	tag         []byte
	body        []byte // what follows the header
}

// ours checks what can be checked without parsing.
func ours(message []byte) bool {
	return len(message) >= contextOffset && len(message) <= MaxMessage &&
		message[0] == messageVersion && binary.BigEndian.Uint16(message[1:]) == suiteID
}

// boundTo compares the context in the header, byte by byte, with c as a header carries it. So nobody's context is ever
// parsed, and one that is written in another order or with a name twice is another one. Nothing is bound to an empty
// context.
func boundTo(message []byte, c Context) bool {
	return c.valid() && c.size() <= len(message)-contextOffset &&
		bytes.HasPrefix(message[contextOffset:], c.append(make([]byte, 0, c.size())))
}

// valid reports whether a message can be bound to c.
func (c Context) valid() bool {
	for name, value := range c {
		if !utf8.ValidString(name) || !utf8.ValidString(value) || strings.HasPrefix(name, reservedPrefix) {
			return false
		}
	}
	return len(c) > 0
}

// size is the number of bytes that c takes in a header.
func (c Context) size() int {
	n := 2 + 2
	for name, value := range c {
		n += 2 + len(name) + 2 + len(value)
	}
	return n
}

// append writes c as a header carries it: the length of what follows, the number of pairs, then the pairs in the order
// of their names.
//
// https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/framework/structures.md#serialization
func (c Context) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(c.size()-2))
	b = binary.BigEndian.AppendUint16(b, uint16(len(c)))
	for _, name := range slices.Sorted(maps.Keys(c)) {
		b = appendField(appendField(b, name), c[name])
	}
	return b
}

func appendField[T string | []byte](b []byte, field T) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(field))), field...)
}

func headerSize(c Context, w WrappedKey) int {
	key := 2 + len(w.Provider) + 2 + len(w.Info) + 2 + len(w.Ciphertext)
	return contextOffset + c.size() + 2 + key + 1 + 4 + commitmentSize + tagSize
}

// appendHeader writes a header without its tag.
func appendHeader(m, id []byte, c Context, w WrappedKey, commitment []byte) []byte {
	m = append(m, messageVersion)
	m = binary.BigEndian.AppendUint16(m, suiteID)
	m = append(m, id...)
	m = c.append(m)
	m = binary.BigEndian.AppendUint16(m, 1) // data keys
	m = appendField(appendField(appendField(m, w.Provider), w.Info), w.Ciphertext)
	m = append(m, framed)
	m = binary.BigEndian.AppendUint32(m, frameLength)
	return append(m, commitment...)
}

// parseHeader reads the header of a message that is ours and whose context takes contextSize bytes.
func parseHeader(message []byte, contextSize int) (h header, ok bool) {
	r := reader{rest: message[contextOffset+contextSize:]}
	keys := r.uint16()
	provider, info, ciphertext := r.field(), r.field(), r.field()
	h = header{
		id:          message[contextOffset-messageIDSize : contextOffset],
		contentType: r.uint8(),
		frameLength: r.uint32(),
		commitment:  r.take(commitmentSize),
	}
	h.protected = message[:len(message)-len(r.rest)]
	h.tag = r.take(tagSize)
	h.body = r.rest
	// A second data key would let the holder of a second wrapping key read.
	if r.short || keys != 1 || !utf8.Valid(provider) || !h.legalFrames() {
		return header{}, false
	}
	h.wrapped = WrappedKey{string(provider), string(info), ciphertext}
	return h, true
}

// legalFrames: a frame holds something, and a body without frames has no length of frames.
func (h header) legalFrames() bool {
	return h.contentType == framed && h.frameLength > 0 || h.contentType == nonFramed && h.frameLength == 0
}

// authentic compares the commitment with the data key's own, and verifies the tag of the header. The commitment comes
// first: it alone tells that there is no second data key under which the same message opens to something else.
//
// https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/client-apis/decrypt.md#verify-the-header
func (h header) authentic(aead cipher.AEAD, commitment []byte) bool {
	if subtle.ConstantTimeCompare(h.commitment, commitment) != 1 {
		return false
	}
	_, err := aead.Open(nil, iv(headerIV), h.tag, h.protected)
	return err == nil
}

// reader reads big-endian fields. After it was asked for more than there is, it is short and returns zeros.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n uint64) []byte {
	if r.short = r.short || n > uint64(len(r.rest)); r.short {
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// number reads an unsigned number of n bytes.
func (r *reader) number(n uint64) (v uint64) {
	for _, b := range r.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *reader) uint8() byte    { return byte(r.number(1)) }
func (r *reader) uint16() uint16 { return uint16(r.number(2)) }
func (r *reader) uint32() uint32 { return uint32(r.number(4)) }
func (r *reader) uint64() uint64 { return r.number(8) }

// field reads a field that follows its length.
func (r *reader) field() []byte { return r.take(uint64(r.uint16())) }
