package wirejson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAppend_WritesADocument(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func([]byte) []byte
		want string
	}{
		"text":            {func(to []byte) []byte { return AppendString(to, "a\"\\\n é 値 <&>") }, `"a\"\\\n é 値 <&>"`},
		"empty text":      {func(to []byte) []byte { return AppendString(to, "") }, `""`},
		"invalid UTF-8":   {func(to []byte) []byte { return AppendString(to, "a\xffb") }, "\"a\ufffdb\""},
		"bytes":           {func(to []byte) []byte { return AppendBytes(to, []byte{0, 254, 255, 1}) }, `"AP7/AQ=="`},
		"no bytes":        {func(to []byte) []byte { return AppendBytes(to, nil) }, `""`},
		"the first name":  {func(to []byte) []byte { return AppendName(append(to, '{'), "é") }, `{"é":`},
		"the second name": {func(to []byte) []byte { return AppendName(append(to, `{"a":1`...), "b") }, `{"a":1,"b":`},
		"a name after an object": {
			func(to []byte) []byte { return AppendName(append(to, `{"a":{}`...), "b") }, `{"a":{},"b":`,
		},
	} {
		if got := string(tt.do(nil)); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
		if got := string(tt.do([]byte("[1,"))); got != "[1,"+tt.want {
			t.Errorf("%s: got %s behind [1,", name, got)
		}
	}
	for before, want := range map[string]string{"": `"a":`, "{": `{"a":`, "}": `},"a":`} {
		if got := string(AppendName([]byte(before), "a")); got != want {
			t.Errorf("a name behind %q: %s, want %s", before, got, want)
		}
	}
}

func TestDecode_ReadsEachKindOfValue(t *testing.T) {
	const document = ` {"text":"a\"é\u00e9","bytes":"AP7\/AQ==","none":null,"list":["x",null,""],"nothing":null,` +
		`"n\u0061me":"","skipped":{"a":[1,{}]},"object":{"a":"b"},"empty":[],"members":{}}` + "\t\r\n"
	got := map[string]any{}
	err := Decode([]byte(document), func(d *Decoder) error {
		return d.Object(func(name []byte) (err error) {
			var v any
			n := string(name) // before its value is read
			switch n {
			case "text", "name", "none":
				if d.IsString() == (n == "none") {
					t.Errorf("%s is a string: %v", n, d.IsString())
				}
				v, err = d.String()
			case "bytes":
				v, err = d.Bytes()
			case "list", "empty":
				list := []string{}
				err = d.Array(func() error {
					s, err := d.String()
					list = append(list, s)
					return err
				})
				v = list
			case "nothing":
				v = d.Null()
			case "skipped":
				if d.IsString() || d.Null() {
					t.Error("an object is a string, or a null")
				}
				err = d.Skip()
			default:
				members := map[string]string{}
				err = d.Object(func(name []byte) error {
					key := string(name)
					s, err := d.String()
					members[key] = s
					return err
				})
				v = members
			}
			got[n] = v
			return err
		})
	})
	want := map[string]any{
		"text": `a"éé`, "bytes": []byte{0, 254, 255, 1}, "none": "", "list": []string{"x", "", ""}, "nothing": true,
		"name": "", "skipped": nil, "object": map[string]string{"a": "b"}, "empty": []string{},
		"members": map[string]string{},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// read are the readers of whole documents.
var read = map[string]func(*Decoder) error{
	"object": func(d *Decoder) error { return d.Object(func([]byte) error { return d.Skip() }) },
	"array":  func(d *Decoder) error { return d.Array(d.Skip) },
	"string": func(d *Decoder) error { _, err := d.String(); return err },
	"bytes":  func(d *Decoder) error { _, err := d.Bytes(); return err },
	"value":  (*Decoder).Skip,
}

// Each document is taken by those of the readers that are named, and is ErrForm to the others. A reader tells it
// itself: it does not leave that to the end of the document.
func TestDecode_RefusesOtherForms(t *testing.T) {
	for document, takers := range map[string]string{
		`{}`:                             "object value",
		` {"a":1,"b":"x"} `:              "object value",
		`[]`:                             "array value",
		`[1,{},"x",null]`:                "array value",
		`"x"`:                            "string value",
		`""`:                             "string bytes value",
		`"AP7/"`:                         "string bytes value",
		`"\u0041P7\/"`:                   "string bytes value",
		`"AP7"`:                          "string value",
		`"AP-_"`:                         "string value",
		`"é値"`:                           "string value",
		`null`:                           "object array string bytes value",
		`1`:                              "value",
		`true`:                           "value",
		``:                               "",
		` `:                              "",
		`{`:                              "",
		`{"a"`:                           "",
		`{"a":`:                          "",
		`{"a":1`:                         "",
		`{"a":1,`:                        "",
		`{"a":1,}`:                       "",
		`{"a":1]`:                        "",
		`{"a" 1}`:                        "",
		`{1:1}`:                          "",
		`{null:1}`:                       "",
		`{"a":1,"a":2}`:                  "",
		`{"a":1,"\u0061":2}`:             "",
		`[`:                              "",
		`[1`:                             "",
		`[1,`:                            "",
		`[1,]`:                           "",
		`[1}`:                            "",
		`[1 2]`:                          "",
		`"x`:                             "",
		`"\x"`:                           "",
		`"\ud800"`:                       "",
		"\"\xff\"":                       "",
		"{\"\xff\":1}":                   "",
		"\"a\nb\"":                       "",
		`nul`:                            "",
		`}`:                              "",
		`]`:                              "",
		"\ufeff{}":                       "",
		strings.Repeat(`[`, 20_000):      "",
		`[` + strings.Repeat(` `, 9_000): "",
	} {
		for name, r := range read {
			takes := slices.Contains(strings.Fields(takers), name)
			var own error
			err := Decode([]byte(document), func(d *Decoder) error { own = r(d); return own })
			if takes && err != nil || !takes && (!errors.Is(err, ErrForm) || !errors.Is(own, ErrForm)) {
				t.Errorf("%.40q as %s: error = %v, of the reader %v", document, name, err, own)
			}
		}
	}
}

// Nothing but space may follow.
func TestDecode_RefusesMoreThanOneDocument(t *testing.T) {
	for behind, ok := range map[string]bool{
		"": true, " \t\r\n": true, "{}": false, "x": false, " ,": false, "}": false, "]": false, " null": false,
		"\x00": false, "\v": false, "\u00a0": false, "\"": false, ":": false,
		"0": false,
	} {
		for name, document := range map[string]string{"object": `{"a":"b"}`, "array": `["a"]`, "string": `"x"`} {
			err := Decode([]byte(document+behind), read[name])
			if ok && err != nil || !ok && !errors.Is(err, ErrForm) {
				t.Errorf("%s%q: error = %v", document, behind, err)
			}
		}
	}
	if err := Decode([]byte(`{}`), func(*Decoder) error { return nil }); !errors.Is(err, ErrForm) {
		t.Errorf("a document that is not read: error = %v", err)
	}
}

// The error of whoever reads a member is the error of the document, and ends it.
func TestDecode_EndsWithTheFirstError(t *testing.T) {
	trouble := errors.New("trouble")
	for name, tt := range map[string]struct {
		document string
		read     func(*Decoder, func() error) error
	}{
		"object": {`{"a":"1","b":"2"}`, func(d *Decoder, f func() error) error {
			return d.Object(func([]byte) error { return f() })
		}},
		"array": {`["1","2"]`, func(d *Decoder, f func() error) error { return d.Array(f) }},
		"value": {`1`, func(_ *Decoder, f func() error) error { return f() }},
	} {
		n := 0
		err := Decode([]byte(tt.document), func(d *Decoder) error {
			return tt.read(d, func() error {
				n++
				if err := d.Skip(); err != nil {
					t.Error(err)
				}
				return trouble
			})
		})
		if !errors.Is(err, trouble) || n != 1 {
			t.Errorf("%s: error = %v, after %d", name, err, n)
		}
	}
}

// Members and elements are those of an object and an array, and not of another value, nor of what is missing.
func TestDecoder_CallsForWhatThereIsOnly(t *testing.T) {
	for document, want := range map[string]struct{ members, elements int }{
		`{"a":"b","c":"d"}`: {members: 2},
		`{"a":"b",`:         {members: 1},
		`{"a":"b"`:          {members: 1},
		`{`:                 {},
		`["a","b","c"]`:     {elements: 3},
		`["a",`:             {elements: 1},
		`["a"`:              {elements: 1},
		`[`:                 {},
		`"a"`:               {},
		`null`:              {},
		``:                  {},
	} {
		members, elements := 0, 0
		_ = Decode([]byte(document), func(d *Decoder) error {
			return d.Object(func([]byte) error { members++; return d.Skip() })
		})
		_ = Decode([]byte(document), func(d *Decoder) error {
			return d.Array(func() error { elements++; return d.Skip() })
		})
		if members != want.members || elements != want.elements {
			t.Errorf("%s: %d members and %d elements, want %+v", document, members, elements, want)
		}
	}
}

// A value that a member's reader leaves is no end of the object.
func TestObject_RefusesAValueThatIsNotRead(t *testing.T) {
	for _, document := range []string{`{"a":1}`, `{"a":{}}`, `{"a":null,"b":2}`} {
		_ = Decode([]byte(document), func(d *Decoder) error {
			if err := d.Object(func([]byte) error { return nil }); !errors.Is(err, ErrForm) {
				t.Errorf("%s: error = %v", document, err)
			}
			return nil
		})
	}
}

// A null stands for nothing, whatever was expected, and is passed over once.
func TestDecoder_TakesANullForNothing(t *testing.T) {
	var left []string
	err := Decode([]byte(`[null,null,null,null,null,"x"]`), func(d *Decoder) error {
		return d.Array(func() error {
			s, err := d.String()
			if s != "" || err != nil {
				t.Errorf("%q, %v", s, err)
			}
			b, err := d.Bytes()
			if b != nil || err != nil {
				t.Errorf("%v, %v", b, err)
			}
			never := func() error { t.Error("a null has members"); return nil }
			if err := errors.Join(d.Object(func([]byte) error { return never() }), d.Array(never)); err != nil {
				t.Error(err)
			}
			if !d.Null() || d.Null() {
				t.Error("the last null is not one, or is two")
			}
			s, err = d.String()
			left = append(left, s)
			return err
		})
	})
	if err != nil || !slices.Equal(left, []string{"x"}) {
		t.Errorf("%v, %v", left, err)
	}
}

// Bytes are exactly as long as what they hold, so that wiping them wipes everything, and are the reader's own.
func TestBytes_AreOfTheirOwnLength(t *testing.T) {
	for n := range 10 {
		want := bytes.Repeat([]byte{0xfb}, n)
		document := AppendBytes(nil, want)
		before := bytes.Clone(document)
		var got []byte
		err := Decode(document, func(d *Decoder) (err error) { got, err = d.Bytes(); return err })
		if err != nil || !bytes.Equal(got, want) || cap(got) != n {
			t.Errorf("%d bytes: %v with room for %d, error = %v", n, got, cap(got), err)
		}
		if !bytes.Equal(document, before) {
			t.Errorf("%d bytes: the document was altered", n)
		}
	}
}

// room is a decoder's room for strings with escapes, after a first string.
func room(t *testing.T, d *Decoder, want string) []byte {
	t.Helper()
	got, err := d.text()
	if err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	return d.scratch[:cap(d.scratch)]
}

// A string with escapes is copied. The copy is wiped when there is a longer one, and at the end, however that comes.
func TestDecoder_WipesCopiesOfStrings(t *testing.T) {
	long := strings.Repeat("long secret", 20)
	for name, end := range map[string]error{"a document that is read": nil, "one that fails": errors.New("trouble")} {
		var first, second []byte
		document := append(AppendString([]byte(`["\u0073ecret","\u0073hort",`), "\n"+long), ']')
		err := Decode(document, func(d *Decoder) error {
			d.scratch = nil
			n := 0
			return errors.Join(d.Array(func() error {
				switch n++; n {
				case 1:
					first = room(t, d, "secret")
				case 2: // in the same room, which is large enough
					if second = room(t, d, "short"); &second[0] != &first[0] {
						t.Errorf("%s: a short string needs another room", name)
					}
				default:
					second = room(t, d, "\n"+long)
					if bytes.Contains(first, []byte("hort")) {
						t.Errorf("%s: the first room holds %q", name, first)
					}
					if len(second) < len(long) || !bytes.Contains(second, []byte(long)) {
						t.Errorf("%s: the second room holds %q: the test shows nothing", name, second)
					}
				}
				return nil
			}), end)
		})
		if !errors.Is(err, end) {
			t.Errorf("%s: error = %v", name, err)
		}
		if len(bytes.Trim(first, "\x00")) > 0 || len(bytes.Trim(second, "\x00")) > 0 {
			t.Errorf("%s: left are %q and %q", name, first, second)
		}
	}
}

// Between documents, a decoder holds nothing of the last one.
func TestDecoder_ForgetsTheDocument(t *testing.T) {
	var d *Decoder
	if err := Decode([]byte(`{"a":"b"}`), func(of *Decoder) error { d = of; return of.Skip() }); err != nil {
		t.Fatal(err)
	}
	if d.source.Len() != 0 || d.source.Cap() != 0 {
		t.Errorf("the decoder has %d bytes of the document", d.source.Cap())
	}
}

// What is read of a string, and of base64, is what encoding/json reads.
func FuzzString(f *testing.F) {
	for _, seed := range []string{
		`"a"`, `"\u00e9\n\\\"\/"`, `"é値"`, `"\ud83d\ude00"`, `"\ud800"`, `""`, `null`, `"AP7/"`, `"A"`, `1`, `"a" `,
		"\"\xff\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var text, want string
		err := Decode(document, func(d *Decoder) (err error) { text, err = d.String(); return err })
		if err == nil && (json.Unmarshal(document, &want) != nil || text != want) {
			t.Errorf("%q is read as %q, not %q", document, text, want)
		}
		var b []byte
		if Decode(document, func(d *Decoder) (err error) { b, err = d.Bytes(); return err }) != nil {
			return
		}
		// encoding/json and base64 pass over line breaks within base64
		decoded, err := base64.StdEncoding.DecodeString(want)
		if err != nil || !bytes.Equal(b, decoded) {
			t.Errorf("%q is read as %v, not %v: %v", document, b, decoded, err)
		}
	})
}
