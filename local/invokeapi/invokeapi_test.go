package invokeapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/invokeapi"
)

// system has the functions echo, fail and broken.
type system struct{ events chan string }

func (s system) Function(called string) (*cloud.Function, error) {
	if called == "absent" {
		return nil, errors.New("the app has no function \"absent\"")
	}
	return &cloud.Function{Name: called, Path: "S/" + called}, nil
}

func (s system) Invoke(_ context.Context, f *cloud.Function, payload []byte) ([]byte, bool, error) {
	s.events <- string(payload)
	if f.Name == "broken" {
		return nil, false, errors.New("python3 is not on the PATH")
	}
	return payload, f.Name == "fail", nil
}

func invocationType(name string) map[string]string {
	return map[string]string{"X-Amz-Invocation-Type": name}
}

func TestInvoke_IsLikeLambdas(t *testing.T) {
	const path = "/2015-03-31/functions/"
	for name, tt := range map[string]struct {
		path, event string
		headers     map[string]string
		status      int
		want        string
		failed      bool
	}{
		"an answer":        {path + "echo/invocations", `{"a":1}`, nil, 200, `{"a":1}`, false},
		"no event":         {path + "echo/invocations", "", nil, 200, "{}", false},
		"a failure":        {path + "fail/invocations", "{}", nil, 200, "{}", true},
		"asynchronous":     {path + "echo/invocations", "{}", invocationType("Event"), 202, "", false},
		"only a check":     {path + "echo/invocations", "{}", invocationType("DryRun"), 204, "", false},
		"no such function": {path + "absent/invocations", "{}", nil, 404, "the app has no function", false},
		"one that cannot": {path + "broken/invocations", "{}", nil, 502, "S/broken: python3 is not on the PATH",
			false},
		"no JSON": {path + "echo/invocations", "{", nil, 400, "the event is not JSON", false},
		"too much": {path + "echo/invocations", strings.Repeat(" ", 7<<20), nil, 413, "more than 6 MiB",
			false},
		"another operation": {path, "{}", nil, 404, "only Invoke is served", false},
		"a web page": {path + "echo/invocations", "{}", map[string]string{"Origin": "https://example.com"}, 403,
			"no web page", false},
		"a name that a web page makes local": {
			path + "echo/invocations", "{}", map[string]string{"Host": "example.com:80"}, 403, "loopback", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := system{make(chan string, 1)}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tt.path, strings.NewReader(tt.event))
			r.Host = "127.0.0.1:3001"
			for name, value := range tt.headers {
				r.Header.Set(name, value)
				if name == "Host" {
					r.Host = value
				}
			}
			w := httptest.NewRecorder()
			invokeapi.New(s).ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) ||
				(w.Header().Get("X-Amz-Function-Error") != "") != tt.failed {
				t.Errorf("status %d, headers %v, body %s", w.Code, w.Header(), w.Body)
			}
			if tt.status == http.StatusAccepted {
				<-s.events // it is invoked all the same
			}
			if tt.status == http.StatusForbidden && len(s.events) > 0 {
				t.Error("the function was invoked")
			}
		})
	}
}
