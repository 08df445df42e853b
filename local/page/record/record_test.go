package record_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
)

const (
	principal = "arn:aws:iam::123456789012:role/tokenizer/tokenize/AppStack-OrderRole8846D4EA"
	canary    = "4111111111111111"
)

// call tells a recorder of a call and of what the policies said about it.
func call(r *record.Recorder, id, agent, body, missing string) {
	c := awsproxy.Call{
		ID: id, Agent: agent, Principal: principal, Function: "arn:aws:lambda:us-east-1:123456789012:function:F",
		Service: "kms", Operation: "Decrypt", Body: []byte(body),
	}
	w := r.Watcher()
	d := authorizer.Decision{Action: "kms:Decrypt", Resource: "key", Missing: missing}
	if missing == "" {
		d.Allowed = []string{`"Read" of P`}
	}
	w.Decided(c, d)
	w.Answered(c, 200, time.Millisecond)
}

func TestRecorder_KeepsCallsWithTheirDecisions(t *testing.T) {
	r := record.New()
	call(r, "1", "lambda-tokenizer", `{"KeyId":"k","EncryptionContext":{"ref":"r","card":"4111 1111 1111 1111"}}`, "")
	seq := r.Seq()
	call(r, "2", "aws-sdk-go-v2/1 app/page", `{"TransactItems":[{"Put":{"TableName":"A"}},{"Put":{"TableName":"B"}}]}`, "the statement")
	call(r, "3", "aws-sdk-go-v2/1", `no JSON`, "")
	r.Watcher().Answered(awsproxy.Call{ID: "4", Operation: "Scan"}, 403, 0)
	calls := r.Calls()
	if len(calls) != 4 {
		t.Fatalf("%d calls", len(calls))
	}
	stranger, function, page, extension := calls[0], calls[1], calls[2], calls[3]
	if !stranger.Denied || stranger.Role != "" {
		t.Errorf("a caller that is not known: %+v", stranger)
	}
	if function.By != record.Function || function.Denied {
		t.Errorf("the function's: %+v", function)
	}
	if page.By != record.Page || !page.Denied || strings.Join(page.Tables, " ") != "A B" {
		t.Errorf("the page's: %+v", page)
	}
	if extension.By != record.Extension || extension.Role != "OrderRole" || extension.Denied || extension.Key != "k" ||
		extension.Context["ref"] != "r" || extension.Context["card"] != "************1111" ||
		extension.Decisions[0].Allowed[0] != `"Read" of P` {
		t.Errorf("the extension's: %+v", extension)
	}
	if got := r.DeniedSince(seq, principal); got != "kms:Decrypt: the statement" {
		t.Errorf("denied: %q", got)
	}
	if got := r.DeniedSince(r.Seq(), principal) + r.DeniedSince(seq, "somebody else"); got != "" {
		t.Errorf("denied: %q", got)
	}
}

func TestRecorder_ReadsWhatExtensionsLog(t *testing.T) {
	r := record.New()
	fmt.Fprintf(r, "AppStack-Order/tokenizer: {\"time\":\"2026-11-26T19:52:06.4Z\",\"msg\":\"tokenizer\",\"operation\":\"seal\","+
		"\"outcome\":\"ok\",\"ref\":\"r\",\"duration_ms\":1.5,\"reason\":\"%s\"}\nAppStack-Order: {\"msg\":\"tokenizer\"}\n"+
		"mail to x: your code is 1\nAppStack-Order/tokenizer: {broken\n", canary)
	events := r.Events()
	if len(events) != 1 {
		t.Fatalf("%d events: %+v", len(events), events)
	}
	e := events[0]
	if e.Operation != "seal" || e.Function != "AppStack-Order" || e.Took != 1500*time.Microsecond || e.At.IsZero() ||
		strings.Contains(e.Line, canary) || !strings.Contains(e.Line, "************1111") {
		t.Errorf("%+v", e)
	}
}

// As much as hours of traffic bring: what is kept does not grow, whatever is in it.
func TestRecorder_HasABound(t *testing.T) {
	r := record.New()
	long := strings.Repeat("x", 1000)
	body := `{"KeyId":"` + long + `","EncryptionContext":{"a":"` + long + `"}}`
	line := []byte("F/tokenizer: {\"msg\":\"tokenizer\",\"reason\":\"" + strings.Repeat("y", 1000) + "\"}\n")
	watcher := r.Watcher()
	round := func(n int) {
		for i := range n {
			call(r, fmt.Sprint(i), strings.Repeat("agent", 100), body, strings.Repeat("m", 1000))
			watcher.Invoked(cloud.Invocation{Route: "POST /order"})
			_, _ = r.Write(line)
			watcher.Decided(awsproxy.Call{ID: fmt.Sprint("never answered ", i)}, authorizer.Decision{})
		}
	}
	round(2 * record.MaxCalls)
	before := memory()
	round(5 * record.MaxCalls)
	if after := memory(); after > before+before/4+1<<20 {
		t.Errorf("memory grew from %d to %d bytes", before, after)
	}
	calls, requests, events := len(r.Calls()), len(r.Requests()), len(r.Events())
	if calls != record.MaxCalls || requests != record.MaxRequests || events != record.MaxEvents {
		t.Errorf("%d calls, %d requests, %d events", calls, requests, events)
	}
	call(r, "last", "", "{}", "")
	if last := r.Calls()[0]; len(last.Decisions) != 1 {
		t.Errorf("the last call has %d decisions", len(last.Decisions))
	}
	if calls := r.Calls(); calls[0].Seq < calls[len(calls)-1].Seq || calls[0].Seq < calls[1].Seq {
		t.Error("the latest is not the first")
	}
}

func memory() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// A subscriber that does not look keeps nobody waiting, and has one value to receive.
func TestSubscribe_CostsNothingIfNobodyLooks(t *testing.T) {
	r := record.New()
	changed, stop := r.Subscribe()
	for range 1000 {
		r.Changed()
	}
	<-changed
	select {
	case <-changed:
		t.Error("a second value")
	default:
	}
	stop()
	r.Changed()
	select {
	case <-changed:
		t.Error("a value after the end")
	default:
	}
}

func TestName_LeavesOutWhatTheCDKAdds(t *testing.T) {
	for in, want := range map[string]string{
		principal:                   "OrderRole",
		"AppStack-PaybillFunction":  "PaybillFunction",
		"TokenKeyD1D1A236":          "TokenKey",
		"arn:aws:iam::1:role/thief": "thief",
		"":                          "",
		"arn:aws:lambda:x:1:function:AppStack-OrderFunctionFABF799C": "OrderFunction",
	} {
		if got := record.Name(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
