package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
)

// vector is a sequence of calls that the clients of all languages must answer alike.
type vector struct {
	Name        string
	Server      string            // one of the scripts, or the extension
	Not         []string          // clients for which it cannot be written, such as a null in Go
	Environment map[string]string // besides the port of the server and a session token
	Requests    *int              // how many the server gets, if that is to be checked
	// RequestsAtMost is for calls that are over so soon that a busy machine may not have sent the request.
	RequestsAtMost *int `json:"requests_at_most"`
	Calls          []vectorCall
}

type vectorCall struct {
	Verb          string         `json:"verb"`
	Arguments     map[string]any `json:"arguments,omitempty"`
	Save          string         `json:"save,omitempty"`
	HoursLater    int            `json:"hours_later,omitempty"`
	Result, Error any            `json:"-"` // what is wanted, which the drivers are not told
}

func (c *vectorCall) UnmarshalJSON(b []byte) error {
	type call vectorCall
	var want struct{ Result, Error any }
	if err := json.Unmarshal(b, (*call)(c)); err != nil {
		return err
	}
	err := json.Unmarshal(b, &want)
	c.Result, c.Error = want.Result, want.Error
	return err
}

// outcome is what came of a call, and the text that a log would have of it.
type outcome struct {
	Result any    `json:"result,omitempty"`
	Error  any    `json:"error,omitempty"`
	Text   string `json:"text,omitempty"`
}

// setting is a vector as it is handed to a driver.
type setting struct {
	Environment map[string]string `json:"environment"`
	Calls       []vectorCall      `json:"calls"`
}

const clientLayer = "../layer"

// drivers carry out the vectors with one client each.
var drivers = map[string]func(*testing.T, []setting) [][]outcome{
	"go": goDriver,
	"python": func(t *testing.T, s []setting) [][]outcome {
		return runDriver(t, s, "python3", "testdata/clients/driver.py")
	},
	"node": func(t *testing.T, s []setting) [][]outcome {
		return runDriver(t, s, "node", "testdata/clients/driver.mjs")
	},
}

// The clients for Go, Python and Node do the same: what they send, what they refuse, what they make of answers, of
// servers that are no tokenizer and of connections that end, and when they try again.
func TestClients_BehaveAlike(t *testing.T) {
	text, err := os.ReadFile("testdata/clients/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	// The extensions get their ports before the many connections of the clients take ports, too.
	ports := map[string]int{}
	for name := range drivers {
		ports[name] = startExtension(t).Port
	}
	for name, driver := range drivers {
		t.Run(name, func(t *testing.T) {
			if name != "go" { // which reads the environment of this process
				t.Parallel()
			}
			runVectors(t, name, ports[name], driver, vectors)
		})
	}
}

func runVectors(
	t *testing.T, client string, extension int, driver func(*testing.T, []setting) [][]outcome, vectors []vector,
) {
	var settings []setting
	var servers []*scripted
	var used []vector
	for _, v := range vectors {
		if slices.Contains(v.Not, client) {
			continue
		}
		server := &scripted{port: extension}
		if v.Server != "" {
			server = startScripted(t, v.Server)
		}
		environment := map[string]string{
			"TOKENIZER_PORT": strconv.Itoa(server.port), "BARRIER": strconv.Itoa(server.barrier),
			"AWS_SESSION_TOKEN": session,
		}
		for name, value := range v.Environment {
			environment[name] = value
		}
		settings, servers, used = append(settings, setting{environment, v.Calls}), append(servers, server),
			append(used, v)
	}
	outcomes := driver(t, settings)
	if len(outcomes) != len(used) {
		t.Fatalf("%d outcomes of %d vectors", len(outcomes), len(used))
	}
	for i, v := range used {
		t.Run(v.Name, func(t *testing.T) {
			checkOutcomes(t, client, v, outcomes[i])
			got := servers[i].requests()
			if v.Requests != nil && got != *v.Requests {
				t.Errorf("the server got %d requests, want %d", got, *v.Requests)
			}
			if v.RequestsAtMost != nil && got > *v.RequestsAtMost {
				t.Errorf("the server got %d requests, want %d at most", got, *v.RequestsAtMost)
			}
		})
	}
}

func checkOutcomes(t *testing.T, client string, v vector, outcomes []outcome) {
	t.Helper()
	for i, want := range v.Calls {
		if i >= len(outcomes) {
			t.Fatalf("%d calls were made, want %d", len(outcomes), len(v.Calls))
		}
		got := outcomes[i]
		if diff := cmp.Diff(outcome{Result: want.Result, Error: want.Error}, outcome{
			Result: fill(want.Result, got.Result), Error: fill(want.Error, got.Error),
		}); diff != "" {
			t.Errorf("call %d, %s of %v (-want +got):\n%s", i, want.Verb, want.Arguments, diff)
		}
		secrets := []string{"4111111111111111", "4111-1111", session}
		if result, ok := got.Result.(map[string]any); ok && client != "go" {
			if token, ok := result["token"].(string); ok {
				secrets = append(secrets, token)
			}
		}
		for _, secret := range secrets {
			if strings.Contains(got.Text, secret) {
				t.Errorf("call %d, %s: the text of the outcome holds a value: %s", i, want.Verb, got.Text)
			}
		}
	}
}

// fill puts what is wanted for values that differ each time, <token> and the like, in the place of any text.
func fill(want, got any) any {
	switch want := want.(type) {
	case string:
		if text, ok := got.(string); ok && text != "" && strings.HasPrefix(want, "<") && strings.HasSuffix(want, ">") {
			return want
		}
	case map[string]any:
		if members, ok := got.(map[string]any); ok {
			filled := map[string]any{}
			for name, member := range members {
				filled[name] = fill(want[name], member)
			}
			return filled
		}
	case []any:
		if list, ok := got.([]any); ok && len(list) == len(want) {
			filled := make([]any, len(list))
			for i := range list {
				filled[i] = fill(want[i], list[i])
			}
			return filled
		}
	}
	return got
}

// clientProcess is a program with the clients of the layer on its path, and a proxy in its environment.
func clientProcess(t *testing.T, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	needed.Program(t, program)
	layer, err := filepath.Abs(clientLayer)
	if err != nil {
		t.Fatal(err)
	}
	readSources(t, layer, "testdata/clients")
	proxy := startScripted(t, "page")
	t.Cleanup(func() {
		if n := proxy.requests(); n > 0 {
			t.Errorf("%d requests went to the proxy", n)
		}
	})
	address := "http://127.0.0.1:" + strconv.Itoa(proxy.port)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, program, arguments...)
	modules := filepath.Join(layer, "nodejs", "node_modules")
	command.Env = append(os.Environ(),
		"PYTHONPATH="+filepath.Join(layer, "python"), "PYTHONDONTWRITEBYTECODE=1", "NODE_PATH="+modules,
		"CLIENT="+filepath.Join(modules, "@lambda-tokenizer", "client", "index.mjs"),
		"HTTP_PROXY="+address, "http_proxy="+address, "ALL_PROXY="+address, "NO_PROXY=", "no_proxy=",
		"NODE_USE_ENV_PROXY=1")
	return command
}

// readSources makes a test's cached result depend on what a child process reads.
func readSources(t *testing.T, roots ...string) {
	t.Helper()
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func runDriver(t *testing.T, settings []setting, program string, arguments ...string) (outcomes [][]outcome) {
	t.Helper()
	input, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	command := clientProcess(t, program, arguments...)
	var stderr bytes.Buffer
	command.Stdin, command.Stderr = bytes.NewReader(input), &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(output, &outcomes); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return outcomes
}
