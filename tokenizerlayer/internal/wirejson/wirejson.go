// Package wirejson writes and reads JSON without reflection: the JSON of AWS's services, and whatever each operation
// writes once. It appends to a buffer, and what it reads stays in the caller's buffer, so that the caller can wipe
// everything.
//
// Reading is strict: one document, no member twice, valid UTF-8. The errors say nothing about the document, which may
// hold a secret.
package wirejson

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrForm is the error about a document that is not JSON, or not of the expected form.
var ErrForm = errors.New("wirejson: not a document of the expected form")

// AppendString appends a text as a JSON string. What is not UTF-8 becomes U+FFFD, as with encoding/json.
func AppendString(to []byte, s string) []byte {
	to, _ = jsontext.AppendQuote(to, s) // the error tells that something was replaced
	return to
}

// AppendBytes appends bytes as a JSON string in base64.
func AppendBytes(to, b []byte) []byte {
	to = append(to, '"')
	to = base64.StdEncoding.AppendEncode(to, b)
	return append(to, '"')
}

// AppendName appends the name of an object's member, with the comma before it unless it is the first one.
func AppendName(to []byte, name string) []byte {
	if last := len(to) - 1; last >= 0 && to[last] != '{' {
		to = append(to, ',')
	}
	return append(AppendString(to, name), ':')
}

// Decoder reads one document.
type Decoder struct {
	json    jsontext.Decoder
	source  bytes.Buffer
	scratch []byte // for strings with escapes; wiped after each document
}

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// Decode has read read the one value in document. Nothing that read gets from the decoder may be kept unless its
// description says so.
func Decode(document []byte, read func(*Decoder) error) error {
	d := decoders.Get().(*Decoder)
	d.source = *bytes.NewBuffer(document)
	d.json.Reset(&d.source)
	defer d.release()
	if err := read(d); err != nil {
		return err
	}
	if d.json.PeekKind() != 0 || len(bytes.Trim(document[d.json.InputOffset():], " \t\r\n")) > 0 { // something follows
		return ErrForm
	}
	return nil
}

// release wipes what is left of the document, and forgets the document itself, which is the caller's.
func (d *Decoder) release() {
	clear(d.scratch[:cap(d.scratch)])
	d.source = bytes.Buffer{}
	d.json.Reset(&d.source)
	decoders.Put(d)
}

// Object reads an object. It calls member with the name of each member, which has to read its value; name is valid
// until then. A null counts as an object without members.
func (d *Decoder) Object(member func(name []byte) error) error {
	if null, err := d.begin('{'); null || err != nil {
		return err
	}
	for d.json.PeekKind() == '"' {
		name, err := d.text()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	return d.end('}')
}

// Array reads an array, or a null as an empty one. It calls element before each element, which element has to read.
func (d *Decoder) Array(element func() error) error {
	if null, err := d.begin('['); null || err != nil {
		return err
	}
	for kind := d.json.PeekKind(); kind != ']' && kind != 0; kind = d.json.PeekKind() {
		if err := element(); err != nil {
			return err
		}
	}
	return d.end(']')
}

func (d *Decoder) begin(kind jsontext.Kind) (null bool, err error) {
	token, err := d.json.ReadToken()
	if err != nil || token.Kind() != kind && token.Kind() != 'n' {
		return false, ErrForm
	}
	return token.Kind() == 'n', nil
}

func (d *Decoder) end(kind jsontext.Kind) error {
	if token, err := d.json.ReadToken(); err != nil || token.Kind() != kind {
		return ErrForm
	}
	return nil
}

// Null reads a null if the next value is one.
func (d *Decoder) Null() bool {
	if d.json.PeekKind() != 'n' {
		return false
	}
	_, err := d.json.ReadToken()
	return err == nil
}

// IsString tells whether the next value is a string.
func (d *Decoder) IsString() bool { return d.json.PeekKind() == '"' }

// Skip passes over a value, whatever it is.
func (d *Decoder) Skip() error {
	if d.json.SkipValue() != nil {
		return ErrForm
	}
	return nil
}

// String reads a string, which may be kept. A null counts as "".
func (d *Decoder) String() (string, error) {
	if d.Null() {
		return "", nil
	}
	text, err := d.text()
	return string(text), err
}

// Bytes reads a string of base64 into a new slice of exactly its length. A null counts as none.
func (d *Decoder) Bytes() ([]byte, error) {
	if d.Null() {
		return nil, nil
	}
	encoded, err := d.text()
	if err != nil {
		return nil, err
	}
	// Decoding in place would alter the caller's document, and a slice that is too long would leave bytes behind its
	// end unwiped.
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Decode(decoded, encoded)
	if err != nil {
		clear(decoded)
		return nil, ErrForm
	}
	return slices.Clip(decoded[:n]), nil
}

// text reads a string. The result is valid until the next value is read.
func (d *Decoder) text() ([]byte, error) {
	raw, err := d.json.ReadValue()
	if err != nil || raw.Kind() != '"' {
		return nil, ErrForm
	}
	inside := raw[1 : len(raw)-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return inside, nil
	}
	d.grow(len(raw)) // a string without its escapes is shorter
	if d.scratch, err = jsontext.AppendUnquote(d.scratch[:0], raw); err != nil {
		return nil, ErrForm
	}
	return d.scratch, nil
}

// grow makes room for n bytes, and wipes the room that there was.
func (d *Decoder) grow(n int) {
	if cap(d.scratch) >= n {
		return
	}
	clear(d.scratch[:cap(d.scratch)])
	d.scratch = slices.Grow([]byte(nil), n)
}
