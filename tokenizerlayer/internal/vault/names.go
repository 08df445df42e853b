package vault

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
)

// checkName checks an optional name that the caller gives to something.
func checkName(field, name string) error {
	switch {
	case name == "":
		return nil
	case !api.IsName(name):
		return failure.New(failure.Invalid, field,
			"must have 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit")
	case pan.Like(name):
		return failure.New(failure.Invalid, field, "looks like it holds a card number, which belongs in data only")
	}
	return nil
}

// checkMembers checks names and values that the caller gives beside the data: metadata, which is read without it, or a
// context.
func checkMembers(field string, members map[string]string, most, mostBytes int) error {
	size := 0
	for name, value := range members {
		size += len(name) + len(value)
		switch {
		case !api.IsName(name):
			return failure.New(failure.Invalid, field,
				"its names must have 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit")
		case pan.IsAuthenticationData(name):
			return failure.New(failure.Invalid, field,
				"it names a verification code, track data or a PIN, which must never be sent here; remove it")
		case !Printable(value):
			return failure.New(failure.Invalid, field, "its values must be UTF-8 without control characters")
		case pan.HoldsAuthenticationData(value):
			return failure.New(failure.Invalid, field,
				"it looks like track data or a PIN block, which must never be sent here; remove it")
		case pan.Like(name), pan.Like(value):
			return failure.New(failure.Invalid, field,
				"it looks like it holds a card number, which belongs in data only")
		}
	}
	if len(members) > most || size > mostBytes {
		return failure.New(failure.Invalid, field, "must have at most %d members with %d bytes in all", most, mostBytes)
	}
	return nil
}

func checkMetadata(m map[string]string) error {
	return checkMembers("metadata", m, api.MaxMetadata, api.MaxMetadataBytes)
}

func checkContext(m map[string]string) error {
	return checkMembers("binding.context", m, api.MaxContext, api.MaxContextBytes)
}

// Printable tells whether people can be shown s without surprises.
func Printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
	})
}

// canonical lists a map's members in one order.
func canonical(m map[string]string) (parts []string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, name, m[name])
	}
	return parts
}

// firstOf is the first error, or nil.
func firstOf(errs ...error) error {
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}
