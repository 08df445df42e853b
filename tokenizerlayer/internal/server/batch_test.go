package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// items makes the body of a batch.
func items(list ...string) string { return `{"items":[` + strings.Join(list, ",") + `]}` }

// repeated is n times the same item.
func repeated(n int, item string) string {
	return items(strings.Split(strings.TrimSuffix(strings.Repeat(item+"\n", n), "\n"), "\n")...)
}

const cardItem = `{"data":"` + visa + `"}`

// outcome is what became of an item, whatever the operation.
type outcome struct {
	Reference string            `json:"reference"`
	Token     string            `json:"token"`
	Data      string            `json:"data"`
	Problem   *problem.Document `json:"problem"`
}

func outcomes(t *testing.T, answer string) []outcome {
	t.Helper()
	var out api.Batch[outcome]
	if err := json.Unmarshal([]byte(answer), &out); err != nil {
		t.Fatal(err)
	}
	return out.Items
}

// batch sends one that is carried out.
func (r *running) batch(t *testing.T, path, body string) []outcome {
	t.Helper()
	status, answer, _ := r.do(t, call{path: path, body: body})
	if status != http.StatusOK {
		t.Fatalf("%s: %d %.300s", path, status, answer)
	}
	return outcomes(t, answer)
}

// code of an item's problem; "" if it has none.
func (o outcome) code() string {
	if o.Problem == nil {
		return ""
	}
	return o.Problem.Code
}

// codes counts the items by the code of their problem.
func codes(list []outcome) map[string]int {
	n := map[string]int{}
	for _, o := range list {
		n[o.code()]++
	}
	return n
}

func TestBatch_TenBadItemsOfAHundredLeaveNinetyRows(t *testing.T) {
	r := start(t)
	var list []string
	for i := range 100 {
		data := visa
		if i%10 == 3 {
			data = "4111111111111112"
		}
		list = append(list, fmt.Sprintf(`{"reference":"row-%d","data":"%s"}`, i, data))
	}
	got := r.batch(t, api.PathTokenizeBatch, items(list...))
	if len(got) != 100 || r.rows() != 90 {
		t.Fatalf("%d results, %d rows", len(got), r.rows())
	}
	seen := map[string]bool{}
	for i, o := range got {
		bad := i%10 == 3
		switch {
		case o.Reference != fmt.Sprintf("row-%d", i):
			t.Errorf("result %d is %s", i, o.Reference)
		case bad &&
			(o.code() != "invalid-request" || o.Problem.Field != "data" || o.Problem.Status != 400 || o.Token != ""):
			t.Errorf("%s: %+v", o.Reference, o)
		case !bad && (o.Problem != nil || o.Token == "" || seen[o.Token]):
			t.Errorf("%s: %+v", o.Reference, o)
		}
		seen[o.Token] = true
	}
	var read []string
	for _, o := range got {
		if o.Token != "" {
			read = append(read,
				fmt.Sprintf(`{"token":"%s","reference":"%s","redaction":"PLAIN_TEXT"}`, o.Token, o.Reference))
		}
	}
	for _, o := range r.batch(t, api.PathDetokenizeBatch, items(read...)) {
		if o.Data != visa {
			t.Errorf("%s: %+v", o.Reference, o)
		}
	}
}

// Every row has a data key of its own, and is put by itself, only if its token is free.
func TestBatch_MakesADataKeyAndAConditionalPutForEachItem(t *testing.T) {
	r := start(t)
	var mu sync.Mutex
	calls := map[string]int{}
	count := func(operation string) error {
		mu.Lock()
		defer mu.Unlock()
		calls[operation]++
		return nil
	}
	r.kms.Fail, r.store.Fail = count, count
	r.batch(t, api.PathTokenizeBatch, repeated(30, cardItem))
	if diff := cmp.Diff(map[string]int{"GenerateDataKey": 30, "PutItem": 30}, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	messages := map[string]bool{}
	for _, row := range r.store.Rows(vaultTable) {
		b, _ := row["CandidateString"].Bytes()
		messages[string(b)] = true
	}
	if len(messages) != 30 {
		t.Errorf("%d different envelopes", len(messages))
	}
}

// A batch that is refused as a whole does nothing, and says what to correct.
func TestBatch_IsRefusedAsAWhole(t *testing.T) {
	long := `{"reference":"` + strings.Repeat("r", 129) + `","data":"` + visa + `"}`
	ref := func(value string) string { return `{"reference":` + value + `,"data":"` + visa + `"}` }
	for _, path := range []string{api.PathTokenizeBatch, api.PathDetokenizeBatch} {
		r := start(t)
		asked := atomic.Int64{}
		r.kms.Fail = func(string) error { asked.Add(1); return nil }
		r.store.Fail = r.kms.Fail
		for _, tt := range []struct{ name, body, field string }{
			{"nothing", ``, ""},
			{"an array", `[` + cardItem + `]`, ""},
			{"one item", cardItem, "data"},
			{"broken", `{"items":[` + cardItem, ""},
			{"broken in an item", `{"items":[` + cardItem + `,{"data":}]}`, ""},
			{"broken after the items", `{"items":[` + cardItem + `],}`, ""},
			{"more after it", items(cardItem) + `{}`, ""},
			{"no items", `{}`, "items"},
			{"null items", `{"items":null}`, "items"},
			{"a text as items", `{"items":"x"}`, "items"},
			{"an object as items", `{"items":{"0":` + cardItem + `}}`, "items"},
			{"empty", items(), "items"},
			{"101 items", repeated(101, cardItem), "items"},
			{"100000 items", repeated(100_000, `1`), "items"},
			{"items twice", `{"items":[` + cardItem + `],"items":[` + cardItem + `]}`, "items"},
			{"another member", `{"items":[` + cardItem + `],"store":true}`, "store"},
			{"another case", `{"Items":[` + cardItem + `]}`, "Items"},
			{"a card as a member", `{"` + visa + `":1}`, ""},
			{"a reference twice", items(ref(`"a"`), ref(`"b"`), ref(`"a"`)), "items[2].reference"},
			{"a reference twice, escaped", items(ref(`"a"`), ref(`"\u0061"`)), "items[1].reference"},
			{"two references in an item", items(cardItem, `{"reference":"a","reference":"b","data":"`+visa+`"}`),
				"items[1].reference"},
			{"an empty reference", items(ref(`""`)), "items[0].reference"},
			{"a long reference", items(long), "items[0].reference"},
			{"a null reference", items(cardItem, ref(`null`)), "items[1].reference"},
			{"a number as a reference", items(ref(`7`)), "items[0].reference"},
			{"a reference with spaces", items(ref(`"a b"`)), "items[0].reference"},
			{"a card as a reference", items(ref(`"` + visa + `"`)), "items[0].reference"},
			{"a grouped card as a reference", items(ref(`"4111-1111-1111-1111"`)), "items[0].reference"},
		} {
			status, answer, _ := r.do(t, call{path: path, body: tt.body})
			var d problem.Document
			if err := json.Unmarshal([]byte(answer), &d); err != nil {
				t.Fatal(err)
			}
			if status != 400 || d.Code != "invalid-request" || d.Field != tt.field || d.Detail == "" ||
				strings.Contains(answer, "1111") {
				t.Errorf("%s, %s: %d %s", path, tt.name, status, answer)
			}
		}
		for name, value := range map[string]string{"the key's header": "k", "an empty one": " "} {
			status, answer, _ := r.do(t,
				call{path: path, body: items(cardItem), header: map[string]string{api.IdempotencyHeader: value}})
			if status != 400 || !strings.Contains(answer, `"field":"Idempotency-Key"`) {
				t.Errorf("%s: %d %s", name, status, answer)
			}
		}
		if asked.Load() != 0 || r.rows() != 0 {
			t.Errorf("%s: %d calls, %d rows", path, asked.Load(), r.rows())
		}
		r.stop()
		if lines := strings.Count(r.log.String(), "\n"); lines != 30 || strings.Contains(r.log.String(), `"item"`) {
			t.Errorf("%s: %d lines for 30 requests, or lines of items:\n%s", path, lines, r.log)
		}
	}
}

// What keeps every item from being carried out is said once.
func TestBatch_SaysOnceThatTheExtensionIsNotConfigured(t *testing.T) {
	r := start(t, func(c *server.Config) {
		c.Vault = func(context.Context) (server.Vault, error) {
			return nil, failure.New(failure.NotReady, "", "TOKENIZER_TABLE is missing")
		}
	})
	status, answer, _ := r.do(t, call{path: api.PathTokenizeBatch, body: repeated(100, cardItem)})
	r.stop()
	if status != http.StatusServiceUnavailable || !strings.Contains(answer, `"code":"not-configured"`) ||
		strings.Count(r.log.String(), "\n") != 1 {
		t.Errorf("%d %s\n%s", status, answer, r.log)
	}
}

func TestBatch_BothSidesOfItsLimits(t *testing.T) {
	r := start(t)
	for _, path := range []string{api.PathTokenizeBatch, api.PathDetokenizeBatch} {
		for size, want := range map[int]int{api.MaxBatchBody: 200, api.MaxBatchBody + 1: 413} {
			body := items(cardItem)
			body += strings.Repeat(" ", size-len(body))
			if status, answer, _ := r.do(t, call{path: path, body: body}); status != want ||
				want == 413 && !strings.Contains(answer, "1048576 bytes") {
				t.Errorf("%s, %d bytes: %d %s", path, size, status, answer)
			}
		}
		for n, want := range map[int]int{1: 200, api.MaxBatch: 200, api.MaxBatch + 1: 400} {
			if status, answer, _ := r.do(t, call{path: path, body: repeated(n, cardItem)}); status != want {
				t.Errorf("%s, %d items: %d %.200s", path, n, status, answer)
			}
		}
	}
	for n, want := range map[int]int{1: 200, maxName: 200, maxName + 1: 400} {
		body := items(`{"data":"` + visa + `","reference":"` + strings.Repeat("r", n) + `"}`)
		if status, answer, _ := r.do(t, call{path: api.PathTokenizeBatch, body: body}); status != want {
			t.Errorf("a reference of %d: %d %s", n, status, answer)
		}
	}
	// A setting for single requests leaves batches alone.
	small := start(t, func(c *server.Config) { c.MaxBody = api.MinBodyLimit })
	if got := small.batch(t, api.PathTokenizeBatch, repeated(10, cardItem)); codes(got)[""] != 10 {
		t.Errorf("%v", codes(got))
	}
}

// What is wrong with an item is that item's problem alone, with the field as in a single request.
func TestBatch_WhatIsWrongWithAnItemIsItsOwnProblem(t *testing.T) {
	r := start(t)
	number := `"data":"` + visa + `"`
	tooMuch, err := json.Marshal(members(api.MaxMetadata+1, 100))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, item, field string }{
		{"a number", `5`, ""},
		{"null", `null`, ""},
		{"a list", `[` + cardItem + `]`, ""},
		{"a text", `"` + canary + `"`, ""},
		{"nothing in it", `{}`, "data"},
		{"an unknown member", `{` + number + `,"colour":"` + canary + `"}`, "colour"},
		{"a code", `{` + number + `,"cvv":"123"}`, "cvv"},
		{"a member twice", `{` + number + `,"ttl":1,"ttl":2}`, "ttl"},
		{"another type", `{` + number + `,"ttl":"5"}`, "ttl"},
		{"null in it", `{` + number + `,"ttl":null}`, "ttl"},
		{"a bad card", `{"data":"4111111111111112"}`, "data"},
		{"not UTF-8", "{\"type\":\"text\",\"data\":\"" + canary + "\xff\"}", "data"},
		{"not stored", `{` + number + `,"store":false}`, "store"},
		{"a bad key", `{` + number + `,"idempotency_key":"a b"}`, "idempotency_key"},
		{"an empty key", `{` + number + `,"idempotency_key":""}`, "idempotency_key"},
		{"a null key", `{` + number + `,"idempotency_key":null}`, "idempotency_key"},
		{"a card as a key", `{` + number + `,"idempotency_key":"` + visa + `"}`, "idempotency_key"},
		{"a key for a deterministic token", `{` + number + `,"idempotency_key":"k","deterministic":true}`,
			"deterministic"},
		{"too much metadata", `{` + number + `,"metadata":` + string(tooMuch) + `}`, "metadata"},
		{"a large text", `{"type":"text","data":"` + strings.Repeat("x", 500_000) + `"}`, "data"},
		{"deep", `{` + number + `,"metadata":` + strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000) + `}`,
			"metadata"},
	} {
		before := r.rows()
		got := r.batch(t, api.PathTokenizeBatch, items(cardItem, tt.item, cardItem))
		if len(got) != 3 || got[0].Token == "" || got[2].Token == "" || r.rows() != before+2 {
			t.Fatalf("%s: the others: %+v", tt.name, got)
		}
		p := got[1].Problem
		if p == nil || p.Code != "invalid-request" || p.Field != tt.field || p.Detail == "" ||
			strings.Contains(p.Detail, "body") || got[1].Token != "" {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
	r.stop()
	if strings.Contains(r.log.String(), canary) || strings.Contains(r.log.String(), visa) {
		t.Error("a value is in the log")
	}
}

func TestDetokenizeBatch_WhatIsWrongWithAnItemIsItsOwnProblem(t *testing.T) {
	r := start(t)
	good := `{"token":"` + r.batch(t, api.PathTokenizeBatch, items(cardItem))[0].Token + `"`
	used := `{"token":"` + r.batch(t, api.PathTokenizeBatch, items(`{"data":"`+visa+`","max_uses":1}`))[0].Token + `"}`
	bound := `{"token":"` +
		r.batch(t, api.PathTokenizeBatch, items(`{"data":"`+visa+`","binding":{"context":{"order":"1"}}}`))[0].Token +
		`"`
	revoked := r.batch(t, api.PathTokenizeBatch, items(cardItem))[0].Token
	r.do(t, call{path: api.PathRevoke, body: `{"token":"` + revoked + `"}`})
	r.do(t, call{path: api.PathDetokenize, body: used})
	list := []struct{ item, code, field string }{
		{good + `}`, "", ""},
		{good + `,"idempotency_key":"k"}`, "invalid-request", "idempotency_key"},
		{good + `,"redaction":"ALL"}`, "invalid-request", "redaction"},
		{good + `,"reason":"card ` + visa + `"}`, "invalid-request", "reason"},
		{`{"token":"` + visa + `"}`, "invalid-request", "token"},
		{`{"token":"` + unknown + `"}`, "token-not-found", "token"},
		{`{"token":"` + revoked + `"}`, "token-revoked", "token"},
		{used, "token-used-up", "token"},
		{bound + `,"binding":{"context":{"order":"2"}}}`, "binding-mismatch", "binding.context"},
		{bound + `,"binding":{"context":{"order":"1"}},"redaction":"PLAIN_TEXT"}`, "", ""},
		{good + `,"mask":"FIRST_6_LAST_4"}`, "", ""},
	}
	var bodies []string
	for _, tt := range list {
		bodies = append(bodies, tt.item)
	}
	for i, o := range r.batch(t, api.PathDetokenizeBatch, items(bodies...)) {
		want := list[i]
		if o.code() != want.code || want.code != "" && o.Problem.Field != want.field ||
			(o.Data != "") != (want.code == "") {
			t.Errorf("%s: %+v %+v", strings.ReplaceAll(want.item, visa, "CARD"), o, o.Problem)
		}
	}
}

// 100 reads with a rate of one: one is done, and the others are told when their turn is.
func TestBatch_CountsEachItemTowardsTheReadRate(t *testing.T) {
	for name, item := range map[string]string{"detokenize": "",
		"deterministic": `{"data":"` + visa + `","deterministic":true}`} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *server.Config) { c.ReadRate = 1 })
			path := api.PathTokenizeBatch
			if item == "" {
				path = api.PathDetokenizeBatch
				item = `{"token":"` + r.batch(t, api.PathTokenizeBatch, items(cardItem))[0].Token + `"}`
			}
			got := r.batch(t, path, repeated(100, item))
			n := codes(got)
			if n["rate-limited"] < 97 || n[""] < 1 || n[""]+n["rate-limited"] != 100 {
				t.Fatalf("%v", n)
			}
			after := map[int64]bool{}
			for _, o := range got {
				if o.Problem != nil {
					after[o.Problem.RetryAfter] = true
				}
			}
			for second := range n["rate-limited"] { // each at another second
				if !after[int64(second)+1] {
					t.Errorf("nobody comes back after %d s", second+1)
				}
			}
			// What reads nothing is not limited.
			if got := r.batch(t, api.PathTokenizeBatch, repeated(100, cardItem)); codes(got)[""] != 100 {
				t.Errorf("tokenize: %v", codes(got))
			}
		})
	}
}

func TestBatch_TheSameIdempotencyKeyTwice(t *testing.T) {
	r := start(t)
	item := func(data, key string) string { return `{"data":"` + data + `","idempotency_key":"` + key + `"}` }
	got := r.batch(t, api.PathTokenizeBatch,
		items(item(visa, "same"), item(visa, "same"), item(visa, "two"), item("4012888888881881", "two")))
	if got[0].Token == "" || got[0].Token != got[1].Token {
		t.Errorf("the same request: %+v", got[:2])
	}
	n := codes(got[2:])
	if n[""] != 1 || n["idempotency-key-reused"] != 1 {
		t.Errorf("different requests: %v", n)
	}
	for _, o := range got {
		if o.Problem != nil && o.Problem.Field != "idempotency_key" {
			t.Errorf("%+v", o.Problem)
		}
	}
	if r.rows() != 2 {
		t.Errorf("%d rows", r.rows())
	}
	// The header and the member name the same.
	_, answer, _ := r.do(t,
		call{path: api.PathTokenize, body: cardItem, header: map[string]string{api.IdempotencyHeader: "same"}})
	if tokenOf(t, answer) != got[0].Token {
		t.Error("the single request gets another token")
	}
}

func TestBatch_AHundredEqualDeterministicCardsGetOneToken(t *testing.T) {
	r := start(t)
	tokens := map[string]int{}
	for _, o := range r.batch(t, api.PathTokenizeBatch, repeated(100, `{"data":"`+visa+`","deterministic":true}`)) {
		if o.Problem != nil {
			t.Errorf("%+v", o.Problem)
		}
		tokens[o.Token]++
	}
	if len(tokens) != 1 || r.rows() != 1 {
		t.Errorf("%d tokens, %d rows", len(tokens), r.rows())
	}
}

// A put that fails for some items fails for these, and what the others have stored is answered.
func TestBatch_APutThatFailsForSomeItems(t *testing.T) {
	r := start(t)
	var puts atomic.Int64
	r.store.Fail = func(operation string) error {
		if operation == "PutItem" && puts.Add(1)%3 == 0 {
			return fakeaws.Exception("InternalServerError")
		}
		return nil
	}
	got := r.batch(t, api.PathTokenizeBatch, repeated(99, cardItem))
	n := codes(got)
	if n[""] != 66 || n["unavailable"] != 33 || r.rows() != 66 {
		t.Errorf("%v, %d rows", n, r.rows())
	}
	r.store.Fail = nil
	for _, o := range got {
		if o.Token == "" {
			continue
		}
		if status, answer, _ := r.do(t,
			call{path: api.PathDetokenize, body: `{"token":"` + o.Token + `"}`}); status != 200 {
			t.Errorf("a token that was answered: %d %s", status, answer)
		}
	}
}

func TestBatch_WritesALineForEachItemBeforeItAnswers(t *testing.T) {
	r := start(t)
	_, answer, header := r.do(t,
		call{path: api.PathTokenizeBatch, body: items(cardItem, `{"data":"x"}`, `{"data":"x","type":"text"}`)})
	if len(outcomes(t, answer)) != 3 {
		t.Fatal(answer)
	}
	r.stop()
	type line struct {
		Operation, Outcome, Type, ID string
		Item                         *int
	}
	byItem := map[int]line{}
	for text := range strings.Lines(r.log.String()) {
		var l struct {
			line
			ID string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(text), &l); err != nil || l.Item == nil {
			t.Fatalf("%v: %s", err, text)
		}
		if l.ID != header.Get(api.RequestHeader) {
			t.Errorf("the line of request %s", l.ID)
		}
		byItem[*l.Item] = line{Operation: l.Operation, Outcome: l.Outcome, Type: l.Type}
	}
	want := map[int]line{
		0: {Operation: "tokenize", Outcome: "ok", Type: "card"}, 1: {Operation: "tokenize", Outcome: "invalid-request"},
		2: {Operation: "tokenize", Outcome: "ok", Type: "text"},
	}
	if diff := cmp.Diff(want, byItem); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// full is a log that takes some lines and then no more.
type full struct {
	mu   sync.Mutex
	left int
}

func (f *full) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(b), nil
}

func TestBatch_ReleasesNoItemThatItCannotRecord(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Audit = testLog(&full{left: 25}) })
	n := codes(r.batch(t, api.PathTokenizeBatch, repeated(100, cardItem)))
	if n[""] != 25 || n["unavailable"] != 75 {
		t.Errorf("%v", n)
	}
}

// broken panics at some items.
type broken struct {
	slow
	calls *atomic.Int64
}

func (v broken) Create(context.Context, vault.Create) (vault.Created, error) {
	if v.calls.Add(1)%2 == 0 {
		panic("the card is " + visa)
	}
	return vault.Created{Token: unknown}, nil
}

func TestBatch_ADefectInAnItemIsItsOwnProblem(t *testing.T) {
	var calls atomic.Int64
	r := start(t, func(c *server.Config) {
		c.Vault = func(context.Context) (server.Vault, error) { return broken{calls: &calls}, nil }
	})
	n := codes(r.batch(t, api.PathTokenizeBatch, repeated(10, cardItem)))
	if n[""] != 5 || n["internal-error"] != 5 {
		t.Errorf("%v", n)
	}
	r.stop()
	if strings.Contains(r.log.String(), visa) {
		t.Error("the card is in the log")
	}
}

// serveInProcess answers a batch where time passes when everybody waits.
func serveInProcess(t *testing.T, v server.Vault, n int) ([]outcome, time.Duration, string) {
	t.Helper()
	var log strings.Builder
	c := server.Config{Vault: func(context.Context) (server.Vault, error) { return v, nil }, Audit: testLog(&log)}
	start := time.Now()
	w := inProcess(c, http.MethodPost, api.PathTokenizeBatch, strings.NewReader(repeated(n, cardItem)))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return outcomes(t, w.Body.String()), time.Since(start), log.String()
}

// counting counts the tokens that it is asked for.
type counting struct {
	slow
	begun *atomic.Int64
}

func (v counting) Create(ctx context.Context, c vault.Create) (vault.Created, error) {
	v.begun.Add(1)
	return v.slow.Create(ctx, c)
}

// The operation's time holds for the whole batch: what is stored by then is answered, and the rest is unavailable.
func TestBatch_AnswersWhatIsDoneWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int64
		got, took, log := serveInProcess(t, counting{slow{takes: 900 * time.Millisecond}, &begun}, 100)
		// 16 at a time: four rounds end in 4 s, and a fifth is under way. Nothing is done for the other items.
		n := codes(got)
		if n[""] != 4*16 || n["unavailable"] != 100-4*16 || begun.Load() != 5*16 || took > 4500*time.Millisecond {
			t.Errorf("%v after %v, %d begun", n, took, begun.Load())
		}
		if lines := strings.Count(log, "\n"); lines != 100 {
			t.Errorf("%d lines", lines)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if got, took, _ := serveInProcess(t, slow{takes: never}, 100); codes(got)["unavailable"] != 100 ||
			took > 4500*time.Millisecond {
			t.Errorf("%v after %v", codes(got), took)
		}
	})
}

// atOnce notes how many operations are under way at a time.
type atOnce struct {
	slow
	now, most *atomic.Int64
}

func (v atOnce) Create(ctx context.Context, c vault.Create) (vault.Created, error) {
	n := v.now.Add(1)
	defer v.now.Add(-1)
	for most := v.most.Load(); n > most && !v.most.CompareAndSwap(most, n); most = v.most.Load() {
	}
	return v.slow.Create(ctx, c)
}

// However many batches come, as many operations are under way as the documentation says, and a batch whose turn does
// not come is told when to try again.
func TestBatch_BoundsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		v := atOnce{slow{takes: 2100 * time.Millisecond}, &now, &most}
		c := server.Config{
			Vault: func(context.Context) (server.Vault, error) { return v, nil }, Audit: testLog(io.Discard),
			Port: 2774, SessionToken: session,
		}
		handler := server.New(c).Handler
		var mu sync.Mutex
		statuses := map[int]int{}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				w := answerTo(handler, api.PathTokenizeBatch, repeated(16, cardItem))
				mu.Lock()
				defer mu.Unlock()
				statuses[w.Code]++
				if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") != "1" {
					t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
				}
			})
		}
		all.Wait()
		if most.Load() != api.DefaultConnections {
			t.Errorf("%d operations at once", most.Load())
		}
		if statuses[http.StatusOK] < 4 || statuses[http.StatusServiceUnavailable] < 1 ||
			statuses[http.StatusOK]+statuses[http.StatusServiceUnavailable] != 20 {
			t.Errorf("statuses %v", statuses)
		}
	})
}

// The caller that goes away in the middle: what the log says was stored is there as a whole, and every item has its
// line.
func TestBatch_TheCallerThatClosesTheConnectionInTheMiddle(t *testing.T) {
	r := start(t)
	closed, reached := make(chan struct{}), make(chan struct{})
	var puts atomic.Int64
	r.store.Fail = func(operation string) error {
		if operation == "PutItem" && puts.Add(1) == 40 {
			close(reached)
			<-closed
		}
		return nil
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(api.Host, strconv.Itoa(r.port)))
	if err != nil {
		t.Fatal(err)
	}
	body := repeated(100, cardItem)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
		api.PathTokenizeBatch, r.port, api.TokenHeader, session, len(body), body)
	<-reached
	conn.Close()
	close(closed)
	r.stop()
	ok, lines := 0, 0
	for line := range strings.Lines(r.log.String()) {
		lines++
		if strings.Contains(line, `"outcome":"ok"`) {
			ok++
		}
	}
	if lines != 100 || ok > r.rows() {
		t.Errorf("%d lines, %d ok, %d rows", lines, ok, r.rows())
	}
	for _, row := range r.store.Rows(vaultTable) {
		token, _ := row["Hash_Key"].Text()
		if _, err := r.vault.Detokenize(t.Context(), vault.Detokenize{Read: vault.Read{Token: token}}); err != nil {
			t.Errorf("a row is half written: %v", err)
		}
	}
}

// A body that is announced and does not come keeps no other batch out for longer than its own time.
func TestBatch_BodiesThatDoNotComeDoNotHoldUpTheOthersForGood(t *testing.T) {
	r := start(t)
	address := net.JoinHostPort(api.Host, strconv.Itoa(r.port))
	for range 4 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nContent-Length: 1000\r\n\r\n{",
			api.PathTokenizeBatch, address, api.TokenHeader, session)
	}
	body := items(cardItem)
	body += strings.Repeat(" ", api.MaxBatchBody-len(body))
	for range 10 { // 503, until the bodies are given up
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		// This client reads no answer before it has sent its body.
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
			api.PathTokenizeBatch, address, api.TokenHeader, session, len(body), body); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusOK:
			return
		case resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || resp.Close:
			t.Fatalf("%d, Retry-After %q, closed: %t", resp.StatusCode, resp.Header.Get("Retry-After"), resp.Close)
		}
	}
	t.Error("no batch is served any more")
}

// The largest answer that there can be is within the clients' limit.
func TestBatch_TheLargestAnswerFits(t *testing.T) {
	r := start(t)
	text := strings.Repeat("<", api.MaxText) // which the answer escapes
	name := strings.Repeat("r", maxName-3)
	var list []string
	var tokens []outcome
	for range 4 {
		var part []string
		for range 25 {
			part = append(part, `{"type":"text","data":"`+text+`"}`)
		}
		tokens = append(tokens, r.batch(t, api.PathTokenizeBatch, items(part...))...)
	}
	for i, o := range tokens {
		list = append(list,
			fmt.Sprintf(`{"token":"%s","redaction":"PLAIN_TEXT","reference":"%s%03d"}`, o.Token, name, i))
	}
	status, answer, _ := r.do(t, call{path: api.PathDetokenizeBatch, body: items(list...)})
	if status != 200 || len(answer) > api.MaxBatchAnswer || len(answer) < 100*api.MaxText ||
		codes(outcomes(t, answer))[""] != 100 {
		t.Errorf("%d, %d bytes", status, len(answer))
	}
}

// What is allowed for one item is allowed for each of a hundred.
func TestBatch_AHundredItemsWithAllTheyMayHave(t *testing.T) {
	r := start(t)
	item := body(t, map[string]any{
		"type": "text", "data": strings.Repeat("x", api.MaxText),
		"metadata": members(api.MaxMetadata, api.MaxMetadataBytes),
		"binding":  map[string]any{"context": members(api.MaxContext, api.MaxContextBytes)},
	})
	if n := codes(r.batch(t, api.PathTokenizeBatch, repeated(100, item))); n[""] != 100 || r.rows() != 100 {
		t.Errorf("%v, %d rows", n, r.rows())
	}
}

// A hundred connections with large batches at once need the memory of the four that are carried out.
func TestBatch_AHundredConnectionsNeedBoundedMemory(t *testing.T) {
	r := start(t, func(c *server.Config) { c.Audit = testLog(io.Discard) })
	body := []byte(items(`{"type":"text","data":"`+strings.Repeat("x", api.MaxBatchBody-4096)+`"}`, cardItem))
	inUse := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	entered, release := make(chan struct{}, 100), make(chan struct{})
	r.store.Fail = func(string) error {
		entered <- struct{}{}
		<-release
		return nil
	}
	head := fmt.Appendf(nil,
		"POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
		api.PathTokenizeBatch, r.port, api.TokenHeader, session, len(body))
	before := inUse()
	var all sync.WaitGroup
	for range 100 {
		conn, err := net.Dial("tcp", net.JoinHostPort(api.Host, strconv.Itoa(r.port)))
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() { // as much as the server takes
			if _, err := conn.Write(head); err == nil {
				_, _ = conn.Write(body)
			}
		})
		all.Go(func() {
			defer conn.Close()
			answer, err := io.ReadAll(conn)
			if err != nil ||
				!strings.HasPrefix(string(answer), "HTTP/1.1 200") &&
					!strings.HasPrefix(string(answer), "HTTP/1.1 503") {
				t.Errorf("%v, %.100s", err, answer)
			}
		})
	}
	for range 4 {
		<-entered
	}
	if held := inUse() - before; held > 24<<20 {
		t.Errorf("%d MiB are in use", held>>20)
	}
	close(release)
	all.Wait()
}
