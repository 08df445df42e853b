// Package record keeps what happened lately in a running system: requests to the API, calls of functions to AWS
// services with the decisions about them, and what the extensions log.
//
//	r := record.New()
//	system, err := cloud.Deploy(ctx, cloud.Options{Watcher: r.Watcher(), Log: io.MultiWriter(log, r), ...})
//	changed, stop := r.Subscribe()
//	for range changed { show(r.Calls()) }
//
// It keeps a bounded number of each, in bounded texts, so its memory does not grow. What looks like a card number is
// masked before it is kept.
package record

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
)

// How much is kept.
const (
	MaxCalls    = 1000
	MaxRequests = 200
	MaxEvents   = 500

	maxPending = 256 // calls that are being decided
	maxText    = 300 // bytes of one text
	maxLine    = 8 << 10
)

// Agent is what the page's own calls have in their User-Agent: the SDK writes an application's id so.
const Agent = "page"

// By is the software that makes a call.
type By string

// The software that makes calls.
const (
	Function  By = "function"
	Extension By = "extension"
	Page      By = "page" // which acts with somebody's permissions
)

// Decision is what the policies say about one permission that a call needs.
type Decision struct {
	Action, Resource string
	Allowed          []string // statements
	Missing          string   // "" if it is allowed
}

// Call is a call to an AWS service.
type Call struct {
	Seq       uint64 // counts everything that is recorded
	ID        string
	Started   time.Time
	Took      time.Duration
	Role      string // name, such as OrderRole; "" of somebody whom the services do not know
	Principal string // ARN
	Function  string // ARN; "" of no function
	By        By
	Service   string
	Operation string
	Status    int
	Denied    bool
	Decisions []Decision
	// Key and Context are what a call to KMS names, and CloudTrail records.
	Key     string
	Context map[string]string
	Tables  []string // that a call to DynamoDB names
}

// Request is a request to the API for which a function was invoked.
type Request struct {
	Seq uint64
	cloud.Invocation
}

// Event is a line of an extension's log.
type Event struct {
	Seq       uint64
	At        time.Time
	Function  string // name
	Operation string
	Outcome   string
	Finding   string
	Ref       string
	Took      time.Duration
	Line      string // JSON
}

// Recorder records. It is safe for concurrent use.
type Recorder struct {
	mu          sync.Mutex
	seq         uint64
	calls       ring[Call]
	requests    ring[Request]
	events      ring[Event]
	pending     map[string][]Decision // by the call's id
	subscribers map[chan struct{}]bool
}

// New returns an empty recorder.
func New() *Recorder {
	return &Recorder{
		calls: ring[Call]{max: MaxCalls}, requests: ring[Request]{max: MaxRequests},
		events: ring[Event]{max: MaxEvents}, pending: map[string][]Decision{}, subscribers: map[chan struct{}]bool{},
	}
}

// Watcher returns what tells the recorder.
func (r *Recorder) Watcher() cloud.Watcher {
	return cloud.Watcher{Decided: r.decided, Answered: r.answered, Invoked: r.invoked}
}

func (r *Recorder) decided(call awsproxy.Call, d authorizer.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) >= maxPending {
		clear(r.pending) // each is taken out when its call is answered, so the answers of these are lost
	}
	kept := Decision{Action: clip(d.Action), Resource: clip(d.Resource), Missing: clip(d.Missing)}
	for _, statement := range d.Allowed {
		kept.Allowed = append(kept.Allowed, clip(statement))
	}
	r.pending[call.ID] = append(r.pending[call.ID], kept)
}

func (r *Recorder) answered(call awsproxy.Call, status int, took time.Duration) {
	c := Call{
		ID: call.ID, Started: time.Now().Add(-took), Took: took, Status: status, By: by(call.Agent),
		Role: Name(call.Principal), Principal: clip(call.Principal), Function: clip(call.Function),
		Service: clip(call.Service), Operation: clip(call.Operation),
	}
	c.read(call.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Decisions = r.pending[call.ID]
	delete(r.pending, call.ID)
	c.Denied = call.Principal == ""
	for _, d := range c.Decisions {
		c.Denied = c.Denied || d.Missing != ""
	}
	c.Seq = r.next()
	r.calls.add(c)
}

// read takes out of a call's body what CloudTrail would record of it.
func (c *Call) read(body []byte) {
	var in struct {
		KeyId             string
		EncryptionContext map[string]string
		TableName         string
		TransactItems     []map[string]struct{ TableName string }
	}
	_ = json.Unmarshal(body, &in) // of a body of another shape nothing is shown
	c.Key = clip(in.KeyId)
	for name, value := range in.EncryptionContext {
		if c.Context == nil {
			c.Context = map[string]string{}
		}
		if len(c.Context) < 8 {
			c.Context[clip(name)] = clip(value)
		}
	}
	if in.TableName != "" {
		c.Tables = []string{clip(in.TableName)}
	}
	for _, item := range in.TransactItems {
		for _, of := range item {
			if len(c.Tables) < 8 {
				c.Tables = append(c.Tables, clip(of.TableName))
			}
		}
	}
}

func by(agent string) By {
	switch {
	case strings.Contains(agent, "app/"+Agent):
		return Page
	case agent == "lambda-tokenizer":
		return Extension
	}
	return Function
}

func (r *Recorder) invoked(i cloud.Invocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests.add(Request{r.next(), i})
}

// Write takes lines of the system's log, whole lines in each call, and keeps those in which an extension says what it
// did. They begin with the names of function and extension.
func (r *Recorder) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		who, content, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": ")) // a function may write the rest
		function, _, isExtension := strings.Cut(string(who), "/")
		if !isExtension || !bytes.HasPrefix(content, []byte("{")) || len(line) > maxLine {
			continue
		}
		r.logged(function, string(content))
	}
	return len(p), nil
}

func (r *Recorder) logged(function, line string) {
	var in struct {
		Time                                  time.Time
		Msg, Operation, Outcome, Finding, Ref string
		Duration                              float64 `json:"duration_ms"`
	}
	if json.Unmarshal([]byte(line), &in) != nil || in.Msg != "tokenizer" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events.add(Event{
		Seq: r.next(), At: in.Time, Function: clip(function), Operation: clip(in.Operation), Outcome: clip(in.Outcome),
		Finding: clip(in.Finding), Ref: clip(in.Ref), Took: time.Duration(in.Duration * float64(time.Millisecond)),
		Line: mask.Visible(mask.Cards(line)),
	})
}

// next counts, and tells the subscribers. The caller holds r.mu.
func (r *Recorder) next() uint64 {
	r.seq++
	r.tell()
	return r.seq
}

func (r *Recorder) tell() {
	for changed := range r.subscribers {
		select {
		case changed <- struct{}{}:
		default: // it has not looked since the last one, and will see this one, too
		}
	}
}

// Changed says that something changed that the recorder does not record itself.
func (r *Recorder) Changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next()
}

// Seq returns the number of the latest that was recorded.
func (r *Recorder) Seq() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq
}

// Subscribe returns a channel that gets a value after something was recorded. However much it is, a subscriber that
// does not look has one value to receive, so a slow one costs nothing. Stop ends it.
func (r *Recorder) Subscribe() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers[c] = true
	return c, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.subscribers, c)
	}
}

// Calls returns the calls that are kept, the latest first.
func (r *Recorder) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls.latest()
}

// Requests returns the requests that are kept, the latest first.
func (r *Recorder) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests.latest()
}

// Events returns the extensions' events that are kept, the latest first.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events.latest()
}

// DeniedSince returns what the policies said about the latest call of a principal that was denied after seq; "" if none
// was.
func (r *Recorder) DeniedSince(seq uint64, principal string) string {
	for _, c := range r.Calls() {
		if c.Seq <= seq {
			break
		}
		if !c.Denied || c.Principal != principal {
			continue
		}
		for _, d := range c.Decisions {
			if d.Missing != "" {
				return d.Action + ": " + d.Missing
			}
		}
	}
	return ""
}

// ring keeps the latest values.
type ring[T any] struct {
	max  int
	all  []T
	next int // where the next one goes, once all has max values
}

func (r *ring[T]) add(v T) {
	if len(r.all) < r.max {
		r.all = append(r.all, v)
		return
	}
	r.all[r.next] = v
	r.next = (r.next + 1) % r.max
}

// latest returns the values, the latest first.
func (r *ring[T]) latest() []T {
	values := make([]T, 0, len(r.all))
	for i := range r.all {
		values = append(values, r.all[(r.next+2*len(r.all)-1-i)%len(r.all)])
	}
	return values
}
