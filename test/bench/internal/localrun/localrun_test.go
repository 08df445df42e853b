package localrun

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
)

// asRunner makes the test's program a runner, which prints this and then waits for its end if it serves.
const asRunner = "BENCH_TEST_AS_RUNNER"

func TestMain(m *testing.M) {
	if text := os.Getenv(asRunner); text != "" {
		fmt.Fprintln(os.Stderr, text)
		if strings.Contains(text, "Serving") {
			_, _ = io.Copy(io.Discard, os.NewFile(3, "bench"))
		}
		return
	}
	os.Exit(m.Run())
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := process.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// build compiles a program.
func build(t *testing.T, pkg string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "program")
	if err := process.Build(t.Context(), root(t), pkg, file, ""); err != nil {
		t.Fatal(err)
	}
	return file
}

// The functions make tokens in the real local run, in which the layer, the policies and the settings of the app have to
// fit together.
func TestRun_InvokesTheFunctionOfEveryRuntime(t *testing.T) {
	needed.Program(t, "python3")
	needed.Program(t, "node")
	dir := filepath.Join(t.TempDir(), "app")
	if err := Write(dir, App{
		Root: root(t), Extension: build(t, "./tokenizerlayer/extension"), Function: build(t, "./test/bench/function"),
	}); err != nil {
		t.Fatal(err)
	}
	r, err := Start(t.Context(), build(t, "./local/runner"), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	for _, runtime := range figures.Runtimes {
		for _, state := range []string{"cold", "warm"} {
			if err := r.Invoke(runtime.Name); err != nil {
				t.Errorf("%s: %v", state, err)
			}
		}
	}
}

func TestWrite_HasAFunctionForEveryRuntime(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("compiled"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "app")
	a := App{Root: root(t), Extension: program, Function: program, Extra: []string{"TOKENIZER_LOG_LEVEL=A=B"}}
	if err := Write(dir, a); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, template))
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Resources map[string]struct {
			Type       string
			Properties struct {
				Runtime     string
				Environment struct{ Variables map[string]any }
			}
		}
	}
	if err := json.Unmarshal(b, &read); err != nil {
		t.Fatal(err)
	}
	got, want := map[string]string{}, map[string]string{}
	for id, resource := range read.Resources {
		variables := resource.Properties.Environment.Variables
		if resource.Type != "AWS::Lambda::Function" {
			continue
		}
		got[id] = resource.Properties.Runtime
		if variables["TOKENIZER_LOG_LEVEL"] != "A=B" || variables["TOKENIZER_ACCESS"] != "tokenize" {
			t.Errorf("%s has the variables %v", id, slices.Sorted(maps.Keys(variables)))
		}
	}
	for _, runtime := range figures.Runtimes {
		want[runtime.Name] = runtime.AWS
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, file := range []string{"layer/extensions/tokenizer", "go/bootstrap"} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode()&0o100 == 0 {
			t.Errorf("%s cannot be executed: %v", file, err)
		}
	}
}

func TestStart_EndsWithTheRunner(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	t.Setenv(asRunner, "Serving "+server.URL+" until Ctrl-C.")
	r, err := Start(t.Context(), os.Args[0], "app")
	if err != nil {
		t.Fatal(err)
	}
	r.Stop()
	if !r.cmd.ProcessState.Success() {
		t.Error("it did not end by itself:", r.cmd.ProcessState)
	}
	t.Setenv(asRunner, "first\nlocal: this app cannot run")
	if _, err := Start(t.Context(), os.Args[0], "app"); err == nil ||
		!strings.HasSuffix(err.Error(), "local: this app cannot run") {
		t.Errorf("error = %v", err)
	}
	if _, err := Start(t.Context(), "/nowhere", "app"); err == nil {
		t.Error("a program that is not there starts")
	}
}

func TestInvoke_NeedsAToken(t *testing.T) {
	for name, tt := range map[string]struct {
		status       int
		answer, want string
	}{
		"a token":         {200, `{"token": "t"}`, ""},
		"an error":        {200, `{"errorType": "TokenizerError", "errorMessage": "denied"}`, "TokenizerError"},
		"something else":  {200, `"4111"`, "Go has made no token"},
		"another status":  {502, `{}`, "502"},
		"an empty object": {200, `{}`, "Go has made no token"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				body, _ := io.ReadAll(q.Body)
				if q.URL.Path != "/2015-03-31/functions/Go/invocations" || string(body) != string(Event) {
					t.Errorf("%s %s", q.URL.Path, body)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.answer)
			}))
			defer server.Close()
			conn, err := load.Dial(strings.TrimPrefix(server.URL, "http://"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			err = (&Run{conn: conn}).Invoke("Go")
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
}
