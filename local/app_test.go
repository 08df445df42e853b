package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// installed is the launcher as a program of its own, with the real tools. Its working directory is dir.
func installed(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := realTools(t, args...)
	program := filepath.Join(t.TempDir(), "local")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	cmd.Path, cmd.Args[0], cmd.Dir = program, program, dir
	return cmd
}

var exampleArguments = []string{
	"-invoke", "TokenizeFunction", "-payload", `{"card": "4111 1111 1111 1111"}`,
	"-invoke", "DetokenizeFunction", "-payload", `{"token": "@answer.token"}`,
}

// With all tests only, because the example's CDK app and its layer are compiled. What else these commands do has
// quicker tests: TestApp_CompilesWhatTheRunnerNeeds, TestApp_LeavesNothingBehind, those of the runner, and those of the
// layer's extension that replaces one for another machine.
func TestApp_RunsTheExampleFromItsDirectoryAndFromAnother(t *testing.T) {
	if !fulltests.Enabled() {
		t.Skip("runs with all tests only")
	}
	needed.Program(t, "python3")
	needed.Program(t, "node")
	if err := kit.ReadSources("examples", "local"); err != nil {
		t.Fatal(err)
	}
	example, err := filepath.Abs("../examples/functions")
	if err != nil {
		t.Fatal(err)
	}
	fromExample := exec.CommandContext(t.Context(), "go", append([]string{"run", "../../local", "-app", "."},
		exampleArguments...)...)
	fromExample.Dir = example
	for name, cmd := range map[string]*exec.Cmd{
		"go run in its directory": fromExample,
		"a program, in another directory": installed(t, t.TempDir(),
			append([]string{"-app", example}, exampleArguments...)...),
	} {
		t.Run(name, func(t *testing.T) {
			got := finish(t, cmd)
			token, masked, _ := strings.Cut(got.stdout, "\n")
			if got.code != 0 || !strings.HasPrefix(token, `{"token": "`) || masked != "{\"card\":\"************1111\"}\n" {
				t.Errorf("%+v", got)
			}
			if strings.Contains(got.stderr, "4111") {
				t.Error("the card is in the log")
			}
		})
	}
}

// The runner gets the extension as a program, and the user's arguments as they are.
func TestApp_CompilesWhatTheRunnerNeeds(t *testing.T) {
	args := []string{"-app", "a directory", "-invoke", "F", "-payload", `{"a": "*"}`}
	got := finish(t, fakes(t, []string{"missing=node"}, args...))
	flag, rest, _ := strings.Cut(got.stdout, "|")
	extension, rest, _ := strings.Cut(rest, "|")
	if got.code != 0 || flag != "-extension" || filepath.Base(extension) != "extension" ||
		!strings.HasPrefix(rest, strings.Join(args, "|")+" in ") {
		t.Errorf("%+v", got)
	}
	failed := finish(t, fakes(t, []string{"FAKE_BUILD " + extensionPackage + "=fails"}, args...))
	if failed.code != 1 || !strings.Contains(failed.stderr, "compiling the extension failed") {
		t.Errorf("%+v", failed)
	}
}

// writeApp writes an assembly with one function in Python.
func writeApp(t *testing.T, handler string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"manifest.json": `{"version":"54.0.0","artifacts":{
			"S":{"type":"aws:cloudformation:stack","properties":{"templateFile":"t.json"}}}}`,
		"t.json": `{"Resources":{"F":{"Type":"AWS::Lambda::Function","Properties":{"Runtime":"python3.13","Timeout":900,
			"Handler":"index.handler","Role":"arn:aws:iam::123456789012:role/r","Code":{"ZipFile":` +
			strconv.Quote(handler) + `}}}}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Whoever ends the launcher, even with SIGKILL, ends the function, too, although that never ends by itself. That
// signals are handed on, and what the program does then, is tested with each of the two alone.
func TestApp_LeavesNothingBehind(t *testing.T) {
	needed.Program(t, "python3")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	app := writeApp(t, "import socket\ndef handler(event, context):\n"+
		" c = socket.create_connection(('127.0.0.1', "+port+"))\n c.sendall(b'here\\n')\n while True: pass\n")
	s := startLauncher(t, realTools(t, "-app", app, "-invoke", "F"))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Wait()     // it is killed
		listener.Close() // nothing can be waited for any more
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatalf("%v\n%s", err, &s.stderr)
	}
	defer conn.Close()
	lines := bufio.NewReader(conn)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := s.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, lines); err != nil { // until the function has ended
		t.Logf("the function's connection: %v", err)
	}
	if got := s.rest(t); got != "" { // until the program has
		t.Errorf("printed %q", got)
	}
	<-ended
	if left, err := os.ReadDir(temporary(t, s.Env)); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
}

func TestApp_SaysAnErrorOnce(t *testing.T) {
	got := finish(t, realTools(t, "-app", t.TempDir()))
	if got.code != 2 || strings.Count(got.stderr, "neither a cdk.json") != 1 {
		t.Errorf("%+v", got)
	}
}

func TestApp_RefusesFlagsOfOtherPrograms(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"the sample's":   {[]string{"-app", ".", "-card", "4111111111111111"}, "-card is for this repository's sample"},
		"the server's":   {[]string{"-app", ".", "-port", "1"}, "-port is a flag of the development server"},
		"the layer":      {[]string{"-layer", "-app", "."}, "-app has no meaning with -layer"},
		"without an app": {[]string{"-invoke", "F"}, "write go run ./local -app DIR -invoke ..."},
	} {
		t.Run(name, func(t *testing.T) {
			got := finish(t, fakes(t, []string{"missing=go", "missing=node"}, tt.args...))
			if got.code != 1 || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}
