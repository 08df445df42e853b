package attribute_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
)

func TestItem_IsWrittenInOrderAndReadBack(t *testing.T) {
	i := attribute.Item{
		"b": attribute.N("-1.5"),
		"a": attribute.S("\"<é>\u2028\n"),
		"c": attribute.B([]byte{0, 255}),
		"":  attribute.S(""),
	}
	const want = "{\"\":{\"S\":\"\"},\"a\":{\"S\":\"\\\"<é>\u2028\\n\"},\"b\":{\"N\":\"-1.5\"},\"c\":{\"B\":\"AP8=\"}}"
	if got := string(i.AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	encoded, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	var back attribute.Item
	if err := json.Unmarshal(encoded, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(i, back); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestValue_OfAnotherTypeIsNone(t *testing.T) {
	for _, document := range []string{
		`{"BOOL":true}`, `{"NULL":true}`, `{"L":[{"S":"x"}]}`, `{"M":{"S":{"S":"x"}}}`, `{"SS":["x"]}`, `{}`,
		`{"S":"x","N":"1"}`, `{"s":"x"}`, `null`,
	} {
		var i attribute.Item
		if err := json.Unmarshal([]byte(`{"a":`+document+`}`), &i); err != nil {
			t.Errorf("%s: %v", document, err)
		}
		v, found := i["a"]
		_, isText := v.Text()
		_, isNumber := v.Number()
		_, isBytes := v.Bytes()
		if !found || isText || isNumber || isBytes || !v.Equal(attribute.Value{}) {
			t.Errorf("%s is read as %+v, found %v", document, v, found)
		}
	}
	for _, document := range []string{`{"S":1}`, `{"S":null}`, `{"N":1}`, `{"B":"?"}`, `{"B":[]}`, `"x"`, `[]`} {
		var i attribute.Item
		if err := json.Unmarshal([]byte(`{"a":`+document+`}`), &i); err == nil {
			t.Errorf("%s is read as %+v", document, i)
		}
	}
}

// What is read is what encoding/json reads, and is written so that it is read again.
func FuzzItem(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"S":"x\u00e9\n"},"b":{"N":"-1.5"},"c":{"B":"AAEC\/w=="},"d":{"L":[{"S":"x"}]},"e":{"BOOL":true}}`, `{}`,
		`null`, `{"a":{}}`, `{"a":{"S":"x","S":"y"}}`, `{"a":{"S":"x"},"a":{"N":"1"}}`, `{"a":{"S":"\ud800"}}`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var got attribute.Item
		if json.Unmarshal(document, &got) != nil {
			return
		}
		var want map[string]map[string]json.RawMessage
		if err := json.Unmarshal(document, &want); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		if len(got) != len(want) {
			t.Errorf("%d attributes, want %d", len(got), len(want))
		}
		for name, members := range want {
			value, found := got[name]
			if !found || !value.Equal(valueOf(t, members)) {
				t.Errorf("%q: got %+v, want %s", name, value, members)
			}
			if value.Equal(attribute.Value{}) {
				delete(got, name)
			}
		}
		var again attribute.Item
		if err := json.Unmarshal(got.AppendJSON(nil), &again); err != nil || !cmp.Equal(got, again) && len(got) > 0 {
			t.Errorf("written and read again: %v, want %v, error %v", again, got, err)
		}
	})
}

// valueOf is a value by encoding/json.
func valueOf(t *testing.T, members map[string]json.RawMessage) attribute.Value {
	t.Helper()
	if len(members) != 1 {
		return attribute.Value{}
	}
	var text string
	var b []byte
	for name, of := range map[string]any{"S": &text, "N": &text, "B": &b} {
		if members[name] != nil && json.Unmarshal(members[name], of) != nil {
			t.Fatalf("encoding/json does not read %s", members)
		}
	}
	switch {
	case members["S"] != nil:
		return attribute.S(text)
	case members["N"] != nil:
		return attribute.N(text)
	case members["B"] != nil:
		return attribute.B(b)
	}
	return attribute.Value{}
}
