package endpoint_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// call sends a request through a Transport to a server, waits for its answer as long as patience lasts, and returns it.
func call(t *testing.T, u *url.URL, patience time.Duration, report func(error)) (string, error) {
	t.Helper()
	base := &http.Transport{ResponseHeaderTimeout: patience}
	t.Cleanup(base.CloseIdleConnections)
	client := &http.Client{Transport: &endpoint.Transport{
		Endpoint: endpoint.Endpoint{Service: "kms", URL: u, Setting: "AWS_ENDPOINT_URL_KMS"},
		Report:   report,
		Base:     base,
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u.String(),
		strings.NewReader(`{"KeyId":"secret"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "TrentService.DescribeKey")
	resp, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func serve(t *testing.T, h http.HandlerFunc) *url.URL {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	u, err := url.Parse(strings.Replace(server.URL, "http://", "http://user:password@", 1))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestTransport_NamesTheEndpointAndWhatToDo(t *testing.T) {
	release := make(chan struct{})
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		want    string
		missing bool
	}{
		"a web server":         {answering(200, "<html>secret</html>"), "status 200 and no JSON", false},
		"a web server's error": {answering(404, "secret"), "status 404 and no JSON", false},
		"another JSON API":     {answering(403, `{"error":"secret"}`), "status 403 and no JSON", false},
		"an unknown operation": {answering(400,
			`{"__type":"com.amazon#UnknownOperationException","message":"secret"}`),
			"lacks this operation (UnknownOperationException)", true},
		"one not implemented yet": {
			answering(501, `{"__type":"InternalFailure"}`), "lacks this operation (InternalFailure)", true,
		},
		"silence": {func(http.ResponseWriter, *http.Request) { <-release }, "does not answer", false},
		"a broken connection": {func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, "does not answer", false},
		"half an answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"__type":`)
		}, "broke off its answer", false},
	} {
		t.Run(name, func(t *testing.T) {
			u := serve(t, tt.handler)
			patience := kit.Limit
			if name == "silence" {
				patience = 100 * time.Millisecond
				t.Cleanup(func() { close(release) }) // before its server is closed
			}
			var reported error
			_, err := call(t, u, patience, func(err error) { reported = err })
			e, ok := errors.AsType[*endpoint.Error](err)
			if !ok || e.Missing != tt.missing || reported != error(e) || endpoint.Explain(err) != error(e) {
				t.Fatalf("error = %v, reported %v", err, reported)
			}
			for _, want := range []string{
				"kms DescribeKey: http://user:xxxxx@" + u.Host, tt.want, "set by AWS_ENDPOINT_URL_KMS: correct it",
			} {
				if !strings.Contains(e.Error(), want) {
					t.Errorf("%q lacks %q", e, want)
				}
			}
			if strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "password") {
				t.Errorf("%q tells too much", e)
			}
		})
	}
}

func TestTransport_PassesAnswersOfTheAPIUnchanged(t *testing.T) {
	long := `{"__type":"NotFoundException","message":"` + strings.Repeat("x", 1000) + `"}`
	for _, tt := range []struct {
		status int
		body   string
	}{
		{200, `{"KeyMetadata":{}}`}, {200, ``}, {200, `{}`}, {200, `null`}, {400, long},
		{500, `{"__type":"KMSInternalException"}`},
	} {
		got, err := call(t, serve(t, answering(tt.status, tt.body)), kit.Limit,
			func(err error) { t.Errorf("reported %v", err) })
		if err != nil || got != tt.body {
			t.Errorf("%d: got %q, %v", tt.status, got, err)
		}
	}
}

func TestTransport_DoesNotReportACallerThatGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	u := serve(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := endpoint.Endpoint{URL: u}.Transport(func(err error) { t.Errorf("reported %v", err) })
	if _, err := transport.RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}
