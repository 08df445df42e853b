package test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The thin clients run a program that calls each endpoint, and one that is refused. They print what they got as JSON.
var clientPrograms = map[string][]string{
	"python": {"python3", "-c", `
import json
from lambda_tokenizer import tokenize, detokenize, validate, metadata, revoke, TokenizerError
answers = [tokenize("card-canary", store=False), detokenize("known", redaction="PLAIN_TEXT")]
tokenize("card-canary", idempotency_key="order-1", ttl=60)
validate("token-1"), metadata("token-1", reason="why"), revoke("token-1")
try:
    detokenize("unknown")
except TokenizerError as error:
    answers.append({"code": error.code, "status": error.status, "title": error.title, "text": str(error)})
print(json.dumps(answers))
`},
	"node": {"node", "--input-type=module", "-e", `
const { tokenize, detokenize, validate, metadata, revoke, TokenizerError } = await import(process.env.CLIENT);
const answers = [
  await tokenize("card-canary", { store: false }), await detokenize("known", { redaction: "PLAIN_TEXT" }),
];
await tokenize("card-canary", { idempotencyKey: "order-1", ttl: 60 });
await validate("token-1"); await metadata("token-1", { reason: "why" }); await revoke("token-1");
try {
  await detokenize("unknown");
} catch (error) {
  if (!(error instanceof TokenizerError)) throw error;
  answers.push({ code: error.code, status: error.status, title: error.title, text: error.message });
}
console.log(JSON.stringify(answers));
`},
}

func TestThinClients_SpeakTheExtensionsAPI(t *testing.T) {
	for name, program := range clientPrograms {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(program[0]); err != nil && os.Getenv("CI") == "" {
				t.Skipf("%s is not installed", program[0])
			}
			var requests []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				requests = append(requests, strings.Join([]string{
					r.Method, r.URL.Path, r.Header.Get("X-Tokenizer-Token"), r.Header.Get("Content-Type"),
					r.Header.Get("Idempotency-Key") + compact(body),
				}, " "))
				answerLikeTheExtension(w, body)
			}))
			defer server.Close()

			got := runClient(t, program, server.Listener.Addr())
			wantRequests := []string{
				`POST /v1/tokenize the-session application/json {"data":"card-canary","store":false}`,
				`POST /v1/detokenize the-session application/json {"redaction":"PLAIN_TEXT","token":"known"}`,
				`POST /v1/tokenize the-session application/json order-1{"data":"card-canary","ttl":60}`,
				`POST /v1/validate the-session application/json {"token":"token-1"}`,
				`POST /v1/metadata the-session application/json {"reason":"why","token":"token-1"}`,
				`POST /v1/revoke the-session application/json {"token":"token-1"}`,
				`POST /v1/detokenize the-session application/json {"redaction":"MASKED","token":"unknown"}`,
			}
			if diff := cmp.Diff(wantRequests, requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			want := `[{"token":"the-token"},{"data":"card-canary","redaction":"PLAIN_TEXT"},` +
				`{"code":"token-not-found","status":404,"text":"tokenizer: token not found (token-not-found, 404)","title":"token not found"}]`
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestThinClients_ReportAnUnreachableExtensionWithoutTheData(t *testing.T) {
	for name, program := range clientPrograms {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(program[0]); err != nil && os.Getenv("CI") == "" {
				t.Skipf("%s is not installed", program[0])
			}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			listener.Close() // a port on which nobody listens
			output, err := client(t, program, listener.Addr()).CombinedOutput()
			if err == nil || !strings.Contains(string(output), "extension not reached") ||
				!strings.Contains(string(output), "(unreachable, 0)") {
				t.Errorf("error %v, output %s; want a TokenizerError", err, output)
			}
			// The program text itself holds the canary, and runtimes quote source lines; the data is not in the
			// message.
			for line := range strings.Lines(string(output)) {
				if strings.Contains(line, "TokenizerError") && strings.Contains(line, "canary") &&
					!strings.Contains(line, "tokenize(") {
					t.Errorf("message holds the data: %s", line)
				}
			}
		})
	}
}

func answerLikeTheExtension(w http.ResponseWriter, body []byte) {
	switch {
	case strings.Contains(string(body), "unknown"):
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w,
			`{"type":"about:blank","title":"token not found","status":404,"code":"token-not-found"}`)
	case strings.Contains(string(body), "known"):
		_, _ = io.WriteString(w, `{"data":"card-canary","redaction":"PLAIN_TEXT"}`)
	default:
		_, _ = io.WriteString(w, `{"token":"the-token"}`)
	}
}

// client is a program's process, whose environment names a proxy that would refuse everything.
func client(t *testing.T, program []string, address net.Addr) *exec.Cmd {
	t.Helper()
	root, err := filepath.Abs(filepath.Join(moduleRoot, "tokenizerlayer", "layer"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address.String())
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program[0], program[1:]...)
	command.Env = append(os.Environ(),
		"PYTHONPATH="+filepath.Join(root, "python"), "PYTHONDONTWRITEBYTECODE=1",
		"CLIENT="+filepath.Join(root, "nodejs", "node_modules", "lambda-tokenizer", "index.mjs"),
		"TOKENIZER_PORT="+port, "AWS_SESSION_TOKEN=the-session",
		"HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1", "NO_PROXY=", "no_proxy=",
		"NODE_USE_ENV_PROXY=1")
	return command
}

func runClient(t *testing.T, program []string, address net.Addr) string {
	t.Helper()
	output, err := client(t, program, address).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return compact(output)
}

// compact is JSON with sorted keys and without spaces, or what it was if it is not JSON.
func compact(document []byte) string {
	var value any
	if json.Unmarshal(document, &value) != nil {
		return string(document)
	}
	sorted, _ := json.Marshal(value)
	return string(sorted)
}
