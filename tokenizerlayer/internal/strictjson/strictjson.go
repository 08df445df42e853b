// Package strictjson decodes requests: one JSON object, known members only, no duplicates, no nulls, valid UTF-8, exact
// case.
//
// A number is an integer if its value is one, however it is written: 3600, 3600.0 or 3.6e3.
//
// A null is refused because a program sends one by mistake: {"ttl": null} would make a token that lives for ever.
//
// Its errors name the member that is wrong and never quote the input, so they can be answered and logged. The decoder
// is encoding/json/v2, through the module that mirrors it for Go releases before 1.27.
package strictjson

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/form"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
)

// Error says what is wrong with a document.
type Error struct {
	// Field is the path of the member that is wrong, "" where there is none or it is not fit to be shown.
	Field string
	// Reason is a fixed text.
	Reason string
}

func (e *Error) Error() string { return e.About("the body") }

// About words the error for a document that is called whole.
func (e *Error) About(whole string) string {
	if e.Field == "" {
		return whole + " " + e.Reason
	}
	return e.Field + " " + e.Reason
}

var errSyntax = &Error{Reason: "is not valid JSON (RFC 8259, UTF-8)"}

// Unmarshal decodes data into v, a pointer to a struct. The error is always an *[Error].
func Unmarshal(data []byte, v any) error {
	if jsontext.Value(data).Kind() != '{' {
		return &Error{Reason: "must be a JSON object"}
	}
	if err := json.Unmarshal(data, v, json.RejectUnknownMembers(true), json.WithUnmarshalers(integers)); err != nil {
		return describe(err, utf8.Valid(data))
	}
	if null, found := firstNull(data); found {
		return &Error{Field: nearest(null), Reason: "has a null; leave the member out or give it a value"}
	}
	return nil
}

// firstNull finds a null anywhere in a valid document.
func firstNull(data []byte) (at jsontext.Pointer, found bool) {
	if !bytes.Contains(data, []byte("null")) { // as in nearly every request
		return "", false
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(data))
	for {
		token, err := decoder.ReadToken()
		switch {
		case err != nil: // the end
			return "", false
		case token.Kind() == 'n':
			return decoder.StackPointer(), true
		}
	}
}

func describe(err error, validUTF8 bool) error {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		if errors.Is(semantic.Err, json.ErrUnknownName) {
			return unknown(showable(semantic.JSONPointer))
		}
		return &Error{Field: nearest(semantic.JSONPointer), Reason: "has the wrong type"}
	}
	syntactic, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case ok && errors.Is(syntactic.Err, jsontext.ErrDuplicateName):
		return &Error{Field: showable(syntactic.JSONPointer), Reason: "is given twice; give it once"}
	case ok && !validUTF8:
		return &Error{Field: showable(syntactic.JSONPointer), Reason: "is not valid UTF-8"}
	}
	return errSyntax
}

// unknown words the refusal of a member. Sensitive authentication data must not even be sent (PCI DSS 3.3), so its
// names get a refusal of their own.
func unknown(field string) error {
	if pan.IsAuthenticationData(field[strings.LastIndexByte(field, '.')+1:]) {
		return &Error{Field: field, Reason: "is sensitive authentication data and must never be sent here; remove it"}
	}
	if field == "" {
		return &Error{Reason: "has an unknown member; remove it"}
	}
	return &Error{Field: field, Reason: "is not a known member; remove it"}
}

// isPlain tells whether a member name may be repeated in an answer. A name is input like any other: somebody could put
// a card number there, so names with more than two digits are not shown.
func isPlain(path string) bool {
	digits := 0
	for _, c := range []byte(path) {
		if form.Begins(string(c), form.Digits) {
			digits++
		}
	}
	return digits <= 2 && form.Consists(path, form.Letters+form.Digits+"_.-", 0, 64)
}

// nearest is the path of a member or, where that is not fit to be shown, of the nearest one around it, which is wrong
// because of it.
func nearest(p jsontext.Pointer) string {
	for showable(p) == "" && p != "" {
		p = p.Parent()
	}
	return showable(p)
}

func showable(p jsontext.Pointer) string {
	var tokens []string
	for t := range p.Tokens() {
		tokens = append(tokens, t)
	}
	path := strings.Join(tokens, ".")
	if !isPlain(path) {
		return ""
	}
	return path
}
