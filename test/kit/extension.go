package kit

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/kmsserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// The tables of an extension, and the session token by which it knows its function.
const (
	VaultTable   = "CreditCardTokenizerTable"
	StateTable   = "CreditCardTokenizerState"
	IndexTable   = "CreditCardTokenizerIndex"
	SessionToken = "the-functions-session-token"
)

// Extension is the extension as a process, between a scripted Lambda and local services that it calls.
type Extension struct {
	Port        int
	Asked       *Recorder // what the extension asks KMS
	KMS         *kms.Client
	DynamoDB    *dynamodb.Client
	TokenKey    string         // its ARN
	Environment []string       // of the process; may be changed before Start
	Client      *client.Client // after Start

	*Process // after Start
	program  string
	ready    chan struct{} // gets a value when it asks Lambda for an event, for it serves then
	shutDown func()
}

// NewExtension makes what is around an extension, and not the extension itself, which is the program.
func NewExtension(t *testing.T, program string) *Extension {
	t.Helper()
	end := make(chan struct{})
	x := &Extension{
		Port: FreePort(t), program: program, ready: make(chan struct{}, 1),
		shutDown: sync.OnceFunc(func() { close(end) }),
		Asked:    &Recorder{next: kmsserver.New(kmsserver.Config{AccountID: synth.Account, Region: synth.Region})},
	}
	kmsURL := serve(t, x.Asked)
	dynamoURL := serve(t, dynamoserver.New(dynamoserver.Config{AccountID: synth.Account, Region: synth.Region}))
	x.KMS, x.DynamoDB = kms.NewFromConfig(localConfig(kmsURL)), dynamodb.NewFromConfig(localConfig(dynamoURL))
	x.TokenKey = x.key(t, kms.CreateKeyInput{})
	fingerprintKey := x.key(t, kms.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	CreateTable(t, x.DynamoDB, VaultTable, "Hash_Key", "Account_Id")
	CreateTable(t, x.DynamoDB, StateTable, "State_Key", "Account_Id")
	CreateTable(t, x.DynamoDB, IndexTable, "Index_Key")

	lambdaURL := serve(t, &Lambda{Account: synth.Account, AtNext: func() {
		select {
		case x.ready <- struct{}{}:
		default:
		}
		<-end
	}})
	t.Cleanup(x.shutDown) // before its server is closed
	x.Environment = []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(lambdaURL, "http://"),
		"AWS_LAMBDA_FUNCTION_NAME=canary-function", "AWS_REGION=" + synth.Region,
		"AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=" + SessionToken,
		"AWS_ENDPOINT_URL_KMS=" + kmsURL, "AWS_ENDPOINT_URL_DYNAMODB=" + dynamoURL,
		"TOKENIZER_PORT=" + strconv.Itoa(x.Port), "TOKENIZER_TABLE=" + VaultTable,
		"TOKENIZER_STATE_TABLE=" + StateTable, "TOKENIZER_INDEX_TABLE=" + IndexTable,
		"TOKENIZER_TOKEN_KEYS=1=" + x.TokenKey, "TOKENIZER_FINGERPRINT_KEYS=1=" + fingerprintKey,
		"TOKENIZER_READ_RATE=10000", "TOKENIZER_LOG_LEVEL=DEBUG",
	}
	return x
}

func (x *Extension) key(t *testing.T, in kms.CreateKeyInput) (arn string) {
	t.Helper()
	out, err := x.KMS.CreateKey(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// Start starts the extension, and returns when it serves. It can be started again after its end.
func (x *Extension) Start(t *testing.T) { x.StartWithLog(t, nil) }

// StartWithLog is Start with another place for the log; nil means Stdout.
func (x *Extension) StartWithLog(t *testing.T, log io.Writer) {
	t.Helper()
	cmd := exec.Command(x.program)
	cmd.Env, cmd.Stdout = x.Environment, log
	var err error
	if x.Process, err = StartProcess(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Kill)
	x.Client, err = client.New(client.Config{Port: x.Port, SessionToken: SessionToken, Timeout: Limit})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Await(x.ready, Limit); err != nil {
		t.Fatal(err)
	}
}

// ShutDown has Lambda send SHUTDOWN, and returns how the extension ended.
func (x *Extension) ShutDown() error {
	x.shutDown()
	return x.Wait()
}

// CreateTable makes a table with a partition key, and a sort key if there are two.
func CreateTable(t *testing.T, db *dynamodb.Client, name string, keys ...string) {
	t.Helper()
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for i, key := range keys {
		in.AttributeDefinitions = append(in.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: &key, AttributeType: "S"})
		in.KeySchema = append(in.KeySchema,
			types.KeySchemaElement{AttributeName: &key, KeyType: []types.KeyType{"HASH", "RANGE"}[i]})
	}
	if _, err := db.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// FreePort is a port of 127.0.0.1 that nobody listens on.
func FreePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

func serve(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// Recorder keeps the requests that a service gets.
type Recorder struct {
	next http.Handler

	mu     sync.Mutex
	bodies []string
	before func(*http.Request)
}

// Watch shows each request to before, which returns when the request may be answered.
func (r *Recorder) Watch(before func(*http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = before
}

// ServeHTTP implements http.Handler.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
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

// Requests are the bodies of the requests so far.
func (r *Recorder) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies)
}

// Lambda is a scripted Extensions API. At registration and at each "next" it lets the test look at the extension, as a
// function would see it at that moment.
type Lambda struct {
	Account    string
	AtRegister func()
	AtNext     func() // before SHUTDOWN is sent

	mu    sync.Mutex
	calls []string
}

// Calls are the calls so far, each with what matters of it.
func (l *Lambda) Calls() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

func (l *Lambda) note(call ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, strings.Join(call, " "))
}

// ServeHTTP implements http.Handler.
func (l *Lambda) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	call := strings.TrimPrefix(r.URL.Path, "/2020-01-01/extension/")
	switch call {
	case "register":
		l.note(call, r.Header.Get("Lambda-Extension-Name"), string(body),
			r.Header.Get("Lambda-Extension-Accept-Feature"))
		if l.AtRegister != nil {
			l.AtRegister()
		}
		w.Header().Set("Lambda-Extension-Identifier", "id-1")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"functionName": "f", "functionVersion": "$LATEST", "handler": "bootstrap", "accountId": l.Account,
		})
	case "event/next":
		l.note("next", r.Header.Get("Lambda-Extension-Identifier"))
		if l.AtNext != nil {
			l.AtNext()
		}
		_, _ = io.WriteString(w, `{"eventType":"SHUTDOWN","shutdownReason":"spindown","deadlineMs":1}`)
	default:
		l.note(call, r.Header.Get("Lambda-Extension-Function-Error-Type"))
		w.WriteHeader(http.StatusAccepted)
	}
}
