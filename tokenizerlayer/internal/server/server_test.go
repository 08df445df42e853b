package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/audit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

const (
	session = "session-token-of-the-function"
	visa    = "4111111111111111"

	vaultTable = "CreditCardTokenizerTable"
	indexTable = "CreditCardTokenizerIndex"
	stateTable = "CreditCardTokenizerState"
)

// running is a server over a real vault on fakes, and everything it printed.
type running struct {
	port  int
	kms   *fakeaws.KMS
	store *fakeaws.Tables
	vault *vault.Vault
	log   *bytes.Buffer
	stop  func()
}

func start(t *testing.T, change ...func(*server.Config)) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{port: ln.Addr().(*net.TCPAddr).Port, kms: &fakeaws.KMS{}, store: &fakeaws.Tables{},
		log: &bytes.Buffer{}}
	v, err := vault.New(vault.Config{
		TokenKeys: []vault.Key{{Version: "1", ARN: fakeaws.KeyARN}}, Table: vaultTable, State: stateTable,
		Index: indexTable, AccountID: "123456789012", KMS: r.kms, Store: r.store,
		FingerprintKeys: []vault.Key{{Version: "1", ARN: fakeaws.FingerprintARN}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.vault = v
	c := server.Config{
		Vault: func(context.Context) (server.Vault, error) { return v, nil }, Port: r.port, SessionToken: session,
		Release: "r1",
		Audit:   testLog(r.log),
	}
	for _, ch := range change {
		ch(&c)
	}
	srv := server.New(c)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	stopped := false
	r.stop = func() {
		if !stopped {
			stopped = true
			_ = srv.Shutdown(t.Context())
			<-done
		}
	}
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return r
}

// testLog is the log of a function named "f".
func testLog(w io.Writer) *audit.Log {
	l := audit.New(w, slog.LevelDebug, "f")
	l.SetAccount("123456789012")
	return l
}

// rows counts the vault's rows.
func (r *running) rows() int { return len(r.store.Rows(vaultTable)) }

type call struct {
	method, path, body string
	header             map[string]string
	host               string
}

// do sends a call with the right token unless the call's own headers say otherwise ("" leaves the header out). It
// compares the call and its answer with the OpenAPI document.
func (r *running) do(t *testing.T, c call) (int, string, http.Header) {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), c.method, "http://127.0.0.1:"+strconv.Itoa(r.port)+c.path,
		strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(api.TokenHeader, session)
	for k, v := range c.header {
		if v == "" {
			req.Header.Del(k)
			continue
		}
		req.Header.Set(k, v)
	}
	if c.host != "" {
		req.Host = c.host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	documented(t).checkCall(t, c, resp.StatusCode, string(b), resp.Header)
	return resp.StatusCode, string(b), resp.Header
}

func tokenOf(t *testing.T, body string) string {
	t.Helper()
	var out api.TokenizeResponse
	if err := json.Unmarshal([]byte(body), &out); err != nil || out.Token == "" {
		t.Fatalf("no token in the answer: %v", err)
	}
	return out.Token
}

func TestDetokenize_ShowsAsMuchAsIsAskedFor(t *testing.T) {
	r := start(t)
	status, body, header := r.do(t, call{path: api.PathTokenize, body: `{"data":"4111-1111-1111-1111"}`})
	if status != 200 || header.Get("Cache-Control") != "no-store" || strings.Contains(body, `"row"`) {
		t.Fatalf("tokenize: %d %v", status, header)
	}
	token := tokenOf(t, body)
	for redaction, want := range map[string]string{
		``:                          `{"data":"************1111","redaction":"MASKED"}`,
		`,"redaction":"MASKED"`:     `{"data":"************1111","redaction":"MASKED"}`,
		`,"redaction":"PLAIN_TEXT"`: `{"data":"4111111111111111","redaction":"PLAIN_TEXT"}`,
	} {
		status, body, _ := r.do(t, call{path: api.PathDetokenize, body: `{"token":"` + token + `"` + redaction + `}`})
		if diff := cmp.Diff(want+"\n", body); status != 200 || diff != "" {
			t.Errorf("detokenize %s: %d %s", redaction, status, diff)
		}
	}
	if r.rows() != 1 {
		t.Errorf("%d rows", r.rows())
	}
}

func TestTokenize_WithStoreFalseAnswersTheRow(t *testing.T) {
	r := start(t)
	status, body, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `","store":false}`})
	var out api.TokenizeResponse
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 || out.Row == nil {
		t.Fatalf("%d, %v", status, err)
	}
	if r.rows() != 0 || !out.Row.Item["Hash_Key"].Equal(attribute.S(out.Token)) || strings.Contains(body, visa) {
		t.Error("something was stored, or the row is not the token's")
	}
}

func TestPing_TellsTheRelease(t *testing.T) {
	r := start(t)
	if status, body, _ := r.do(t, call{method: "GET", path: api.PathPing}); status != 200 ||
		body != `{"status":"ok","release":"r1"}`+"\n" {
		t.Errorf("%d %s", status, body)
	}
}

func TestServer_ServesOnlyTheFunctionItself(t *testing.T) {
	r := start(t)
	for name, tt := range map[string]struct {
		c      call
		status int
		code   string
	}{
		"no token":        {call{header: map[string]string{api.TokenHeader: ""}}, 401, "unauthorized"},
		"wrong token":     {call{header: map[string]string{api.TokenHeader: session + "x"}}, 401, "unauthorized"},
		"forwarded":       {call{header: map[string]string{"X-Forwarded-For": "10.0.0.1"}}, 403, "forwarded-request"},
		"forwarded (new)": {call{header: map[string]string{"Forwarded": "for=10.0.0.1"}}, 403, "forwarded-request"},
		"from a page":     {call{header: map[string]string{"Origin": "http://127.0.0.1"}}, 403, "forwarded-request"},
		"foreign host":    {call{host: "evil.example"}, 403, "forwarded-request"},
		"rebound host":    {call{host: "evil.example:" + strconv.Itoa(r.port)}, 403, "forwarded-request"},
		"no port":         {call{host: "127.0.0.1"}, 403, "forwarded-request"},
	} {
		for _, path := range []string{api.PathTokenize, api.PathDetokenize, api.PathPing, "/"} {
			tt.c.path, tt.c.body = path, `{"data":"`+visa+`"}`
			status, body, header := r.do(t, tt.c)
			if status != tt.status || !strings.Contains(body, `"code":"`+tt.code+`"`) ||
				header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s, %s: %d %s", name, path, status, body)
			}
		}
	}
	if r.rows() != 0 {
		t.Error("a refused request stored a row")
	}
}

func TestServer_AuthorizesNobodyByAnEmptySessionToken(t *testing.T) {
	r := start(t, func(c *server.Config) { c.SessionToken = "" })
	if status, _, _ := r.do(t,
		call{path: api.PathPing, method: "GET", header: map[string]string{api.TokenHeader: ""}}); status != 401 {
		t.Errorf("status %d", status)
	}
}

func TestServer_NamesTheFieldOfABadRequestAndEchoesNoValue(t *testing.T) {
	r := start(t)
	bad := "4111111111111112"
	for name, tt := range map[string]struct {
		path, body, field string
		status            int
	}{
		"empty body":           {api.PathTokenize, ``, "", 400},
		"not JSON":             {api.PathTokenize, `{"data":"` + bad, "", 400},
		"no data":              {api.PathTokenize, `{}`, "data", 400},
		"empty data":           {api.PathTokenize, `{"data":""}`, "data", 400},
		"bad check digit":      {api.PathTokenize, `{"data":"` + bad + `"}`, "data", 400},
		"letters":              {api.PathTokenize, `{"data":"` + bad + `x"}`, "data", 400},
		"a number":             {api.PathTokenize, `{"data":` + bad + `}`, "data", 400},
		"duplicate":            {api.PathTokenize, `{"data":"` + visa + `","data":"` + bad + `"}`, "data", 400},
		"unknown member":       {api.PathTokenize, `{"data":"` + visa + `","note":"` + bad + `"}`, "note", 400},
		"verification code":    {api.PathTokenize, `{"data":"` + visa + `","cvv":"` + bad + `"}`, "cvv", 400},
		"store of wrong type":  {api.PathTokenize, `{"data":"` + visa + `","store":"` + bad + `"}`, "store", 400},
		"large":                {api.PathTokenize, `{"data":"` + strings.Repeat(bad, 3000) + `"}`, "", 413},
		"no token":             {api.PathDetokenize, `{}`, "token", 400},
		"a card for a token":   {api.PathDetokenize, `{"token":"` + visa + `"}`, "token", 400},
		"a wrong card for one": {api.PathDetokenize, `{"token":"` + bad + `"}`, "token", 404}, // it may be a token
		"unknown token":        {api.PathDetokenize, `{"token":"00000000-0000-4000-8000-000000000000"}`, "token", 404},
		"bad redaction":        {api.PathDetokenize, `{"token":"x","redaction":"` + bad + `"}`, "redaction", 400},
		"unknown path":         {"/v2/" + bad, `{}`, "", 404},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, _ := r.do(t, call{path: tt.path, body: tt.body})
			var doc struct{ Field, Code, Type, Title string }
			if err := json.Unmarshal([]byte(body), &doc); err != nil {
				t.Fatal(err)
			}
			if status != tt.status || doc.Field != tt.field || doc.Code == "" || doc.Type == "" || doc.Title == "" {
				t.Errorf("%d %s", status, body)
			}
			if strings.Contains(body, bad) || strings.Contains(body, visa) {
				t.Errorf("the value is echoed: %s", body)
			}
		})
	}
	r.stop()
	if s := r.log.String(); strings.Contains(s, bad) || strings.Contains(s, visa) {
		t.Errorf("the value is logged:\n%s", s)
	}
	if r.rows() != 0 {
		t.Error("a bad request stored a row")
	}
}

func TestLog_HasOneEventPerOperationAndNoSecrets(t *testing.T) {
	r := start(t)
	_, body, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`})
	token := tokenOf(t, body)
	r.do(t, call{path: api.PathDetokenize, body: `{"token":"` + token + `","redaction":"PLAIN_TEXT"}`})
	r.store.Fail = func(string) error { return errors.New("upstream text " + visa) }
	r.do(t, call{path: api.PathDetokenize, body: `{"token":"` + token + `"}`})
	r.stop()
	log := r.log.String()
	for _, secret := range []string{visa, "*1111", token, session, "upstream text"} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is logged:\n%s", secret, log)
		}
	}
	var got []string
	for line := range strings.Lines(log) {
		var e struct{ Operation, Outcome, Redaction string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Operation+" "+e.Outcome+" "+e.Redaction)
	}
	want := []string{"tokenize ok ", "detokenize ok PLAIN_TEXT", "detokenize unavailable MASKED"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestServer_SaysWhichSettingIsWrong(t *testing.T) {
	r := start(t, func(c *server.Config) {
		c.Vault = func(context.Context) (server.Vault, error) {
			return nil, failure.New(failure.NotReady, "", "TOKENIZER_TABLE must be set")
		}
	})
	for _, c := range []call{{path: api.PathTokenize, body: `{"data":"` + visa + `"}`},
		{path: api.PathPing, method: "GET"}} {
		if status, body, _ := r.do(t, c); status != 503 || !strings.Contains(body, "TOKENIZER_TABLE") ||
			!strings.Contains(body, "not-configured") {
			t.Errorf("%s: %d %s", c.path, status, body)
		}
	}
}

// What a function sees of the server through its client.
func TestClient_TalksToTheServer(t *testing.T) {
	r := start(t)
	c, ctx := r.client(t), t.Context()
	if out, err := c.Ping(ctx); err != nil || out.Release != "r1" {
		t.Errorf("ping: %+v, %v", out, err)
	}
	token := create(t, c, client.TokenizeInput{}).Token
	for redaction, want := range map[client.Redaction]string{"": "************1111", client.PlainText: visa} {
		out, err := c.Detokenize(ctx, client.DetokenizeInput{Token: token, Redaction: redaction})
		if err != nil || out.Data.Reveal() != want {
			t.Errorf("redaction %q: %v", redaction, err)
		}
	}
	sealed, err := c.Seal(ctx, client.SealInput{Data: client.NewSecret(visa)})
	if err != nil || sealed.Token == "" || sealed.Put.Put == nil || *sealed.Put.Put.ConditionExpression == "" ||
		len(sealed.Put.Put.Item) != 5 {
		t.Errorf("seal: %v", err)
	}
	_, err = c.Detokenize(ctx, client.DetokenizeInput{Token: unknown})
	if !errors.Is(err, client.ErrNotFound) {
		t.Error("unknown token:", err)
	}
	_, err = c.Tokenize(ctx, client.TokenizeInput{Data: client.NewSecret("4111111111111112")})
	if e, ok := errors.AsType[*client.Error](err); !ok || !errors.Is(err, client.ErrInvalid) || e.Field != "data" {
		t.Error("bad card:", err)
	}
	r.kms.Fail = func(string) error { return errors.New("away") }
	if _, err = c.Tokenize(ctx, client.TokenizeInput{Data: client.NewSecret(visa)}); !errors.Is(err,
		client.ErrUnavailable) {
		t.Error("KMS away:", err)
	}
}

func TestServer_LimitsTheBodyAsConfigured(t *testing.T) {
	r := start(t, func(c *server.Config) { c.MaxBody = 64 })
	for size, want := range map[int]int{64: http.StatusBadRequest, 65: http.StatusRequestEntityTooLarge} {
		request, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:"+strconv.Itoa(r.port)+api.PathTokenize,
			strings.NewReader(strings.Repeat(" ", size)))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set(api.TokenHeader, session)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%d bytes: status %d, want %d", size, answer.StatusCode, want)
		}
	}
}

// panicking is a vault with a defect.
type panicking struct{ server.Vault }

func (panicking) TokenHash(context.Context, string) (string, error) { return "", nil }
func (panicking) Create(_ context.Context, c vault.Create) (vault.Created, error) {
	panic(c.Data.Reveal())
}

func TestServer_AnswersADefectWithoutWhatItWasAbout(t *testing.T) {
	r := start(t, func(c *server.Config) {
		c.Vault = func(context.Context) (server.Vault, error) { return panicking{}, nil }
	})
	status, body, _ := r.do(t, call{path: api.PathTokenize, body: `{"data":"` + visa + `"}`})
	r.stop()
	if status != 500 || !strings.Contains(body, "internal-error") ||
		!strings.Contains(r.log.String(), `"outcome":"internal-error"`) {
		t.Errorf("%d %s\n%s", status, body, r.log)
	}
	if strings.Contains(body+r.log.String(), visa) {
		t.Error("the card shows")
	}
}
