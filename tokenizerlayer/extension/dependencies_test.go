package main

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Of the SDK the extension has the signer and the decision about retries. The clients of services, the loading of
// configuration, the sources of credentials and the encryption SDK cost more start-up time, memory and size than all
// the rest (docs/adr/0009-own-codec-of-the-message-format.md, docs/adr/0010-small-client-of-kms-and-dynamodb.md).
func TestExtension_IsMadeOfLittle(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	signer := false
	for _, name := range packages {
		signer = signer || name == "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
		for _, heavy := range []string{
			"aws-sdk-go-v2/service/", "aws-sdk-go-v2/config", "aws-sdk-go-v2/credentials", "aws-sdk-go-v2/feature/",
			"aws-encryption-sdk/",
			"aws-cryptographic-material-providers-library/", "dafny-lang/",
		} {
			if strings.Contains(name, heavy) {
				t.Errorf("the extension uses %s", name)
			}
		}
	}
	if !signer {
		t.Error("the signer is not there: nothing was looked at")
	}
}

var initialized = regexp.MustCompile(`(?m)^init (\S+) .* ([0-9]+) allocs$`)

// What a package makes before main, such as a table or a compiled expression, each start of the extension pays for.
func TestExtension_MakesLittleBeforeMain(t *testing.T) {
	command := exec.CommandContext(t.Context(), binary)
	// where nobody listens, so it ends
	command.Env = []string{"GODEBUG=inittrace=1", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1"}
	out, err := command.CombinedOutput()
	if err == nil {
		t.Fatal("the extension ended without an error, although Lambda is not there")
	}
	all, most := 0, ""
	for _, m := range initialized.FindAllStringSubmatch(string(out), -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		if all += n; n > 100 {
			most += " " + m[1] + " " + m[2]
		}
	}
	if all == 0 || all > 1000 {
		t.Errorf("%d allocations before main, want at most 1000; more than 100 of a package:%s", all, most)
	}
}
