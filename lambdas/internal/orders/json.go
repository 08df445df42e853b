package orders

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// decode reads a request: one JSON object in UTF-8, of known members in their exact case, each given once. The error
// names the member that is wrong and never repeats a value.
func decode(body []byte, request any) error {
	if jsontext.Value(body).Kind() != '{' {
		return invalid("", "must be a JSON object")
	}
	err := json.Unmarshal(body, request, json.RejectUnknownMembers(true))
	if err == nil {
		return refuseNull(body)
	}
	semantic, isSemantic := errors.AsType[*json.SemanticError](err)
	syntactic, isSyntactic := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case isSemantic && errors.Is(semantic.Err, json.ErrUnknownName):
		return unknownMember(member(semantic.JSONPointer))
	case isSemantic:
		return invalid(member(semantic.JSONPointer), "has the wrong type")
	case isSyntactic && errors.Is(syntactic.Err, jsontext.ErrDuplicateName):
		return invalid(member(syntactic.JSONPointer), "is given twice; give it once")
	case isSyntactic && !utf8.Valid(body):
		return invalid(member(syntactic.JSONPointer), "is not valid UTF-8")
	}
	return invalid("", "is not valid JSON (RFC 8259, UTF-8)")
}

// refuseNull refuses a valid document with a null in it, which a program sends by mistake only.
func refuseNull(body []byte) error {
	decoder := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		token, err := decoder.ReadToken()
		switch {
		case err != nil: // the end
			return nil
		case token.Kind() == 'n':
			return invalid(member(decoder.StackPointer()), "must not be null")
		}
	}
}

// unknownMember refuses a member. Sensitive authentication data must not even be sent (PCI DSS 3.3), so it gets a
// refusal of its own.
func unknownMember(field string) error {
	switch name := field[strings.LastIndexByte(field, '.')+1:]; {
	case client.IsAuthenticationData(name):
		return invalid(field, "is sensitive authentication data and must never be sent here; remove it")
	case field == "":
		return invalid("", "has an unknown member; remove it")
	}
	return invalid(field, "is not a known member; remove it")
}

// plain is what the name of a member may look like to be repeated in an answer. A name is input like any other:
// somebody may put a card number there, so a name with more than two digits is not shown.
var plain = regexp.MustCompile(`^[A-Za-z_.-]*([0-9][A-Za-z_.-]*){0,2}$`)

// member returns the path of a member, or "" if the path is not fit to be shown.
func member(p jsontext.Pointer) string {
	path := strings.ReplaceAll(strings.TrimPrefix(string(p), "/"), "/", ".")
	if len(path) > 64 || !plain.MatchString(path) {
		return ""
	}
	return path
}
