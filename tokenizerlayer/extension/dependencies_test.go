package main

import (
	"os/exec"
	"strings"
	"testing"
)

const (
	sdk = "github.com/aws/aws-sdk-go-v2/"
	// The library that package envelope uses brings clients of its own, which the extension does not call.
	envelopeLibrary = "github.com/aws/aws-encryption-sdk/"
)

// Of the SDK the extension has the signer and the decision about retries. The clients of services, the loading of configuration and the
// sources of credentials cost more start-up time, memory and size than all the rest (docs/adr/0010-small-client-of-kms-and-dynamodb.md).
func TestExtension_UsesNoServiceClientOfTheSDK(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		names := strings.Fields(line)
		imports[names[0]] = names[1:]
	}
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if seen[name] || strings.HasPrefix(name, envelopeLibrary) || strings.HasPrefix(name, "github.com/aws/aws-cryptographic-material-providers-library/") {
			return
		}
		seen[name] = true
		for _, next := range imports[name] {
			visit(next)
		}
	}
	visit("github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/extension")
	for name := range seen {
		part, ofSDK := strings.CutPrefix(name, sdk)
		for _, heavy := range []string{"service/", "config", "credentials", "feature/"} {
			if ofSDK && strings.HasPrefix(part, heavy) {
				t.Errorf("the extension uses %s", name)
			}
		}
	}
	if !seen[sdk+"aws/signer/v4"] {
		t.Error("the signer is not there: nothing was looked at")
	}
}
