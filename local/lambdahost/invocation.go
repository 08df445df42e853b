package lambdahost

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// invocation is one event on its way through an environment.
type invocation struct {
	id, trace string
	payload   []byte
	outcome   chan outcome
	deadline  time.Time // set when its environment is ready for it
	answer    *Result   // the function's; set once, and guarded by its environment's mu
}

// Result is what Lambda's Invoke API would answer.
type Result struct {
	Payload       []byte // the function's answer, or the JSON of its error
	FunctionError string // "" or "Unhandled", as in the header X-Amz-Function-Error
}

type outcome struct {
	result Result
	err    error
}

func newInvocation(payload []byte) *invocation {
	trace, parent := uuid.New(), uuid.New()
	return &invocation{
		id:      uuid.NewString(),
		trace:   fmt.Sprintf("Root=1-%08x-%x;Parent=%x;Sampled=0", time.Now().Unix(), trace[:12], parent[:8]),
		payload: payload,
		outcome: make(chan outcome, 1),
	}
}

// finish tells the caller how the invocation went. Only the first call counts, because the caller looks once. A failure
// becomes a result; other errors are the host's.
func (inv *invocation) finish(result Result, err error) {
	if f, ok := errors.AsType[*failure](err); ok {
		result, err = f.result(inv.id), nil
	}
	select {
	case inv.outcome <- outcome{result, err}:
	default:
	}
}

// apiError is the form of the APIs' errors, and of a function's.
type apiError struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// failure is why an environment cannot go on, in Lambda's words.
type failure struct {
	kind, text string
	reason     string // which extensions are told; "" means "failure"
	payload    []byte // what the function itself reported, or nil
}

func timedOut(limit time.Duration) *failure {
	return &failure{
		kind:   "Sandbox.Timedout",
		text:   fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds()),
		reason: "timeout",
	}
}

func (f *failure) Error() string { return f.text + " " + f.kind }

func (f *failure) result(id string) Result {
	payload := f.payload
	if payload == nil {
		// two strings: cannot fail
		payload, _ = json.Marshal(apiError{f.kind, fmt.Sprintf("RequestId: %s Error: %s", id, f.text)})
	}
	return Result{Payload: payload, FunctionError: unhandled}
}

// unhandled is the only value of X-Amz-Function-Error for OS-only runtimes.
const unhandled = "Unhandled"

// shutdownReason is the reason for a shutdown that extensions are told.
func shutdownReason(trouble error) string {
	if f, ok := errors.AsType[*failure](trouble); ok {
		return cmp.Or(f.reason, "failure")
	}
	return "spindown"
}
