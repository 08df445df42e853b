package cloud

import (
	"encoding/json"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
)

// Watcher is told what happens in a running system. Each of its functions may be nil. They are called from several
// goroutines, and whoever calls them waits for them.
type Watcher struct {
	// Decided gets every decision about a permission that a call to a service needs, before Answered gets the call.
	Decided func(awsproxy.Call, authorizer.Decision)
	// Answered gets every call, with the status of its answer.
	Answered func(call awsproxy.Call, status int, took time.Duration)
	// Invoked gets every request for which the API invoked a function.
	Invoked func(Invocation)
}

// Invocation is a request for which the API invoked a function. It holds nothing of the request and of its answer but
// the status.
type Invocation struct {
	Route    string // such as POST /order
	Function string // name
	Started  time.Time
	Took     time.Duration
	Status   int // of the function's answer; 0 if that has none
}

func newInvocation(route string, fn *function, started time.Time, payload []byte) Invocation {
	var answer struct {
		StatusCode int `json:"statusCode"`
	}
	_ = json.Unmarshal(payload, &answer) // an answer that is none has no status
	return Invocation{route, fn.config.Name, started, time.Since(started), answer.StatusCode}
}
