package server_test

import (
	"context"
	"encoding/json"
	"errors"
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

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// runThinClient runs a program with a client for another language, and returns what it printed.
func runThinClient(t *testing.T, program []string, port int, environment ...string) string {
	t.Helper()
	needed.Program(t, program[0])
	layer, err := filepath.Abs("../../layer")
	if err != nil {
		t.Fatal(err)
	}
	// The test's cached result depends on what the program reads.
	if err := os.CopyFS(t.TempDir(), os.DirFS(layer)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), kit.Limit)
	defer cancel()
	command := exec.CommandContext(ctx, program[0], program[1:]...)
	command.Env = append(append(os.Environ(),
		"PYTHONPATH="+filepath.Join(layer, "python"), "PYTHONDONTWRITEBYTECODE=1",
		"CLIENT="+filepath.Join(layer, "nodejs", "node_modules", "@lambda-tokenizer", "client", "index.mjs"),
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
    token = tokenize(text, type="text", metadata=members, context=members).token
    data = detokenize(token, redaction="PLAIN_TEXT", context=members, reason=text).data.reveal()
    back[name] = [data, metadata(token, context=members, reason=text).metadata["note"]]
print(json.dumps(back))
`},
	"node": {"node", "--input-type=module", "-e", `
const { tokenize, detokenize, metadata } = await import(process.env.CLIENT);
const back = {};
for (const [name, text] of Object.entries(JSON.parse(process.env.TEXTS))) {
  const members = { note: text };
  const { token } = await tokenize(text, { type: "text", metadata: members, context: members });
  const { data } = await detokenize(token, { redaction: "PLAIN_TEXT", context: members, reason: text });
  back[name] = [data.reveal(), (await metadata(token, { context: members, reason: text })).metadata.note];
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
