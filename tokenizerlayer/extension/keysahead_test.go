package main

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// generating counts the calls that ask KMS for a data key, and holds those after the first until release is called.
func (x *running) generating(t *testing.T) (calls *atomic.Int64, release func()) {
	t.Helper()
	held := make(chan struct{})
	release = sync.OnceFunc(func() { close(held) })
	t.Cleanup(release)
	calls = new(atomic.Int64)
	x.Asked.Watch(func(r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GenerateDataKey") && calls.Add(1) > 1 {
			select {
			case <-held:
			case <-r.Context().Done():
			}
		}
	})
	return calls, release
}

// KMS answers once, while the extension starts, and no more. The first token is made all the same.
func TestExtension_TheFirstTokenDoesNotWaitForKMS(t *testing.T) {
	x := newRunning(t)
	x.Environment = append(x.Environment, "TOKENIZER_ACCOUNT_ID=123456789012", "TOKENIZER_ACCESS=tokenize",
		"TOKENIZER_PURPOSES=payment")
	calls, release := x.generating(t)
	x.Start(t)
	if n := calls.Load(); n > 1 {
		t.Errorf("KMS was asked %d times at the start", n)
	}
	x.want(t, 200, api.PathTokenize, `{"data":"`+canary+`","binding":{"purpose":"payment"}}`)
	release()
	if err := x.ShutDown(); err != nil {
		t.Error(err)
	}
	// The first answer of KMS may arrive after the request. Then the request takes it, and does not wait for its own
	// call to KMS, which is not answered here.
	logged := x.Stdout.String()
	if !regexp.MustCompile(`"msg":"data keys",.*"used":1,"waited_for":[01],`).MatchString(logged) {
		t.Errorf("the count of data keys is not logged:\n%s", logged)
	}
}

// A function that was not granted to tokenize does not ask for data keys, and one that wants none ahead asks for each
// token.
func TestExtension_AsksForNoDataKeyWithoutNeed(t *testing.T) {
	for name, environment := range map[string][]string{
		"detokenize": {"TOKENIZER_ACCESS=detokenize"},
		"not told":   nil,
		"none ahead": {"TOKENIZER_ACCESS=tokenize", "TOKENIZER_KEYS_AHEAD=0"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newRunning(t)
			x.Environment = append(x.Environment, environment...)
			calls, release := x.generating(t)
			release()
			x.Start(t)
			x.want(t, 404, api.PathDetokenize, `{"token":"00000000-0000-4000-8000-000000000000"}`)
			if n := calls.Load(); n != 0 {
				t.Errorf("KMS was asked for %d data keys", n)
			}
			if name == "none ahead" {
				for range 3 {
					x.want(t, 200, api.PathTokenize, `{"data":"`+canary+`"}`)
				}
				if n := calls.Load(); n != 3 {
					t.Errorf("KMS was asked for %d data keys for 3 tokens", n)
				}
			}
			if err := x.ShutDown(); err != nil {
				t.Error(err)
			}
		})
	}
}
