package main

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// The connections of a process that was killed do not keep the next one from its port.
func TestRun_BindsItsPortAgainAfterAKill(t *testing.T) {
	x := startExtension(t)
	x.want(t, http.StatusOK, api.PathTokenize, `{"data":"`+canary+`"}`)
	x.Kill()
	x.Start(t)
	x.want(t, http.StatusOK, api.PathTokenize, `{"data":"`+canary+`"}`)
}

// A hundred requests at once, before any connection to KMS and DynamoDB is open.
func TestRun_AnswersAHundredCallsAtOnceFromTheStart(t *testing.T) {
	x := startExtension(t)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_, err := x.Client.Tokenize(t.Context(), client.TokenizeInput{Data: client.NewSecret(canary)})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(x.rows(t, vaultTable)); n != 100 {
		t.Errorf("%d rows", n)
	}
}

// Nothing answers where KMS and DynamoDB should be, or their names do not resolve: the extension serves, and says so.
func TestRun_StartsThoughNothingAnswersUpstream(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + closed.Addr().String()
	closed.Close()
	for name, url := range map[string]string{"no listener": nobody, "no such name": "http://nobody.invalid"} {
		t.Run(name, func(t *testing.T) {
			x := newRunning(t)
			x.Environment = slices.DeleteFunc(x.Environment, func(v string) bool {
				return strings.HasPrefix(v, "AWS_ENDPOINT_URL_")
			})
			x.Environment = append(x.Environment, "AWS_ENDPOINT_URL_KMS="+url, "AWS_ENDPOINT_URL_DYNAMODB="+url)
			x.Start(t)
			status, answer := x.post(t, api.PathTokenize, `{"data":"`+canary+`"}`)
			if status != http.StatusServiceUnavailable || !strings.Contains(answer, `"code":"unavailable"`) {
				t.Errorf("%d %s", status, answer)
			}
			status, answer = x.post(t, api.PathTokenizeBatch, `{"items":[{"data":"`+canary+`"},{"data":"x"}]}`)
			if status != http.StatusOK || strings.Count(answer, `"code":"unavailable"`) != 1 ||
				strings.Count(answer, `"code":"invalid-request"`) != 1 {
				t.Errorf("%d %s", status, answer)
			}
		})
	}
}
