package vault

import (
	"strings"
	"testing"
)

// What is no key of the index would make every attempt to delete it fail.
func TestIndexKeys_HaveThreeForms(t *testing.T) {
	mac, random := strings.Repeat("A", 43), strings.Repeat("0", 32)
	for key, want := range map[string]string{
		"fp#1#" + mac: "fingerprint", "id#1#" + mac: "request", "h#" + random: "handle",
		"fp#1#" + mac[1:]: "", "fp#1#" + mac + "A": "", "id#1#" + mac[1:]: "", "id#1#" + mac + "A": "",
		"fp##" + mac: "", "fp#X#" + mac: "",
		"fp#1#" + mac[1:] + "=": "", "h#" + random[1:]: "", "h#" + random + "0": "", "h#" + random[1:] + "A": "",
		"x#1#" + mac: "", "fp#" + mac: "", "": "",
	} {
		got := ""
		for kind, is := range map[string]func(string) bool{
			"fingerprint": isFingerprint, "request": isRequest, "handle": isHandle} {
			if is(key) {
				got += kind
			}
		}
		if got != want {
			t.Errorf("%q is %q, want %q", key, got, want)
		}
	}
}
