package main

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

const card = "4111111111111111"

// binary is the server, built as for a release.
var binary string

func TestMain(m *testing.M) {
	code, err := withBinary(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withBinary(use func() int) (int, error) {
	dir, err := os.MkdirTemp("", "tokenizer-dev-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "tokenizer-dev")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	return use(), nil
}

// running is the server as a process.
type running struct {
	*exec.Cmd
	line   string // that it printed
	held   io.Closer
	stderr bytes.Buffer // to be read after the end
	stdout *bufio.Reader
}

func startServer(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{Cmd: exec.CommandContext(t.Context(), binary, args...)}
	r.Env = []string{} // it needs nothing of it
	r.Stderr = &r.stderr
	stdout, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if r.held, err = r.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Process.Kill(); _ = r.Wait() })
	r.stdout = bufio.NewReader(stdout)
	if r.line, err = r.stdout.ReadString('\n'); err != nil {
		_ = r.Wait()
		t.Fatalf("%v\n%s", err, &r.stderr)
	}
	return r
}

// end sends a signal, and returns what the server has said.
func (r *running) end(t *testing.T, s os.Signal) string {
	t.Helper()
	if err := r.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	return r.ended(t)
}

// ended waits for the end, and returns what the server has said.
func (r *running) ended(t *testing.T) string {
	t.Helper()
	if rest, err := io.ReadAll(r.stdout); err != nil || len(rest) > 0 {
		t.Errorf("standard output has more than a line: %q, %v", rest, err)
	}
	if err := r.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &r.stderr)
	}
	return r.stderr.String()
}

// evaluated is what a shell knows after it has evaluated the line.
func (r *running) evaluated(t *testing.T, variable string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-c", `eval "$1"; sh -c "printf %s \"\$$2\""`, "sh", r.line,
		variable)
	command.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := command.CombinedOutput()
	if err != nil || len(out) == 0 {
		t.Fatalf("%s after %q: %v, %q", variable, r.line, err, out)
	}
	return string(out)
}

func (r *running) port(t *testing.T, variable string) int {
	t.Helper()
	port, err := strconv.Atoi(r.evaluated(t, variable))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// client is what a function has that was started with the variables.
func (r *running) client(t *testing.T, port string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{
		Port: r.port(t, port), SessionToken: r.evaluated(t, "AWS_SESSION_TOKEN"), Retries: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tokenize is with a purpose if it is not "".
func tokenize(t *testing.T, c *client.Client, purpose string) (string, error) {
	t.Helper()
	out, err := c.Tokenize(t.Context(), client.TokenizeInput{Data: client.NewSecret(card), Purpose: purpose})
	return out.Token, err
}

func detokenize(t *testing.T, c *client.Client, token string) (string, error) {
	t.Helper()
	out, err := c.Detokenize(t.Context(), client.DetokenizeInput{Token: token, Redaction: client.PlainText})
	return out.Data.Reveal(), err
}

func TestServer_ServesAFunctionWithTheVariablesThatItPrints(t *testing.T) {
	r := startServer(t, "-port", "0")
	c := r.client(t, "TOKENIZER_PORT")
	token, err := tokenize(t, c, "")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := detokenize(t, c, token); err != nil || data != card {
		t.Errorf("detokenize: %v", err)
	}
	if pong, err := c.Ping(t.Context()); err != nil || pong.Release != "development" {
		t.Errorf("ping: %+v, %v", pong, err)
	}
	for _, in := range []client.TokenizeInput{{Deterministic: true}, {IdempotencyKey: "k"}} {
		in.Data = client.NewSecret(card)
		if _, err := c.Tokenize(t.Context(), in); err != nil {
			t.Errorf("%+v: %v", in, err)
		}
	}
	if _, err := c.Revoke(t.Context(), client.RevokeInput{Token: token}); err != nil {
		t.Errorf("revoke: %v", err)
	}
	if _, err := detokenize(t, c, token); !errors.Is(err, client.ErrRevoked) {
		t.Errorf("after that: %v", err)
	}
	said := r.end(t, syscall.SIGTERM)
	if strings.Contains(said, card) || strings.Contains(said, token) || !strings.Contains(said, "in memory") {
		t.Errorf("it said:\n%s", said)
	}
	var operations []string
	for line := range strings.Lines(said) {
		var event struct{ Operation, Outcome, Account string }
		if json.Unmarshal([]byte(line), &event) == nil {
			operations = append(operations, event.Operation+" "+event.Outcome)
		}
	}
	want := []string{
		"tokenize ok", "detokenize ok", "tokenize ok", "tokenize ok", "revoke ok", "detokenize token-revoked",
	}
	if diff := cmp.Diff(want, operations); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

func TestServer_RefusesWhatTheRightsLeaveOut(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want map[string]string // why an operation is refused; "" if it is not
		says string
	}{
		"tokenize": {
			[]string{"-as", "tokenize"},
			map[string]string{
				"tokenize": "", "tokenize refund": "kms:GenerateDataKey", "deterministic": "kms:GenerateMac",
				"idempotent": "kms:GenerateMac", "detokenize": "dynamodb:GetItem", "revoke": "dynamodb:GetItem",
			},
			"your-function may not call dynamodb:GetItem on CreditCardTokenizerTable. It may tokenize (tokens without a purpose).",
		},
		"tokenize with the index": {
			[]string{"-as", "tokenize,index"},
			map[string]string{"tokenize": "", "deterministic": "", "idempotent": "", "detokenize": "dynamodb:GetItem"},
			"It may tokenize, index (tokens without a purpose).",
		},
		"purposes": {
			[]string{"-as", "detokenize,tokenize", "-purposes", "charge,refund"},
			map[string]string{"tokenize": "kms:GenerateDataKey", "tokenize refund": "",
				"revoke": "dynamodb:TransactWriteItems"},
			"your-function may not call kms:GenerateDataKey on TokenKey. It may tokenize, detokenize (tokens for charge, refund). " +
				"The token has another purpose: see -purposes.",
		},
		"revoke": {
			[]string{"-as", "revoke"},
			map[string]string{"tokenize": "kms:GenerateDataKey", "detokenize": "dynamodb:GetItem", "revoke": ""},
			"your-function may not call kms:GenerateDataKey on TokenKey. It may revoke.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := startServer(t, append([]string{"-port", "0"}, tt.args...)...)
			c := r.client(t, "TOKENIZER_PORT")
			const unknown = "7d9f2f3e-1111-4222-8333-444455556666"
			for operation, why := range tt.want {
				var err error
				in := client.TokenizeInput{Data: client.NewSecret(card)}
				switch operation {
				case "tokenize", "tokenize refund":
					_, purpose, _ := strings.Cut(operation, " ")
					_, err = tokenize(t, c, purpose)
				case "deterministic":
					in.Deterministic = true
					_, err = c.Tokenize(t.Context(), in)
				case "idempotent":
					in.IdempotencyKey = "k"
					_, err = c.Tokenize(t.Context(), in)
				case "detokenize":
					_, err = detokenize(t, c, unknown)
				case "revoke":
					_, err = c.Revoke(t.Context(), client.RevokeInput{Token: unknown})
				}
				e, _ := errors.AsType[*client.Error](err)
				if why == "" && err != nil || why != "" && (!errors.Is(err, client.ErrDenied) ||
					e.Detail != "the function's role may not "+why+" here") {
					t.Errorf("%s: %v, want a refusal for %q", operation, err, why)
				}
			}
			if said := r.end(t, os.Interrupt); !strings.Contains(said, tt.says+"\n") {
				t.Errorf("it said %s\nwant %s", said, tt.says)
			}
		})
	}
}

func TestServer_GivesEachFunctionAPortAndItsRights(t *testing.T) {
	r := startServer(t, "-port", "0", "-as", "order=tokenize", "-as", "pay-bill=detokenize", "-as",
		"support=detokenize",
		"-purposes", "order=charge", "-purposes", "pay-bill=charge")
	order, paybill := r.client(t, "ORDER_TOKENIZER_PORT"), r.client(t, "PAY_BILL_TOKENIZER_PORT")
	token, err := tokenize(t, order, "charge")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := detokenize(t, paybill, token); err != nil || data != card {
		t.Errorf("paybill: %v", err)
	}
	if _, err := detokenize(t, order, token); !errors.Is(err, client.ErrDenied) {
		t.Errorf("order reads: %v", err)
	}
	if _, err := tokenize(t, paybill, "charge"); !errors.Is(err, client.ErrDenied) {
		t.Errorf("paybill tokenizes: %v", err)
	}
	if _, err := detokenize(t, r.client(t, "SUPPORT_TOKENIZER_PORT"), token); !errors.Is(err, client.ErrDenied) {
		t.Errorf("support reads: %v", err)
	}
	said := r.end(t, os.Interrupt)
	for _, actor := range []string{"order", "pay-bill", "support"} {
		if !strings.Contains(said, `"actor":"`+actor+`"`) {
			t.Errorf("the log does not name %s:\n%s", actor, said)
		}
	}
}

// Several functions have ports in a row, which somebody can write down.
func TestListen_TakesPortsInARow(t *testing.T) {
	for try := 0; ; try++ {
		first := 20_000 + rand.IntN(10_000) // below the ports that outgoing connections take
		listeners, err := listen(first, make([]function, 2))
		if err != nil && try < 20 {
			continue // somebody else has one of them
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range listeners {
			defer l.Close()
			if got := portOf(l); got != first+i {
				t.Errorf("function %d has port %d, want %d", i, got, first+i)
			}
		}
		return
	}
}

func TestServer_RefusesAWrongSessionTokenAndWhatABrowserSends(t *testing.T) {
	r := startServer(t, "-port", "0")
	for name, tt := range map[string]struct {
		header map[string]string
		want   int
	}{
		"its own": {map[string]string{"X-Tokenizer-Token": r.evaluated(t, "AWS_SESSION_TOKEN")}, http.StatusOK},
		"none":    {nil, http.StatusUnauthorized},
		"another": {map[string]string{"X-Tokenizer-Token": "guessed"}, http.StatusUnauthorized},
		"of a browser": {map[string]string{"X-Tokenizer-Token": sessionToken, "Origin": "http://127.0.0.1"},
			http.StatusForbidden},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			"http://127.0.0.1:"+r.evaluated(t, "TOKENIZER_PORT")+"/ping", nil)
		if err != nil {
			t.Fatal(err)
		}
		for header, value := range tt.header {
			request.Header.Set(header, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", name, response.StatusCode, tt.want)
		}
	}
}

func TestServer_LimitsReadsAsTheFlagSays(t *testing.T) {
	r := startServer(t, "-port", "0", "-read-rate", "1")
	c := r.client(t, "TOKENIZER_PORT")
	token, err := tokenize(t, c, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 10 { // more than come in a second's rate, unless each takes a second
		if _, err = detokenize(t, c, token); err != nil {
			break
		}
	}
	if !errors.Is(err, client.ErrRateLimited) {
		t.Errorf("error %v", err)
	}
}

// refused is what the server says if it does not start.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err == nil || command.ProcessState.ExitCode() != 1 || stdout.Len() > 0 {
		t.Errorf("%v: %v, printed %q", args, err, &stdout)
	}
	return stderr.String()
}

func TestServer_SaysWhatToDoAboutAPortThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(portOf(taken))
	want := "tokenizer-dev: port " + port +
		" of 127.0.0.1 cannot be bound. If another development server has it, end that one. " +
		"Otherwise choose a port with -port N, or any free one with -port 0\n"
	if got := refused(t, "-port", port); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	before := strconv.Itoa(portOf(taken) - 1) // of two functions, the second finds its port taken
	if got := refused(t, "-port", before, "-as", "a=tokenize", "-as", "b=revoke"); !strings.Contains(got,
		" of 127.0.0.1 cannot be bound") {
		t.Errorf("got %q", got)
	}
}

func TestServer_RefusesFlagsThatAreWrong(t *testing.T) {
	for want, args := range map[string][]string{
		`unexpected argument "tokenize": there are flags only, see -help`:           {"tokenize"},
		`-read-rate must be from 1 to 10000`:                                        {"-read-rate", "0"},
		`-port must be 0, or such that each function has a port from 1024 to 65535`: {"-port", "80"},
		`-port must be 0, or such that each function has a port from 1024`: {"-port", "65535",
			"-as", "a=revoke", "-as", "b=revoke"},
		`-port must be 0, or such that each`: {"-port", "-1"},
		`-as: "read" is no right: use tokenize, index, detokenize or revoke`: {"-as",
			"tokenize,read"},
		`-as: "" is no right: use tokenize, index, detokenize or revoke`: {"-as", ""},
		`-as: index is granted beside tokenize only: write tokenize,index`: {"-as",
			"index,detokenize"},
		`-as: of several functions each needs a name, as in -as order=tokenize`: {"-as",
			"order=tokenize", "-as", "revoke"},
		`each function can be named once: separate the others by commas, or give each function`: {"-as", "tokenize",
			"-as", "detokenize"},
		`each function can be named once`: {"-as", "a-b=tokenize",
			"-as", "A_b=detokenize"},
		`the name of a function has 1 to 64 of A-Z a-z 0-9 _ -, the first a letter`: {"-as",
			"$(x)=tokenize"},
		`-purposes: "Refund" is no purpose: it has 1 to 64 of a-z 0-9 _ -`: {"-purposes",
			"Refund"},
		`-purposes: -as names no function "order"`: {"-purposes",
			"order=refund"},
		`-purposes: of several functions name each, as in -purposes order=refund`: {"-as",
			"order=tokenize", "-purposes", "refund", "-purposes", "order=x"},
		`flag provided but not defined: -serve`: {"-serve"},
	} {
		if got := refused(t, args...); !strings.Contains(got, "tokenizer-dev: ") || !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", args, got, want)
		}
	}
}

func TestServer_EndsWithStandardInputIfAsked(t *testing.T) {
	r := startServer(t, "-port", "0", "-until-stdin-ends")
	if _, err := r.client(t, "TOKENIZER_PORT").Ping(t.Context()); err != nil {
		t.Error(err)
	}
	r.held.Close()
	r.ended(t)

	r = startServer(t, "-port", "0")
	r.held.Close()
	if _, err := r.client(t, "TOKENIZER_PORT").Ping(t.Context()); err != nil {
		t.Errorf("it should not look at standard input: %v", err)
	}
}

// A client that keeps its connection does not keep the server.
func TestServer_EndsAtOnceAndCanStartAgain(t *testing.T) {
	port := "0"
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL, syscall.SIGTERM} {
		r := startServer(t, "-port", port)
		port = r.evaluated(t, "TOKENIZER_PORT")
		c := r.client(t, "TOKENIZER_PORT")
		token, err := tokenize(t, c, "")
		if err != nil {
			t.Fatal(err)
		}
		if s == syscall.SIGKILL {
			if err := r.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = r.Wait()
			continue
		}
		if said := r.end(t, s); strings.Contains(said, token) {
			t.Errorf("it said %s", said)
		}
	}
}

// The binary can be copied to wherever functions are tested.
func TestBinary_IsSmallAndStatic(t *testing.T) {
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(15 << 20); info.Size() > limit {
		t.Errorf("%d bytes, want at most %d", info.Size(), limit)
	}
	if runtime.GOOS == "linux" {
		program, err := elf.Open(binary)
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		for _, header := range program.Progs {
			if header.Type == elf.PT_INTERP {
				t.Error("it needs libraries of the machine")
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, heavy := range []string{"/aws-cdk-go/", "/jsii-runtime-go", "aws-sdk-go-v2/service/",
		"lambda-tokenizer/local"} {
		if strings.Contains(string(out), heavy) {
			t.Errorf("it imports %s", heavy)
		}
	}
}
