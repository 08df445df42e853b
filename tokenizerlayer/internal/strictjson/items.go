package strictjson

import (
	"bytes"
	"errors"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Items takes a document apart that has one member, an array: it returns the array's elements as they stand in data, at
// most one more than most. It does not look into the elements: a member that is given twice, or text that is not UTF-8,
// is for the caller to find in the element that has it. The error is an *[Error].
func Items(data []byte, member string, most int) ([][]byte, error) {
	if jsontext.Value(data).Kind() != '{' {
		return nil, &Error{Reason: "must be a JSON object"}
	}
	d := lenient(data)
	items, found := [][]byte(nil), false
	_, err := d.ReadToken() // {
	for err == nil && d.PeekKind() == '"' {
		var name jsontext.Token
		if name, err = d.ReadToken(); err != nil {
			break
		}
		switch {
		case name.String() != member:
			return nil, unknown(showable(jsontext.Pointer("").AppendToken(name.String())))
		case found:
			return nil, &Error{Field: member, Reason: "is given twice; give it once"}
		case d.PeekKind() != '[':
			return nil, &Error{Field: member, Reason: "must be a list"}
		}
		found = true
		if items, err = elements(d, data, most); len(items) > most {
			return items, nil
		}
	}
	if err == nil {
		_, err = d.ReadToken() // }
	}
	switch {
	case err != nil, len(bytes.TrimLeft(data[d.InputOffset():], " \t\r\n")) > 0:
		return nil, errSyntax
	case !found:
		return nil, &Error{Field: member, Reason: "is missing"}
	}
	return items, nil
}

// elements reads an array, up to one element more than most.
func elements(d *jsontext.Decoder, data []byte, most int) (items [][]byte, err error) {
	if _, err = d.ReadToken(); err != nil { // [
		return nil, err
	}
	for len(items) <= most {
		if d.PeekKind() == ']' {
			_, err = d.ReadToken()
			return items, err
		}
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		end := int(d.InputOffset())
		items = append(items, data[end-len(value):end:end])
	}
	return items, nil
}

// Text returns the text of an object's member, of one that is valid but for what [Items] leaves to its caller. It
// reports whether the object has the member, and whether the member is one text; value is "" otherwise.
func Text(object []byte, member string) (value string, given, isText bool) {
	if jsontext.Value(object).Kind() != '{' {
		return "", false, false
	}
	d := lenient(object)
	_, err := d.ReadToken() // {
	for err == nil && d.PeekKind() == '"' {
		var name jsontext.Token
		if name, err = d.ReadToken(); err != nil || name.String() != member {
			err = errors.Join(err, d.SkipValue())
			continue
		}
		if given || d.PeekKind() != '"' {
			return "", true, false
		}
		var text jsontext.Token
		text, err = d.ReadToken()
		value, given = text.String(), true
	}
	return value, given, given
}

// lenient reads data in place. It refuses neither a name that is given twice nor text that is not UTF-8.
func lenient(data []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(slices.Clip(data)), jsontext.AllowDuplicateNames(true),
		jsontext.AllowInvalidUTF8(true))
}
