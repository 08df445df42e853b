package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// Programs of the layer's clients for other languages. Each prints, of what it does with a token that is bound to a
// context, the data or the code of the error.
var thinClients = map[string][]string{
	"python": {"python3", "-c", `
from lambda_tokenizer import tokenize, detokenize, validate, metadata, revoke, TokenizerError
def show(do):
    try:
        print(do())
    except TokenizerError as error:
        print(error.code)
card, context = "4111111111111111", {"order": "1"}
token = tokenize(card, context=context)["token"]
show(lambda: detokenize(token, context=context)["data"])
show(lambda: validate(token, context=context)["live"])
show(lambda: metadata(token, context=context)["type"])
show(lambda: detokenize(token, context={"order": "2"})["data"])
show(lambda: detokenize(token)["data"])
show(lambda: tokenize(card, context=None, binding={"purpose": "refund"})["token"])
show(lambda: tokenize(card, context={})["token"])
both = tokenize(card, context=context, binding={"purpose": "refund"})["token"]
show(lambda: metadata(both, context=context)["purpose"])
show(lambda: revoke(token)["existed"])
show(lambda: detokenize(token, context=context)["data"])
`},
	"node": {"node", "--input-type=module", "-e", `
const { tokenize, detokenize, validate, metadata, revoke, TokenizerError } = await import(process.env.CLIENT);
const show = async (answer, member) => {
  try {
    console.log(String((await answer)[member]).replace(/^(true|false)$/, (b) => b[0].toUpperCase() + b.slice(1)));
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    console.log(error.code);
  }
};
const card = "4111111111111111", context = { order: "1" };
const { token } = await tokenize(card, { context });
await show(detokenize(token, { context }), "data");
await show(validate(token, { context }), "live");
await show(metadata(token, { context }), "type");
await show(detokenize(token, { context: { order: "2" } }), "data");
await show(detokenize(token), "data");
await show(tokenize(card, { context: undefined, binding: { purpose: "refund" } }), "token");
await show(tokenize(card, { context: {} }), "token");
const both = await tokenize(card, { context, binding: { purpose: "refund" } });
await show(metadata(both.token, { context }), "purpose");
await show(revoke(token), "existed");
await show(detokenize(token, { context }), "data");
`},
}

func TestThinClients_BindTokensToAContext(t *testing.T) {
	const want = "************1111\nTrue\ncard\nbinding-mismatch\nbinding-mismatch\ninvalid-request\ninvalid-request\nrefund\nTrue\ntoken-revoked\n"
	for name, program := range thinClients {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, runThinClient(t, program, start(t).port)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// runThinClient runs a program with a client for another language, and returns what it printed.
func runThinClient(t *testing.T, program []string, port int, environment ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program[0]); err != nil && os.Getenv("CI") == "" {
		t.Skipf("%s is not installed", program[0])
	}
	layer, err := filepath.Abs("../../layer")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), kit.Limit)
	defer cancel()
	command := exec.CommandContext(ctx, program[0], program[1:]...)
	command.Env = append(append(os.Environ(),
		"PYTHONPATH="+filepath.Join(layer, "python"), "PYTHONDONTWRITEBYTECODE=1",
		"CLIENT="+filepath.Join(layer, "nodejs", "node_modules", "lambda-tokenizer", "index.mjs"),
		"TOKENIZER_PORT="+strconv.Itoa(port), "AWS_SESSION_TOKEN="+session), environment...)
	got, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, got)
	}
	return string(got)
}

// textPrograms send each text as data, metadata, context and reason, and print what comes back.
var textPrograms = map[string][]string{
	"python": {"python3", "-c", `
import json, os
from lambda_tokenizer import tokenize, detokenize, metadata
back = {}
for name, text in json.loads(os.environ["TEXTS"]).items():
    members = {"note": text}
    token = tokenize(text, type="text", metadata=members, context=members)["token"]
    data = detokenize(token, redaction="PLAIN_TEXT", context=members, reason=text)["data"]
    back[name] = [data, metadata(token, context=members, reason=text)["metadata"]["note"]]
print(json.dumps(back))
`},
	"node": {"node", "--input-type=module", "-e", `
const { tokenize, detokenize, metadata } = await import(process.env.CLIENT);
const back = {};
for (const [name, text] of Object.entries(JSON.parse(process.env.TEXTS))) {
  const members = { note: text };
  const { token } = await tokenize(text, { type: "text", metadata: members, context: members });
  const { data } = await detokenize(token, { redaction: "PLAIN_TEXT", context: members, reason: text });
  back[name] = [data, (await metadata(token, { context: members, reason: text })).metadata.note];
}
console.log(JSON.stringify(back));
`},
}

func TestThinClients_CarryTextsBeyondASCII(t *testing.T) {
	sent, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for name, text := range texts {
		want[name] = []string{text, text}
	}
	for name, program := range textPrograms {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			var got map[string][]string
			if err := json.Unmarshal([]byte(runThinClient(t, program, r.port, "TEXTS="+string(sent))),
				&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			r.stop()
			for _, text := range texts {
				quoted, err := json.Marshal(text)
				if err != nil {
					t.Fatal(err)
				}
				var e struct{ Reason string }
				reasons := 0
				for line := range strings.Lines(r.log.String()) {
					if e.Reason = ""; json.Unmarshal([]byte(line), &e) == nil && e.Reason == text {
						reasons++
					}
				}
				if reasons != 2 {
					t.Errorf("%d reasons in the log are %s", reasons, quoted)
				}
			}
		})
	}
}

// patientPrograms call each operation of each server with a timeout of 0.25 s, those of a server at the same time, and
// print how each ended and after how many seconds; and how long each waits if it is not told.
var patientPrograms = map[string][]string{
	"python": {"python3", "-c", `
import concurrent.futures, inspect, json, os, time
import lambda_tokenizer as client
def call(name):
    start = time.monotonic()
    try:
        getattr(client, name)("4111111111111111", timeout=0.25)
        outcome = "ok"
    except client.TokenizerError as error:
        outcome = error.code
    took = time.monotonic() - start
    default = inspect.signature(getattr(client, name)).parameters["timeout"].default
    return {"outcome": outcome, "took": took, "default": default}
names, ends = ["tokenize", "detokenize", "validate", "metadata", "revoke"], {}
with concurrent.futures.ThreadPoolExecutor(5) as pool:
    for server, port in json.loads(os.environ["SERVERS"]).items():
        os.environ["TOKENIZER_PORT"] = str(port)
        ends[server] = dict(zip(names, pool.map(call, names)))
print(json.dumps(ends))
`},
	"node": {"node", "--input-type=module", "-e", `
const client = await import(process.env.CLIENT);
const ends = {};
for (const [server, port] of Object.entries(JSON.parse(process.env.SERVERS))) {
  process.env.TOKENIZER_PORT = port;
  ends[server] = {};
  await Promise.all(["tokenize", "detokenize", "validate", "metadata", "revoke"].map(async (name) => {
    const start = performance.now();
    const outcome = await client[name]("4111111111111111", { timeout: 250 }).then(() => "ok", (error) => error.code);
    const took = (performance.now() - start) / 1000;
    ends[server][name] = { outcome, took, default: Number(/timeout = (\d+)/.exec(client[name].toString())[1]) / 1000 };
  }));
}
console.log(JSON.stringify(ends));
`},
}

// deafServer accepts connections and leaves each to answer, until the test ends.
func deafServer(t *testing.T, answer func(net.Conn)) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			served.Go(func() { answer(conn) })
		}
	})
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().(*net.TCPAddr).Port
}

// trickle writes a text as soon as a request begins, and then x after x, each long before a client's patience with a
// silent connection ends.
func trickle(text string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return
		}
		_, err := io.WriteString(conn, text)
		for range time.Tick(20 * time.Millisecond) {
			if err != nil {
				return
			}
			_, err = io.WriteString(conn, "x")
		}
	}
}

// deafServers are those that never answer, and those that never end to.
var deafServers = map[string]func(net.Conn){
	"never answers":       func(net.Conn) {},
	"trickles its header": trickle("HTTP/1.1 200 OK\r\nX-Long: "),
	"trickles its body": trickle(
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"),
	"trickles to the end": trickle("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"),
}

// A client's timeout is for the whole call, not only for a connection that is silent.
func TestThinClients_EndEveryCallInTime(t *testing.T) {
	for name, program := range patientPrograms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ports := map[string]int{}
			for server, answer := range deafServers {
				ports[server] = deafServer(t, answer)
			}
			servers, err := json.Marshal(ports)
			if err != nil {
				t.Fatal(err)
			}
			var ends map[string]map[string]struct {
				Outcome       string
				Took, Default float64
			}
			if err := json.Unmarshal([]byte(runThinClient(t, program, 1, "SERVERS="+string(servers))),
				&ends); err != nil || len(ends) != len(ports) {
				t.Fatalf("%v, %v", ends, err)
			}
			for server, operations := range ends {
				for operation, end := range operations {
					if end.Outcome != "unreachable" || end.Took < 0.2 || end.Took >= api.ClientTimeout.Seconds() ||
						end.Default != api.ClientTimeout.Seconds() {
						t.Errorf("%s: %s: %+v", server, operation, end)
					}
				}
				if len(operations) != 5 {
					t.Errorf("%s: %d operations", server, len(operations))
				}
			}
		})
	}
}

func TestClient_EndsEveryCallInTime(t *testing.T) {
	for server, answer := range deafServers {
		t.Run(server, func(t *testing.T) {
			c, err := client.New(
				client.Config{Port: deafServer(t, answer), SessionToken: session, Timeout: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			ctx, data := t.Context(), client.NewSecret(visa)
			var calls sync.WaitGroup
			for name, do := range map[string]func() error{
				"tokenize": func() error { _, err := c.Tokenize(ctx, client.TokenizeInput{Data: data}); return err },
				"seal":     func() error { _, err := c.Seal(ctx, client.SealInput{Data: data}); return err },
				"detokenize": func() error {
					_, err := c.Detokenize(ctx, client.DetokenizeInput{Token: unknown})
					return err
				},
				"validate": func() error {
					_, err := c.Validate(ctx, client.ValidateInput{Token: unknown})
					return err
				},
				"metadata": func() error {
					_, err := c.Metadata(ctx, client.MetadataInput{Token: unknown})
					return err
				},
				"revoke": func() error { _, err := c.Revoke(ctx, client.RevokeInput{Token: unknown}); return err },
				"ping":   func() error { _, err := c.Ping(ctx); return err },
			} {
				calls.Go(func() {
					start := time.Now()
					err := do()
					if took := time.Since(start); !errors.Is(err, client.ErrUnavailable) ||
						took < 50*time.Millisecond || took >= api.ClientTimeout {
						t.Errorf("%s: %v after %v", name, err, took)
					}
				})
			}
			calls.Wait()
		})
	}
}

// What a traceback shows: neither the call that failed, nor what it was about.
func TestThinClients_PythonErrorsHideTheirCause(t *testing.T) {
	const program = `
import os, traceback
from lambda_tokenizer import tokenize, TokenizerError
for port in os.environ["PORTS"].split():
    os.environ["TOKENIZER_PORT"] = port
    try:
        tokenize("4111111111111111")
    except TokenizerError as error:
        text = "".join(traceback.format_exception(error))
        shown = "During handling" in text or "direct cause" in text
        print(error.code, error.__cause__ is None, error.__suppress_context__ or error.__context__ is None, shown)
`
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	answers := func(text string) int {
		return deafServer(t, func(conn net.Conn) {
			_, _ = bufio.NewReader(conn).ReadString('}') // the request
			_, _ = io.WriteString(conn, "HTTP/1.1 "+text)
			_ = conn.Close()
		})
	}
	ports := fmt.Sprint(closed,
		answers("200 OK\r\nConnection: close\r\n\r\nno JSON"), answers("200 OK\r\nConnection: close\r\n\r\n[]"),
		answers(
			"400 Bad Request\r\nConnection: close\r\n\r\n{\"code\":\"invalid-request\",\"title\":\"invalid request\"}"))
	want :=
		"unreachable True True False\nbad-answer True True False\nbad-answer True True False\ninvalid-request True True False\n"
	if diff := cmp.Diff(want,
		runThinClient(t, []string{"python3", "-c", program}, closed, "PORTS="+ports)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
