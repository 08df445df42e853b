package launched_test

import (
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/launched"
)

func TestCheckAddress_TakesThisMachineAlone(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:0": true, "localhost:3001": true, "[::1]:1": true, "127.9.9.9:1": true,
		"0.0.0.0:1": false, ":1": false, "[::]:1": false, "192.0.2.1:1": false, "example.com:1": false,
		"127.0.0.1": false, "": false,
	} {
		err := launched.CheckAddress(addr, "127.0.0.1:3001")
		if (err == nil) != want {
			t.Errorf("%q: error = %v", addr, err)
		}
		if err != nil && !strings.Contains(err.Error(), "such as 127.0.0.1:3001") {
			t.Errorf("%q: the error has no example: %v", addr, err)
		}
	}
}
