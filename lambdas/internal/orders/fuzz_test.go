package orders

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// longRun is digits that are no part of a longer run of digits, and could be a card's.
var longRun = regexp.MustCompile(`[0-9]+`)

// details are what may follow a member's name in an error about a request of an order.
var details = []string{
	reasonRequired, reasonCard, "must have at most 64 characters", "must have at most 200 characters",
	"must have at most 500 characters",
	"must hold letters, digits, dots, dashes and underscores only", "must not hold control characters",
	"must not be empty", "must hold ASCII digits only, single spaces or dashes between them allowed",
	"must have 12 to 19 digits",
	"is not a card number: its check digit is wrong",
	"must be a JSON object", "is not valid JSON (RFC 8259, UTF-8)", "is not valid UTF-8", "has the wrong type",
	"is given twice; give it once", "has an unknown member; remove it",
	"is not a known member; remove it", "is sensitive authentication data and must never be sent here; remove it",
}

// A request that is accepted has a card in the one place for it and within bounds; one that is refused is refused with
// fixed texts.
func FuzzPlaceRequest(f *testing.F) {
	const good = `{"CustomerOrder":"1","CustomerName":"N","CreditCard":"4111111111111111","Address":"A"}`
	for _, s := range []string{
		good, `{}`, ``, `null`, "{\xff", good + good, strings.Replace(good, `"N"`, `"4111 1111 1111 1111"`, 1),
		strings.Replace(good, `"A"`, `"No. 4111-1111-1111-1111."`, 1),
		strings.Replace(good, `"1"`, `"4111111111111111"`, 1), strings.Replace(good, `"1"`, `"4111.1111.1111.1111"`, 1),
		strings.Replace(good, `"1"`, `"a/b"`, 1),
		strings.Replace(good, `"N"`, `"\u0000"`, 1), strings.Replace(good, `"N"`, `" \u2003 "`, 1),
		strings.Replace(good, `"N"`, `"`+strings.Repeat("Ä", 201)+`"`, 1),
		strings.Replace(good, `"A"`, `"x4111111111111111"`, 1), strings.Replace(good, `"A"`, `"104111111111111111"`, 1),
		strings.Replace(good, `"4111111111111111"`, `4111111111111111`, 1),
		strings.Replace(good, `{`, `{"CVV":"123",`, 1), strings.Replace(good, `{`, `{"4111111111111111":1,`, 1),
		strings.Replace(good, `CreditCard`, `creditCard`, 1),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r PlaceRequest
		card, err := client.PAN{}, decode(body, &r)
		if err == nil {
			card, err = r.validate()
		}
		if err != nil {
			e, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(e, ErrInvalid) || !card.IsZero() {
				t.Fatalf("a %T, or a card beside it", err)
			}
			subject := e.Field
			if subject == "" {
				subject = "the body"
			}
			if text, found := strings.CutPrefix(e.Detail, subject+" "); !found || !slices.Contains(details, text) ||
				e.Cause != "" {
				t.Fatalf("detail %q of field %q is not a fixed text", e.Detail, e.Field)
			}
			return
		}
		if n := len(card.Reveal()); n < 12 || n > 19 {
			t.Fatalf("a card of %d digits", n)
		}
		for limit, text := range map[int]string{
			MaxNumber: r.CustomerOrder, MaxName: r.CustomerName, MaxAddress: r.Address,
		} {
			if n := len([]rune(text)); n == 0 || n > limit {
				t.Errorf("%d characters, at most %d are allowed", n, limit)
			}
			for _, run := range longRun.FindAllString(text, -1) {
				if _, err := client.ParsePAN(client.NewSecret(run)); err == nil && len(run) >= 13 {
					t.Error("a card number outside CreditCard")
				}
			}
		}
		again, err := json.Marshal(map[string]any{
			fieldNumber:  r.CustomerOrder,
			fieldName:    r.CustomerName,
			fieldCard:    r.CreditCard.Reveal(),
			fieldAddress: r.Address,
		})
		if err != nil {
			t.Fatal(err)
		}
		var same PlaceRequest
		err = decode(again, &same)
		if err != nil || same.CustomerOrder != r.CustomerOrder || same.CustomerName != r.CustomerName ||
			!same.CreditCard.Equal(r.CreditCard) || same.Address != r.Address {
			t.Errorf("encoded and decoded again: %v", err)
		}
	})
}
