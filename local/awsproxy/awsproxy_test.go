package awsproxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/kmsserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

const (
	orderARN    = "arn:aws:sts::123456789012:assumed-role/order/local"
	functionARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
	paybillARN  = "arn:aws:sts::123456789012:assumed-role/paybill/local"
)

// start serves h and returns its URL.
func start(t *testing.T, h http.Handler) *url.URL {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func kmsAt(u *url.URL) endpoint.Set { return endpoint.Set{"kms": {Service: "kms", URL: u}} }

func localKMS() http.Handler {
	return kmsserver.New(kmsserver.Config{AccountID: "123456789012", Region: "us-east-1"})
}

// startProxy serves a proxy that knows two functions, in front of a KMS unless config says otherwise.
func startProxy(t *testing.T, config awsproxy.Config) string {
	t.Helper()
	if config.Targets == nil {
		config.Targets = kmsAt(start(t, localKMS()))
	}
	proxy := awsproxy.New(config)
	proxy.Register("AKIDORDER", "order-session", orderARN, functionARN, "")
	proxy.Register("AKIDPAYBILL", "paybill-session", paybillARN, functionARN, "")
	return start(t, proxy).String()
}

func kmsClient(proxyURL, accessKeyID, session string) *kms.Client {
	return kms.New(kms.Options{
		BaseEndpoint: &proxyURL, Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, "secret", session),
	})
}

func wantError(t *testing.T, err error, code string, parts ...string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code {
		t.Fatalf("got error %v, want %s", err, code)
	}
	for _, part := range parts {
		if !strings.Contains(e.ErrorMessage(), part) {
			t.Errorf("message %q lacks %q", e.ErrorMessage(), part)
		}
	}
}

func TestProxy_PassesCallsUnderTheirCallersNames(t *testing.T) {
	var mu sync.Mutex
	var seen []awsproxy.Call
	proxyURL := startProxy(t, awsproxy.Config{Around: func(w http.ResponseWriter, r *http.Request, call awsproxy.Call,
		next http.Handler) {
		mu.Lock()
		seen = append(seen, call)
		mu.Unlock()
		next.ServeHTTP(w, r)
	}})
	created, err := kmsClient(proxyURL, "AKIDORDER", "order-session").CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kmsClient(proxyURL, "AKIDPAYBILL", "paybill-session").DescribeKey(t.Context(),
		&kms.DescribeKeyInput{KeyId: created.KeyMetadata.Arn}); err != nil {
		t.Fatal(err)
	}
	want := []awsproxy.Call{
		{
			Principal: orderARN,
			Function:  functionARN,
			Service:   "kms",
			Operation: "CreateKey",
			Region:    "us-east-1",
			Body:      []byte(`{}`),
		},
		{
			Principal: paybillARN,
			Function:  functionARN,
			Service:   "kms",
			Operation: "DescribeKey",
			Region:    "us-east-1",
			Body:      []byte(`{"KeyId":"` + *created.KeyMetadata.Arn + `"}`),
		},
	}
	mu.Lock()
	defer mu.Unlock()
	for i := range seen {
		if seen[i].ID == "" || !strings.HasPrefix(seen[i].Agent, "aws-sdk-go-v2/") {
			t.Errorf("call %d has the id %q and the agent %q", i, seen[i].ID, seen[i].Agent)
		}
		seen[i].ID, seen[i].Agent = "", ""
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestProxy_ReachesEachServiceAndKeepsItsErrors(t *testing.T) {
	both := kmsAt(start(t, localKMS()))
	both["dynamodb"] = endpoint.Endpoint{
		Service: "dynamodb",
		URL:     start(t, dynamoserver.New(dynamoserver.Config{AccountID: "123456789012", Region: "us-east-1"})),
	}
	proxyURL := startProxy(t, awsproxy.Config{Targets: both})
	_, err := kmsClient(proxyURL, "AKIDORDER", "order-session").DescribeKey(t.Context(),
		&kms.DescribeKeyInput{KeyId: new("alias/none")})
	wantError(t, err, "NotFoundException", "alias/none")
	tables := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &proxyURL,
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDORDER", "secret", "order-session"),
	})
	_, err = tables.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: new("None")})
	wantError(t, err, "ResourceNotFoundException")
}

func TestProxy_RefusesUnknownCallers(t *testing.T) {
	target := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the call reached the service")
	}))
	proxyURL := startProxy(t, awsproxy.Config{
		Targets: kmsAt(target),
		Around: func(_ http.ResponseWriter, _ *http.Request, call awsproxy.Call, _ http.Handler) {
			t.Errorf("%s by %q may pass", call.Operation, call.Principal)
		},
	})
	for name, caller := range map[string][2]string{
		"an unknown key":       {"AKIDOTHER", "order-session"},
		"no session token":     {"AKIDORDER", ""},
		"a made-up token":      {"AKIDORDER", "order-sessioN"},
		"another's token":      {"AKIDORDER", "paybill-session"},
		"half a session token": {"AKIDORDER", "order"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kmsClient(proxyURL, caller[0], caller[1]).ListKeys(t.Context(), &kms.ListKeysInput{})
			wantError(t, err, "UnrecognizedClientException", "security token")
		})
	}
}

// do sends a request that no SDK would and returns status and error type.
func do(t *testing.T, proxyURL, authorization, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, proxyURL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "TrentService.DescribeKey")
	r.Header.Set("X-Amz-Security-Token", "order-session")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var e struct {
		Type string `json:"__type"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&e); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, e.Type
}

func TestProxy_RefusesMalformedCalls(t *testing.T) {
	proxyURL := startProxy(t, awsproxy.Config{})
	const good = "AWS4-HMAC-SHA256 Credential=AKIDORDER/20260102/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=0"
	for name, test := range map[string]struct {
		authorization, body string
		status              int
		code                string
	}{
		"unsigned":       {"", "{}", 403, "MissingAuthenticationTokenException"},
		"another scheme": {"Bearer x", "{}", 403, "InvalidSignatureException"},
		"half a scope": {
			"AWS4-HMAC-SHA256 Credential=AKIDORDER/20260102/us-east-1, SignedHeaders=host", "{}", 403,
			"InvalidSignatureException",
		},
		"another service": {strings.Replace(good, "/kms/", "/s3/", 1), "{}", 400, "UnknownOperationException"},
		"too large":       {good, strings.Repeat(" ", awsjson.MaxBody+1), 413, "RequestEntityTooLargeException"},
		"passing on":      {good, "{}", 400, "ValidationException"}, // KMS's own
	} {
		t.Run(name, func(t *testing.T) {
			if status, code := do(t, proxyURL, test.authorization, test.body); status != test.status ||
				code != test.code {
				t.Errorf("got %d %s, want %d %s", status, code, test.status, test.code)
			}
		})
	}
}

func TestProxy_NamesAServiceThatItLacks(t *testing.T) {
	proxyURL := startProxy(t, awsproxy.Config{})
	tables := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &proxyURL,
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDORDER", "secret", "order-session"),
	})
	_, err := tables.ListTables(t.Context(), &dynamodb.ListTablesInput{})
	wantError(t, err, "UnknownOperationException", `"dynamodb"`, `"ListTables"`)
}

func TestAuthorize_DecidesBeforeTheServiceSeesTheCall(t *testing.T) {
	proxyURL := startProxy(t, awsproxy.Config{
		Authorize: func(_ context.Context, call awsproxy.Call) error {
			switch {
			case call.Principal == orderARN && call.Operation == "Decrypt":
				return errors.New("order may not kms:Decrypt")
			case call.Operation == "CreateKey":
				return &awsjson.Error{Code: "LimitExceededException", Message: "no more keys", Status: 400}
			}
			return nil
		},
		Around: func(w http.ResponseWriter, r *http.Request, call awsproxy.Call, next http.Handler) {
			if call.Principal == orderARN || call.Operation == "CreateKey" {
				t.Errorf("a refused %s may pass", call.Operation)
			}
			next.ServeHTTP(w, r)
		},
	})
	_, err := kmsClient(proxyURL, "AKIDORDER", "order-session").Decrypt(t.Context(),
		&kms.DecryptInput{CiphertextBlob: []byte("x")})
	wantError(t, err, "AccessDeniedException", "order may not kms:Decrypt")
	paybill := kmsClient(proxyURL, "AKIDPAYBILL", "paybill-session")
	_, err = paybill.CreateKey(t.Context(), &kms.CreateKeyInput{})
	wantError(t, err, "LimitExceededException", "no more keys")
	_, err = paybill.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: []byte("x")})
	wantError(t, err, "InvalidCiphertextException")
}

func TestProxy_NamesAnEndpointThatDoesNotAnswerInTime(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	goneURL, err := url.Parse(gone.URL)
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	silent := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release) }) // before its server is closed
	for name, target := range map[string]*url.URL{"gone": goneURL, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			proxyURL := startProxy(t, awsproxy.Config{Targets: kmsAt(target), Timeout: 100 * time.Millisecond})
			ctx, cancel := context.WithTimeout(t.Context(), kit.Limit)
			defer cancel()
			_, err := kmsClient(proxyURL, "AKIDORDER", "order-session").DescribeKey(ctx,
				&kms.DescribeKeyInput{KeyId: new("alias/secret-name")})
			wantError(t, err, "ServiceUnavailableException", target.String(), "kms", "DescribeKey")
			if strings.Contains(err.Error(), "secret-name") {
				t.Errorf("%v repeats the request", err)
			}
		})
	}
}

func TestProxy_EndsAnAnswerThatStalls(t *testing.T) {
	release := make(chan struct{})
	stalling := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"KeyMetadata":`)
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	t.Cleanup(func() { close(release) })
	proxyURL := startProxy(t, awsproxy.Config{Targets: kmsAt(stalling), Timeout: 100 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), kit.Limit)
	defer cancel()
	_, err := kmsClient(proxyURL, "AKIDORDER", "order-session").DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: new("k")})
	if err == nil || ctx.Err() != nil {
		t.Errorf("got %v; want an error of the proxy's own making", err)
	}
}

func TestProxy_PassesAnswersUnchanged(t *testing.T) {
	const body = `{"__type":"TeapotException","odd":  "spacing","n":1e400}`
	target := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-For") != "" {
			t.Error("the proxy shows in the request")
		}
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != `{"KeyId":"k"}` {
			t.Errorf("body %q, %v", got, err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("X-Amzn-Requestid", "request-7")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, body)
	}))
	proxyURL := startProxy(t, awsproxy.Config{Targets: kmsAt(target)})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, proxyURL, strings.NewReader(`{"KeyId":"k"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization",
		"AWS4-HMAC-SHA256 Credential=AKIDORDER/20260102/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=0")
	r.Header.Set("X-Amz-Security-Token", "order-session")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || string(got) != body || answer.StatusCode != http.StatusTeapot ||
		answer.Header.Get("X-Amzn-Requestid") != "request-7" {
		t.Errorf("got %d %v %q, %v", answer.StatusCode, answer.Header, got, err)
	}
}

func TestAround_CanLoseACallBeforeAndAfterItIsCarriedOut(t *testing.T) {
	for name, carryOut := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			var carriedOut atomic.Bool
			target := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { carriedOut.Store(true) }))
			proxyURL := startProxy(t, awsproxy.Config{
				Targets: kmsAt(target),
				Around: func(_ http.ResponseWriter, r *http.Request, _ awsproxy.Call, next http.Handler) {
					if carryOut {
						next.ServeHTTP(httptest.NewRecorder(), r)
					}
					panic(http.ErrAbortHandler)
				},
			})
			_, err := kmsClient(proxyURL, "AKIDORDER", "order-session").CreateKey(t.Context(), &kms.CreateKeyInput{})
			if _, answered := errors.AsType[smithy.APIError](err); err == nil || answered {
				t.Errorf("got %v, want a broken connection", err)
			}
			if carriedOut.Load() != carryOut {
				t.Errorf("carried out: %t", carriedOut.Load())
			}
		})
	}
}

func TestRegister_WorksWhileOthersCall(t *testing.T) {
	target := start(t, localKMS())
	proxy := awsproxy.New(awsproxy.Config{Targets: kmsAt(target)})
	proxyURL := start(t, proxy).String()
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() {
			proxy.Register("AKIDORDER", "order-session", orderARN, functionARN, "")
			if _, err := kmsClient(proxyURL, "AKIDORDER", "order-session").CreateKey(t.Context(),
				&kms.CreateKeyInput{}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}
