package extensionsapi_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/extensionsapi"
)

// scripted answers each path with a body and records what was asked.
func scripted(t *testing.T, answers map[string]string) (*extensionsapi.Client, *[]string) {
	t.Helper()
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/2020-01-01/extension/")
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+path+" "+r.Header.Get("Lambda-Extension-Identifier")+" "+string(body))
		answer, ok := answers[path]
		if !ok {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Lambda-Extension-Identifier", "id")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	return extensionsapi.New(strings.TrimPrefix(srv.URL, "http://"), "tokenizer"), &asked
}

func TestClient_RegistersAsksAndReports(t *testing.T) {
	c, asked := scripted(t, map[string]string{
		"register":   `{"functionName":"f","functionVersion":"1","handler":"h","accountId":"123456789012"}`,
		"event/next": `{"eventType":"INVOKE","requestId":"r","deadlineMs":7}`,
		"init/error": `{"status":"OK"}`,
		"exit/error": `{"status":"OK"}`,
	})
	ctx := t.Context()
	r, err := c.Register(ctx, extensionsapi.Invoke, extensionsapi.Shutdown)
	if diff := cmp.Diff(extensionsapi.Registration{
		FunctionName: "f", FunctionVersion: "1", Handler: "h", AccountID: "123456789012",
	}, r); diff != "" || err != nil {
		t.Error(diff, err)
	}
	e, err := c.Next(ctx)
	if diff := cmp.Diff(extensionsapi.Event{Type: "INVOKE", RequestID: "r", DeadlineMs: 7}, e); diff != "" ||
		err != nil {
		t.Error(diff, err)
	}
	if err := c.InitError(ctx, "Extension.A", "a"); err != nil {
		t.Error(err)
	}
	if err := c.ExitError(ctx, "Extension.B", "b"); err != nil {
		t.Error(err)
	}
	want := []string{
		`POST register  {"events":["INVOKE","SHUTDOWN"]}`,
		`GET event/next id `,
		`POST init/error id {"errorMessage":"a","errorType":"Extension.A","stackTrace":[]}`,
		`POST exit/error id {"errorMessage":"b","errorType":"Extension.B","stackTrace":[]}`,
	}
	if diff := cmp.Diff(want, *asked); diff != "" {
		t.Error(diff)
	}
}

func TestClient_NamesTroubleByItsStep(t *testing.T) {
	for name, tt := range map[string]struct {
		answers map[string]string
		want    string
	}{
		"refused":  {nil, "register: Lambda answered with status 500"},
		"not JSON": {map[string]string{"register": "<"}, "register: "},
	} {
		c, _ := scripted(t, tt.answers)
		if _, err := c.Register(t.Context()); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Lambda's addresses are right. Wrong ones are those of somebody who starts the extension by hand.
func TestAddress_IsCheckedAndNotTold(t *testing.T) {
	for address, want := range map[string]error{
		"": extensionsapi.ErrUnset, "127.0.0.1:9001": nil, "localhost": nil, "[::1]:9001": nil, "sandbox.local:80": nil,
		"not an address": extensionsapi.ErrAddress, "http://127.0.0.1:9001": extensionsapi.ErrAddress,
		"127.0.0.1:9001/": extensionsapi.ErrAddress, "127.0.0.1:http": extensionsapi.ErrAddress,
		":9001": extensionsapi.ErrAddress, "user@127.0.0.1:9001": extensionsapi.ErrAddress,
	} {
		if got := extensionsapi.Check(address); got != want {
			t.Errorf("%q: %v, want %v", address, got, want)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	for address, want := range map[string]error{
		"no address": extensionsapi.ErrAddress, nobody: extensionsapi.ErrUnreachable,
		"127.0.0.1:99999": extensionsapi.ErrUnreachable,
	} {
		_, err := extensionsapi.New(address, "tokenizer").Register(t.Context())
		if !errors.Is(err, want) || strings.Contains(err.Error(), address) {
			t.Errorf("%q: %v, want %v", address, err, want)
		}
	}
}
