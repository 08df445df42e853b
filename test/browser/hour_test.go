package browser_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
)

// As many events as an hour of traffic brings, at ten requests a second, while the page is open: neither the process
// nor the browser keeps them.
func TestPage_KeepsNoHourOfTraffic(t *testing.T) {
	fulltests.Only(t, "a quarter of a minute")
	s := system(t)
	b := open(t, s, 1280, false)
	const seconds, each = 3600, 10
	traffic(s, seconds/10*each, 0) // until everything that has a bound is full
	b.until(fmt.Sprintf("document.querySelector('#calls').textContent.includes('Traffic%d')", seconds/10*each-1))
	before, nodes := heap(), eval[int](b, `document.querySelectorAll('*').length`)
	for part := range 10 { // the browser shows each tenth before the next one comes
		first := (part + 1) * seconds / 10 * each
		traffic(s, seconds/10*each, first)
		b.until(fmt.Sprintf("document.querySelector('#calls').textContent.includes('Traffic%d')", first+seconds/10*each-1))
	}
	after, nodesAfter := heap(), eval[int](b, `document.querySelectorAll('*').length`)
	t.Logf("%d requests: heap %d KB before and %d KB after; the page has %d elements and then %d",
		seconds*each, before>>10, after>>10, nodes, nodesAfter)
	if after > before+before/5+2<<20 {
		t.Errorf("memory grew from %d to %d bytes", before, after)
	}
	if nodesAfter > nodes+nodes/10 {
		t.Errorf("the page grew from %d to %d elements", nodes, nodesAfter)
	}
}

// traffic tells the recorder of n requests, each with five calls, their decisions, and an event of the extension.
func traffic(s *shown, n, first int) {
	watcher := s.recorder.Watcher()
	for i := first; i < first+n; i++ {
		for k := range 5 {
			call := awsproxy.Call{
				ID:        strconv.Itoa(i) + "-" + strconv.Itoa(k),
				Principal: "arn:aws:iam::123456789012:role/traffic", Function: "arn:aws:lambda:us-east-1:1:function:F",
				Service: "kms", Operation: "Traffic" + strconv.Itoa(i),
				Body: []byte(`{"KeyId":"key","EncryptionContext":{"ref":"` + strconv.Itoa(i) + `"}}`),
			}
			watcher.Decided(call, authorizer.Decision{
				Action: "kms:Decrypt", Resource: "key", Allowed: []string{"statement " + strconv.Itoa(i)},
			})
			watcher.Answered(call, http.StatusOK, time.Millisecond)
		}
		watcher.Invoked(cloud.Invocation{
			Route: "POST /order", Function: "F", Status: http.StatusCreated,
			Started: time.Now(), Took: time.Millisecond,
		})
		fmt.Fprintf(s.recorder, "F/tokenizer: {\"msg\":\"tokenizer\",\"operation\":\"seal\",\"outcome\":\"ok\",\"ref\":\"%d\"}\n", i)
	}
}

// heap is what the process holds.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
