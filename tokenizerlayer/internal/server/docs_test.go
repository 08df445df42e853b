package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// placeholder is what stands in the documentation for a value that is not known before.
var placeholder = regexp.MustCompile(`^<[a-z]+>$`)

// learn makes got equal to want where want has a placeholder, if the value is the one that the placeholder has had
// before.
func learn(known map[string]string, want, got any) any {
	switch want := want.(type) {
	case string:
		value, isText := got.(string)
		if !placeholder.MatchString(want) || !isText || value == "" {
			return got
		}
		if known[want] == "" {
			known[want] = value
		}
		if known[want] == value {
			return want
		}
	case []any:
		items, ok := got.([]any)
		if !ok || len(items) != len(want) {
			return got
		}
		for i := range items {
			items[i] = learn(known, want[i], items[i])
		}
	case map[string]any:
		members, ok := got.(map[string]any)
		if !ok {
			return got
		}
		for name := range members {
			members[name] = learn(known, want[name], members[name])
		}
	}
	return got
}

// The page's examples are its own test: each request is sent, and answered as the page says.
func TestDocumentation_HasTrueExamples(t *testing.T) {
	page, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```http\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 30 || len(blocks)%2 != 0 {
		t.Fatalf("%d blocks, want requests and their answers", len(blocks))
	}
	r := start(t)
	known := map[string]string{}
	endpoints := map[string]bool{}
	for i := 0; i < len(blocks); i += 2 {
		head, body, _ := strings.Cut(blocks[i][1], "\n\n")
		lines := strings.Split(strings.TrimSpace(head), "\n")
		method, path, _ := strings.Cut(lines[0], " ")
		c := call{method: method, path: path, body: body, header: map[string]string{}}
		for _, line := range lines[1:] {
			name, value, _ := strings.Cut(line, ": ")
			c.header[name] = value
		}
		for name, value := range known {
			c.body = strings.ReplaceAll(c.body, name, value)
		}
		wantStatus, wantBody, _ := strings.Cut(blocks[i+1][1], "\n\n")
		status, gotBody, _ := r.do(t, c)
		var want, got any
		if err := json.Unmarshal([]byte(wantBody), &want); err != nil {
			t.Fatalf("%s: the documented answer is not JSON: %v", blocks[i][1], err)
		}
		if err := json.Unmarshal([]byte(gotBody), &got); err != nil {
			t.Fatalf("%s: %v", blocks[i][1], err)
		}
		if diff := cmp.Diff(want, learn(known, want, got)); diff != "" ||
			strconv.Itoa(status) != strings.TrimSpace(wantStatus) {
			t.Errorf("%s\nstatus %d (-documented +got):\n%s", blocks[i][1], status, diff)
		}
		endpoints[method+" "+path] = true
	}
	for _, endpoint := range []string{
		http.MethodPost + " /v1/tokenize", http.MethodPost + " /v1/detokenize", http.MethodPost + " /v1/validate",
		http.MethodPost + " /v1/tokenize/batch", http.MethodPost + " /v1/detokenize/batch",
		http.MethodPost + " /v1/metadata", http.MethodPost + " /v1/revoke", http.MethodGet + " /ping",
	} {
		if !endpoints[endpoint] {
			t.Errorf("%s has no example", endpoint)
		}
	}
}

// Every code that an answer can have is explained on the page, where the answer's type points, with the Go client's
// name for it.
func TestDocumentation_ExplainsEveryProblemCode(t *testing.T) {
	page, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range failure.Kinds() {
		row := regexp.MustCompile(
			fmt.Sprintf(`(?m)^\| <a id="%s"></a>`+"`%s` \\| %d \\| `client\\.Err[A-Za-z]+` \\|", kind.Code, kind.Code,
				kind.Status))
		if !row.Match(page) {
			t.Errorf("%s is not documented", kind.Code)
		}
	}
}
