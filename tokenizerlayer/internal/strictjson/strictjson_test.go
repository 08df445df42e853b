package strictjson_test

import (
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/strictjson"
)

type request struct {
	Data  sensitive.String `json:"data"`
	Store *bool            `json:"store"`
	Inner struct {
		N int `json:"n"`
	} `json:"inner"`
	Map map[string]string `json:"map"`
}

const canary = "4111111111111111"

func TestUnmarshal_AcceptsOneWayToWriteAValue(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"valid", `{"data":"` + canary + `","store":false,"inner":{"n":1}}`, ""},
		{"empty object", `{}`, ""},
		{"nothing", ``, "the body must be a JSON object"},
		{"array", `["` + canary + `"]`, "the body must be a JSON object"},
		{"string", `"` + canary + `"`, "the body must be a JSON object"},
		{"cut off", `{"data":"` + canary, "the body is not valid JSON (RFC 8259, UTF-8)"},
		{"two documents", `{"data":"` + canary + `"}{}`, "the body is not valid JSON (RFC 8259, UTF-8)"},
		{"invalid UTF-8", "{\"data\":\"\xff\"}", "data is not valid UTF-8"},
		{"invalid UTF-8 in a name", "{\"da\xff\":\"\"}", "the body is not valid UTF-8"},
		{"half a surrogate pair", `{"data":"\ud800"}`, "the body is not valid JSON (RFC 8259, UTF-8)"},
		{
			"wrong type below a name that is not shown", `{"inner":{"n":{"` + canary + `":1}}}`,
			"inner.n has the wrong type",
		},
		{"wrong type in a map", `{"map":{"` + canary + `":1}}`, "map has the wrong type"},
		{"unknown inside", `{"inner":{"colour":1}}`, "inner.colour is not a known member; remove it"},
		{"card as a name inside", `{"inner":{"` + canary + `":1}}`, "the body has an unknown member; remove it"},
		{"wrong type", `{"data":` + canary + `}`, "data has the wrong type"},
		{"wrong type inside", `{"inner":{"n":"` + canary + `"}}`, "inner.n has the wrong type"},
		{"duplicate", `{"data":"a","data":"` + canary + `"}`, "data is given twice; give it once"},
		{"unknown", `{"colour":"` + canary + `"}`, "colour is not a known member; remove it"},
		{"unknown case", `{"Data":"` + canary + `"}`, "Data is not a known member; remove it"},
		{"card as a name", `{"` + canary + `":1}`, "the body has an unknown member; remove it"},
		{"card as a dashed name", `{"4111-1111-1111-1111":1}`, "the body has an unknown member; remove it"},
		{"script as a name", `{"<script>":1}`, "the body has an unknown member; remove it"},
		{"long name", `{"` + strings.Repeat("a", 65) + `":1}`, "the body has an unknown member; remove it"},
		{"null", `{"data":null}`, "data has a null; leave the member out or give it a value"},
		{"null pointer", `{"data":"x","store":null}`, "store has a null; leave the member out or give it a value"},
		{"null object", `{"inner":null}`, "inner has a null; leave the member out or give it a value"},
		{"null inside", `{"inner":{"n":null}}`, "inner.n has a null; leave the member out or give it a value"},
		{"null in a map", `{"map":{"` + canary + `":null}}`, "map has a null; leave the member out or give it a value"},
		{"only null", `null`, "the body must be a JSON object"},
		{"CVV", `{"CVV":"123"}`, "CVV is sensitive authentication data and must never be sent here; remove it"},
		{"cvc2", `{"cvc2":"123"}`, "cvc2 is sensitive authentication data and must never be sent here; remove it"},
		{
			"CardSecurityCode", `{"CardSecurityCode":"1"}`,
			"CardSecurityCode is sensitive authentication data and must never be sent here; remove it",
		},
		{"track2", `{"track2":";"}`, "track2 is sensitive authentication data and must never be sent here; remove it"},
		{"pin", `{"pin":"1234"}`, "pin is sensitive authentication data and must never be sent here; remove it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r request
			got := ""
			if err := strictjson.Unmarshal([]byte(tt.in), &r); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
		})
	}
}
