package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The code on the pages of the clients runs, block after block, against the extension. What a line prints is in the
// comment at its end. The Go on the pages is compiled by a test of all documents.
func TestClientPages_SayWhatTheirCodePrints(t *testing.T) {
	for _, page := range []struct {
		name, program, file, fence, prints, around string
	}{
		{"python.md", "python3", "page.py", "python", `(?m)^ *print\(.*\)  # (.*)$`, `
class dynamodb:
    @staticmethod
    def transact_write_items(TransactItems):
        return TransactItems[0]["Put"]["Item"]
`},
		{"node.md", "node", "page.mjs", "js", `(?m)^ *console\.log\(.*\); // (.*)$`, `
class TransactWriteItemsCommand { constructor(input) { this.row = input.TransactItems[0].Put.Item; } }
const dynamodb = { send: async (command) => command.row };
`},
	} {
		t.Run(page.name, func(t *testing.T) {
			text, err := os.ReadFile("../../docs/clients/" + page.name)
			if err != nil {
				t.Fatal(err)
			}
			code := page.around
			for _, block := range regexp.MustCompile("(?ms)^```"+page.fence+"\n(.*?)^```$").FindAllStringSubmatch(
				string(text), -1) {
				code += block[1]
			}
			want := ""
			for _, line := range regexp.MustCompile(page.prints).FindAllStringSubmatch(code, -1) {
				want += line[1] + "\n"
			}
			if strings.Count(want, "\n") < 10 {
				t.Fatalf("the page tells what %d lines print", strings.Count(want, "\n"))
			}
			file := filepath.Join(t.TempDir(), page.file)
			if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
			port := strconv.Itoa(startExtension(t).Port)
			command := clientProcess(t, page.program, file)
			command.Env = append(command.Env, "TOKENIZER_PORT="+port, "AWS_SESSION_TOKEN="+session)
			installed := filepath.Join(filepath.Dir(file), "node_modules")
			modules, err := filepath.Abs(filepath.Join(clientLayer, "nodejs", "node_modules"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(modules, installed); err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			command.Stderr = &stderr
			got, err := command.Output()
			if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
				t.Errorf("%v (-page +printed):\n%s\n%s", err, diff, stderr.String())
			}
		})
	}
}
