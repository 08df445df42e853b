package strictjson_test

import (
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/strictjson"
)

// A name is repeated in an error if it cannot be a card number: both sides of each limit.
func TestUnmarshal_RepeatsNamesUpToTheLimits(t *testing.T) {
	for name, shown := range map[string]bool{
		"line":                  true,
		"line1":                 true,
		"line12":                true,
		"line123":               false,
		"12":                    true,
		"123":                   false,
		"1a2b3":                 false,
		"a_b-c.D":               true,
		"a b":                   false,
		"é":                     false,
		"1":                     true,
		"":                      false,
		strings.Repeat("a", 63): true,
		strings.Repeat("a", 64): true,
		strings.Repeat("a", 65): false,
	} {
		want := "the body has an unknown member; remove it"
		if shown {
			want = name + " is not a known member; remove it"
		}
		var r request
		if err := strictjson.Unmarshal([]byte(`{"`+name+`":1}`), &r); err == nil || err.Error() != want {
			t.Errorf("%q: error = %v, want %q", name, err, want)
		}
	}
}

// The digits of a whole path count, since a number may be spread over names.
func TestUnmarshal_CountsTheDigitsOfAPath(t *testing.T) {
	for document, want := range map[string]string{
		`{"inner":{"a1b2":1}}`:  "inner.a1b2 is not a known member; remove it",
		`{"inner":{"a12b3":1}}`: "the body has an unknown member; remove it",
		`{"map":{"a12":1}}`:     "map.a12 has the wrong type",
		`{"map":{"a123":1}}`:    "map has the wrong type",
	} {
		var r request
		if err := strictjson.Unmarshal([]byte(document), &r); err == nil || err.Error() != want {
			t.Errorf("%s: error = %v, want %q", document, err, want)
		}
	}
}

// The text "null" is not a null.
func TestUnmarshal_AcceptsNullInAText(t *testing.T) {
	var r request
	if err := strictjson.Unmarshal([]byte(`{"data":"null","map":{"null":"nullify"}}`), &r); err != nil ||
		r.Data.Reveal() != "null" || r.Map["null"] != "nullify" {
		t.Errorf("%v, %v", r, err)
	}
}
