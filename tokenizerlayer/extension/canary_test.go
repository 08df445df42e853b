package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
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
	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/localtest"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/kmsserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// What must show up nowhere but in the answer that is asked for it.
const (
	canary     = "4111111111111111"
	canaryText = "IBAN of Canary Bird DE89370400440532013000"
)

const (
	vaultTable = "CreditCardTokenizerTable"
	indexTable = "CreditCardTokenizerIndex"
)

// running is the extension as a process of its own, between a scripted Lambda and local services that the SDK talks to.
type running struct {
	port           int
	kms            *kms.Client
	dynamo         *dynamodb.Client
	tokenKey       string
	client         *client.Client
	stdout, stderr localtest.Buffer
	shutDown       func() // has Lambda send SHUTDOWN
	exited         chan error

	mu      sync.Mutex
	answers []string // all but those that show data on request
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func startExtension(t *testing.T) *running {
	t.Helper()
	end := make(chan struct{})
	x := &running{port: freePort(t), shutDown: sync.OnceFunc(func() { close(end) }), exited: make(chan error, 1)}
	config := func(endpoint string) aws.Config {
		return aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("x", "x", "")}
	}
	kmsURL := serve(t, kmsserver.New(kmsserver.Config{AccountID: "123456789012", Region: "us-east-1"}))
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
	x.table(t, indexTable, "Index_Key")

	l := &lambda{account: "123456789012", atNext: func() { <-end }}
	lambdaURL := serve(t, l)
	t.Cleanup(x.shutDown) // before its server is closed
	binary := filepath.Join(t.TempDir(), "tokenizer")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := exec.Command(binary)
	command.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(lambdaURL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=canary-function",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=" + session,
		"AWS_ENDPOINT_URL_KMS=" + kmsURL, "AWS_ENDPOINT_URL_DYNAMODB=" + dynamoURL, "TOKENIZER_PORT=" + strconv.Itoa(x.port),
		"TOKENIZER_TABLE=" + vaultTable, "TOKENIZER_INDEX_TABLE=" + indexTable, "TOKENIZER_KEY_ARN=" + x.tokenKey,
		"TOKENIZER_FINGERPRINT_KEYS=1=" + fingerprintKey, "TOKENIZER_READ_RATE=10000", "TOKENIZER_LOG_LEVEL=DEBUG",
	}
	command.Stdout, command.Stderr = &x.stdout, &x.stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { x.exited <- command.Wait() }()
	t.Cleanup(func() { _ = command.Process.Kill() })
	var err error
	if x.client, err = client.New(client.Config{Port: x.port, SessionToken: session, Timeout: 30 * time.Second}); err != nil {
		t.Fatal(err)
	}
	x.awaitReady(t)
	return x
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
	_ = json.Unmarshal([]byte(answer), &out)
	return out.Token
}

func simultaneously(n int, do func()) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for range n {
		wg.Go(func() { <-gate; do() })
	}
	close(gate)
	wg.Wait()
}

// counted counts outcomes.
type counted struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counted) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[what]++
}

// patiently repeats a call that should be tried again, as it may be on a busy machine.
func patiently[T any](call func() (T, error)) (out T, err error) {
	for range 20 {
		if out, err = call(); !errors.Is(err, client.ErrUnavailable) && !errors.Is(err, client.ErrInFlight) {
			return out, err
		}
	}
	return out, err
}

// tokensOf tokenizes the same n times at once and counts the different tokens.
func (x *running) tokensOf(t *testing.T, n int, in client.TokenizeInput) int {
	t.Helper()
	var tokens counted
	simultaneously(n, func() {
		out, err := patiently(func() (client.TokenizeOutput, error) { return x.client.Tokenize(t.Context(), in) })
		if err != nil {
			t.Error(err)
		}
		tokens.add(out.Token)
	})
	return len(tokens.n)
}

// The vault's promises hold for the extension as it ships: a process of its own, the SDK, and a DynamoDB over HTTP.
func TestExtension_KeepsItsPromisesUnderConcurrency(t *testing.T) {
	x := startExtension(t)
	card := client.NewSecret(canary)

	tokens := x.tokensOf(t, 200, client.TokenizeInput{Data: card, Deterministic: true, Scope: "s"})
	if rows := len(x.rows(t, vaultTable)); tokens != 1 || rows != 1 {
		t.Errorf("200 first uses of a value gave %d tokens and %d rows", tokens, rows)
	}

	once, err := x.client.Tokenize(t.Context(), client.TokenizeInput{Data: card, MaxUses: 1})
	if err != nil {
		t.Fatal(err)
	}
	var detokenized counted
	simultaneously(200, func() {
		in := client.DetokenizeInput{Token: once.Token, Redaction: client.PlainText, Attempt: uuid.NewString()}
		out, err := patiently(func() (client.DetokenizeOutput, error) { return x.client.Detokenize(t.Context(), in) })
		switch {
		case err == nil && out.Data.Equal(card):
			detokenized.add("card")
		case errors.Is(err, client.ErrUsedUp):
			detokenized.add("used up")
		default:
			t.Error(err)
		}
	})
	if detokenized.n["card"] != 1 || detokenized.n["used up"] != 199 {
		t.Errorf("200 detokenizes of a one-time token: %v", detokenized.n)
	}

	before := len(x.rows(t, vaultTable))
	tokens = x.tokensOf(t, 100, client.TokenizeInput{Data: card, IdempotencyKey: "k"})
	if rows := len(x.rows(t, vaultTable)) - before; tokens != 1 || rows != 1 {
		t.Errorf("100 identical creates gave %d tokens and %d rows", tokens, rows)
	}
}

// Every success and every failure of the API is taken with a card and a text that can be recognized.
func TestExtension_LeaksTheCanaryNowhere(t *testing.T) {
	x := startExtension(t)
	x.succeed(t)
	x.fail(t)
	x.shutDown()
	if err := <-x.exited; err != nil {
		t.Errorf("the extension ended with %v", err)
	}
	places := map[string]string{"stdout": x.stdout.String(), "stderr": x.stderr.String(), "answers": strings.Join(x.answers, "\n")}
	for _, table := range []string{vaultTable, indexTable} {
		rows := x.rows(t, table)
		if len(rows) == 0 {
			t.Errorf("%s is empty: nothing was looked at", table)
		}
		var all bytes.Buffer
		for _, row := range rows {
			encoded, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(encoded)
			for _, v := range row {
				if b, ok := v.(*types.AttributeValueMemberB); ok {
					all.Write(b.Value)
				}
			}
		}
		places[table] = all.String()
	}
	// Parts of them as well, and what a careless encoding makes of them.
	for _, secret := range []string{canary, "411111111111", "4111-1111", canaryText, "Canary Bird", "DE8937", "NDExMTExMTExMTExMTExM", "34313131313131"} {
		for place, content := range places {
			if strings.Contains(content, secret) {
				t.Errorf("%q is in %s", secret, place)
			}
		}
	}
	for _, row := range x.rows(t, vaultTable) { // tokens are in answers and tables, and not in the log
		if tok := row["Hash_Key"].(*types.AttributeValueMemberS).Value; strings.Contains(places["stdout"]+places["stderr"], tok) {
			t.Error("a token was logged")
		}
	}
	if events := strings.Count(places["stdout"], `"msg":"tokenizer"`); events < 40 {
		t.Errorf("%d events were logged: not everything was", events)
	}
	if strings.Contains(places["stdout"]+places["stderr"]+places["answers"], session) {
		t.Error("the session token shows")
	}
}

func (x *running) succeed(t *testing.T) {
	t.Helper()
	card, text := `"data":"4111-1111-1111-1111"`, `"type":"text","data":"`+canaryText+`"`
	for key, data := range map[string]string{"card": card, "text": text} {
		tok := x.want(t, 200, api.PathTokenize, `{`+data+`}`)
		x.want(t, 200, api.PathTokenize, `{`+data+`,"deterministic":true,"scope":"s"}`)
		x.want(t, 200, api.PathTokenize, `{`+data+`,"deterministic":true,"scope":"s"}`, api.IdempotencyHeader, key)
		x.want(t, 200, api.PathTokenize, `{`+data+`,"ttl":60,"max_uses":2,"binding":{"purpose":"p"},"metadata":{"a":"b"}}`)
		x.want(t, 200, api.PathTokenize, `{`+data+`,"store":false}`)
		for _, rest := range []string{``, `,"redaction":"MASKED","reason":"because"`, `,"redaction":"PLAIN_TEXT"`} {
			x.want(t, 200, api.PathDetokenize, `{"token":"`+tok+`"`+rest+`}`)
		}
		x.want(t, 200, api.PathValidate, `{"token":"`+tok+`"}`)
		x.want(t, 200, api.PathMetadata, `{"token":"`+tok+`"}`)
		x.want(t, 200, api.PathRevoke, `{"token":"`+x.want(t, 200, api.PathTokenize, `{`+data+`}`)+`"}`)
		x.want(t, 409, api.PathTokenize, `{`+data+`}`, api.IdempotencyHeader, key)
	}
	x.want(t, 200, api.PathTokenize, `{`+card+`,"format":"`+string(token.Card)+`"}`)
}

func (x *running) fail(t *testing.T) {
	t.Helper()
	tok := x.want(t, 200, api.PathTokenize, `{"data":"`+canary+`"}`)
	const ok = `{"data":"` + canary + `",`
	for _, body := range []string{
		``, `{`, `"` + canary + `"`, `[` + canary + `]`, `{"data":` + canary + `}`, `{"data":"` + canary + `2"}`, `{"data":"x` + canary + `"}`,
		ok + `"data":"` + canary + `"}`, ok + `"` + canary + `":1}`, ok + `"cvv":"` + canary + `"}`, ok + `"type":"` + canary + `"}`,
		ok + `"format":"` + canary + `"}`, ok + `"ttl":` + canary + `}`, ok + `"ttl":"` + canary + `"}`, ok + `"max_uses":-` + canary + `}`,
		ok + `"scope":"` + canary + `","deterministic":true}`, ok + `"binding":{"purpose":"` + canary + `"}}`, ok + `"binding":{"x` + canary + `":1}}`,
		ok + `"metadata":{"` + canary + `":"x"}}`, ok + `"metadata":{"note":"4111 1111 1111 1111"}}`, ok + `"metadata":{"pin":"` + canary + `"}}`,
		ok + `"store":"` + canary + `"}`, `{"type":"text","data":"` + canary + "\xff" + `"}`,
		`{"type":"text","data":"` + strings.Repeat(canaryText, 100) + `"}`,
	} {
		x.want(t, 400, api.PathTokenize, body)
	}
	x.want(t, 413, api.PathTokenize, `{"type":"text","data":"`+strings.Repeat(canaryText, 1000)+`"}`)
	x.want(t, 400, api.PathTokenize, `{"data":"`+canary+`"}`, api.IdempotencyHeader, canary)
	x.want(t, 200, api.PathTokenize, `{"data":"`+canary+`"}`, api.RequestHeader, canary) // which is replaced
	for _, path := range []string{api.PathDetokenize, api.PathValidate, api.PathMetadata, api.PathRevoke} {
		x.want(t, 400, path, `{"token":"`+canary+`"}`)
		x.want(t, 400, path, `{"token":"`+tok+`","reason":"card `+canary+`"}`)
		x.want(t, 400, path, `{"token":"`+tok+`","`+canary+`":1}`)
	}
	x.want(t, 400, api.PathDetokenize, `{"token":"`+tok+`","redaction":"`+canary+`"}`)
	x.want(t, 400, api.PathDetokenize, `{"token":"`+tok+`","attempt":"`+canary+`"}`)
	x.want(t, 404, "/"+canary, `{"data":"`+canary+`"}`)
	x.want(t, 404, api.PathDetokenize, `{"token":"00000000-0000-4000-8000-000000000000"}`)

	// Trouble upstream, with a card under way.
	once := x.want(t, 200, api.PathTokenize, `{"data":"`+canary+`","max_uses":1}`)
	if _, err := x.kms.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &x.tokenKey}); err != nil {
		t.Fatal(err)
	}
	x.want(t, 503, api.PathTokenize, `{"data":"`+canary+`"}`)
	x.want(t, 503, api.PathDetokenize, `{"token":"`+once+`","redaction":"PLAIN_TEXT"}`)
	if _, err := x.kms.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &x.tokenKey}); err != nil {
		t.Fatal(err)
	}
	x.want(t, 200, api.PathDetokenize, `{"token":"`+once+`"}`)
	x.want(t, 410, api.PathDetokenize, `{"token":"`+once+`"}`)
	if _, err := x.dynamo.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: new(vaultTable), UpdateExpression: new("SET CandidateString = :x"),
		Key: map[string]types.AttributeValue{
			"Hash_Key": &types.AttributeValueMemberS{Value: tok}, "Account_Id": &types.AttributeValueMemberS{Value: "123456789012"},
		},
		ExpressionAttributeValues: map[string]types.AttributeValue{":x": &types.AttributeValueMemberB{Value: []byte("damaged")}},
	}); err != nil {
		t.Fatal(err)
	}
	x.want(t, 500, api.PathDetokenize, `{"token":"`+tok+`"}`)
}
