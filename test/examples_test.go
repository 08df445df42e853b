package test

import (
	"bytes"
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

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
)

const exampleDir = moduleRoot + "/examples/functions"

// The example is a module of its own, as the app of somebody who imports the constructs is: it builds the layer by its
// own go.mod, from its own directory.
func TestExample_SynthesizesFromItsOwnDirectory(t *testing.T) {
	dependsOn(t, filepath.Join(exampleDir, "main.go"), filepath.Join(exampleDir, "go.mod"),
		filepath.Join(exampleDir, "go.sum"))
	outdir := filepath.Join(t.TempDir(), "cdk.out")
	settings := struct{ Context json.RawMessage }{}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(exampleDir, "cdk.json"))), &settings); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("go", "run", ".")
	command.Dir = exampleDir
	command.Env = append(os.Environ(), "CDK_OUTDIR="+outdir, "CDK_CONTEXT_JSON="+string(settings.Context),
		"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var parsed template
	if err := json.Unmarshal([]byte(read(t, filepath.Join(outdir, "Functions.template.json"))), &parsed); err != nil {
		t.Fatal(err)
	}
	example := assembly{dir: outdir, templates: map[string]template{"Functions": parsed}}
	checkLayer(t, example)
	got := map[string][]string{}
	for function, path := range map[string]string{
		"Tokenize": "/example/tokenizer/tokenize/", "Detokenize": "/example/tokenizer/detokenize/",
	} {
		if _, role := example.one(t, "AWS::IAM::Role", function+"Role"); role.Properties["Path"] != path {
			t.Errorf("%s has a role with path %v, want %s", function, role.Properties["Path"], path)
		}
		_, lambda := example.one(t, "AWS::Lambda::Function", function)
		if layers := example.text(t, lambda.Properties["Layers"]); layers != "${LayerVersionX8664}" {
			t.Errorf("%s has layers %s", function, layers)
		}
		for _, s := range example.roleStatements(t, function) {
			if !strings.Contains(s.resource, "StorageKey") {
				got[function] = append(got[function], s.actions+" on "+s.resource)
			}
		}
	}
	want := map[string][]string{
		"Tokenize": {"logs:CreateLogStream,logs:PutLogEvents on ${TokenizeLogs.Arn}",
			"kms:GenerateDataKey on ${TokenKey.Arn}", "dynamodb:PutItem on ${VaultTable.Arn}"},
		"Detokenize": {"logs:CreateLogStream,logs:PutLogEvents on ${DetokenizeLogs.Arn}",
			"kms:Decrypt on ${TokenKey.Arn}", "dynamodb:GetItem on ${VaultTable.Arn}",
			"dynamodb:GetItem on ${VaultState.Arn}", "dynamodb:UpdateItem on ${VaultState.Arn}"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}
}

func TestExample_FunctionsWorkWithTheLayersClients(t *testing.T) {
	// The layer is at /opt in Lambda only.
	layer, err := filepath.Abs(filepath.Join(moduleRoot, "tokenizerlayer", "layer"))
	if err != nil {
		t.Fatal(err)
	}
	node := filepath.Join(t.TempDir(), "index.mjs")
	write(t, node, strings.ReplaceAll(read(t, filepath.Join(exampleDir, "node", "index.mjs")), `"/opt/`, `"`+layer+`/`))
	for name, program := range map[string][]string{
		"python": {"python3", "-c", read(t, filepath.Join(exampleDir, "python", "index.py")) +
			`import json; print(json.dumps([handler({"card": "card-canary"}, None), handler({"card": "unknown"}, None)]))`},
		"node": {"node", "--input-type=module", "-e",
			`const { handler } = await import("` + node +
				`"); console.log(JSON.stringify([await handler({ token: "known" }), await handler({ token: "unknown" })]));`},
	} {
		t.Run(name, func(t *testing.T) {
			needed.Program(t, program[0])
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				answerLikeTheExtension(w, body)
			}))
			defer server.Close()
			want := map[string]string{
				"python": `[{"token":"the-token"},{"error":"token-not-found"}]`,
				"node":   `[{"card":"************1111"},{"error":"token-not-found"}]`,
			}[name]
			if got := runFunction(t, program, server.Listener.Addr()); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func answerLikeTheExtension(w http.ResponseWriter, body []byte) {
	switch {
	case strings.Contains(string(body), "unknown"):
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"title":"token not found","status":404,"code":"token-not-found"}`)
	case strings.Contains(string(body), "known"):
		_, _ = io.WriteString(w, `{"data":"************1111","redaction":"MASKED"}`)
	default:
		_, _ = io.WriteString(w, `{"token":"the-token"}`)
	}
}

// runFunction runs a program with the layer's clients, and returns the JSON that it printed, without spaces.
func runFunction(t *testing.T, program []string, address net.Addr) string {
	t.Helper()
	layer, err := filepath.Abs(filepath.Join(moduleRoot, "tokenizerlayer", "layer", "python"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address.String())
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program[0], program[1:]...)
	command.Env = append(os.Environ(), "PYTHONPATH="+layer, "PYTHONDONTWRITEBYTECODE=1",
		"TOKENIZER_PORT="+port, "AWS_SESSION_TOKEN=the-session")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, output); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return strings.TrimSpace(compact.String())
}
