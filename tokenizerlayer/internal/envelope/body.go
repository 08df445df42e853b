package envelope

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
)

// The body of what we write is frames of frameLength bytes, as the AWS libraries write them by default. The final frame
// has the rest, at most one frame's length, and also ends a body that is empty.
//
//	frame:       number 4 | IV 12 | ciphertext | tag 16
//	final frame: FFFFFFFF | number 4 | IV 12 | length 4 | ciphertext | tag 16
//
// Other SDKs can be told to write one block in place of frames:
//
//	block:       IV 12 | length 8 | ciphertext | tag 16
//
// https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/data-format/message-body.md
const (
	frameLength = 4096
	sequenceEnd = 0xffffffff // stands before the number of the final frame

	ivSize        = 12
	frameOverhead = 4 + ivSize + tagSize
	finalOverhead = 4 + frameOverhead + 4
)

// What the tag of a part of the body says it is.
//
// https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/data-format/message-body-aad.md#body-aad-content
const (
	regularFrame = "AWSKMSEncryptionClient Frame"
	finalFrame   = "AWSKMSEncryptionClient Final Frame"
	singleBlock  = "AWSKMSEncryptionClient Single Block"
)

// frame is a part of the body: a frame, the final frame, or the only block.
type frame struct {
	kind   string
	number uint32
	sealed []byte // ciphertext and tag
}

// headerIV is the number that gives the IV of the header's tag. Frames are numbered from 1, and a block has the number
// 1, so no IV is used twice under the key of a message.
const headerIV = 0

// iv makes an IV of a number, as every AWS Encryption SDK does for this suite. The specification only requires that IVs
// are unique in a message. Open accepts no others, so a writer that repeats an IV is noticed.
//
// https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/IV-reference.html
func iv(number uint32) []byte {
	b := make([]byte, ivSize)
	binary.BigEndian.PutUint32(b[ivSize-4:], number)
	return b
}

// appendAdditional writes what a part's tag authenticates besides its plaintext of length bytes.
//
// https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/data-format/message-body-aad.md#structure
func (f frame) appendAdditional(b, id []byte, length int) []byte {
	b = append(append(b, id...), f.kind...)
	b = binary.BigEndian.AppendUint32(b, f.number)
	return binary.BigEndian.AppendUint64(b, uint64(length))
}

func bodySize(plaintext int) int {
	return max(plaintext-1, 0)/frameLength*frameOverhead + finalOverhead + plaintext
}

// appendBody writes the frames of plaintext.
func appendBody(m []byte, aead cipher.AEAD, id, plaintext []byte) []byte {
	number := uint32(1)
	for ; len(plaintext) > frameLength; number++ {
		m = binary.BigEndian.AppendUint32(m, number)
		m = append(m, iv(number)...)
		m = frame{kind: regularFrame, number: number}.appendSealed(m, aead, id, plaintext[:frameLength])
		plaintext = plaintext[frameLength:]
	}
	m = binary.BigEndian.AppendUint32(m, sequenceEnd)
	m = binary.BigEndian.AppendUint32(m, number)
	m = append(m, iv(number)...)
	m = binary.BigEndian.AppendUint32(m, uint32(len(plaintext)))
	return frame{kind: finalFrame, number: number}.appendSealed(m, aead, id, plaintext)
}

func (f frame) appendSealed(m []byte, aead cipher.AEAD, id, plaintext []byte) []byte {
	return aead.Seal(m, iv(f.number), plaintext, f.appendAdditional(nil, id, len(plaintext)))
}

// parseBody splits the body into its parts: numbered from 1, with the IVs that belong to the numbers, and nothing after
// the last.
func parseBody(h header) ([]frame, bool) {
	r := reader{rest: h.body}
	if h.contentType == nonFramed {
		return parseBlock(&r)
	}
	frames := make([]frame, 0, 1+uint64(len(h.body))/(frameOverhead+uint64(h.frameLength)))
	for number := uint32(1); ; number++ {
		f, ok := parseFrame(&r, number, h.frameLength)
		if !ok {
			return nil, false
		}
		if frames = append(frames, f); f.kind == finalFrame {
			return frames, len(r.rest) == 0
		}
	}
}

// parseFrame reads the frame that must have this number. length is that of an ordinary frame, and the most of a final
// one.
func parseFrame(r *reader, number, length uint32) (frame, bool) {
	f := frame{kind: regularFrame, number: r.uint32()}
	if f.number == sequenceEnd {
		f = frame{kind: finalFrame, number: r.uint32()}
	}
	rightIV := bytes.Equal(r.take(ivSize), iv(number))
	most := length
	if f.kind == finalFrame {
		length = r.uint32()
	}
	f.sealed = r.take(uint64(length) + tagSize)
	return f, rightIV && f.number == number && length <= most && !r.short
}

// parseBlock reads a body of one block.
func parseBlock(r *reader) ([]frame, bool) {
	f := frame{kind: singleBlock, number: 1}
	rightIV := bytes.Equal(r.take(ivSize), iv(f.number))
	length := r.uint64()
	if !rightIV || length > MaxMessage {
		return nil, false
	}
	f.sealed = r.take(length + tagSize)
	return []frame{f}, !r.short && len(r.rest) == 0
}

// decrypt puts the plaintext of all frames into s. If it fails, s.wipe clears what the frames before were.
func (s *secrets) decrypt(aead cipher.AEAD, id []byte, frames []frame) bool {
	size := 0
	for _, f := range frames {
		size += len(f.sealed) - tagSize
	}
	s.plaintext = make([]byte, 0, size)
	var additional []byte // one buffer for all: small frames must not make a message expensive
	for _, f := range frames {
		additional = f.appendAdditional(additional[:0], id, len(f.sealed)-tagSize)
		more, err := aead.Open(s.plaintext, iv(f.number), f.sealed, additional)
		if err != nil {
			return false
		}
		s.plaintext = more
	}
	return true
}
