package attempt

import (
	"encoding/binary"
	"errors"
)

// Envelope is what the header of an envelope tells everybody who has the row.
type Envelope struct {
	Context map[string]string // the encryption context
	Key     string            // ARN of the key that wraps the data key
	DataKey []byte            // wrapped
	Size    int               // of the whole envelope, in bytes
}

var errEnvelope = errors.New("this is no message of the AWS Encryption SDK, version 2, under one key")

// ParseEnvelope reads the header of a message of the AWS Encryption SDK. It checks no signature: nothing of it is
// believed, only shown or sent to KMS. Source:
// https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html
func ParseEnvelope(message []byte) (Envelope, error) {
	const before = 1 + 2 + 32 // version, algorithm and message id
	if len(message) < before || message[0] != 2 {
		return Envelope{}, errEnvelope
	}
	r := &reader{rest: message[before:]}
	context := &reader{rest: r.field()}
	e := Envelope{Context: map[string]string{}, Size: len(message)}
	if len(context.rest) > 0 {
		for range context.number() {
			name := string(context.field())
			e.Context[name] = string(context.field())
		}
	}
	if r.number() != 1 {
		return Envelope{}, errEnvelope
	}
	r.field() // the provider's name
	e.Key, e.DataKey = string(r.field()), r.field()
	if r.short || context.short {
		return Envelope{}, errEnvelope
	}
	return e, nil
}

// reader reads numbers of two bytes, and fields with such a length before them.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if r.short || len(r.rest) < n {
		r.short = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) number() int {
	b := r.take(2)
	if b == nil {
		return 0
	}
	return int(binary.BigEndian.Uint16(b))
}

func (r *reader) field() []byte { return r.take(r.number()) }
