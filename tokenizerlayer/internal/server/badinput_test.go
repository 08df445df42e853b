package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/audit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

const (
	// canary is in every bad value that can hold it, and nowhere in what a good request says.
	canary  = "zanzibar"
	unknown = "00000000-0000-4000-8000-000000000000"
)

// bad is a request that is refused: a body, or a header of an otherwise good one.
type bad struct {
	name, body, field string
	header            map[string]string
}

// values makes requests of one member each that has a bad value.
func values(good, member, field string, values ...string) (list []bad) {
	for _, value := range values {
		list = append(list, bad{member + " " + value, `{` + good + `,"` + member + `":` + value + `}`, field, nil})
	}
	return list
}

func TestTokenize_RefusesEveryBadValueByItsName(t *testing.T) {
	text := `"type":"text","data":"x"`
	number := `"data":"` + visa + `"`
	list := []bad{
		{"an array", `["` + canary + `"]`, "", nil},
		{"null", `null`, "", nil},
		{"two documents", `{` + number + `}{"` + canary + `":1}`, "", nil},
		{"a comment", `{` + number + `/*` + canary + `*/}`, "", nil},
		{"no data", `{"type":"text"}`, "data", nil},
		{"null data", `{"data":null}`, "data", nil},
		{"twice", `{` + number + `,"ttl":1,"ttl":2}`, "ttl", nil},
		{"twice inside", `{` + number + `,"binding":{"purpose":"a","purpose":"` + canary + `"}}`, "binding.purpose",
			nil},
		{"twice in metadata", `{` + number + `,"metadata":{"a":"b","a":"` + canary + `"}}`, "metadata.a", nil},
		{"another case", `{` + number + `,"TTL":5}`, "TTL", nil},
		{"unknown inside", `{` + number + `,"binding":{"purpose":"a","colour":"` + canary + `"}}`, "binding.colour",
			nil},
		{"a card as a name", `{"4111111111111112":"` + canary + `"}`, "", nil},
		{"a limited card format for a text", `{` + text + `,"format":"card"}`, "format", nil},
		{"invalid UTF-8", "{\"type\":\"text\",\"data\":\"" + canary + "\xff\"}", "data", nil},
		{"invalid UTF-8 in metadata", "{" + number + ",\"metadata\":{\"note\":\"" + canary + "\xc0\xaf\"}}",
			"metadata.note", nil},
		{"long text", `{"type":"text","data":"` + strings.Repeat(canary, 513) + `"}`, "data", nil},
		{"deterministic with a ttl", `{` + number + `,"deterministic":true,"ttl":5}`, "deterministic", nil},
		{"deterministic with a limit", `{` + number + `,"deterministic":true,"max_uses":5}`, "deterministic", nil},
		{"deterministic and not stored", `{` + number + `,"deterministic":true,"store":false}`, "store", nil},
		{"a scope of nothing", `{` + number + `,"scope":"` + canary + `"}`, "scope", nil},
		{"idempotent and not stored", `{` + number + `,"store":false}`, "store",
			map[string]string{api.IdempotencyHeader: canary}},
	}
	for _, digits := range []string{
		canary, "4111x11111111111", "41111111111", "41111111111111111111", "4111111111111112", "٤١١١١١١١١١١١١١١١",
		"４111111111111111",
		"4111--1111 1111 1111", "-4111111111111111", "4111\\t111111111111", "4111111111111111\\u0000", "   ", "",
	} {
		list = append(list, bad{"data " + digits, `{"data":"` + digits + `"}`, "data", nil})
	}
	list = append(list, values(`"type":"text"`, "data", "data", `""`, `5`, `["`+canary+`"]`, `{}`, `true`)...)
	list = append(list, values(number, "type", "type", `"`+canary+`"`, `"CARD"`, `1`)...)
	list = append(list, values(number, "format", "format", `"`+canary+`"`, `"UUID"`, `1`)...)
	list = append(list, values(number, "ttl", "ttl",
		`0`, `-1`, `315360001`, `1e9`, `1.5`, `5.5`, `"5"`, `99999999999999999999`, `-9223372036854775809`,
		`9223372036854775807`, `true`, `[5]`)...)
	list = append(list, values(number, "max_uses", "max_uses",
		`0`, `-1`, `1000001`, `1e-1`, `1e999`, `1.5`, `"`+canary+`"`, `99999999999999999999`, `9223372036854775807`,
		`{}`)...)
	list = append(list, values(number, "deterministic", "deterministic", `"true"`, `1`, `"`+canary+`"`)...)
	list = append(list, values(number+`,"deterministic":true`, "scope", "scope",
		`"`+canary+` x"`, `"-`+canary+`"`, `"`+strings.Repeat("s", 129)+`"`, `"4111111111111111"`, `"é"`, `5`)...)
	list = append(list, values(number, "store", "store", `"`+canary+`"`, `0`, `{}`)...)
	list = append(list,
		values(number, "binding", "binding", `"`+canary+`"`, `5`, `[]`, `{}`, `{"purpose":""}`, `{"context":{}}`)...)
	list = append(list, values(number, "binding", "binding.context",
		`{"context":{"cvv":"`+canary+`"}}`, `{"context":{"a b":"`+canary+`"}}`, `{"context":{"a":"`+visa+`"}}`,
		`{"context":{"a":"`+strings.Repeat("x", 1024)+`"}}`, `{"context":["`+canary+`"]}`,
		`{"context":"`+canary+`"}`)...)
	list = append(list, values(number, "binding", "binding.purpose",
		`{"purpose":"Zanzibar"}`, `{"purpose":"`+canary+` x"}`, `{"purpose":"`+strings.Repeat("p", 65)+`"}`,
		`{"purpose":"4111111111111111"}`, `{"purpose":5}`, `{"purpose":["`+canary+`"]}`)...)
	list = append(list, values(number, "metadata", "metadata",
		`"`+canary+`"`, `[]`, `{"":"`+canary+`"}`, `{"`+canary+` x":"y"}`, `{"cvv":"`+canary+`"}`,
		`{"card-cvv":"`+canary+`"}`, `{"PIN":"1234"}`,
		`{"track2":"`+canary+`"}`, `{"a":"4111 1111 1111 1111 `+canary+`"}`, `{"a":"`+canary+`\u0007"}`,
		`{"a":"`+canary+`\u202e"}`,
		`{"4111111111111111":"x"}`, `{"4111111111111111":5}`, `{"a":"`+strings.Repeat(canary, 256)+`"}`)...)
	list = append(list,
		values(number, "metadata", "metadata.a", `{"a":5}`, `{"a":{"b":"`+canary+`"}}`, `{"a":true}`)...)
	for _, name := range []string{"cvv", "CVC2", "card_cvv", "security_code", "track1", "pin", "pin_block", canary} {
		list = append(list, values(number, name, name, `"123"`)...)
	}
	for _, key := range []string{canary + " x", "-" + canary, strings.Repeat("k", 129), visa, "4111-1111-1111-1111"} {
		list = append(list,
			bad{"key " + key, `{` + number + `}`, api.IdempotencyHeader, map[string]string{api.IdempotencyHeader: key}})
	}
	refuseAll(t, api.PathTokenize, list)
}

func TestOtherOperations_RefuseEveryBadValueByItsName(t *testing.T) {
	token := `"token":"` + unknown + `"`
	for _, path := range []string{api.PathDetokenize, api.PathValidate, api.PathMetadata, api.PathRevoke} {
		list := []bad{
			{"nothing", ``, "", nil},
			{"an array", `[]`, "", nil},
			{"no token", `{}`, "token", nil},
			{"twice", `{` + token + `,` + token + `}`, "token", nil},
			{"invalid UTF-8", "{" + token + ",\"reason\":\"" + canary + "\xff\"}", "reason", nil},
			{"data", `{` + token + `,"data":"` + canary + `"}`, "data", nil},
			{"a verification code", `{` + token + `,"cvv":"` + canary + `"}`, "cvv", nil},
			{"a member of another operation", `{` + token + `,"ttl":5}`, "ttl", nil},
		}
		for _, tok := range []string{
			`""`, `null`, `5`, `"` + canary + `"`, `"` + visa + `"`, `"4111-1111-1111-1112"`,
			`"00000000-0000-4000-8000-00000000000G"`,
			`" ` + unknown + `"`, `"` + unknown + `\u0000"`, `"41111111111"`, `"٤١١١١١١١١١١١١١١٢"`,
			`["` + unknown + `"]`, `"` + strings.Repeat(canary, 2000) + `"`,
		} {
			list = append(list, bad{"token " + tok, `{"token":` + tok + `}`, "token", nil})
		}
		list = append(list, values(token, "reason", "reason",
			`5`, `"`+canary+`\n"`, `"`+canary+`\u202e"`, `"card 4111 1111 1111 1111"`,
			`"`+strings.Repeat(canary, 33)+`"`, `["`+canary+`"]`)...)
		if path == api.PathDetokenize {
			list = append(list, values(token, "redaction", "redaction", `"`+canary+`"`, `"masked"`, `"NONE"`, `1`)...)
			list = append(list, values(token, "mask", "mask", `"`+canary+`"`, `"last_4"`, `1`)...)
			list = append(list, values(token+`,"redaction":"PLAIN_TEXT"`, "mask", "mask", `"LAST_4"`)...)
			list = append(list,
				values(token, "attempt", "attempt", `"`+canary+` x"`, `"`+strings.Repeat("a", 129)+`"`, `"`+visa+`"`,
					`5`)...)
		} else {
			list = append(list, values(token, "redaction", "redaction", `"MASKED"`)...)
			list = append(list, values(token, "attempt", "attempt", `"a"`)...)
		}
		refuseAll(t, path, list)
	}
}

// refuseAll sends bad requests. None of what they say may be in an answer or in the log, and none gets as far as a
// table or KMS.
func refuseAll(t *testing.T, path string, list []bad) {
	t.Helper()
	r := start(t, func(c *server.Config) { c.ReadRate = 10_000 })
	for _, operation := range []struct {
		name string
		fail *func(string) error
	}{{"the store", &r.store.Fail}, {"KMS", &r.kms.Fail}} {
		*operation.fail = func(asked string) error {
			t.Errorf("%s: %s was asked: %s", path, operation.name, asked)
			return nil
		}
	}
	for _, b := range list {
		status, body, header := r.do(t, call{path: path, body: b.body, header: b.header})
		var doc struct {
			Field, Code, Detail string
			Status              int
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Errorf("%s, %s: %v", path, b.name, err)
			continue
		}
		if status != http.StatusBadRequest || doc.Status != status || doc.Code != "invalid-request" ||
			doc.Field != b.field || doc.Detail == "" ||
			header.Get("Content-Type") != "application/problem+json" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s, %s: %d, field %q instead of %q: %s", path, b.name, status, doc.Field, b.field, body)
		}
		if told := strings.ReplaceAll(body, `"field":"`+b.field+`"`, ""); b.field != canary && holdsInput(told) {
			t.Errorf("%s, %s: the value is echoed: %s", path, b.name, body)
		}
	}
	r.stop()
	log := strings.ReplaceAll(r.log.String(), canary+" is not a known member", "")
	if strings.Contains(log, canary) || strings.Contains(log, visa) {
		t.Errorf("%s: a value is logged:\n%s", path, log)
	}
	if lines := strings.Count(log, "\n"); lines != len(list) {
		t.Errorf("%s: %d events of %d requests", path, lines, len(list))
	}
	for line := range strings.Lines(log) {
		var e struct{ Outcome, Detail, Reason, Purpose string }
		err := json.Unmarshal([]byte(line), &e)
		if err != nil || e.Outcome != "invalid-request" || e.Detail == "" || holdsInput(e.Detail+e.Reason+e.Purpose) {
			t.Errorf("%s: event %s", path, line)
		}
	}
}

// holdsInput tells whether s holds what only bad values have.
func holdsInput(s string) bool {
	for _, part := range []string{canary, "Zanzibar", "4111", "1111", "٤١", "４", "1.5", "99999999", "1000001"} {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// A card that was sent instead of a token is not even hashed into the log: whoever has the hash's key could try cards.
func TestLog_NamesATokenByItsRefAndWhatIsNoneByNothing(t *testing.T) {
	r := start(t)
	_, body, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`})
	token := tokenOf(t, body)
	for _, path := range []string{api.PathDetokenize, api.PathValidate, api.PathMetadata, api.PathRevoke} {
		for _, tok := range []string{visa, unknown, token} {
			r.do(t, call{path: path, body: `{"token":"` + tok + `"}`})
		}
	}
	r.stop()
	refs := map[string]int{}
	for line := range strings.Lines(r.log.String()) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		ref, _ := e["ref"].(string)
		refs[ref]++
	}
	if len(refs) != 2 || refs[""] != 8 {
		t.Errorf("refs and how often they are there: %v", refs)
	}
	if strings.Contains(r.log.String(), token) || strings.Contains(r.log.String(), unknown) {
		t.Error("a token is in the log")
	}
}

func TestTokenize_RefusesTwoIdempotencyKeys(t *testing.T) {
	r := start(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://127.0.0.1:"+strconv.Itoa(r.port)+api.PathTokenize, strings.NewReader(`{"data":"`+visa+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{api.TokenHeader: {session}, api.IdempotencyHeader: {"one", "another"}}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusBadRequest ||
		!strings.Contains(string(body), `"field":"Idempotency-Key"`) || r.rows() != 0 {
		t.Errorf("%d %s, %v, %d rows", answer.StatusCode, body, err, r.rows())
	}
	for name, want := range map[string]int{"": http.StatusBadRequest, "k": http.StatusOK} {
		again := request.Clone(t.Context())
		again.Body, again.Header[api.IdempotencyHeader] = io.NopCloser(strings.NewReader(`{"data":"`+visa+`"}`)),
			[]string{name}
		answer, err := http.DefaultClient.Do(again)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("key %q: status %d", name, answer.StatusCode)
		}
	}
}

// Nobody can find out whether a token exists in another account.
func TestServer_AnswersAnUnknownTokenLikeAnotherAccounts(t *testing.T) {
	r := start(t)
	_, body, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`})
	foreign := tokenOf(t, body)
	other := start(t, func(c *server.Config) {
		v, err := vault.New(vault.Config{
			TokenKeys: []vault.Key{{Version: "1", ARN: keyARN}}, Table: vaultTable, State: stateTable,
			Index: indexTable, AccountID: "210987654321", KMS: r.kms, Store: r.store,
			FingerprintKeys: []vault.Key{{Version: "1", ARN: fingerprintARN}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Vault = func(context.Context) (server.Vault, error) { return v, nil }
	})
	for _, path := range []string{api.PathDetokenize, api.PathValidate, api.PathMetadata, api.PathRevoke} {
		var answers [2]string
		for i, tok := range []string{unknown, foreign} {
			status, body, header := other.do(t, call{path: path, body: `{"token":"` + tok + `"}`})
			answers[i] = strconv.Itoa(status) + header.Get("Content-Type") + body
		}
		want := map[string]string{api.PathDetokenize: "404", api.PathMetadata: "404", api.PathValidate: "200",
			api.PathRevoke: "200"}[path]
		if diff := cmp.Diff(answers[0], answers[1]); diff != "" || !strings.HasPrefix(answers[0], want) {
			t.Errorf("%s (-unknown +another's):\n%s", path, diff)
		}
	}
	if status, _, _ := r.do(t,
		call{path: api.PathDetokenize, body: `{"token":"` + foreign + `"}`}); status != http.StatusOK {
		t.Errorf("its own account: status %d", status)
	}
}

func TestServer_LimitsTheRateOfReads(t *testing.T) {
	r := start(t, func(c *server.Config) { c.ReadRate = 1 })
	_, body, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`})
	good := `{"token":"` + tokenOf(t, body) + `"}`
	refused := map[string]bool{}
	for range 20 { // all in less than 20 s
		for _, path := range []string{api.PathDetokenize, api.PathValidate, api.PathMetadata} {
			status, body, header := r.do(t, call{path: path, body: good})
			switch {
			case status == http.StatusOK:
			case status == http.StatusTooManyRequests && strings.Contains(body, `"code":"rate-limited"`) &&
				header.Get("Retry-After") == "1":
				refused[path] = true
			default:
				t.Errorf("%s: %d, Retry-After %q, %s", path, status, header.Get("Retry-After"), body)
			}
		}
	}
	if len(refused) != 3 {
		t.Errorf("refused: %v", refused)
	}
	// What opens nothing goes on.
	for _, path := range []string{api.PathTokenize, api.PathRevoke} {
		body := good
		if path == api.PathTokenize {
			body = `{"data":"` + visa + `"}`
		}
		if status, _, _ := r.do(t, call{path: path, body: body}); status != http.StatusOK {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

func TestTokenize_SaysWhenToRepeatARequestInFlight(t *testing.T) {
	r := start(t)
	r.store.Fail = conflicts
	status, body, header := r.do(t,
		call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`,
			header: map[string]string{api.IdempotencyHeader: "k"}})
	if status != http.StatusConflict || !strings.Contains(body, `"code":"request-in-flight"`) ||
		header.Get("Retry-After") != "1" {
		t.Errorf("%d, Retry-After %q, %s", status, header.Get("Retry-After"), body)
	}
}

func TestServer_KeepsTheCallersRequestIDIfItIsOne(t *testing.T) {
	r := start(t)
	seen := map[string]bool{}
	for _, tt := range []struct {
		given string
		kept  bool
	}{
		{"a-1", true}, {strings.Repeat("x", 64), true}, {"8f14e45f-ceea-467f-a0e6-8d0d0c5d9b1a", true},
		{"", false}, {strings.Repeat("x", 65), false}, {canary + " x", false}, {"-" + canary, false}, {visa, false},
		{"4111-1111-1111-1111", false},
		{canary + `"}`, false}, {canary + "_", false},
	} {
		_, _, header := r.do(t,
			call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`,
				header: map[string]string{api.RequestHeader: tt.given}})
		got := header.Get(api.RequestHeader)
		if (got == tt.given) != tt.kept || got == "" || seen[got] {
			t.Errorf("%q became %q", tt.given, got)
		}
		seen[got] = true
	}
	r.stop()
	for line := range strings.Lines(r.log.String()) {
		var e struct {
			ID string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || !seen[e.ID] {
			t.Errorf("request %q is of no answer", e.ID)
		}
	}
	if log := r.log.String(); strings.Contains(log, canary) || strings.Contains(log, visa) ||
		strings.Contains(log, "4111-1111") {
		t.Errorf("an id that was refused is logged:\n%s", log)
	}
}

// What an event says, of each operation.
func TestLog_SaysWhoDidWhatToWhatAndWhy(t *testing.T) {
	r := start(t)
	_, body, _ := r.do(t,
		call{path: api.PathTokenize, body: `{"data":"x","type":"text","binding":{"purpose":"refund"}}`})
	token := tokenOf(t, body)
	r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `","store":false}`})
	for _, path := range []string{api.PathDetokenize, api.PathValidate, api.PathMetadata, api.PathRevoke,
		api.PathRevoke} {
		r.do(t, call{path: path, body: `{"token":"` + token + `","reason":"because ` + path + `"}`})
	}
	r.stop()
	var got []map[string]any
	refs := map[any]int{}
	for line := range strings.Lines(r.log.String()) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if _, err := time.Parse(time.RFC3339, e["time"].(string)); err != nil || e["request_id"] == nil ||
			e["duration_ms"] == nil {
			t.Errorf("event %s", line)
		}
		refs[e["ref"]]++
		for _, varies := range []string{"time", "request_id", "duration_ms", "ref"} {
			delete(e, varies)
		}
		got = append(got, e)
	}
	event := func(level, operation, outcome string, more ...string) map[string]any {
		e := map[string]any{"level": level, "msg": "tokenizer", "operation": operation, "outcome": outcome,
			"actor": "f", "account": "123456789012"}
		for i := 0; i < len(more); i += 2 {
			e[more[i]] = more[i+1]
		}
		return e
	}
	want := []map[string]any{
		event("INFO", "tokenize", "ok", "type", "text", "purpose", "refund"),
		event("INFO", "seal", "ok", "type", "card"),
		event("INFO", "detokenize", "ok", "type", "text", "purpose", "refund", "redaction", "MASKED", "reason",
			"because /v1/detokenize"),
		event("INFO", "validate", "ok", "type", "text", "purpose", "refund", "reason", "because /v1/validate"),
		event("INFO", "metadata", "ok", "type", "text", "purpose", "refund", "reason", "because /v1/metadata"),
		event("INFO", "revoke", "ok", "purpose", "refund", "reason", "because /v1/revoke"),
		event("INFO", "revoke", "ok", "reason", "because /v1/revoke"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(refs) != 3 || refs[nil] != 1 { // two tokens; of the one that was revoked before there is no row to tell
		t.Errorf("refs and how often they are there: %v", refs)
	}
}

// An operation whose event cannot be written releases nothing.
func TestServer_ReleasesNothingThatItCannotRecord(t *testing.T) {
	r := start(t)
	_, body, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`})
	token := tokenOf(t, body)
	full := start(t, func(c *server.Config) {
		c.Vault = func(context.Context) (server.Vault, error) { return r.vault, nil }
		c.Audit = audit.New(fullDisk{}, slog.LevelInfo, "f")
	})
	for path, body := range map[string]string{
		api.PathTokenize:   `{"data":"` + visa + `"}`,
		api.PathDetokenize: `{"token":"` + token + `","redaction":"PLAIN_TEXT"}`,
		api.PathValidate:   `{"token":"` + token + `"}`, api.PathMetadata: `{"token":"` + token + `"}`,
		api.PathRevoke: `{"token":"` + unknown + `"}`,
	} {
		status, body, _ := full.do(t, call{path: path, body: body})
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "cannot be recorded") ||
			strings.Contains(body, "1111") || strings.Contains(body, `"token":`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// The level is for notices. Events are written whatever it is, before the answer.
func TestLog_HasEveryEventWhateverTheLevel(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelWarn, slog.LevelError, slog.LevelError + 100} {
		var log bytes.Buffer
		r := start(t, func(c *server.Config) { c.Audit = audit.New(&log, level, "f") })
		_, body, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`})
		r.do(t, call{path: api.PathDetokenize, body: `{"token":"` + tokenOf(t, body) + `","redaction":"PLAIN_TEXT"}`})
		r.do(t, call{path: api.PathDetokenize, body: `{"token":"` + unknown + `"}`})
		r.stop()
		if n := strings.Count(log.String(), "\n"); n != 3 {
			t.Errorf("level %v: %d events:\n%s", level, n, log.String())
		}
	}
}

// A row that comes back after its token was revoked is answered like any revoked token, and logged as a finding.
func TestLog_NamesARowThatCameBackAsAFinding(t *testing.T) {
	r := start(t)
	_, body, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`})
	token := tokenOf(t, body)
	kept := maps.Clone(r.store.MustRow(vaultTable, token, "123456789012"))
	r.do(t, call{path: api.PathRevoke, body: `{"token":"` + token + `"}`})
	_, revoked, _ := r.do(t, call{path: api.PathDetokenize, body: `{"token":"` + token + `"}`})
	r.store.MustPut(vaultTable, kept)
	if _, body, _ := r.do(t, call{path: api.PathDetokenize, body: `{"token":"` + token + `"}`}); body != revoked {
		t.Errorf("answered %s, want %s", body, revoked)
	}
	_, body, _ = r.do(t, call{path: api.PathValidate, body: `{"token":"` + token + `"}`})
	if body != `{"live":false}`+"\n" {
		t.Errorf("validate: %s", body)
	}
	r.stop()
	if n := strings.Count(r.log.String(), `"level":"ERROR"`); n != 2 ||
		strings.Count(r.log.String(), `"finding":"revoked-row-returned"`) != 2 {
		t.Errorf("%d findings:\n%s", n, r.log.String())
	}
}

func TestServer_RefusesNullMembers(t *testing.T) {
	r := start(t)
	for path, bodies := range map[string][]string{
		api.PathTokenize: {
			`{"data":"` + visa + `","ttl":null}`, `{"data":"` + visa + `","max_uses":null}`,
			`{"data":"` + visa + `","binding":null}`,
			`{"data":"` + visa + `","binding":{"purpose":null}}`, `{"data":"` + visa + `","metadata":{"a":null}}`,
			`{"data":null}`,
		},
		api.PathDetokenize: {`{"token":null}`, `{"token":"` + unknown + `","attempt":null}`,
			`{"token":"` + unknown + `","binding":{"context":null}}`},
		api.PathRevoke: {`{"token":"` + unknown + `","reason":null}`},
	} {
		for _, body := range bodies {
			if status, answer, _ := r.do(t, call{path: path, body: body}); status != http.StatusBadRequest ||
				!strings.Contains(answer, "null") {
				t.Errorf("%s: %d %s", body, status, answer)
			}
		}
	}
	if r.rows() != 0 {
		t.Errorf("%d rows", r.rows())
	}
}

func TestServer_ReadsTokensWithoutRegardToCase(t *testing.T) {
	r := start(t)
	_, body, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`})
	token := strings.ToUpper(tokenOf(t, body))
	for _, path := range []string{api.PathDetokenize, api.PathValidate, api.PathMetadata, api.PathRevoke} {
		if status, body, _ := r.do(t, call{path: path, body: `{"token":"` + token + `"}`}); status != http.StatusOK ||
			strings.Contains(body, "false") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// Every answer has a name, whatever it is an answer to, and unknown paths get a problem document, never a redirection.
func TestServer_NamesEveryAnswer(t *testing.T) {
	r := start(t)
	for _, c := range []call{
		{path: "/"}, {path: "//v1/tokenize"}, {path: "/v1//tokenize"}, {path: "/v1/tokenize/"},
		{path: "/v1/%74okenize"}, {path: "/v1/./tokenize"},
		{path: api.PathPing}, {path: api.PathTokenize, method: "GET"},
	} {
		status, body, header := r.do(t, c)
		if status != http.StatusNotFound || !strings.Contains(body, "no-such-endpoint") ||
			header.Get(api.RequestHeader) == "" {
			t.Errorf("%s %s: %d %s, named %q", c.method, c.path, status, body, header.Get(api.RequestHeader))
		}
	}
	for name, c := range map[string]call{
		"ping":         {path: api.PathPing, method: "GET"},
		"unauthorized": {path: api.PathTokenize, header: map[string]string{api.TokenHeader: "x"}},
		"forwarded":    {path: api.PathTokenize, header: map[string]string{"Origin": "https://x.example"}},
	} {
		if _, _, header := r.do(t, c); header.Get(api.RequestHeader) == "" {
			t.Errorf("%s: no %s", name, api.RequestHeader)
		}
	}
}

// Requests that are refused do not hold connections, of which there are few.
func TestServer_ClosesTheConnectionOfWhatItRefuses(t *testing.T) {
	r := start(t)
	for name, request := range map[string]string{
		"401":           "GET /ping HTTP/1.1\r\nHost: 127.0.0.1:" + strconv.Itoa(r.port) + "\r\n\r\n",
		"403 of a host": "GET /ping HTTP/1.1\r\nHost: metadata.example\r\n\r\n",
		"403 of a proxy": "GET /ping HTTP/1.1\r\nHost: 127.0.0.1:" + strconv.Itoa(r.port) +
			"\r\nX-Forwarded-For: 10.0.0.1\r\n" + api.TokenHeader + ": " + session + "\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(kit.Limit))
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn) // ends when the server closes
		if err != nil || !strings.Contains(string(answer), "Connection: close") ||
			!strings.Contains(string(answer), "HTTP/1.1 "+name[:3]) {
			t.Errorf("%s: %v, %s", name, err, answer)
		}
		conn.Close()
	}
}

// A look-up in the index tells whether data is in the vault: it counts as a read, and the log names it.
func TestTokenize_LimitsAndLogsLookUps(t *testing.T) {
	for lookup, more := range map[string]struct{ body, key string }{
		"deterministic": {`{"data":"` + visa + `","deterministic":true}`, ""},
		"idempotency":   {`{"data":"` + visa + `"}`, "k"},
	} {
		r := start(t, func(c *server.Config) { c.ReadRate = 1 })
		refused := 0
		for range 10 { // in less than 10 s
			header := map[string]string{}
			if more.key != "" {
				header[api.IdempotencyHeader] = more.key
			}
			if status, body, _ := r.do(t,
				call{path: api.PathTokenize, body: more.body, header: header}); status == http.StatusTooManyRequests {
				refused++
			} else if status != http.StatusOK || !strings.Contains(body, `"token":"`) {
				t.Errorf("%s: %d %s", lookup, status, body)
			}
		}
		r.stop()
		if n := strings.Count(r.log.String(), `"lookup":"`+lookup+`"`); refused == 0 || n != 10 {
			t.Errorf("%s: %d of 10 were refused, and %d lines name it", lookup, refused, n)
		}
	}
}

// A connection does not last for ever, whatever is at its other end, and each limit leaves room for the answer.
func TestNew_BoundsEveryConnection(t *testing.T) {
	s := server.New(server.Config{})
	if s.ReadHeaderTimeout < time.Second || s.ReadHeaderTimeout > s.ReadTimeout || s.ReadTimeout > api.ClientTimeout {
		t.Errorf("a request may take %v, its header %v", s.ReadTimeout, s.ReadHeaderTimeout)
	}
	if s.WriteTimeout < 2*api.ClientTimeout || s.WriteTimeout > time.Minute || s.IdleTimeout != 15*time.Minute ||
		s.MaxHeaderBytes > 64<<10 || s.MaxHeaderBytes < 8<<10 {
		t.Errorf("write %v, idle %v, header %d bytes", s.WriteTimeout, s.IdleTimeout, s.MaxHeaderBytes)
	}
}
