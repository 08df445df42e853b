package extensionsapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/extensionsapi"
)

// answering is a client of an API whose answers h gives.
func answering(t *testing.T, h http.HandlerFunc) *extensionsapi.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return extensionsapi.New(strings.TrimPrefix(srv.URL, "http://"), "tokenizer")
}

// calls are all calls, each with the step that its errors name.
var calls = map[string]func(context.Context, *extensionsapi.Client) error{
	"register":   func(ctx context.Context, c *extensionsapi.Client) error { _, err := c.Register(ctx); return err },
	"event/next": func(ctx context.Context, c *extensionsapi.Client) error { _, err := c.Next(ctx); return err },
	"init/error": func(ctx context.Context, c *extensionsapi.Client) error {
		return c.InitError(ctx, "Extension.A", "a")
	},
	"exit/error": func(ctx context.Context, c *extensionsapi.Client) error {
		return c.ExitError(ctx, "Extension.A", "a")
	},
}

func TestClient_SendsTheHeadersOfEachCall(t *testing.T) {
	got := map[string][]string{}
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		var headers []string
		for _, name := range []string{"Content-Type", "Name", "Accept-Feature", "Identifier", "Function-Error-Type"} {
			if name != "Content-Type" {
				name = "Lambda-Extension-" + name
			}
			headers = append(headers, r.Header.Get(name))
		}
		got[r.Method+" "+r.URL.Path] = headers
		w.Header().Set("Lambda-Extension-Identifier", "id")
		_, _ = io.WriteString(w, "{}")
	})
	for _, step := range []string{"register", "event/next", "init/error", "exit/error"} {
		if err := calls[step](t.Context(), c); err != nil {
			t.Errorf("%s: %v", step, err)
		}
	}
	want := map[string][]string{
		"POST /2020-01-01/extension/register":   {"application/json", "tokenizer", "accountId", "", ""},
		"GET /2020-01-01/extension/event/next":  {"application/json", "", "", "id", ""},
		"POST /2020-01-01/extension/init/error": {"application/json", "", "", "id", "Extension.A"},
		"POST /2020-01-01/extension/exit/error": {"application/json", "", "", "id", "Extension.A"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every call reports what went wrong, by its step.
func TestClient_ReportsTroubleOfEveryCall(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"no answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"an answer that is cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Header().Set("Lambda-Extension-Identifier", "id")
			_, _ = io.WriteString(w, "{}")
		},
		"status 300": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMultipleChoices) },
		"status 403": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
	} {
		for step, call := range calls {
			err := call(t.Context(), answering(t, h))
			if err == nil || !strings.HasPrefix(err.Error(), step+": ") {
				t.Errorf("%s, %s: error = %v", name, step, err)
			}
			if status, ok := strings.CutPrefix(name, "status "); ok &&
				!strings.HasSuffix(err.Error(), " status "+status) {
				t.Errorf("%s: error = %v", name, err)
			}
		}
	}
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<") })
	for _, step := range []string{"register", "event/next"} {
		if err := calls[step](t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), step+": ") {
			t.Errorf("%s, no JSON: error = %v", step, err)
		}
	}
	c = answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	if err := calls["register"](t.Context(), c); err == nil || !strings.Contains(err.Error(), "identifier") {
		t.Errorf("no identifier: error = %v", err)
	}
}

// The two ends of what HTTP calls success.
func TestClient_TakesEverySuccess(t *testing.T) {
	for _, status := range []int{200, 202, 299} {
		c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"requestId":"é"}`)
		})
		if e, err := c.Next(t.Context()); err != nil || e.RequestID != "é" {
			t.Errorf("status %d: %+v, %v", status, e, err)
		}
	}
}

// An answer is read up to 64 KiB.
func TestClient_BoundsAnAnswer(t *testing.T) {
	for size, fits := range map[int]bool{64 << 10: true, 64<<10 + 1: false} {
		c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"requestId":"%s"}`, strings.Repeat("r", size-len(`{"requestId":""}`)))
		})
		if _, err := c.Next(t.Context()); (err == nil) != fits {
			t.Errorf("%d bytes: error = %v", size, err)
		}
	}
}

// What is not read of an answer does not keep its connection.
func TestClient_ClosesTheConnectionOfAnEndlessAnswer(t *testing.T) {
	ended := make(chan struct{})
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	})
	if _, err := c.Next(t.Context()); err == nil {
		t.Error("an endless answer is an event")
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second): // as nobody reads, the server would write for ever
		t.Fatal("the connection stays open")
	}
}
