package attribute_test

import (
	"bytes"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

func TestValue_IsOfItsOwnTypeOnly(t *testing.T) {
	for name, tt := range map[string]struct {
		value        attribute.Value
		text, number string
		bytes        []byte
		of           string
	}{
		"text":         {attribute.S("é"), "é", "", nil, "S"},
		"empty text":   {attribute.S(""), "", "", nil, "S"},
		"number":       {attribute.N("-1.5"), "", "-1.5", nil, "N"},
		"bytes":        {attribute.B([]byte{0, 255}), "", "", []byte{0, 255}, "B"},
		"no bytes":     {attribute.B(nil), "", "", nil, "B"},
		"another type": {attribute.Value{}, "", "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := tt.value.Text(); got != tt.text || ok != (tt.of == "S") {
				t.Errorf("text %q, %v", got, ok)
			}
			if got, ok := tt.value.Number(); got != tt.number || ok != (tt.of == "N") {
				t.Errorf("number %q, %v", got, ok)
			}
			if got, ok := tt.value.Bytes(); !bytes.Equal(got, tt.bytes) || ok != (tt.of == "B") {
				t.Errorf("bytes %v, %v", got, ok)
			}
		})
	}
}

// Every two of these differ, and each equals itself.
func TestValue_EqualLooksAtTypeAndContent(t *testing.T) {
	values := []func() attribute.Value{
		func() attribute.Value { return attribute.Value{} },
		func() attribute.Value { return attribute.S("") },
		func() attribute.Value { return attribute.S("1") },
		func() attribute.Value { return attribute.S("é") },
		func() attribute.Value { return attribute.N("1") },
		func() attribute.Value { return attribute.N("2") },
		func() attribute.Value { return attribute.B(nil) },
		func() attribute.Value { return attribute.B([]byte("1")) },
		func() attribute.Value { return attribute.B([]byte("2")) },
	}
	for i, v := range values {
		for j, w := range values {
			if got := v().Equal(w()); got != (i == j) {
				t.Errorf("value %d equals value %d: %v", i, j, got)
			}
		}
	}
}

// DynamoDB refuses {}, so a value that no type is known for is never written back as something else.
func TestAppendJSON_WritesAValueOfNoTypeAsAnEmptyObject(t *testing.T) {
	i := attribute.Item{"a": {}, "b": attribute.S("x")}
	if got := string(i.AppendJSON([]byte("["))); got != `[{"a":{},"b":{"S":"x"}}` {
		t.Errorf("got %s", got)
	}
}

// Read reports an error itself: whoever calls it may have the decoder read on.
func TestRead_ReportsWhatIsNoItem(t *testing.T) {
	for _, document := range []string{
		`[]`, `"x"`, `{"a":1}`, `{"a":{"S":1}}`, `{"a":{"B":"?"}}`, `{"a":{"B":"A"}}`, `{"a":{"S":"x"`, `{"a"`,
	} {
		_ = wirejson.Decode([]byte(document), func(d *wirejson.Decoder) error {
			if i, err := attribute.Read(d); err == nil || i != nil {
				t.Errorf("%s is read as %+v, error %v", document, i, err)
			}
			return nil
		})
	}
}

// A document that is cut off is an error even where nothing is left to be read.
func TestUnmarshalJSON_RefusesEveryBeginning(t *testing.T) {
	const whole = `{"a":{"S":"é"},"b":{"B":"AP8="},"c":{"L":[]}}`
	for n := range len(whole) {
		var i attribute.Item
		if err := i.UnmarshalJSON([]byte(whole[:n])); err == nil {
			t.Errorf("%s is read as %+v", whole[:n], i)
		}
	}
	var i attribute.Item
	if err := i.UnmarshalJSON([]byte(whole)); err != nil || len(i) != 3 {
		t.Errorf("%+v, %v", i, err)
	}
}
