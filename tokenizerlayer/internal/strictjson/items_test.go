package strictjson

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestItems_TakesThemAsTheyStand(t *testing.T) {
	got, err := Items([]byte(" {\t\"items\" : [ {\"a\":[1,{}]} ,5,\n null, \"x\xff\", {\"a\":1,\"a\":2} ] } "), "items",
		5)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`{"a":[1,{}]}`, `5`, `null`, "\"x\xff\"", `{"a":1,"a":2}`}
	var texts []string
	for _, item := range got {
		texts = append(texts, string(item))
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestItems_ReadsOneMoreThanMostAndStops(t *testing.T) {
	got, err := Items([]byte(`{"items":[1,2,3,4,5,nonsense`), "items", 3)
	if err != nil || len(got) != 4 {
		t.Errorf("%d items, %v", len(got), err)
	}
}

func TestItems_RefusesWhatIsNotOfItsForm(t *testing.T) {
	for document, want := range map[string]Error{
		``:                          {"", "must be a JSON object"},
		`[]`:                        {"", "must be a JSON object"},
		`{}`:                        {"items", "is missing"},
		`{"items":5}`:               {"items", "must be a list"},
		`{"items":[1],"items":[2]}`: {"items", "is given twice; give it once"},
		`{"other":[1]}`:             {"other", "is not a known member; remove it"},
		`{"4111111111111111":[1]}`:  {"", "has an unknown member; remove it"},
		`{"items":[1]`:              *errSyntax,
		`{"items":[1}`:              *errSyntax,
		`{"items":[1,]}`:            *errSyntax,
		`{"items":[1],}`:            *errSyntax,
		`{"items":[1]}x`:            *errSyntax,
		`{"items":[1]}{}`:           *errSyntax,
		`{"items":[01]}`:            *errSyntax,
		`{"items"}`:                 {"items", "must be a list"},
		`{"items":}`:                {"items", "must be a list"},
		`{"items":[1,2,3]x`:         *errSyntax, // as many as there may be
		`{items:[1]}`:               *errSyntax,
		`{"items":[{"a":tru}]}`:     *errSyntax,
	} {
		_, err := Items([]byte(document), "items", 3)
		bad, ok := errors.AsType[*Error](err)
		if !ok || *bad != want {
			t.Errorf("%s: %v", document, err)
		}
	}
}

func TestText_FindsOneTextOfAnObject(t *testing.T) {
	for object, want := range map[string]struct {
		value         string
		given, isText bool
	}{
		`{"ref":"a"}`: {"a", true, true},
		`{"x":{"ref":"b"},"ref":"\u0061","y":[]}`: {"a", true, true},
		`{"ref":""}`:            {"", true, true},
		`{}`:                    {},
		`5`:                     {},
		`["ref"]`:               {},
		`{"Ref":"a"}`:           {},
		`{"ref":5}`:             {"", true, false},
		`{"ref":null}`:          {"", true, false},
		`{"ref":"a","ref":"a"}`: {"", true, false},
	} {
		value, given, isText := Text([]byte(object), "ref")
		if value != want.value || given != want.given || isText != want.isText {
			t.Errorf("%s: %q, %v, %v", object, value, given, isText)
		}
	}
}

func TestUnmarshal_TakesAnIntegerByItsValue(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "0.0": 0, "0e99999999999": 0, "0.000e-5": 0, "5": 5, "-5": -5, "3600.0": 3600, "1e2": 100,
		"1E+2": 100, "3.6e3": 3600, "100e-2": 1, "1.50e1": 15, "0.001e3": 1, "1200e-2": 12,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
		"9.223372036854775807e18": math.MaxInt64,
		"9223372036854775807.000": math.MaxInt64, "1e18": 1_000_000_000_000_000_000,
	} {
		var v struct {
			N *int64 `json:"n"`
		}
		if err := Unmarshal([]byte(`{"n":`+text+`}`), &v); err != nil || v.N == nil || *v.N != want {
			t.Errorf("%s: %v, %v", text, v.N, err)
		}
	}
	for _, text := range []string{
		"1.5", "1e-1", "0.1", "12345e-3", "9223372036854775808", "-9223372036854775809", "1e19", "1e400",
		"1e99999999999999999999",
		"1e-99999999999999999999", "123456789012345678901234567890e-10", `"5"`, `"1e2"`, "true", "{}", "[5]",
	} {
		var v struct {
			N *int64 `json:"n"`
		}
		bad, ok := errors.AsType[*Error](Unmarshal([]byte(`{"n":`+text+`}`), &v))
		if !ok || *bad != (Error{"n", "has the wrong type"}) {
			t.Errorf("%s: %v", text, bad)
		}
	}
}

// Items never panics, and what it takes apart is what encoding/json finds.
func FuzzItems(f *testing.F) {
	for _, seed := range []string{`{"items":[]}`, `{"items":[{"reference":"a"},5]}`, `{"items":[1`, `{"x":1}`,
		` {"items" : [ "a" ] } `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		before := string(document)
		items, err := Items(document, "items", 1000)
		if string(document) != before {
			t.Fatal("the document was changed")
		}
		for _, item := range items {
			Text(item, "reference")
		}
		var want struct {
			Items []json.RawMessage `json:"items"`
		}
		if err != nil || len(items) > 1000 || json.Unmarshal(document, &want) != nil {
			return
		}
		if len(items) != len(want.Items) {
			t.Fatalf("%d items, want %d", len(items), len(want.Items))
		}
		for i := range items {
			if strings.TrimSpace(string(want.Items[i])) != string(items[i]) {
				t.Fatalf("item %d differs", i)
			}
		}
	})
}
