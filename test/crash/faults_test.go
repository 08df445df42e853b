package crash_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
)

// What a fault ends: a process, by its name, or only the connection of one call.
const (
	function   = "bootstrap"
	extension  = "tokenizer"
	connection = "connection"
)

// moment is when a fault happens, as seen from a call.
type moment string

const (
	before     moment = "before"              // if the caller dies, the call is not sent on
	carriedOut moment = "after carrying out"  // if the caller dies, it gets no answer
	answered   moment = "after the answer to" // the victim may die before it reads the answer, or after
)

// fault is one crash.
type fault struct {
	ends string
	call string // of the request, by its name in made: the order of calls that run side by side is not known
	when moment
}

// process is a process of one execution environment. The session token identifies the environment.
type process struct{ environment, name string }

// charge is an attempt to enter a payment into the ledger.
type charge struct {
	paymentID, mask string
	entered         bool
}

// injector stands between the functions and the services. It makes a fault happen, and records every attempt to charge.
type injector struct {
	t    *testing.T
	kill func(roleARN, process string) int

	// still is held for reading while a call is carried out. Whoever holds it for writing sees tables that nobody
	// changes.
	still sync.RWMutex

	mu       sync.Mutex
	exempted string   // session token; see exempt
	next     *fault   // nil: there is none to come
	calls    []string // since plan
	dead     map[process]bool
	ending   map[string]bool     // environments that somebody died in
	roles    map[string]bool     // of the functions
	charged  map[string][]charge // by order
}

func newInjector(t *testing.T) *injector {
	return &injector{
		t:       t,
		dead:    map[process]bool{},
		ending:  map[string]bool{},
		roles:   map[string]bool{},
		charged: map[string][]charge{},
	}
}

// exempt lets the calls of one session pass, as if nobody stood in between.
func (i *injector) exempt(sessionToken string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.exempted = sessionToken
}

func (i *injector) isExempt(sessionToken string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.exempted == sessionToken
}

// plan begins a request, with a fault or with nil. The request begins in new environments, so that their first calls
// belong to it.
func (i *injector) plan(f *fault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for role := range i.roles {
		i.kill(role, function)
	}
	i.next, i.calls = f, nil
}

// made are the names of the calls since plan, each different from the others. happened says whether there is no fault
// left to come.
func (i *injector) made() (calls []string, happened bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.calls), i.next == nil
}

func (i *injector) charges(number string) []charge {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.charged[number])
}

// around carries a call out, with the fault that is planned for it. A call that is sent on is carried out even if its
// caller dies meanwhile, as on AWS.
func (i *injector) around(w http.ResponseWriter, r *http.Request, call awsproxy.Call, next http.Handler) {
	session := r.Header.Get("X-Amz-Security-Token")
	if i.isExempt(session) {
		next.ServeHTTP(w, r)
		return
	}
	i.still.RLock()
	defer i.still.RUnlock()
	caller := process{session, extension}
	if strings.Contains(r.UserAgent(), "app/"+function) {
		caller.name = function
	}
	f := i.arrived(caller, call)
	if f.when == before {
		i.happen(f, caller, call)
	}
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
	i.watch(call, answer.Code)
	if f.when == carriedOut {
		i.happen(f, caller, call)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the caller may be dead
	_ = http.NewResponseController(w).Flush()
	if f.when == answered {
		i.happen(f, caller, call)
	}
}

// arrived counts a call and returns its fault, if it has one. If the kernel delivers a call of a process that is dead
// by now, arrived drops it. A process whose neighbour has died may go on, but its calls do not belong to the next
// request.
func (i *injector) arrived(caller process, call awsproxy.Call) (f fault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.dead[caller] {
		panic(http.ErrAbortHandler)
	}
	if i.ending[caller.environment] {
		return f
	}
	i.roles[call.Principal] = true
	name := describe(caller, call)
	for slices.Contains(i.calls, name) {
		name += " again"
	}
	i.calls = append(i.calls, name)
	if i.next != nil && i.next.call == name {
		f, i.next = *i.next, nil
	}
	return f
}

// happen ends what f ends, and breaks off the connection of a call whose caller is dead.
func (i *injector) happen(f fault, caller process, call awsproxy.Call) {
	if f.ends == connection {
		panic(http.ErrAbortHandler)
	}
	victim := process{caller.environment, f.ends}
	i.mu.Lock()
	i.dead[victim], i.ending[caller.environment] = true, true
	i.mu.Unlock()
	if i.kill(call.Principal, f.ends) == 0 {
		i.t.Errorf("%s: there was no %s to kill", describe(caller, call), f.ends)
	}
	if victim == caller {
		panic(http.ErrAbortHandler)
	}
}

// body is what matters here of a call's body.
type body struct {
	TableName     string
	TransactItems []struct{ Put struct{ TableName string } }
	Item          map[string]struct{ S string }
}

func parse(call awsproxy.Call) (b body) {
	_ = json.Unmarshal(call.Body, &b) // bodies of other calls have other members
	return b
}

// describe names a call: its process, service, operation and tables.
func describe(caller process, call awsproxy.Call) string {
	b := parse(call)
	words := []string{caller.name, call.Service, call.Operation}
	if b.TableName != "" {
		words = append(words, b.TableName)
	}
	for _, item := range b.TransactItems {
		words = append(words, item.Put.TableName)
	}
	return strings.Join(words, " ")
}

// watch notes what the ledger was asked to enter, and whether it did.
func (i *injector) watch(call awsproxy.Call, status int) {
	b := parse(call)
	if call.Operation != "PutItem" || b.TableName != ledgerTable {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	number := b.Item["CustomerOrder"].S
	i.charged[number] = append(i.charged[number],
		charge{b.Item["PaymentId"].S, b.Item["CreditCardCharged"].S, status == http.StatusOK})
}
