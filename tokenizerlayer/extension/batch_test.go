package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// The process ends in the middle of batches, in order or not. Whatever token was answered is stored, and has its line
// in the log.
func TestRun_LosesNoTokenOfABatchThatWasAnswered(t *testing.T) {
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGKILL": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			x := startExtension(t)
			var keys atomic.Int64
			x.Asked.Watch(func(*http.Request) {
				if keys.Add(1) == 1000 {
					_ = x.Signal(signal)
				}
			})
			answered := x.tokenizeUntilItEnds(t)
			_ = x.Wait() // a signal is no good end
			stored := map[string]bool{}
			for _, row := range x.rows(t, vaultTable) {
				stored[row["Hash_Key"].(*types.AttributeValueMemberS).Value] = true
			}
			for _, token := range answered {
				if !stored[token] {
					t.Error("a token that was answered is not stored")
				}
			}
			if done := strings.Count(x.Stdout.String(), `"outcome":"ok"`); done < len(answered) || len(answered) == 0 {
				t.Errorf("%d tokens were answered, and %d recorded", len(answered), done)
			}
		})
	}
}

// tokenizeUntilItEnds sends batches on some connections until the extension answers no more, and returns what it got.
func (x *running) tokenizeUntilItEnds(t *testing.T) []string {
	t.Helper()
	body := []byte(`{"items":[` + strings.TrimSuffix(strings.Repeat(`{"data":"`+canary+`"},`, 100), ",") + `]}`)
	url := "http://" + net.JoinHostPort(api.Host, strconv.Itoa(x.Port)) + api.PathTokenizeBatch
	var mu sync.Mutex
	var tokens []string
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for {
				q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				q.Header.Set(api.TokenHeader, session)
				resp, err := http.DefaultClient.Do(q)
				if err != nil {
					return // it has ended
				}
				var out api.Batch[api.TokenizeResult]
				err = json.NewDecoder(resp.Body).Decode(&out)
				resp.Body.Close()
				if err != nil {
					return // in the middle of the answer
				}
				mu.Lock()
				for _, result := range out.Items {
					if result.TokenizeResponse != nil {
						tokens = append(tokens, result.Token)
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return tokens
}
