package endtoend_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// The functions of a stack know vault and layer by SSM parameters only. Run locally, together with the stack that makes
// these, one function turns a card into a token, the other one reads it, and the first one may not.
func TestParameters_LetTheFunctionsOfAnotherStackUseTheVault(t *testing.T) {
	needed.Program(t, "python3")
	if err := kit.ReadSources("local", "test/testdata/twostacks"); err != nil {
		t.Fatal(err)
	}
	app, err := filepath.Abs("../testdata/twostacks")
	if err != nil {
		t.Fatal(err)
	}
	const read = `{"token": "@answer.token"}`
	cmd := exec.CommandContext(t.Context(), "go", "run", "./local", "-app", app, "-invoke", "App/Order",
		"-payload", `{"card": "4111 1111 1111 1111"}`, "-invoke", "App/Reader", "-payload", read,
		"-invoke", "App/Order", "-payload", read)
	cmd.Dir = "../.."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr.String())
	}
	want := regexp.MustCompile(`^\{"token": "([0-9a-f-]{36})"\}
\{"token": "([0-9a-f-]{36})", "card": "\*{12}1111"\}
\{"token": "([0-9a-f-]{36})", "refused": 403\}
$`)
	got := want.FindSubmatch(stdout)
	if got == nil || string(got[1]) != string(got[2]) || string(got[1]) != string(got[3]) {
		t.Errorf("the functions answer:\n%s\nwant %s", stdout, want)
	}
	denied := regexp.MustCompile(`access denied: role \S+role/tokenizer/tokenize/\S+: dynamodb:GetItem on \S+:table/`)
	if !denied.MatchString(stderr.String()) {
		t.Errorf("IAM denied nothing to the function that tokenizes:\n%s", stderr.String())
	}
	if all := string(stdout) + stderr.String(); strings.Contains(all, canary) || strings.Contains(all, "4111 ") {
		t.Error("the card is printed")
	}
}
