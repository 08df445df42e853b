package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// environment is what Lambda and the layer's construct set.
func environment(t *testing.T, l *kit.Lambda, port int) map[string]string {
	t.Helper()
	srv := httptest.NewServer(l)
	t.Cleanup(srv.Close)
	return map[string]string{
		"AWS_LAMBDA_RUNTIME_API":     strings.TrimPrefix(srv.URL, "http://"),
		"AWS_REGION":                 "us-east-1",
		"AWS_ENDPOINT_URL":           "http://127.0.0.1:1", // where nobody is: a test asks AWS nothing
		"AWS_ACCESS_KEY_ID":          "test",
		"AWS_SECRET_ACCESS_KEY":      "test",
		"AWS_SESSION_TOKEN":          session,
		"TOKENIZER_TABLE":            "CreditCardTokenizerTable",
		"TOKENIZER_STATE_TABLE":      "CreditCardTokenizerState",
		"TOKENIZER_TOKEN_KEYS":       "1=arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
		"TOKENIZER_FINGERPRINT_KEYS": "1=arn:aws:kms:us-east-1:123456789012:key/22222222-2222-3333-4444-555555555555",
		"TOKENIZER_PORT":             strconv.Itoa(port),
		"TOKENIZER_LOG_LEVEL":        "ERROR",
	}
}

func ping(t *testing.T, port int) (client.PingOutput, error) {
	t.Helper()
	c, err := client.New(client.Config{Port: port, SessionToken: session})
	if err != nil {
		t.Fatal(err)
	}
	return c.Ping(context.Background())
}

func TestRun_ServesBeforeItRegistersAndEndsWithShutdown(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // must not be used towards the Runtime API
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.digest"), []byte("abc123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := kit.FreePort(t)
	l := &kit.Lambda{Account: "123456789012"}
	early := make(chan error, 1)
	l.AtRegister = func() { // the server takes a request, which has to wait for the answer to this
		asking := make(chan struct{})
		go func() {
			conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
			if err == nil {
				conn.Close()
			}
			close(asking)
			_, pinged := ping(t, port)
			early <- errors.Join(err, pinged)
		}()
		<-asking
	}
	l.AtNext = func() {
		if err := <-early; err != nil {
			t.Errorf("a request before the registration was answered: %v", err)
		}
		if p, err := ping(t, port); err != nil || p.Release != "abc123" {
			t.Errorf("registered: %+v, %v", p, err)
		}
	}
	env := environment(t, l, port)
	if err := run(t.Context(), filepath.Join(dir, "extensions", "tokenizer"), func(k string) string {
		return env[k]
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{`register tokenizer {"events":["SHUTDOWN"]} accountId`, "next id-1"}
	if diff := cmp.Diff(want, l.Calls()); diff != "" {
		t.Error(diff)
	}
	if _, err := ping(t, port); err == nil {
		t.Error("the port is still served")
	}
}

// wrongValue is a setting that must not be repeated.
const wrongValue = "not/a value"

// Package settings has the tests of each setting. What it finds wrong is told to the function, which asks with GET
// /ping.
func TestRun_NamesWrongSettingsAndGoesOn(t *testing.T) {
	for name, tt := range map[string]struct {
		set     map[string]string
		account string
		want    []string
	}{
		"one": {map[string]string{"TOKENIZER_TOKEN_KEYS": "1=alias/token"}, "123456789012",
			[]string{"TOKENIZER_TOKEN_KEYS"}},
		"with a default": {map[string]string{"TOKENIZER_LOG_LEVEL": "LOUD"}, "123456789012",
			[]string{"TOKENIZER_LOG_LEVEL"}},
		"several at once": {
			map[string]string{"TOKENIZER_LOG_LEVEL": "x", "TOKENIZER_TABLE": "", "TOKENIZER_STATE_TABLE": ""}, "",
			[]string{"TOKENIZER_LOG_LEVEL", "TOKENIZER_TABLE", "TOKENIZER_STATE_TABLE"},
		},
		"no account": {nil, "", []string{"AccountID", "registration"}},
		"another account": {map[string]string{"TOKENIZER_ACCOUNT_ID": "999999999999"}, "123456789012",
			[]string{"TOKENIZER_ACCOUNT_ID"}},
		"no region": {map[string]string{"AWS_REGION": ""}, "123456789012", []string{"AWS_REGION"}},
		"no credentials": {map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
			"123456789012", []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}},
		"an endpoint of KMS": {map[string]string{"AWS_ENDPOINT_URL_KMS": wrongValue}, "123456789012",
			[]string{"AWS_ENDPOINT_URL_KMS"}},
		"an endpoint of both": {map[string]string{"AWS_ENDPOINT_URL": wrongValue}, "123456789012",
			[]string{"AWS_ENDPOINT_URL"}},
		"a setting of each kind": {map[string]string{"AWS_REGION": wrongValue, "TOKENIZER_TABLE": ""}, "123456789012",
			[]string{"AWS_REGION", "TOKENIZER_TABLE"}},
	} {
		t.Run(name, func(t *testing.T) {
			port := kit.FreePort(t)
			l := &kit.Lambda{Account: tt.account}
			asked := false
			l.AtNext = func() {
				asked = true
				_, err := ping(t, port)
				for _, want := range tt.want {
					if !errors.Is(err, client.ErrNotReady) || !strings.Contains(err.Error(), want) {
						t.Errorf("error %v does not name %s", err, want)
					}
					if err != nil && strings.Contains(err.Error(), wrongValue) {
						t.Errorf("error %v tells a value", err)
					}
				}
			}
			env := environment(t, l, port)
			for k, v := range tt.set {
				env[k] = v
			}
			if err := run(t.Context(), "/opt/extensions/tokenizer", func(k string) string {
				return env[k]
			}); err != nil || !asked {
				t.Fatalf("asked = %v, error = %v", asked, err)
			}
		})
	}
}

func TestRun_EndsTheEnvironmentWhenThePortIsTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l := &kit.Lambda{Account: "123456789012"}
	env := environment(t, l, ln.Addr().(*net.TCPAddr).Port)
	err = run(t.Context(), "/opt/extensions/tokenizer", func(k string) string { return env[k] })
	if err == nil || !strings.Contains(err.Error(), "TOKENIZER_PORT") {
		t.Errorf("error = %v", err)
	}
	want := []string{`register tokenizer {"events":[]} accountId`, "init/error Extension.PortInUse"}
	if diff := cmp.Diff(want, l.Calls()); diff != "" {
		t.Error(diff)
	}
}

func TestRun_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := &kit.Lambda{Account: "123456789012", AtNext: cancel}
	env := environment(t, l, kit.FreePort(t))
	if err := run(ctx, "/opt/extensions/tokenizer", func(k string) string { return env[k] }); err != nil {
		t.Error(err)
	}
}

func TestRun_FailsWhenLambdaRefusesTheRegistration(t *testing.T) {
	srv := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer srv.Close()
	env := environment(t, &kit.Lambda{}, kit.FreePort(t))
	env["AWS_LAMBDA_RUNTIME_API"] = strings.TrimPrefix(srv.URL, "http://")
	if err := run(t.Context(), "/opt/extensions/tokenizer", func(k string) string { return env[k] }); err == nil ||
		!strings.Contains(err.Error(), "status 403") {
		t.Errorf("error = %v", err)
	}
}

// Somebody who tries the layer may start the extension by hand.
func TestExtension_SaysThatItNeedsLambda(t *testing.T) {
	for name, tt := range map[string]struct {
		address *string
		want    string
	}{
		"no variable":  {nil, "AWS_LAMBDA_RUNTIME_API is not set"},
		"an empty one": {new(""), "AWS_LAMBDA_RUNTIME_API is not set"},
		"no address": {new("http://127.0.0.1:9001"),
			"AWS_LAMBDA_RUNTIME_API is not an address such as 127.0.0.1:9001"},
		"nobody is there": {new("127.0.0.1:1"), "register: nothing answers at AWS_LAMBDA_RUNTIME_API"},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), binary)
			command.Env = []string{"TOKENIZER_PORT=" + strconv.Itoa(kit.FreePort(t))}
			if tt.address != nil {
				command.Env = append(command.Env, "AWS_LAMBDA_RUNTIME_API="+*tt.address)
			}
			out, err := command.CombinedOutput()
			if err == nil {
				t.Error("it ended without an error")
			}
			want := "tokenizer: " + tt.want +
				". This program is a Lambda extension, which Lambda starts beside a function, " +
				"with AWS_LAMBDA_RUNTIME_API set. To have its API on your machine, run go run ./local -layer in the project, " +
				"which docs/development-server.md describes\n"
			if diff := cmp.Diff(want, string(out)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRun_LetsMoreConnectionsThanTheLimitWait(t *testing.T) {
	port := kit.FreePort(t)
	l := &kit.Lambda{Account: "123456789012"}
	l.AtNext = func() {
		held, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			t.Error(err)
			return
		}
		hasty, err := client.New(client.Config{Port: port, SessionToken: session, Timeout: 50 * time.Millisecond})
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := hasty.Ping(t.Context()); err == nil {
			t.Error("a second connection was served")
		}
		held.Close()
		if _, err := ping(t, port); err != nil {
			t.Errorf("after the first was closed: %v", err)
		}
	}
	env := environment(t, l, port)
	env["TOKENIZER_MAX_CONNECTIONS"] = "1"
	if err := run(t.Context(), "/opt/extensions/tokenizer", func(k string) string { return env[k] }); err != nil {
		t.Fatal(err)
	}
}
