package lambdas_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/functions"
	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/start"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/localtest"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

const (
	orderTable  = walkthrough.OrderTable
	vaultTable  = walkthrough.VaultTable
	ledgerTable = "SimulatedPaymentLedger"
)

// The test binary is also the functions' bootstrap: the same wiring as the mains', with a clock that the test turns.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	run := functions.Order
	if strings.Contains(os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), "Paybill") {
		run = functions.Paybill
	}
	os.Setenv("AWS_SDK_UA_APP_ID", function) // by which its calls are told from the extension's
	start.Main(func(ctx context.Context) error { return run(ctx, turnedClock) })
}

// clockFile is beside the functions' directories and says how far their clock is turned on.
const clockFile = "clock"

func turnedClock() time.Time {
	b, err := os.ReadFile(filepath.Join(os.Getenv("LAMBDA_TASK_ROOT"), "..", clockFile))
	if err != nil {
		panic(err)
	}
	offset, err := time.ParseDuration(string(b))
	if err != nil {
		panic(err)
	}
	return time.Now().Add(offset)
}

// system is the synthesized system, and the caller who uses it.
type system struct {
	*cloud.Cloud
	*injector
	tokenizer *client.Client // that may read all tokens
	idToken   string
	http      *http.Client

	clock  string // file
	turned time.Duration

	orders  []*order
	retries int
	waits   int               // retries that a lease put off
	orphans map[string]bool   // tokens
	log     *localtest.Buffer // all that was logged
	answers strings.Builder
}

// app is the synthesized app. Each function's bootstrap is this binary.
type app struct {
	*assembly.Assembly
	dir string
	log *localtest.Buffer // of the compilers, and of every system that runs it
}

func synthesize(t *testing.T) app {
	t.Helper()
	a := app{dir: t.TempDir(), log: &localtest.Buffer{}}
	var err error
	if a.Assembly, err = localtest.Synthesize(t.Context(), a.dir, a.log); err != nil {
		t.Fatal(err)
	}
	alter(t, a.Assembly)
	return a
}

func newSystem(t *testing.T, a app) *system {
	t.Helper()
	s := &system{
		injector: newInjector(t), log: a.log, clock: filepath.Join(a.dir, clockFile), orphans: map[string]bool{},
		// longer than the gateway's 29 s
		http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{Proxy: nil}},
	}
	s.advance(t, 0)
	var err error
	s.Cloud, err = cloud.Deploy(t.Context(), cloud.Options{
		Assembly: a.Assembly, Account: synth.Account, Region: synth.Region, Log: s.log, Around: s.around,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.kill = s.Kill
	s.tokenizer = s.startReader(t)
	person := walkthrough.Walk{
		System: walkthrough.System{Cognito: s.Clients.Cognito, Outputs: s.Outputs, Code: s.Code},
		Print:  progress.New(io.Discard),
	}
	if s.idToken, err = person.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// startReader starts a tokenizer that reads tokens for the test, with the rights of the function that may. Its calls
// get no faults, and it logs only what goes wrong, so that the log is the functions' own.
func (s *system) startReader(t *testing.T) *client.Client {
	t.Helper()
	x, err := s.StartExtension(t.Context(), "AppStack-Paybill",
		map[string]string{"TOKENIZER_LOG_LEVEL": "WARN", "TOKENIZER_READ_RATE": "10000"})
	if err != nil {
		t.Fatal(err)
	}
	s.exempt(x.SessionToken)
	c, err := client.New(client.Config{Port: x.Port, SessionToken: x.SessionToken})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// alter puts this binary in the place of the functions', and lets the layer's extension fetch no data keys ahead, so
// that a request makes the same calls each time. A data key that is fetched ahead and lost leaves nothing behind.
func alter(t *testing.T, a *assembly.Assembly) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	replaced := 0
	for _, stack := range a.Stacks {
		for id, resource := range stack.Template.Resources {
			if resource.Type != "AWS::Lambda::Function" {
				continue
			}
			code, _ := resource.Properties["Code"].(map[string]any)
			key, _ := code["S3Key"].(string)
			dir, err := stack.AssetPath(key)
			if err != nil {
				t.Fatalf("%s: %v", id, err)
			}
			bootstrap := filepath.Join(dir, function)
			if err := os.Remove(bootstrap); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(executable, bootstrap); err != nil {
				t.Fatal(err)
			}
			environment, _ := resource.Properties["Environment"].(map[string]any)
			variables, _ := environment["Variables"].(map[string]any)
			variables["TOKENIZER_KEYS_AHEAD"] = "0"
			replaced++
		}
	}
	if replaced != 2 {
		t.Fatalf("replaced %d bootstraps, want those of order and paybill", replaced)
	}
}

// advance turns the functions' clock on.
func (s *system) advance(t *testing.T, d time.Duration) {
	t.Helper()
	s.turned += d
	if err := os.WriteFile(s.clock+".new", []byte(s.turned.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.clock+".new", s.clock); err != nil { // at once: a function may be reading
		t.Fatal(err)
	}
}

// order is one of the caller's, with a card of its own.
type order struct{ number, card string }

// newOrder has the next number, and a card whose last four digits no other order's card has.
func (s *system) newOrder() *order {
	n := len(s.orders)
	o := &order{fmt.Sprintf("crash-%d", n), withCheckDigit(fmt.Sprintf("411111111111%03d", n))}
	s.orders = append(s.orders, o)
	return o
}

// withCheckDigit adds the digit that makes digits a card number.
func withCheckDigit(digits string) string {
	for digit := '0'; ; digit++ {
		card := digits + string(digit)
		if _, err := client.ParsePAN(client.NewSecret(card)); err == nil {
			return card
		}
	}
}

func (o *order) mask() string { return strings.Repeat("*", len(o.card)-4) + o.card[len(o.card)-4:] }

// written are the ways in which the card may be written.
func (o *order) written() []string {
	groups := []string{o.card[:4], o.card[4:8], o.card[8:12], o.card[12:]}
	return []string{o.card, strings.Join(groups, "-"), strings.Join(groups, " ")}
}

// answer is what of a response a caller acts on.
type answer struct {
	status     int
	code       string // of a problem
	mask       string
	retryAfter time.Duration
}

// post sends one request, and checks what must hold at every moment.
func (s *system) post(t *testing.T, o *order, path string, members map[string]string) answer {
	t.Helper()
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Outputs["PaymentMethodApiURL"]+path,
		bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", s.idToken)
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	s.answers.Write(b)
	var got struct{ Code, CreditCardCharged string }
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%d %s", resp.StatusCode, b)
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	s.consistent(t, o)
	return answer{resp.StatusCode, got.Code, got.CreditCardCharged, time.Duration(seconds) * time.Second}
}

func (s *system) postOrder(t *testing.T, o *order) answer {
	t.Helper()
	return s.post(t, o, "/order", map[string]string{
		"CustomerOrder": o.number,
		"CustomerName":  "Amazon Web Services",
		"CreditCard":    o.written()[1],
		"Address":       "Reinvent2019, Las Vegas, USA",
	})
}

func (s *system) postBill(t *testing.T, o *order) answer {
	t.Helper()
	return s.post(t, o, "/paybill", map[string]string{"CustomerOrder": o.number})
}

// maxAttempts is how often the caller tries: once into the fault, once into a running lease, and once to the end. One
// more attempt is needed if an environment turns out to be dead when it is used.
const maxAttempts = 4

// place is a caller who wants o to be placed, and repeats the request until it is.
func (s *system) place(t *testing.T, o *order) {
	t.Helper()
	s.repeat(t, func() (answer, bool) {
		got := s.postOrder(t, o)
		return got, got.status == http.StatusCreated || got.status == http.StatusConflict &&
			got.code == "order-already-placed"
	})
}

// pay is a caller who wants o to be paid, and repeats the request until it is.
func (s *system) pay(t *testing.T, o *order) {
	t.Helper()
	s.repeat(t, func() (answer, bool) {
		got := s.postBill(t, o)
		if got.status == http.StatusOK && got.mask != o.mask() {
			t.Errorf("%s: the answer shows another card", o.number)
		}
		return got, got.status == http.StatusOK || got.status == http.StatusConflict && got.code == "order-already-paid"
	})
}

// repeat tries until done, and waits as it is told.
func (s *system) repeat(t *testing.T, try func() (answer, bool)) {
	t.Helper()
	for attempt := range maxAttempts {
		got, done := try()
		if done {
			s.retries += attempt
			return
		}
		if got.status < http.StatusInternalServerError && got.retryAfter == 0 {
			t.Fatalf("%d %s: nothing that repeating helps against", got.status, got.code)
		}
		if got.code == "charge-in-progress" {
			s.waits++
		}
		s.advance(t, got.retryAfter)
	}
	t.Fatalf("not done after %d attempts", maxAttempts)
}

func (s *system) rows(t *testing.T, table string) (rows []map[string]types.AttributeValue) {
	t.Helper()
	for pages := dynamodb.NewScanPaginator(s.Clients.DynamoDB,
		&dynamodb.ScanInput{TableName: &table, ConsistentRead: new(true)}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, page.Items...)
	}
	return rows
}

func text(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}
