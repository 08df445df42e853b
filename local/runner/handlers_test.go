package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// invokeEach runs an app with all these functions, and invokes each of them in a subtest.
func invokeEach(t *testing.T, functions map[string]code, payload string,
	check func(t *testing.T, name, answer string, failed bool)) {
	t.Helper()
	app, ids := map[string]code{}, map[string]string{}
	for name, f := range functions {
		ids[name] = fmt.Sprint("F", len(app))
		app[ids[name]] = f
	}
	printed, stop := serve(t, newApp(t, app, nil))
	url := served.FindStringSubmatch(printed)
	if url == nil {
		t.Fatalf("printed %s", printed)
	}
	t.Run("each", func(t *testing.T) {
		for name := range functions {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				response, err := http.Post(url[1]+"/2015-03-31/functions/"+ids[name]+"/invocations", "application/json",
					strings.NewReader(payload))
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				answer, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				check(t, name, string(answer), response.Header.Get("X-Amz-Function-Error") != "")
			})
		}
	})
	if err := stop(); err != nil {
		t.Errorf("error = %v", err)
	}
}

func TestInvoke_RunsHandlersAsLambdaDoes(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	inline := func(c code, text string) code {
		c.files, c.properties = map[string]string{"unused": ""}, map[string]any{"Code": map[string]any{"ZipFile": text}}
		return c
	}
	with := func(c code, handler string, files map[string]string) code {
		c.handler, c.files = handler, files
		return c
	}
	zipped := python("def handler(event, context): return event")
	zipped.zipped = true
	variable := python("import os\ndef handler(event, context): return os.environ['NAME']")
	variable.properties = map[string]any{"Environment": map[string]any{"Variables": map[string]any{"NAME": "value"}}}
	const echo = "export const handler = async (event) => event"
	functions, wants := map[string]code{}, map[string]string{}
	for name, tt := range map[string]struct {
		code code
		want string
	}{
		"Python": {python("def handler(event, context): return event"), `{"a": "ü"}`},
		"Python in a package": {with(python(""), "pkg/mod.run", map[string]string{
			"pkg/__init__.py": "", "pkg/mod.py": "from pkg.other import value\ndef run(event, context): return value",
			"pkg/other.py": "value = 5",
		}), "5"},
		"Python's context": {python(`
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    return [0 < left <= 60000, len(context.aws_request_id), context.function_name[:3], context.memory_limit_in_mb,
            context.invoked_function_arn.split(":")[-1][:3]]`), `[true, 36, "S-F", "128", "S-F"]`},
		"inline Python":   {inline(python(""), "def handler(event, context): return 1"), "1"},
		"a zip file":      {zipped, `{"a": "ü"}`},
		"a variable":      {variable, `"value"`},
		"an ES module":    {node(echo), `{"a":"ü"}`},
		"top-level await": {node("const v = await Promise.resolve(3); export const handler = async () => v"), "3"},
		"CommonJS": {with(node(""), "src/app.handlers.pay", map[string]string{
			"src/app.js":   "exports.handlers = { pay: async () => require('./value.js') }",
			"src/value.js": "module.exports = 7",
		}), "7"},
		"type module": {with(node(""), "index.handler", map[string]string{
			"package.json": `{"type": "module"}`, "index.js": echo,
		}), `{"a":"ü"}`},
		"a callback": {node("export const handler = (event, context, callback) => callback(null, event)"),
			`{"a":"ü"}`},
		"nothing":     {node("export const handler = async () => {}"), "null"},
		"never ready": {node("export const handler = () => new Promise(() => {})"), "null"},
		"Node's context": {node(`export const handler = async (event, context) => {
			const left = context.getRemainingTimeInMillis();
			return [left > 0 && left <= 60000, context.awsRequestId.length, context.functionName.slice(0, 3),
				context.memoryLimitInMB, context.invokedFunctionArn.split(":").pop().slice(0, 3)];
		}`), `[true,36,"S-F","128","S-F"]`},
		"inline Node": {inline(node(""), "exports.handler = async () => 1"), "1"},
	} {
		functions[name] = tt.code
		wants[name] = tt.want
	}
	invokeEach(t, functions, `{"a": "ü"}`, func(t *testing.T, name, answer string, failed bool) {
		if failed || answer != wants[name] {
			t.Errorf("answer %q, want %q", answer, wants[name])
		}
	})
	t.Run("Go", func(t *testing.T) {
		dir := newApp(t, map[string]code{"F": {
			runtime: "provided.al2023", handler: "bootstrap", files: map[string]string{"unused": ""},
		}}, nil)
		if err := os.Symlink(self, filepath.Join(dir, "asset.F", "bootstrap")); err != nil {
			t.Fatal(err)
		}
		got := start(t, "-app", dir, "-invoke", "F", "-payload", `{"a":1}`)
		if got.err != nil || got.stdout != "{\"a\":1}\n" {
			t.Errorf("%+v", got)
		}
	})
}

// What a function does wrong is its answer, as on Lambda. The exit code says that it has failed.
func TestInvoke_TellsWhatAFunctionDoesWrong(t *testing.T) {
	handler := func(c code, handler string) code {
		c.handler = handler
		return c
	}
	hanging := func(c code) code {
		c.properties = map[string]any{"Timeout": 1}
		return c
	}
	functions, wants := map[string]code{}, map[string][]string{}
	for name, tt := range map[string]struct {
		code code
		want []string
	}{
		"Python raises": {python("def handler(event, context): raise ValueError('no such order')"),
			[]string{`"errorType": "ValueError"`, `"errorMessage": "no such order"`, "index.py"}},
		"Node throws": {node("export const handler = async () => { throw new RangeError('no such order') }"),
			[]string{`"errorType":"RangeError"`, `"errorMessage":"no such order"`, "index.mjs"}},
		"Node throws while it is imported": {node("throw new RangeError('no settings')"),
			[]string{`"errorType":"RangeError"`, "no settings"}},
		"Python's module is not installed": {python("import no_such_module"), []string{
			"Runtime.ImportModuleError", "No module named 'no_such_module'", "Put it into the folder of the function"}},
		"Node's package is not installed": {node("import 'no-such-package'"), []string{
			"Runtime.ImportModuleError", "Cannot find package 'no-such-package'", "folder of the function"}},
		"a Python function without the layer": {python("from lambda_tokenizer import tokenize"), []string{
			"No module named 'lambda_tokenizer'", "attach the layer to the function"}},
		"a Node function without the layer": {node("import '@lambda-tokenizer/client'"), []string{
			"Cannot find package '@lambda-tokenizer/client'", "attach the layer to the function"}},
		"a Node function without the layer, by its path": {
			node("import '/opt/nodejs/node_modules/@lambda-tokenizer/client/index.mjs'"),
			[]string{"Runtime.ImportModuleError", "attach the layer to the function"}},
		"no Python file":       {handler(python(""), "other.handler"), []string{"has no file other.py"}},
		"Python's syntax":      {python("def handler(:"), []string{"Runtime.UserCodeSyntaxError", "line 1"}},
		"Node's syntax":        {node("export const = 1"), []string{"Runtime.UserCodeSyntaxError"}},
		"no Python handler":    {python("x = 1"), []string{"Runtime.HandlerNotFound", "'handler' missing on module"}},
		"no Node handler":      {node("export const x = 1"), []string{"Runtime.HandlerNotFound", "index.handler"}},
		"no file":              {handler(node(""), "other.handler"), []string{"Cannot find other.js, other.mjs"}},
		"a name without a dot": {handler(python(""), "index"), []string{"Runtime.MalformedHandlerName"}},
		"a file without a dot": {handler(node(""), "index"), []string{"Runtime.MalformedHandlerName", "index.handler"}},
		"Python's answer is no JSON": {python("def handler(event, context): return object()"),
			[]string{"Runtime.MarshalError"}},
		"Node's answer is no JSON": {node("export const handler = async () => 1n"),
			[]string{`"errorType":"TypeError"`}},
		"Python exits": {python("import os\ndef handler(event, context): os._exit(3)"),
			[]string{"Runtime.ExitError", "exit status 3"}},
		"Python leaves": {python("import sys\ndef handler(event, context): sys.exit(0)"),
			[]string{"Runtime.ExitError"}},
		"Node exits": {node("export const handler = async () => process.exit(3)"), []string{"exit status 3"}},
		"Python hangs": {hanging(python("def handler(event, context):\n while True: pass")),
			[]string{"Sandbox.Timedout"}},
		"Node hangs": {hanging(node("export const handler = async () => { for (;;); }")),
			[]string{"Sandbox.Timedout"}},
		"a promise nobody looks at": {node(`export const handler = () => {
			Promise.reject(new Error("lost")); return new Promise((done) => setTimeout(done, 60000)); }`),
			[]string{"Runtime.UnhandledPromiseRejection", "lost"}},
	} {
		functions[name] = tt.code
		wants[name] = tt.want
	}
	invokeEach(t, functions, "{}", func(t *testing.T, name, answer string, failed bool) {
		if !failed {
			t.Error("it has not failed")
		}
		for _, want := range wants[name] {
			if !strings.Contains(answer, want) {
				t.Errorf("answer %q, want %q", answer, want)
			}
		}
	})
	got := invoke(t, functions["Python raises"], "{}", nil)
	if !errors.Is(got.err, errFunction) || strings.Count(got.stdout, "\n") != 1 {
		t.Errorf("on the command line: %+v", got)
	}
}

func TestInvoke_PrintsWhatAFunctionLogsElsewhere(t *testing.T) {
	got := invoke(t, python(`
import sys
def handler(event, context):
    print("to standard output")
    print("x" * 3_000_000, file=sys.stderr)
    return "done"`), "{}", nil)
	if got.err != nil || got.stdout != "\"done\"\n" {
		t.Errorf("%v, printed %q", got.err, got.stdout)
	}
	if !strings.Contains(got.stderr, "S-F: to standard output\n") || strings.Count(got.stderr, "x") < 3_000_000 {
		t.Errorf("the log has %d bytes", len(got.stderr))
	}
}
