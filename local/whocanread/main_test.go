package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRun_SaysWhatIsWrong(t *testing.T) {
	for want, args := range map[string][]string{
		`unexpected argument "cdk.out"`: {"cdk.out"},
		"flag provided but not defined": {"-wirte"},
		"no-such-directory":             {"-app", "no-such-directory"},
		// It is the assembly of other constructs: what it has is named, not left out.
		"AmazonAPIGatewayPushToCloudWatchLogs": {"-app", "../assembly/testdata/cdk.out"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out); err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(out.String(), "# Who can read") {
			t.Errorf("%q: error %v, output %q", args, err, &out)
		}
	}
}
