package endtoend_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

func order(number string) string {
	return `{"CustomerOrder":"` + number + `","CustomerName":"N","CreditCard":"` + canary + `","Address":"A"}`
}

func pay(number string) string { return `{"CustomerOrder":"` + number + `"}` }

// number is an order number that no other test has.
func number(t *testing.T, n int) string {
	return strings.NewReplacer("/", "-").Replace(t.Name()) + "-" + strconv.Itoa(n)
}

func TestRun_PrintsTheWalkthrough(t *testing.T) {
	printed := simulator(t).Stdout.String()
	for _, want := range []string{
		"ok    POST /order", "201 Order Created Successfully; token ", "************1111",
		"ok    look at CustomerOrderTable",
		"CandidateString AgR4", "bytes of ciphertext", "ok    look for the card", "it was not simulated:",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("not printed: %s", want)
		}
	}
	for _, name := range []string{
		"KMSKeyID", "LayerVersionArn", "DynamoDBArn", "CustomerOrderFunction", "PaymentMethodApiURL", "AccountId",
		"UserPoolAppClientId", "Region",
	} {
		if simulator(t).Outputs[name] == "" {
			t.Errorf("outputs lack %s", name)
		}
	}
	if url := simulator(t).Outputs["PaymentMethodApiURL"]; !strings.HasPrefix(url, "http://127.0.0.1:") ||
		!strings.HasSuffix(url, "/dev") {
		t.Errorf("PaymentMethodApiURL = %s", url)
	}
}

func TestAPI_AnswersWithEachStatus(t *testing.T) {
	s := simulator(t)
	id := s.IDToken
	mine := number(t, 1)
	tampered := id[:len(id)-8] + "AAAAAAAA"
	other := s.SignUp(t)
	for _, tt := range []struct {
		name, path, token, body string
		status                  int
		member, want            string
	}{
		{"no token", "/order", "", order(mine), 401, "message", "Unauthorized"},
		{"a tampered token", "/order", tampered, order(mine), 401, "message", "Unauthorized"},
		{"malformed JSON", "/order", id, `{"CustomerOrder":`, 400, "message", "Invalid request body"},
		{"a field of the wrong type", "/order", id, `{"CreditCard":` + canary + `}`, 400, "message",
			"Invalid request body"},
		{"an unknown route", "/refund", "", `{}`, 403, "message", "Missing Authentication Token"},
		{"a bad card", "/order", id, strings.Replace(order(mine), canary, "4111111111111112", 1), 400, "field",
			"CreditCard"},
		{"a missing field", "/order", id, `{"CustomerOrder":"x","CreditCard":"` + canary + `","Address":"A"}`, 400,
			"field", "CustomerName"},
		{"an unknown field", "/order", id, strings.Replace(order(mine), "{", `{"Colour":"red",`, 1), 400, "field",
			"Colour"},
		{"a CVV", "/order", id, strings.Replace(order(mine), "{", `{"CVV":"123",`, 1), 400, "field", "CVV"},
		{"pay for nothing", "/paybill", id, pay(mine), 404, "status", "404"},
		{"order", "/order", id, order(mine), 201, "message", "Order Created Successfully"},
		{"the same again", "/order", id, order(mine), 409, "status", "409"},
		{"the same again, with a slash at the end", "/order/", id, order(mine), 409, "status", "409"},
		{"somebody else orders it", "/order", other, order(mine), 409, "status", "409"},
		{"somebody else pays it", "/paybill", other, pay(mine), 404, "status", "404"},
		{"pay", "/paybill", id, pay(mine), 200, "CreditCardCharged", "************1111"},
		{"pay again", "/paybill", id, pay(mine), 409, "status", "409"},
		{"pay with a card beside", "/paybill", id, `{"CustomerOrder":"x","CreditCard":"` + canary + `"}`, 400, "field",
			"CreditCard"},
	} {
		got := s.Post(t, tt.path, tt.token, tt.body)
		if got.Status != tt.status || got.Field(tt.member) != tt.want {
			t.Errorf("%s: %d %s", tt.name, got.Status, got.Body)
		}
		if wantProblem := tt.status >= 400 &&
			tt.member != "message"; wantProblem != (got.Header.Get("Content-Type") == "application/problem+json") {
			t.Errorf("%s: content type %s", tt.name, got.Header.Get("Content-Type"))
		}
		if strings.Contains(got.Body, canary) || strings.Contains(got.Body, "4111111111111112") {
			t.Errorf("%s: the answer holds the card", tt.name)
		}
	}
	got := s.Post(t, "/refund", id, `{}`)
	if kind := got.Header.Get("X-Amzn-Errortype"); got.Status != 403 || kind != "IncompleteSignatureException" {
		t.Errorf("an unknown route with a token: %d %s", got.Status, kind)
	}
}

// simultaneously sends the same call n times at once and counts the statuses.
func simultaneously(t *testing.T, n int, send func() kit.Answer) map[int]int {
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
			statuses[got.Status]++
		})
	}
	close(gate)
	wg.Wait()
	return statuses
}

func TestAPI_AcceptsOneOfTwentySimultaneousRequests(t *testing.T) {
	s, mine := simulator(t), number(t, 1)
	vaultBefore, ledgerBefore := len(s.Rows(t, "CreditCardTokenizerTable")), len(s.Rows(t, "SimulatedPaymentLedger"))

	statuses := simultaneously(t, 20, func() kit.Answer { return s.Post(t, "/order", s.IDToken, order(mine)) })
	if statuses[201] != 1 || statuses[409] != 19 {
		t.Errorf("orders: %v", statuses)
	}
	if n := len(s.Rows(t, "CreditCardTokenizerTable")) - vaultBefore; n != 1 {
		t.Errorf("%d vault rows", n)
	}

	statuses = simultaneously(t, 20, func() kit.Answer { return s.Post(t, "/paybill", s.IDToken, pay(mine)) })
	if statuses[200] != 1 || statuses[409] != 19 {
		t.Errorf("payments: %v", statuses)
	}
	if n := len(s.Rows(t, "SimulatedPaymentLedger")) - ledgerBefore; n != 1 {
		t.Errorf("%d entries in the ledger", n)
	}
}

func TestVault_HasOneRowForEachOrder(t *testing.T) {
	for n := range 3 {
		if got := simulator(t).Post(t, "/order", simulator(t).IDToken, order(number(t, n))); got.Status != 201 {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
	}
	orders := map[string]int{}
	for _, row := range simulator(t).Rows(t, "CustomerOrderTable") {
		orders[kit.Text(row["CreditCard"])]++
	}
	vault := simulator(t).Rows(t, "CreditCardTokenizerTable")
	for _, row := range vault {
		if orders[kit.Text(row["Hash_Key"])] != 1 {
			t.Error("a vault row without its order")
		}
	}
	if len(vault) != len(orders) {
		t.Errorf("%d vault rows, %d orders", len(vault), len(orders))
	}
}

// It runs last in this file, after every success and failure above.
func TestCard_IsNowhere(t *testing.T) {
	if strings.Contains(simulator(t).Stdout.String(), canary) {
		t.Error("the card was printed")
	}
	for _, token := range []string{"CustomerOrderTable", "CreditCardTokenizerTable", "SimulatedPaymentLedger"} {
		rows := simulator(t).Rows(t, token)
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
	_, logged, _ := strings.Cut(simulator(t).Stdout.String(), "Serving ")
	for _, row := range simulator(t).Rows(t, "CustomerOrderTable") {
		if strings.Contains(logged, kit.Text(row["CreditCard"])) {
			t.Error("a token was logged")
		}
	}
}
