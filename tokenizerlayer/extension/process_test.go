package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

const (
	vaultTable = kit.VaultTable
	stateTable = kit.StateTable
	indexTable = kit.IndexTable
	session    = kit.SessionToken
)

// binary is the extension, built.
var binary string

func TestMain(m *testing.M) { os.Exit(kit.WithProgram("tokenizerlayer/extension", &binary, m.Run)) }

// running is the extension as a process of its own, and what its tests have seen of it.
type running struct {
	*kit.Extension

	mu      sync.Mutex
	answers []string // all but those that show data on request
	tokens  []string // all that were given out
}

func startExtension(t *testing.T) *running {
	t.Helper()
	x := newRunning(t)
	x.Start(t)
	return x
}

// newRunning makes what is around the extension, and not the extension itself.
func newRunning(t *testing.T) *running {
	t.Helper()
	return &running{Extension: kit.NewExtension(t, binary)}
}

func (x *running) rows(t *testing.T, table string) []map[string]types.AttributeValue {
	t.Helper()
	return kit.Rows(t, x.DynamoDB, table)
}

// post sends a request as it is and returns its answer.
func (x *running) post(t *testing.T, path, body string, header ...string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+net.JoinHostPort(api.Host, strconv.Itoa(x.Port))+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(api.TokenHeader, session)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(body, "PLAIN_TEXT") || resp.StatusCode != http.StatusOK {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.answers = append(x.answers, fmt.Sprint(resp.Header, string(b)))
	}
	return resp.StatusCode, string(b)
}

// want sends a request that must be answered with a status, and returns the token of the answer if it has one.
func (x *running) want(t *testing.T, status int, path, body string, header ...string) string {
	t.Helper()
	got, answer := x.post(t, path, body, header...)
	if got != status {
		t.Errorf("%s %s: status %d, want %d: %s", path,
			strings.NewReplacer(canary, "CARD", canaryText, "TEXT").Replace(body), got, status, answer)
	}
	var out struct{ Token string }
	if _ = json.Unmarshal([]byte(answer), &out); out.Token != "" {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.tokens = append(x.tokens, out.Token)
	}
	return out.Token
}

// Somebody else on this machine, such as a page that a function was made to fetch, has requests refused and keeps their
// connections open: more of them than are served at a time.
func TestRun_AnswersTheFunctionBesideConnectionsThatWereRefused(t *testing.T) {
	x := startExtension(t)
	address := net.JoinHostPort(api.Host, strconv.Itoa(x.Port))
	own := api.TokenHeader + ": " + session + "\r\n"
	refused := []struct{ status, head string }{
		{"401", "Host: " + address + "\r\n"},
		{"401", "Host: " + address + "\r\n" + api.TokenHeader + ": guessed\r\n"},
		{"403", "Host: rebound.example\r\n" + own},
		{"403", "Host: " + address + "\r\nX-Forwarded-For: 10.0.0.1\r\n" + own},
		{"403", "Host: " + address + "\r\nOrigin: https://page.example\r\n" + own},
		{"401", "Host: " + address + "\r\nContent-Length: 20000\r\n"}, // which does not come
	}
	const connections = 80
	if connections <= api.DefaultConnections {
		t.Fatal("too few to be in the way")
	}
	for i := range connections {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(kit.Limit))
		want := refused[i%len(refused)]
		if _, err := io.WriteString(conn, "POST "+api.PathDetokenize+" HTTP/1.1\r\n"+want.head+"\r\n"); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+want.status) {
			t.Fatalf("connection %d: %v, answered %q", i, err, line)
		}
	}
	start := time.Now()
	c, err := client.New(client.Config{Port: x.Port, SessionToken: session, Timeout: api.ClientTimeout})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ping(t.Context()); err != nil {
		t.Errorf("the function's own request: %v after %v", err, time.Since(start))
	}
}
