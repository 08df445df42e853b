package server_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

func TestTokenize_TellsTheFactsOfACard(t *testing.T) {
	r := start(t)
	visaCard := &api.Card{Brand: "visa", LastFour: "1111", Length: 16}
	withFirstSix := &api.Card{Brand: "visa", LastFour: "1111", Length: 16, FirstSix: "411111"}
	amex := &api.Card{Brand: "amex", LastFour: "0005", Length: 15, FirstSix: "378282"}
	key := map[string]string{api.IdempotencyHeader: "k"}
	for _, tt := range []struct {
		name, body string
		header     map[string]string
		want       *api.Card
	}{
		{"stored", `{"data":"4111 1111 1111 1111"}`, nil, visaCard},
		{"first six", `{"data":"4111 1111 1111 1111","first_six":true}`, nil, withFirstSix},
		{"first six of 15 digits", `{"data":"378282246310005","first_six":true}`, nil, amex},
		{
			"first six of 14 digits", `{"data":"30569309025904","first_six":true}`, nil,
			&api.Card{Brand: "diners", LastFour: "5904", Length: 14},
		},
		{"first six of 12 digits", `{"data":"000000000000","first_six":true}`, nil,
			&api.Card{Brand: "unknown", LastFour: "0000", Length: 12}},
		{"not stored", `{"data":"4111111111111111","store":false,"first_six":true}`, nil, withFirstSix},
		{"deterministic", `{"data":"4111111111111111","deterministic":true}`, nil, visaCard},
		{"deduplicated", `{"data":"4111111111111111","deterministic":true,"first_six":true}`, nil, withFirstSix},
		{"idempotent", `{"data":"4111111111111111"}`, key, visaCard},
		{"repeated", `{"data":"4111111111111111","first_six":true}`, key, withFirstSix},
		{"a token like a card", `{"data":"4111111111111111","format":"card"}`, nil, visaCard},
		{"a text", `{"data":"4111111111111111","type":"text"}`, nil, nil},
		{"a text, not first six", `{"data":"4111111111111111","type":"text","first_six":false}`, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body, _ := r.do(t, call{path: api.PathTokenize, body: tt.body, header: tt.header})
			var out api.TokenizeResponse
			if err := json.Unmarshal([]byte(body), &out); err != nil || status != http.StatusOK {
				t.Fatalf("%d, %v", status, err)
			}
			if diff := cmp.Diff(tt.want, out.Card); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// first_six makes no other request of it: the same token comes back, not a conflict.
func TestTokenize_FirstSixIsNoPartOfARequestsIdentity(t *testing.T) {
	r := start(t)
	for _, how := range []struct {
		member string
		header map[string]string
	}{{"", map[string]string{api.IdempotencyHeader: "k"}}, {`,"deterministic":true`, nil}} {
		tokens := map[string]bool{}
		for _, firstSix := range []string{"true", "false", "true"} {
			body := `{"data":"` + visa + `"` + how.member + `,"first_six":` + firstSix + `}`
			_, answer, _ := r.do(t, call{path: api.PathTokenize, body: body, header: how.header})
			tokens[tokenOf(t, answer)] = true
		}
		if len(tokens) != 1 {
			t.Errorf("%d tokens", len(tokens))
		}
	}
}

func TestTokenize_RefusesFirstSixOfAText(t *testing.T) {
	r := start(t)
	for body, field := range map[string]string{
		`{"data":"x","type":"text","first_six":true}`:       "first_six",
		`{"data":"` + visa + `","first_six":"true"}`:        "first_six",
		`{"data":"` + visa + `","first_six":null}`:          "first_six",
		`{"data":"` + visa + `","card":{"brand":"visa"}}`:   "card",
		`{"data":"` + visa + `","last_four":"1111"}`:        "last_four",
		`{"token":"` + unknown + `","data":"` + visa + `"}`: "token",
	} {
		status, answer, _ := r.do(t, call{path: api.PathTokenize, body: body})
		if status != http.StatusBadRequest || !strings.Contains(answer, `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

// logMembers are those of docs/api.md that these operations have.
var logMembers = []string{
	"account", "actor", "detail", "duration_ms", "item", "level", "lookup", "msg", "operation", "outcome", "redaction",
	"ref", "request_id", "time", "type",
}

func TestCardFacts_AreInTheAnswerAndNowhereElse(t *testing.T) {
	r := start(t)
	one := `{"data":"4012888888881881","first_six":true}`
	r.do(t, call{path: api.PathTokenize, body: one})
	r.do(t, call{path: api.PathTokenize, body: `{"data":"4012888888881881","first_six":true,"deterministic":true}`})
	r.do(t, call{path: api.PathTokenize, body: `{"data":"4012888888881881","first_six":true,"ttl":0}`})
	_, answer, _ := r.do(t, call{path: api.PathTokenizeBatch, body: `{"items":[` + one + `,` + one + `]}`})
	if strings.Count(answer, `"first_six":"401288"`) != 2 || strings.Count(answer, `"last_four":"1881"`) != 2 {
		t.Fatalf("the batch has no facts: %s", answer)
	}
	r.stop()
	lines := 0
	for line := range strings.Lines(r.log.String()) {
		lines++
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		for name := range maps.Keys(e) {
			if !slices.Contains(logMembers, name) {
				t.Errorf("the log has %s", name)
			}
		}
		for _, varies := range []string{"time", "request_id", "duration_ms", "ref", "account"} {
			delete(e, varies)
		}
		rest, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, fact := range []string{"visa", "1881", "401288", "16", "brand", "last"} {
			if strings.Contains(string(rest), fact) {
				t.Errorf("the log has %q: %s", fact, rest)
			}
		}
	}
	if lines != 5 {
		t.Errorf("%d lines", lines)
	}
	for _, row := range r.store.Rows(vaultTable) {
		for name, value := range row {
			if text, ok := value.Text(); ok && name != "Hash_Key" && name != "Ref" && name != "Account_Id" &&
				strings.Contains(text, "1881") {
				t.Errorf("the row has %s=%s", name, text)
			}
		}
	}
}
