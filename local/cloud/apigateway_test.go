package cloud

import (
	"net/url"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/gateway"
)

// An address of AWS that this run has made up could be somebody's.
func TestLocalize_LeavesNoAddressOfAWS(t *testing.T) {
	served := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	in := gateway.Config{Region: "us-east-1"}
	s := apis{byID: map[string]*api{
		"served": {path: "S/Served", config: in, url: served.String()}, "none": {path: "S/Api", config: in},
	}}
	for text, want := range map[string]string{
		"https://served.execute-api.us-east-1.amazonaws.com/prod/": "http://127.0.0.1:1/prod/",
		"https://none.execute-api.us-east-1.amazonaws.com/prod/":   "not-simulated:S/Api/prod/",
		"another output": "another output",
	} {
		if got := s.localize(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}
