package endtoend_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// printedLines are what -serve has printed for a person to copy, and the directory of the files that they name.
func printedLines(t *testing.T, s *kit.Simulator) (lines, dir string) {
	t.Helper()
	_, after, _ := strings.Cut(s.Stdout.String(), "\nIn another terminal, copy these lines first.")
	_, after, _ = strings.Cut(after, "\n")
	lines, _, found := strings.Cut(after, "\nServing ")
	file := regexp.MustCompile(`cat '(/[^']+)/id-token'`).FindStringSubmatch(lines)
	if !found || file == nil {
		t.Fatal("no lines are printed, or none reads the ID token from a file")
	}
	return lines, file[1]
}

func TestServe_PrintsLinesThatFitAScreen(t *testing.T) {
	s := simulator(t)
	lines, dir := printedLines(t, s)
	for line := range strings.SplitSeq(lines, "\n") {
		if len(line) > 200 {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
	for _, endpoint := range s.Endpoints {
		if !strings.Contains(lines, endpoint) {
			t.Errorf("%s is in no line", endpoint)
		}
	}
	printed := s.Stdout.String()
	if strings.Contains(printed, s.IDToken) || strings.Contains(printed, "eyJ") {
		t.Error("a token is printed")
	}
	if n := strings.Count(printed, "  ... "); n > 8 { // no terminal, and the last pause is longer than half an hour
		t.Errorf("%d lines say that something still runs", n)
	}
	for _, file := range []string{"id-token", "code"} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
}

// Whoever copies the lines one after the other sees tables and keys, has an order paid, and is another user after that.
func TestServe_PrintsLinesThatWork(t *testing.T) {
	s := simulator(t)
	lines, dir := printedLines(t, s)
	needed.Program(t, "aws")
	needed.Program(t, "curl")
	token := filepath.Join(dir, "id-token")
	before, err := os.ReadFile(token)
	if err != nil {
		t.Fatal(err)
	}
	script := ""
	for paragraph := range strings.SplitSeq(lines, "\n\n") {
		if regexp.MustCompile(`^\n*(export|aws|curl) `).MatchString(paragraph) { // and no heading
			script += paragraph + "\n"
		}
	}
	command := exec.CommandContext(t.Context(), "sh", "-euxc", script) // -x says which line fails
	command.Env = kit.ToolEnvironment()
	// The lines set these themselves.
	for _, secret := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"} {
		command.Env = append(command.Env, secret+"=")
	}
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for _, want := range []string{
		`"TableNames"`, "SimulatedPaymentLedger", `"Items"`, `"CandidateString"`, "alias/",
		"Order Created Successfully",
		"************0000", `"UserSub"`,
	} {
		if !strings.Contains(string(output), want) {
			t.Errorf("no line prints %s", want)
		}
	}
	after, err := os.ReadFile(token)
	if err != nil {
		t.Fatal(err)
	}
	if string(after) == string(before) {
		t.Error("the sign-in has not replaced the ID token")
	}
	if got := s.Post(t, "/order", strings.TrimSpace(string(after)), order(number(t, 1))); got.Status != 201 {
		t.Errorf("an order of the other user: %d %s", got.Status, got.Body)
	}
}
