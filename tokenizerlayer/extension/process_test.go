package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/localtest"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/kmsserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

const (
	vaultTable = "CreditCardTokenizerTable"
	stateTable = "CreditCardTokenizerState"
	indexTable = "CreditCardTokenizerIndex"
)

// binary is the extension, built.
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
	dir, err := os.MkdirTemp("", "tokenizer-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "tokenizer")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	return use(), nil
}

// running is the extension as a process of its own, between a scripted Lambda and local services that it calls.
type running struct {
	port           int
	asked          *recorder // what the extension asks KMS
	kms            *kms.Client
	dynamo         *dynamodb.Client
	tokenKey       string
	environment    []string
	client         *client.Client
	stdout, stderr localtest.Buffer
	process        *os.Process
	shutDown       func() // has Lambda send SHUTDOWN
	exited         chan error

	mu      sync.Mutex
	answers []string // all but those that show data on request
	tokens  []string // all that were given out
}

// recorder keeps the requests that a service gets.
type recorder struct {
	next http.Handler

	mu     sync.Mutex
	bodies []string
	before func(*http.Request) // if set, it sees each request before it is answered
}

// watch shows each request to before.
func (r *recorder) watch(before func(*http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = before
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		http.Error(w, "the request did not arrive", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.bodies = append(r.bodies, string(body))
	before := r.before
	r.mu.Unlock()
	q.Body = io.NopCloser(bytes.NewReader(body))
	if before != nil {
		before(q)
	}
	r.next.ServeHTTP(w, q)
}

func (r *recorder) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies)
}

func (r *recorder) all() string { return strings.Join(r.requests(), "\n") }

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func startExtension(t *testing.T) *running {
	t.Helper()
	x := newRunning(t)
	x.start(t, &x.stdout)
	return x
}

// newRunning makes what is around the extension, and not the extension itself.
func newRunning(t *testing.T) *running {
	t.Helper()
	end := make(chan struct{})
	x := &running{port: freePort(t), shutDown: sync.OnceFunc(func() { close(end) }), exited: make(chan error, 1)}
	config := func(endpoint string) aws.Config {
		return aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("x", "x", "")}
	}
	x.asked = &recorder{next: kmsserver.New(kmsserver.Config{AccountID: "123456789012", Region: "us-east-1"})}
	kmsURL := serve(t, x.asked)
	dynamoURL := serve(t, dynamoserver.New(dynamoserver.Config{AccountID: "123456789012", Region: "us-east-1"}))
	x.kms, x.dynamo = kms.NewFromConfig(config(kmsURL)), dynamodb.NewFromConfig(config(dynamoURL))
	key := func(in kms.CreateKeyInput) string {
		out, err := x.kms.CreateKey(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		return *out.KeyMetadata.Arn
	}
	x.tokenKey = key(kms.CreateKeyInput{})
	fingerprintKey := key(kms.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	x.table(t, vaultTable, "Hash_Key", "Account_Id")
	x.table(t, stateTable, "State_Key", "Account_Id")
	x.table(t, indexTable, "Index_Key")

	l := &lambda{account: "123456789012", atNext: func() { <-end }}
	lambdaURL := serve(t, l)
	t.Cleanup(x.shutDown) // before its server is closed
	x.environment = []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(lambdaURL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=canary-function",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=" + session,
		"AWS_ENDPOINT_URL_KMS=" + kmsURL, "AWS_ENDPOINT_URL_DYNAMODB=" + dynamoURL, "TOKENIZER_PORT=" + strconv.Itoa(x.port),
		"TOKENIZER_TABLE=" + vaultTable, "TOKENIZER_STATE_TABLE=" + stateTable, "TOKENIZER_INDEX_TABLE=" + indexTable, "TOKENIZER_TOKEN_KEYS=1=" + x.tokenKey,
		"TOKENIZER_FINGERPRINT_KEYS=1=" + fingerprintKey, "TOKENIZER_READ_RATE=10000", "TOKENIZER_LOG_LEVEL=DEBUG",
	}
	return x
}

// start starts the extension. What it logs goes to stdout.
func (x *running) start(t *testing.T, stdout io.Writer) {
	t.Helper()
	command := exec.Command(binary)
	command.Env, command.Stdout, command.Stderr = x.environment, stdout, &x.stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	x.process = command.Process
	go func() { x.exited <- command.Wait() }()
	t.Cleanup(func() { _ = command.Process.Kill() })
	var err error
	if x.client, err = client.New(client.Config{Port: x.port, SessionToken: session, Timeout: 30 * time.Second}); err != nil {
		t.Fatal(err)
	}
	x.awaitReady(t)
}

// awaitReady waits for what a function never sees: Lambda starts it when the extension has registered.
func (x *running) awaitReady(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := x.client.Ping(ctx); err == nil {
			return
		}
		select {
		case <-tick.C:
		case err := <-x.exited:
			t.Fatalf("the extension ended: %v\n%s%s", err, x.stdout.String(), x.stderr.String())
		case <-ctx.Done():
			t.Fatalf("the extension is not ready\n%s%s", x.stdout.String(), x.stderr.String())
		}
	}
}

func (x *running) table(t *testing.T, name string, keys ...string) {
	t.Helper()
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for i, k := range keys {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &k, AttributeType: "S"})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: &k, KeyType: []types.KeyType{"HASH", "RANGE"}[i]})
	}
	if _, err := x.dynamo.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func (x *running) rows(t *testing.T, table string) []map[string]types.AttributeValue {
	t.Helper()
	out, err := x.dynamo.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Items
}

// post sends a request as it is and returns its answer.
func (x *running) post(t *testing.T, path, body string, header ...string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+net.JoinHostPort(api.Host, strconv.Itoa(x.port))+path, strings.NewReader(body))
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
		t.Errorf("%s %s: status %d, want %d: %s", path, strings.NewReplacer(canary, "CARD", canaryText, "TEXT").Replace(body), got, status, answer)
	}
	var out struct{ Token string }
	if _ = json.Unmarshal([]byte(answer), &out); out.Token != "" {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.tokens = append(x.tokens, out.Token)
	}
	return out.Token
}

// Somebody else on this machine, such as a page that a function was made to fetch, has requests refused and keeps their connections
// open: more of them than are served at a time.
func TestRun_AnswersTheFunctionBesideConnectionsThatWereRefused(t *testing.T) {
	x := startExtension(t)
	address := net.JoinHostPort(api.Host, strconv.Itoa(x.port))
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
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
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
	c, err := client.New(client.Config{Port: x.port, SessionToken: session, Timeout: api.ClientTimeout})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ping(t.Context()); err != nil {
		t.Errorf("the function's own request: %v after %v", err, time.Since(start))
	}
}
