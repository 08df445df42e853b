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

func TestSeed_AMillionTokensAreDistinctAndNoCardTokenPassesLuhn(t *testing.T) {
	const each = 500_000
	seen := make(map[string]bool, 2*each)
	var cards [64]pan.Number // short cards have few tokens; a vault takes another seed when a token exists
	for i := range cards {
		for cards[i] = randomCard(t); len(cards[i].Reveal()) < 18; cards[i] = randomCard(t) {
		}
	}
	for i := range each {
		seed := token.NewSeed()
		for _, format := range []token.Format{token.UUID, token.Card} {
			made := seed.Token(format, cards[i%len(cards)])
			if seen[made] {
				t.Fatalf("a %s token was made twice", format)
			}
			seen[made] = true
			_, err := pan.Parse(made)
			if _, ok := token.Parse(made); err == nil || !ok {
				t.Fatalf("a %s token passes as a card, or not as a token", format)
			}
			if format == token.Card && !errors.Is(err, pan.ErrLuhn) {
				t.Fatal("it is not the check digit that keeps a token from being a card")
			}
		}
	}
}

func TestSeed_ACardTokenKeepsLengthAndLastFour(t *testing.T) {
	for range 2000 {
		n := randomCard(t)
		made := token.NewSeed().Token(token.Card, n)
		digits := n.Reveal()
		if len(made) != len(digits) || made[len(made)-4:] != digits[len(digits)-4:] || made == digits {
			t.Fatal("length or last four differ, or it is the card")
		}
	}
}

func TestSeed_UsesEveryDigit(t *testing.T) {
	n := randomCard(t)
	var counts [10]int
	for range 2000 {
		made := token.NewSeed().Token(token.Card, n)
		for _, digit := range made[:len(made)-4] {
			counts[digit-'0']++
		}
	}
	for digit, count := range counts { // 1,600 and more are expected of each
		if count < 1000 {
			t.Errorf("digit %d came %d times", digit, count)
		}
	}
}

func TestSeed_AUUIDTokenIsOfVersion4(t *testing.T) {
	for range 100 {
		made := token.NewSeed().Token(token.UUID, pan.Number{})
		u, err := uuid.Parse(made)
		if _, ok := token.Parse(made); err != nil || u.Version() != 4 || u.Variant() != uuid.RFC4122 || !ok {
			t.Errorf("%s: %v", made, err)
		}
	}
}

// The derivation is a format: these values were computed with another implementation (see the comment).
//
//	python3 -c 'import hashlib; s=bytes(range(32)); print(hashlib.sha256(b"ref"+s).hexdigest()[:32], hashlib.sha256(b"token"+s).hexdigest())'
func TestSeed_DerivationIsFixed(t *testing.T) {
	var seed token.Seed
	for i := range seed {
		seed[i] = byte(i)
	}
	visa, err := pan.Parse("4111111111111111")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ got, want string }{
		"ref":  {seed.Ref(), "0521bd889c219951ce26f66fb1610847"},
		"uuid": {seed.Token(token.UUID, visa), "3dcb636b-0497-48d1-bc3f-96878a52ba74"},
		"card": {seed.Token(token.Card, visa), "8266243875241111"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %s, want %s", name, tt.got, tt.want)
		}
	}
}

func TestSeed_Made(t *testing.T) {
	visa, err := pan.Parse("4111111111111111")
	if err != nil {
		t.Fatal(err)
	}
	other, err := pan.Parse("4012888888881881")
	if err != nil {
		t.Fatal(err)
	}
	seed, foreign := token.NewSeed(), token.NewSeed()
	uuidToken, cardToken, ref := seed.Token(token.UUID, visa), seed.Token(token.Card, visa), seed.Ref()
	for name, tt := range map[string]struct {
		token, ref string
		number     pan.Number
		want       bool
	}{
		"uuid":                    {uuidToken, ref, visa, true},
		"card":                    {cardToken, ref, visa, true},
		"uuid of another seed":    {foreign.Token(token.UUID, visa), ref, visa, false},
		"card of another seed":    {foreign.Token(token.Card, visa), ref, visa, false},
		"ref of another seed":     {uuidToken, foreign.Ref(), visa, false},
		"card with another's end": {cardToken, ref, other, false},
		"card for a text":         {cardToken, ref, pan.Number{}, false},
		"uuid for a text":         {uuidToken, ref, pan.Number{}, true},
		"no ref":                  {uuidToken, "", visa, false},
		"no token":                {"", ref, visa, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := seed.Made(tt.token, tt.ref, tt.number); got != tt.want {
				t.Errorf("Made = %v", got)
			}
		})
	}
}

func TestParse_RefusesWhatCanBeNoToken(t *testing.T) {
	for _, s := range []string{
		"", "x", "4111111111111111", "0000000000000000", "41111111111", "41111111111111111112", "4111-1111-1111-1112",
		"00000000-0000-4000-8000-00000000000g", "{00000000-0000-4000-8000-000000000000}", "٤١١١١١١١١١١١١١١٢",
	} {
		if _, ok := token.Parse(s); ok {
			t.Errorf("%q passes", s)
		}
	}
}

func TestParse_ReadsTokensWithoutRegardToCase(t *testing.T) {
	for _, s := range []string{"4111111111111112", "00000000-0000-4000-8000-00000000000a",
		"00000000-0000-4000-8000-00000000000A", "ABCDEFAB-CDEF-4000-8000-abcdefABCDEF"} {
		if got, ok := token.Parse(s); !ok || got != strings.ToLower(s) {
			t.Errorf("%q: %q, %v", s, got, ok)
		}
	}
}
