package form_test

import (
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/form"
)

func TestConsists_HoldsTextToItsLengthAndCharacters(t *testing.T) {
	for s, want := range map[string]bool{
		"ab": true, "a-b": true, "----": true, "a": false, "abcde": false, "": false,
		"aB":     false,
		"a b":    false,
		" ab":    false,
		"ab ":    false,
		"ab\n":   false,
		"\x00ab": false,
		"aéb":    false,
		"ab\xff": false,
		"a\xc3":  false,
	} {
		if got := form.Consists(s, form.Lower+"-", 2, 4); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
	if !form.Consists("", form.Digits, 0, 1) {
		t.Error("nothing is not let through where nothing may be there")
	}
}

// Of each byte, it says what it is told.
func TestConsists_KnowsEachByte(t *testing.T) {
	for _, characters := range []string{form.Digits, form.Lower, form.Letters, form.Hex, form.Base64} {
		for b := range 256 {
			s := string([]byte{byte(b)})
			want := b < 128 && strings.Contains(characters, s)
			if got := form.Consists(s, characters, 1, 1); got != want || form.Begins(s+"!", characters) != want {
				t.Errorf("byte %#x among %q: %v", b, characters, got)
			}
		}
	}
	if form.Begins("", form.Digits) {
		t.Error("nothing begins with a digit")
	}
}
