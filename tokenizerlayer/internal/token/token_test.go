package token_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// randomCard is a valid number of 12 to 19 digits.
func randomCard(t testing.TB) pan.Number {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(8))
	if err != nil {
		t.Fatal(err)
	}
	length := 12 + int(n.Int64())
	var digits strings.Builder
	for digits.Len() < length-1 {
		d, err := rand.Int(rand.Reader, big.NewInt(10))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(&digits, d)
	}
	for check := range 10 {
		if parsed, err := pan.Parse(fmt.Sprint(digits.String(), check)); err == nil {
			return parsed
		}
	}
	t.Fatal("no check digit fits")
	return pan.Number{}
}

func TestAMillionTokensHoldNoDuplicateAndNoCardTokenPassesLuhn(t *testing.T) {
	const each = 500_000
	seen := make(map[string]bool, 2*each)
	var cards [64]pan.Number // short cards have few tokens, which a vault draws again when one is taken
	for i := range cards {
		for cards[i] = randomCard(t); len(cards[i].Reveal()) < 18; cards[i] = randomCard(t) {
		}
	}
	for i := range each {
		n := cards[i%len(cards)]
		for _, format := range []token.Format{token.UUID, token.Card} {
			drawn, err := token.New(format, n)
			if err != nil {
				t.Fatal(err)
			}
			if seen[drawn] {
				t.Fatalf("a %s token was drawn twice", format)
			}
			seen[drawn] = true
			_, err = pan.Parse(drawn)
			if err == nil || !token.Valid(drawn) {
				t.Fatalf("a %s token passes as a card, or not as a token", format)
			}
			if format == token.Card && !errors.Is(err, pan.ErrLuhn) {
				t.Fatal("it is not the check digit that keeps a token from being a card")
			}
		}
	}
	if len(seen) != 2*each {
		t.Fatalf("%d tokens", len(seen))
	}
}

func TestACardTokenKeepsLengthAndLastFour(t *testing.T) {
	for range 2000 {
		n := randomCard(t)
		drawn, err := token.New(token.Card, n)
		if err != nil {
			t.Fatal(err)
		}
		digits := n.Reveal()
		if len(drawn) != len(digits) || drawn[len(drawn)-4:] != digits[len(digits)-4:] || drawn == digits {
			t.Fatal("length or last four differ, or it is the card")
		}
	}
}

func TestEveryDigitIsDrawn(t *testing.T) {
	n := randomCard(t)
	var counts [10]int
	for range 2000 {
		drawn, err := token.New(token.Card, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, digit := range drawn[:len(drawn)-4] {
			counts[digit-'0']++
		}
	}
	for digit, count := range counts { // 1,600 and more are expected of each
		if count < 1000 {
			t.Errorf("digit %d was drawn %d times", digit, count)
		}
	}
}

func TestAUUIDTokenIsOfVersion4(t *testing.T) {
	drawn, err := token.New(token.UUID, pan.Number{})
	if err != nil {
		t.Fatal(err)
	}
	if u, err := uuid.Parse(drawn); err != nil || u.Version() != 4 || !token.Valid(drawn) {
		t.Errorf("%v", err)
	}
}

func TestWhatCanBeNoToken(t *testing.T) {
	for _, s := range []string{
		"", "x", "4111111111111111", "0000000000000000", "41111111111", "41111111111111111112", "4111-1111-1111-1112",
		"00000000-0000-4000-8000-00000000000A", "00000000-0000-4000-8000-00000000000g", "{00000000-0000-4000-8000-000000000000}",
		"٤١١١١١١١١١١١١١١٢",
	} {
		if token.Valid(s) {
			t.Errorf("%q passes", s)
		}
	}
	if !token.Valid("4111111111111112") || !token.Valid("00000000-0000-4000-8000-000000000000") {
		t.Error("a token does not pass")
	}
}
