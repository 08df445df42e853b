package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/strictjson"
)

// Unmarshal agrees with a second description of a strict document, written over encoding/json; a document that is
// accepted keeps its value through encoding and decoding; and an error is made of fixed texts and a member's name.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"data":"` + canary + `","store":false,"inner":{"n":1}}`, ` { "data" : "x" } `, ``, `[]`, `"{}"`, `null`,
		`{"data":null,"inner":null}`,
		`{"data":"` + canary, `{"data":"a"}{}`, `{"data":"a"} x`, "{\"data\":\"\xff\"}", `{"data":` + canary + `}`,
		`{"data":"a","data":"a"}`, `{"data":"a","d\u0061ta":"a"}`,
		`{"Data":"a"}`, `{"` + canary + `":1}`, `{"cvv":"123"}`, `{"data":"\ud800"}`, `{"data":"\ud83d\ude00"}`,
		`{"data":"\u0000"}`, `{"store":1}`, `{"store":null}`,
		`{"inner":{"n":1.0}}`, `{"inner":{"n":1e2}}`, `{"inner":{"n":-0}}`, `{"inner":{"n":99999999999999999999}}`,
		`{"inner":{"n":1,"n":1}}`, `{"inner":{"m":{}}}`, `{"inner":[{"n":1}]}`,
		"\ufeff{}", `{"data":"a",}`, `{'data':'a'}`, `{"0"`, `{"a.b":1}`, `{"inner":{"a.b":1}}`, `{{"":{"n":0,"n"`,
		`{[{"n":0,"n":0}]}`, `{"data":"a"/**/}`, strings.Repeat(`{"inner":`, 100) + `1` + strings.Repeat(`}`, 100),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		var got, want request
		err := strictjson.Unmarshal(data, &got)
		if !bytes.Equal(before, data) {
			t.Fatal("the input has changed")
		}
		accepted := strict(data) && json.Unmarshal(data, &want) == nil
		if (err == nil) != accepted {
			t.Fatalf("error = %v, want accepted = %v", err, accepted)
		}
		if err != nil {
			checkError(t, data, err)
			return
		}
		if diff := cmp.Diff(revealed(want), revealed(got)); diff != "" {
			t.Fatalf("decoded otherwise than by encoding/json (-want +got):\n%s", diff)
		}
		encoded, err := json.Marshal(revealed(got))
		if err != nil {
			t.Fatal(err)
		}
		var again request
		if err := strictjson.Unmarshal(encoded, &again); err != nil {
			t.Fatalf("encoded again: %v", err)
		}
		if diff := cmp.Diff(revealed(got), revealed(again)); diff != "" {
			t.Fatalf("encoded again (-want +got):\n%s", diff)
		}
	})
}

// wire is a request that can be compared and encoded.
type wire struct {
	Data  sensitive.Wire `json:"data"`
	Store *bool          `json:"store,omitempty"`
	Inner struct {
		N int `json:"n"`
	} `json:"inner"`
}

func revealed(r request) wire { return wire{sensitive.OnWire(r.Data), r.Store, r.Inner} }

// strict describes a document that is fit to be decoded into a request, but for the types of its values.
func strict(data []byte) bool {
	if !utf8.Valid(data) || !json.Valid(data) || loneSurrogate(data) ||
		!strings.HasPrefix(strings.TrimLeft(string(data), " \t\r\n"), "{") {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(data))
	return members(d, map[string][]string{"": {"data", "store", "inner"}, "inner": {"n"}}, "") &&
		d.Decode(new(any)) == io.EOF
}

// members reads a value and reports whether the names in its objects are known and given once.
func members(d *json.Decoder, known map[string][]string, path string) bool {
	token, err := d.Token()
	if err != nil {
		return false
	}
	if token != json.Delim('{') {
		return token != json.Delim('[') && token != nil // nothing here is an array, and null is refused
	}
	var seen []string
	for d.More() {
		name, err := d.Token()
		if err != nil || !slices.Contains(known[path], name.(string)) || slices.Contains(seen, name.(string)) ||
			!members(d, known, name.(string)) {
			return false
		}
		seen = append(seen, name.(string))
	}
	_, err = d.Token()
	return err == nil
}

// unpaired finds an escaped half of a surrogate pair once pairs and escaped backslashes are gone.
var (
	paired   = regexp.MustCompile(`(?i)\\\\|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}`)
	unpaired = regexp.MustCompile(`(?i)\\ud[89a-f][0-9a-f]{2}`)
)

func loneSurrogate(data []byte) bool { return unpaired.Match(paired.ReplaceAll(data, []byte("_"))) }

var reasons = []string{
	"must be a JSON object", "is not valid JSON (RFC 8259, UTF-8)", "is not valid UTF-8", "has the wrong type",
	"is given twice; give it once", "has an unknown member; remove it",
	"has a null; leave the member out or give it a value", "is not a known member; remove it",
	"is sensitive authentication data and must never be sent here; remove it",
}

// checkError checks that an error shows nothing of the input but the name of a member, and no name that could be a
// card.
func checkError(t *testing.T, data []byte, err error) {
	t.Helper()
	e, ok := errors.AsType[*strictjson.Error](err)
	if !ok {
		t.Fatalf("a %T", err)
	}
	if !slices.Contains(reasons, e.Reason) {
		t.Fatalf("reason %q is not a fixed text", e.Reason)
	}
	if e.Field == "" {
		if e.Error() != "the body "+e.Reason {
			t.Fatalf("text %q", e.Error())
		}
		return
	}
	if e.Error() != e.Field+" "+e.Reason || len(e.Field) > 64 ||
		len(regexp.MustCompile(`[0-9]`).FindAllString(e.Field, -1)) > 2 {
		t.Fatalf("field %q", e.Field)
	}
	if bytes.ContainsRune(data, '\\') {
		return // a name may be spelled with escapes
	}
	if !isPath(data, e.Field) {
		t.Fatalf("%q is not made of names of members", e.Field)
	}
}

// index is a place in an array, which a path also has.
var index = regexp.MustCompile(`^[0-9]+$`)

// isPath reports whether dots divide path into names of members of data. A name may have dots of its own.
func isPath(data []byte, path string) bool {
	isName := func(name string) bool {
		return index.MatchString(name) || regexp.MustCompile(`[{,][ \t\r\n]*"`+regexp.QuoteMeta(name)+`"`).Match(data)
	}
	starts := []int{0} // where a name may start, all before it being names
	for end := 0; end <= len(path); end++ {
		if end < len(path) && path[end] != '.' {
			continue
		}
		if slices.ContainsFunc(starts, func(start int) bool { return isName(path[start:end]) }) {
			if end == len(path) {
				return true
			}
			starts = append(starts, end+1)
		}
	}
	return false
}
