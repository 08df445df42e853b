package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognitotypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/localtest"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
)

// canary is the card that everything is paid with, and that must show up nowhere.
const canary = "4111111111111111"

// system is a run of this command with -serve, known by its outputs file alone.
type system struct {
	Outputs   map[string]string
	Endpoints map[string]string
	IDToken   string `json:"IdToken"`

	printed *watched
}

// shared is the one run that all tests use. Starting it takes seconds, and stopping it is part of what is tested.
var shared *system

func TestMain(m *testing.M) {
	code, err := serveWhile(func() int { return m.Run() })
	if err != nil {
		fmt.Fprintln(os.Stderr, "the local run failed:", err)
		code = 1
	}
	os.Exit(code)
}

// serveWhile runs the command until use returns.
func serveWhile(use func() int) (int, error) {
	dir, err := os.MkdirTemp("", "local-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	out := &watched{until: "Serving ", seen: make(chan struct{})}
	outputs := filepath.Join(dir, "out.json")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-serve", "-outputs", outputs, "-card", canary}, out, func(string) string { return "" })
	}()
	select {
	case <-out.seen:
	case err := <-ended:
		return 1, fmt.Errorf("it ended before it served: %w\n%s", err, out.String())
	}
	b, err := os.ReadFile(outputs)
	if err != nil {
		return 1, err
	}
	shared = &system{printed: out}
	if err := json.Unmarshal(b, shared); err != nil {
		return 1, err
	}
	code := use()
	stop()
	return code, <-ended
}

// watched is a buffer that tells when a text has been written.
type watched struct {
	until string
	seen  chan struct{}

	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.buf.String(), w.until)
	w.buf.Write(b)
	if !before && strings.Contains(w.buf.String(), w.until) {
		close(w.seen)
	}
	return len(b), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) field(name string) string {
	var members map[string]any
	_ = json.Unmarshal([]byte(a.body), &members)
	return fmt.Sprint(members[name])
}

// call sends a body to the API. It may be used by several goroutines.
func (s *system) call(t *testing.T, path, token, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Outputs["PaymentMethodApiURL"]+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return answer{}
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req) // longer than the gateway's own limit
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func order(number string) string {
	return `{"CustomerOrder":"` + number + `","CustomerName":"N","CreditCard":"` + canary + `","Address":"A"}`
}

func pay(number string) string { return `{"CustomerOrder":"` + number + `"}` }

// number is an order number that no other test has.
func number(t *testing.T, n int) string {
	return strings.NewReplacer("/", "-").Replace(t.Name()) + "-" + strconv.Itoa(n)
}

// endpoint is an SDK configuration for one of the local endpoints.
func (s *system) endpoint(name string) aws.Config {
	return aws.Config{
		Region: synth.Region, BaseEndpoint: new(s.Endpoints[name]),
		Credentials: credentials.NewStaticCredentialsProvider("x", "x", ""),
	}
}

func (s *system) rows(t *testing.T, table string) []map[string]types.AttributeValue {
	t.Helper()
	out, err := dynamodb.NewFromConfig(s.endpoint("dynamodb")).Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Items
}

func str(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// signUp makes another user and returns its ID token, through the door that a person uses.
func (s *system) signUp(t *testing.T, email string) string {
	t.Helper()
	c := cognitoidentityprovider.NewFromConfig(s.endpoint("cognito_idp"))
	client, password := s.Outputs["UserPoolAppClientId"], "Correct-horse-1"
	if _, err := c.SignUp(t.Context(), &cognitoidentityprovider.SignUpInput{ClientId: &client, Username: &email, Password: &password}); err != nil {
		t.Fatal(err)
	}
	_, mailed, found := strings.Cut(s.printed.String(), "mail to "+email+": your confirmation code is ")
	if !found {
		t.Fatal("no code was mailed")
	}
	code, _, _ := strings.Cut(mailed, "\n")
	if _, err := c.ConfirmSignUp(t.Context(), &cognitoidentityprovider.ConfirmSignUpInput{ClientId: &client, Username: &email, ConfirmationCode: &code}); err != nil {
		t.Fatal(err)
	}
	out, err := c.InitiateAuth(t.Context(), &cognitoidentityprovider.InitiateAuthInput{
		AuthFlow: cognitotypes.AuthFlowTypeUserPasswordAuth, ClientId: &client,
		AuthParameters: map[string]string{"USERNAME": email, "PASSWORD": password},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.AuthenticationResult.IdToken
}

// The test cache sees what a test reads, not what TestMain does, nor the child processes that build the programs under test.
func TestResultsDependOnTheSources(t *testing.T) {
	if err := localtest.ReadSources(); err != nil {
		t.Error(err)
	}
}

func TestRun_PrintsTheWalkthrough(t *testing.T) {
	printed := shared.printed.String()
	for _, want := range []string{
		"ok    POST /order", "201 Order Created Successfully; token ", "************1111", "ok    look at CustomerOrderTable",
		"CandidateString AgR4", "bytes of ciphertext", "ok    look for the card", "it was not simulated:",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("not printed: %s", want)
		}
	}
	for _, name := range []string{
		"KMSKeyID", "LayerVersionArn", "DynamoDBArn", "CustomerOrderFunction", "PaymentMethodApiURL", "AccountId", "UserPoolAppClientId", "Region",
	} {
		if shared.Outputs[name] == "" {
			t.Errorf("outputs lack %s", name)
		}
	}
	if url := shared.Outputs["PaymentMethodApiURL"]; !strings.HasPrefix(url, "http://127.0.0.1:") || !strings.HasSuffix(url, "/dev") {
		t.Errorf("PaymentMethodApiURL = %s", url)
	}
}

func TestAPI_AnswersWithEachStatus(t *testing.T) {
	s, id := shared, shared.IDToken
	mine := number(t, 1)
	tampered := id[:len(id)-8] + "AAAAAAAA"
	other := s.signUp(t, "other@example.com")
	for _, tt := range []struct {
		name, path, token, body string
		status                  int
		member, want            string
	}{
		{"no token", "/order", "", order(mine), 401, "message", "Unauthorized"},
		{"a tampered token", "/order", tampered, order(mine), 401, "message", "Unauthorized"},
		{"malformed JSON", "/order", id, `{"CustomerOrder":`, 400, "message", "Invalid request body"},
		{"a field of the wrong type", "/order", id, `{"CreditCard":` + canary + `}`, 400, "message", "Invalid request body"},
		{"an unknown route", "/refund", "", `{}`, 403, "message", "Missing Authentication Token"},
		{"a bad card", "/order", id, strings.Replace(order(mine), canary, "4111111111111112", 1), 400, "field", "CreditCard"},
		{"a missing field", "/order", id, `{"CustomerOrder":"x","CreditCard":"` + canary + `","Address":"A"}`, 400, "field", "CustomerName"},
		{"an unknown field", "/order", id, strings.Replace(order(mine), "{", `{"Colour":"red",`, 1), 400, "field", "Colour"},
		{"a CVV", "/order", id, strings.Replace(order(mine), "{", `{"CVV":"123",`, 1), 400, "field", "CVV"},
		{"pay for nothing", "/paybill", id, pay(mine), 404, "status", "404"},
		{"order", "/order", id, order(mine), 201, "message", "Order Created Successfully"},
		{"the same again", "/order", id, order(mine), 409, "status", "409"},
		{"the same again, with a slash at the end", "/order/", id, order(mine), 409, "status", "409"},
		{"somebody else orders it", "/order", other, order(mine), 409, "status", "409"},
		{"somebody else pays it", "/paybill", other, pay(mine), 404, "status", "404"},
		{"pay", "/paybill", id, pay(mine), 200, "CreditCardCharged", "************1111"},
		{"pay again", "/paybill", id, pay(mine), 409, "status", "409"},
		{"pay with a card beside", "/paybill", id, `{"CustomerOrder":"x","CreditCard":"` + canary + `"}`, 400, "field", "CreditCard"},
	} {
		got := s.call(t, tt.path, tt.token, tt.body)
		if got.status != tt.status || got.field(tt.member) != tt.want {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
		if wantProblem := tt.status >= 400 && tt.member != "message"; wantProblem != (got.header.Get("Content-Type") == "application/problem+json") {
			t.Errorf("%s: content type %s", tt.name, got.header.Get("Content-Type"))
		}
		if strings.Contains(got.body, canary) || strings.Contains(got.body, "4111111111111112") {
			t.Errorf("%s: the answer holds the card", tt.name)
		}
	}
	if got := s.call(t, "/refund", id, `{}`); got.status != 403 || got.header.Get("X-Amzn-Errortype") != "IncompleteSignatureException" {
		t.Errorf("an unknown route with a token: %d %s", got.status, got.header.Get("X-Amzn-Errortype"))
	}
}

// simultaneously sends the same call n times at once and counts the statuses.
func simultaneously(t *testing.T, n int, send func() answer) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	gate := make(chan struct{})
	for range n {
		wg.Go(func() {
			<-gate
			got := send()
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	close(gate)
	wg.Wait()
	return statuses
}

func TestAPI_AcceptsOneOfTwentySimultaneousRequests(t *testing.T) {
	s, mine := shared, number(t, 1)
	vaultBefore, ledgerBefore := len(s.rows(t, "CreditCardTokenizerTable")), len(s.rows(t, "SimulatedPaymentLedger"))

	statuses := simultaneously(t, 20, func() answer { return s.call(t, "/order", s.IDToken, order(mine)) })
	if statuses[201] != 1 || statuses[409] != 19 {
		t.Errorf("orders: %v", statuses)
	}
	if n := len(s.rows(t, "CreditCardTokenizerTable")) - vaultBefore; n != 1 {
		t.Errorf("%d vault rows", n)
	}

	statuses = simultaneously(t, 20, func() answer { return s.call(t, "/paybill", s.IDToken, pay(mine)) })
	if statuses[200] != 1 || statuses[409] != 19 {
		t.Errorf("payments: %v", statuses)
	}
	if n := len(s.rows(t, "SimulatedPaymentLedger")) - ledgerBefore; n != 1 {
		t.Errorf("%d entries in the ledger", n)
	}
}

func TestVault_HasOneRowForEachOrder(t *testing.T) {
	for n := range 3 {
		if got := shared.call(t, "/order", shared.IDToken, order(number(t, n))); got.status != 201 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	orders := map[string]int{}
	for _, row := range shared.rows(t, "CustomerOrderTable") {
		orders[str(row["CreditCard"])]++
	}
	vault := shared.rows(t, "CreditCardTokenizerTable")
	for _, row := range vault {
		if orders[str(row["Hash_Key"])] != 1 {
			t.Error("a vault row without its order")
		}
	}
	if len(vault) != len(orders) {
		t.Errorf("%d vault rows, %d orders", len(vault), len(orders))
	}
}

// It runs last in this file, after every success and failure above.
func TestCard_IsNowhere(t *testing.T) {
	if strings.Contains(shared.printed.String(), canary) {
		t.Error("the card was printed")
	}
	for _, token := range []string{"CustomerOrderTable", "CreditCardTokenizerTable", "SimulatedPaymentLedger"} {
		rows := shared.rows(t, token)
		if len(rows) == 0 {
			t.Errorf("%s is empty: nothing was looked at", token)
		}
		for _, row := range rows {
			b, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := row["CandidateString"].(*types.AttributeValueMemberB)
			if bytes.Contains(b, []byte(canary)) || raw != nil && bytes.Contains(raw.Value, []byte(canary)) {
				t.Errorf("the card is in %s", token)
			}
		}
	}
	// Tokens are in answers and tables, and nowhere else: not in what functions and extensions log.
	_, logged, _ := strings.Cut(shared.printed.String(), "Serving ")
	for _, row := range shared.rows(t, "CustomerOrderTable") {
		if strings.Contains(logged, str(row["CreditCard"])) {
			t.Error("a token was logged")
		}
	}
}

func TestRun_RefusesBadFlagsBeforeAnythingStarts(t *testing.T) {
	for want, args := range map[string][]string{
		"-card is not a card number":   {"-card", "4111111111111112"},
		"-card must hold ASCII digits": {"-card", "x"},
		"-addr":                        {"-addr", "0.0.0.0:8080"},
		"loopback":                     {"-addr", "8080"},
		"unexpected argument":          {"serve"},
		"flag provided but not":        {"-nope"},
	} {
		var out bytes.Buffer
		err := run(t.Context(), args, &out, func(string) string { return "" })
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(out.String(), "synthesize") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestRun_NamesABadEndpointBeforeAnythingStarts(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for endpoint, want := range map[string]string{
		"localhost:4566": "AWS_ENDPOINT_URL_KMS is not a URL",
		web.URL:          "kms ListKeys: " + web.URL + " answered with status 404 and no JSON",
		gone.URL:         "kms ListKeys: " + gone.URL + " does not answer",
	} {
		var out bytes.Buffer
		err := run(t.Context(), nil, &out, func(name string) string {
			return map[string]string{"AWS_ENDPOINT_URL_KMS": endpoint}[name]
		})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "unset it") || strings.Contains(out.String(), "synthesize") {
			t.Errorf("error = %v after printing %q", err, out.String())
		}
	}
}

func TestRun_EndsAtOnceWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	err := run(ctx, nil, io.Discard, func(string) string { return "" })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	t.Logf("ended after %v", time.Since(start))
}
