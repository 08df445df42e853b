package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// slow is a vault that takes a time for each operation, or as long as it is given.
type slow struct{ takes time.Duration }

func (v slow) wait(ctx context.Context) error {
	select {
	case <-time.After(v.takes):
		return nil
	case <-ctx.Done():
		return failure.New(failure.Unavailable, "", "the vault did not answer")
	}
}

func (v slow) Create(ctx context.Context, _ vault.Create) (vault.Created, error) {
	return vault.Created{Token: unknown}, v.wait(ctx)
}

func (v slow) Seal(ctx context.Context, _ vault.Create) (vault.Created, api.Row, error) {
	return vault.Created{Token: unknown}, api.Row{}, v.wait(ctx)
}

func (v slow) Detokenize(ctx context.Context, _ vault.Detokenize) (vault.Opened, error) {
	return vault.Opened{}, v.wait(ctx)
}

func (v slow) Live(ctx context.Context, _ vault.Read) (bool, vault.About, error) {
	return true, vault.About{}, v.wait(ctx)
}

func (v slow) Metadata(ctx context.Context, _ vault.Read) (vault.Metadata, error) {
	return vault.Metadata{}, v.wait(ctx)
}

func (v slow) Revoke(ctx context.Context, _ string) (vault.Revoked, error) {
	return vault.Revoked{}, v.wait(ctx)
}

// inProcess answers a request without a connection, so that a test's time passes when everybody waits.
func inProcess(c server.Config, method, path string, body io.Reader) *httptest.ResponseRecorder {
	c.Port, c.SessionToken = 2774, session
	q := httptest.NewRequest(method, "http://127.0.0.1:2774"+path, body)
	q.Header.Set(api.TokenHeader, session)
	w := httptest.NewRecorder()
	server.New(c).Handler.ServeHTTP(w, q)
	return w
}

// requests are one of each operation.
var requests = map[string]struct{ path, body string }{
	"tokenize":   {api.PathTokenize, `{"data":"` + visa + `"}`},
	"seal":       {api.PathTokenize, `{"data":"` + visa + `","store":false}`},
	"detokenize": {api.PathDetokenize, `{"token":"` + unknown + `"}`},
	"validate":   {api.PathValidate, `{"token":"` + unknown + `"}`},
	"metadata":   {api.PathMetadata, `{"token":"` + unknown + `"}`},
	"revoke":     {api.PathRevoke, `{"token":"` + unknown + `"}`},
}

const never = 1000 * time.Hour

// A client gives up after 5 s, and is to be told why before.
func TestServer_AnswersBeforeItsClientsGiveUpThoughTheVaultBlocks(t *testing.T) {
	var log bytes.Buffer
	blocks := server.Config{Vault: func(context.Context) (server.Vault, error) { return slow{never}, nil }}
	comes := server.Config{Vault: func(ctx context.Context) (server.Vault, error) { return nil, slow{never}.wait(ctx) }}
	check := func(t *testing.T, c server.Config, method, path, body string) {
		synctest.Test(t, func(t *testing.T) {
			c.Audit = testLog(&log)
			start := time.Now()
			answer := inProcess(c, method, path, strings.NewReader(body))
			if took := time.Since(start); took >= api.ClientTimeout-100*time.Millisecond || took <= 4*time.Second {
				t.Errorf("it took %v", took) // no less than the vault's own limit, or that would never be told
			}
			if answer.Code != http.StatusServiceUnavailable ||
				!strings.Contains(answer.Body.String(), `"code":"unavailable"`) {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
	}
	for name, q := range requests {
		t.Run(name, func(t *testing.T) {
			check(t, blocks, http.MethodPost, q.path, q.body)
			check(t, comes, http.MethodPost, q.path, q.body)
		})
	}
	t.Run("ping", func(t *testing.T) { check(t, comes, http.MethodGet, api.PathPing, "") })
}

func TestLog_DurationIsInMilliseconds(t *testing.T) {
	const takes = 1234*time.Millisecond + 567*time.Microsecond
	for name, q := range requests {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			inProcess(server.Config{
				Vault: func(context.Context) (server.Vault, error) { return slow{takes}, nil }, Audit: testLog(&log),
			}, http.MethodPost, q.path, strings.NewReader(q.body))
			var e struct {
				Duration float64 `json:"duration_ms"`
			}
			if err := json.Unmarshal(log.Bytes(), &e); err != nil || e.Duration != 1234.567 {
				t.Errorf("%s: %v ms of %v, %v", name, e.Duration, takes, err)
			}
		})
	}
}

// By the wall clock, too: as long as the vault takes, and no longer than the call.
func TestLog_DurationIsThatOfTheCall(t *testing.T) {
	const takes = 20 * time.Millisecond
	r := start(t, func(c *server.Config) {
		c.Vault = func(context.Context) (server.Vault, error) { return slow{takes}, nil }
	})
	before := time.Now()
	r.do(t, call{path: api.PathTokenize, body: requests["tokenize"].body})
	call := time.Since(before)
	r.stop()
	var e struct {
		Duration float64 `json:"duration_ms"`
	}
	if err := json.Unmarshal(r.log.Bytes(), &e); err != nil {
		t.Fatal(err)
	}
	if d := time.Duration(e.Duration * float64(time.Millisecond)); d < takes || d > call {
		t.Errorf("%v of a call of %v", d, call)
	}
}

// keepingBody keeps the very slices into which it was read.
type keepingBody struct {
	io.Reader
	kept [][]byte
}

func (b *keepingBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.kept = append(b.kept, p[:n])
	return n, err
}

// A body holds a card. No part of the buffers that it was read into is left, however large it is and whatever the
// answer.
func TestServer_LeavesNoBodyInMemory(t *testing.T) {
	const text = `{"type":"text","data":"`
	for name, body := range map[string]string{
		"small":           `{"data":"` + visa + `"}`,
		"long":            text + strings.Repeat("x", api.MaxText) + `"}`,
		"too long":        text + strings.Repeat("x", 5*api.MaxText) + `"}`,
		"the largest":     text + strings.Repeat("x", api.MaxBody-len(text)-2) + `"}`,
		"larger":          text + strings.Repeat("x", api.MaxBody-len(text)-1) + `"}`,
		"far too large":   text + strings.Repeat("x", 3*api.MaxBody),
		"not JSON":        text + strings.Repeat("x", 600),
		"an unknown name": `{"data":"` + visa + `","note":"x"}`,
	} {
		for _, chunk := range []int{1 << 20, 700} {
			var log bytes.Buffer
			kept := &keepingBody{Reader: &chunked{strings.NewReader(body), chunk}}
			answer := inProcess(server.Config{
				Vault: func(context.Context) (server.Vault, error) { return slow{}, nil }, Audit: testLog(&log),
			}, http.MethodPost, api.PathTokenize, kept)
			if wantLarge := len(body) > api.MaxBody; (answer.Code == http.StatusRequestEntityTooLarge) != wantLarge {
				t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
			}
			read := 0
			for _, part := range kept.kept {
				read += len(part)
				if left := len(bytes.Trim(part, "\x00")); left > 0 {
					t.Errorf("%s, by %d bytes: %d bytes are left of a buffer with %d", name, chunk, left, len(part))
				}
			}
			if read < min(len(body), api.MaxBody) {
				t.Errorf("%s: %d bytes of %d were read", name, read, len(body))
			}
		}
	}
}

// A body that breaks off is cleared as well.
func TestServer_LeavesNoBrokenBodyInMemory(t *testing.T) {
	var log bytes.Buffer
	kept := &keepingBody{Reader: io.MultiReader(strings.NewReader(`{"data":"`+visa), brokenOff{})}
	answer := inProcess(server.Config{
		Vault: func(context.Context) (server.Vault, error) { return slow{}, nil }, Audit: testLog(&log),
	}, http.MethodPost, api.PathTokenize, kept)
	if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), "could not be read") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	for _, part := range kept.kept {
		if len(bytes.Trim(part, "\x00")) > 0 {
			t.Error("a part of the body is left in memory")
		}
	}
}

// The body of a batch is cleared, too, whatever the answer.
func TestBatch_LeavesNoBodyInMemory(t *testing.T) {
	item := `{"type":"text","data":"` + strings.Repeat("x", api.MaxText) + `"}`
	for name, body := range map[string]string{
		"one item":         items(cardItem),
		"many":             repeated(100, item),
		"a bad item":       items(item, `{"data":"`+visa+`","note":null}`, "{\"data\":\"\xff\"}"),
		"not JSON":         `{"items":[` + item,
		"a reference more": items(`{"reference":"a","data":"`+visa+`"}`, `{"reference":"a","data":"`+visa+`"}`),
		"too large":        items(item + strings.Repeat(" ", api.MaxBatchBody)),
		"too many":         repeated(101, item),
	} {
		kept := &keepingBody{Reader: strings.NewReader(body)}
		inProcess(server.Config{
			Vault: func(context.Context) (server.Vault, error) { return slow{}, nil }, Audit: testLog(io.Discard),
		}, http.MethodPost, api.PathTokenizeBatch, kept)
		read := 0
		for _, part := range kept.kept {
			read += len(part)
			if left := len(bytes.Trim(part, "\x00")); left > 0 {
				t.Errorf("%s: %d bytes are left", name, left)
			}
		}
		if read < min(len(body), api.MaxBatchBody) {
			t.Errorf("%s: %d bytes of %d were read", name, read, len(body))
		}
	}
}

// keepingAnswer keeps the buffers that an answer is written from.
type keepingAnswer struct {
	*httptest.ResponseRecorder
	kept [][]byte
}

func (w *keepingAnswer) Write(p []byte) (int, error) {
	w.kept = append(w.kept, p)
	return w.ResponseRecorder.Write(p)
}

// An answer can hold a card as well.
func TestServer_LeavesNoAnswerInMemory(t *testing.T) {
	r := start(t)
	token := r.batch(t, api.PathTokenizeBatch, items(cardItem))[0].Token
	read := `{"token":"` + token + `","redaction":"PLAIN_TEXT"}`
	handler := server.New(server.Config{
		Vault: func(context.Context) (server.Vault, error) { return r.vault, nil }, Audit: testLog(io.Discard),
		Port: 2774, SessionToken: session,
	}).Handler
	for path, body := range map[string]string{api.PathDetokenize: read, api.PathDetokenizeBatch: items(read, read)} {
		q := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:2774"+path, strings.NewReader(body))
		q.Header.Set(api.TokenHeader, session)
		w := &keepingAnswer{ResponseRecorder: httptest.NewRecorder()}
		handler.ServeHTTP(w, q)
		if !strings.Contains(w.Body.String(), visa) || len(w.kept) == 0 {
			t.Errorf("%s: %s", path, w.Body)
		}
		for _, part := range w.kept {
			if len(bytes.Trim(part, "\x00")) > 0 {
				t.Errorf("%s: a part of the answer is left in memory", path)
			}
		}
	}
}

type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// chunked gives at most size bytes at a time.
type chunked struct {
	io.Reader
	size int
}

func (c *chunked) Read(p []byte) (int, error) { return c.Reader.Read(p[:min(len(p), c.size)]) }

// answerTo has a handler answer a request of the function's own.
func answerTo(h http.Handler, path, body string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:2774"+path, strings.NewReader(body))
	q.Header.Set(api.TokenHeader, session)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	return w
}
