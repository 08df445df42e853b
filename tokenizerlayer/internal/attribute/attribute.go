// Package attribute has the rows of the vault's tables: items of DynamoDB whose attributes are texts, numbers and
// bytes. Their JSON is DynamoDB's own, in requests to DynamoDB and in answers of the loopback API alike:
//
//	row := attribute.Item{"Hash_Key": attribute.S("..."), "ExpiresAt": attribute.N("1767323105"), "CandidateString": attribute.B(message)}
//
// DynamoDB has more types of attributes, and whoever may write a table can store them. An Item has such a value too,
// but not as a text, a number or bytes.
package attribute

import (
	"bytes"
	"maps"
	"slices"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// Item is a row, or a part of one, or the values of an expression.
type Item map[string]Value

// Value is the value of an attribute. The zero Value is of none of the known types.
type Value struct {
	kind  byte // 'S', 'N' or 'B', or 0
	text  string
	bytes []byte
}

// S is a text.
func S(text string) Value { return Value{kind: 'S', text: text} }

// N is a number, as DynamoDB writes it: in decimal.
func N(number string) Value { return Value{kind: 'N', text: number} }

// B is bytes, which it does not copy.
func B(b []byte) Value { return Value{kind: 'B', bytes: b} }

// Text returns a text; ok is false for a value of another type.
func (v Value) Text() (text string, ok bool) {
	if v.kind != 'S' {
		return "", false
	}
	return v.text, true
}

// Number returns a number in decimal; ok is false for a value of another type.
func (v Value) Number() (number string, ok bool) {
	if v.kind != 'N' {
		return "", false
	}
	return v.text, true
}

// Bytes returns bytes, not a copy of them; ok is false for a value of another type.
func (v Value) Bytes() (b []byte, ok bool) { return v.bytes, v.kind == 'B' }

// Equal tells whether v and w are the same value.
func (v Value) Equal(w Value) bool {
	return v.kind == w.kind && v.text == w.text && bytes.Equal(v.bytes, w.bytes)
}

// AppendJSON appends an item as an object, its members in order.
func (i Item) AppendJSON(to []byte) []byte {
	var few [16]string // as many names as a row has, without an allocation
	names := slices.AppendSeq(few[:0], maps.Keys(i))
	slices.Sort(names)
	to = append(to, '{')
	for _, name := range names {
		to = i[name].appendJSON(wirejson.AppendName(to, name))
	}
	return append(to, '}')
}

// appendJSON appends a value of none of the known types as {}, which DynamoDB refuses.
func (v Value) appendJSON(to []byte) []byte {
	switch v.kind {
	case 'S', 'N':
		to = append(to, '{', '"', v.kind, '"', ':')
		to = wirejson.AppendString(to, v.text)
	case 'B':
		to = append(to, `{"B":`...)
		to = wirejson.AppendBytes(to, v.bytes)
	default:
		to = append(to, '{')
	}
	return append(to, '}')
}

// Read reads an item; nil for a null.
func Read(d *wirejson.Decoder) (Item, error) {
	if d.Null() {
		return nil, nil
	}
	i := Item{}
	err := d.Object(func(name []byte) error {
		attribute := string(name)
		value, err := readValue(d)
		i[attribute] = value
		return err
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// readValue reads a value. It is an object with one member, which is named after the type.
func readValue(d *wirejson.Decoder) (v Value, err error) {
	members := 0
	err = d.Object(func(name []byte) (err error) {
		members++
		switch string(name) {
		case "S", "N":
			v.kind = name[0]
			if !d.IsString() {
				return wirejson.ErrForm
			}
			v.text, err = d.String()
		case "B":
			v.kind = 'B'
			if !d.IsString() {
				return wirejson.ErrForm
			}
			v.bytes, err = d.Bytes()
		default:
			err = d.Skip()
		}
		return err
	})
	if members != 1 { // DynamoDB never answers this; whatever it is, no type is known for it
		return Value{}, err
	}
	return v, err
}

// MarshalJSON implements json.Marshaler.
func (i Item) MarshalJSON() ([]byte, error) { return i.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (i *Item) UnmarshalJSON(document []byte) error {
	return wirejson.Decode(document, func(d *wirejson.Decoder) (err error) {
		*i, err = Read(d)
		return err
	})
}
