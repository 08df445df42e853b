package crash_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

const (
	orderTable  = walkthrough.OrderTable
	vaultTable  = walkthrough.VaultTable
	ledgerTable = "SimulatedPaymentLedger"
)

// clockFile is beside the functions' directories and says how far their clock is turned on: see
// lambdas/internal/testclock.
const clockFile = "clock"

// system is the synthesized system, and the caller who uses it.
type system struct {
	*cloud.Cloud
	*injector
	tokenizer *client.Client // that may read all tokens
	idToken   string

	clock  string // file
	turned time.Duration

	orders  []*order
	retries int
	waits   int             // retries that a lease put off
	orphans map[string]bool // tokens
	log     *kit.Buffer     // all that was logged
	answers strings.Builder
}

// app is the synthesized app. Each function's bootstrap is lambdas/internal/testclock.
type app struct {
	*assembly.Assembly
	dir string
	log *kit.Buffer // of the compilers, and of every system that runs it
}

func synthesize(t *testing.T) app {
	t.Helper()
	a := app{dir: t.TempDir(), log: &kit.Buffer{}}
	var err error
	if a.Assembly, err = kit.Synthesize(t.Context(), a.dir, a.log); err != nil {
		t.Fatal(err)
	}
	alter(t, a.Assembly, kit.Build(t, "lambdas/internal/testclock"))
	return a
}

func newSystem(t *testing.T, a app) *system {
	t.Helper()
	s := &system{
		injector: newInjector(t), log: a.log, clock: filepath.Join(a.dir, clockFile), orphans: map[string]bool{},
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
	s.idToken = kit.SignUp(t, walkthrough.System{Cognito: s.Clients.Cognito, Outputs: s.Outputs, Code: s.Code})
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

// alter puts a bootstrap in the place of the functions', and lets the layer's extension fetch no data keys ahead, so
// that a request makes the same calls each time. A data key that is fetched ahead and lost leaves nothing behind.
func alter(t *testing.T, a *assembly.Assembly, program string) {
	t.Helper()
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
			if err := os.Symlink(program, bootstrap); err != nil {
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
	posted, err := kit.Post(t.Context(), s.Outputs["PaymentMethodApiURL"]+path, s.idToken, string(b))
	if err != nil {
		t.Fatal(err)
	}
	s.answers.WriteString(posted.Body)
	var got struct{ Code, CreditCardCharged string }
	if err := json.Unmarshal([]byte(posted.Body), &got); err != nil {
		t.Fatalf("%d %s", posted.Status, posted.Body)
	}
	seconds, _ := strconv.Atoi(posted.Header.Get("Retry-After"))
	s.consistent(t, o)
	return answer{posted.Status, got.Code, got.CreditCardCharged, time.Duration(seconds) * time.Second}
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

func (s *system) rows(t *testing.T, table string) []map[string]types.AttributeValue {
	t.Helper()
	return kit.Rows(t, s.Clients.DynamoDB, table)
}
