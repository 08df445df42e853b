package pan_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
)

func TestLike(t *testing.T) {
	for _, s := range []string{
		"4111111111111111", "card 4111-1111-1111-1111, please", "a4111111111111111b", "4111_1111_1111_1111", "12 4111 1111 1111 1111",
		"4111  1111  1111  1111", "4111 - 1111 - 1111 - 1111", "4111\u00a01111\u00a01111\u00a01111",
		"\uff14\uff11\uff11\uff11111111111111", "\u0664\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661",
		"\U0001d7d2111111111111111",
	} {
		if !pan.Like(s) {
			t.Errorf("%q passes", s)
		}
	}
	for _, s := range []string{"", "order 12", "4111111111111112", "411111111111", "tel. +49 30 123456", "4111 or 1111 or 1111 or 1111"} {
		if pan.Like(s) {
			t.Errorf("%q is taken for a card", s)
		}
	}
}

func TestUnicodeHasDigitsInTens(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if unicode.IsDigit(r) && !pan.Like(strings.Repeat(string(r), 16)) && !pan.Like("411111111111111"+string(r)) {
			var fits int // sixteen zeros pass, and so does one of the ten digits behind these fifteen
			for other := r - 9; other <= r+9; other++ {
				if unicode.IsDigit(other) && pan.Like("411111111111111"+string(other)) {
					fits++
				}
			}
			if fits == 0 {
				t.Fatalf("%U is no digit", r)
			}
		}
	}
}

func TestNamesOfAuthenticationData(t *testing.T) {
	for _, name := range []string{
		"cvv", "CVV2", "card_cvv", "cardCvv", "card-cvv", "cvv-code", "cvc_code", "security.code", "securityCode", "card_verification_value",
		"track1", "track_2", "track-2", "track2_data", "trackData", "pin", "PIN", "pin-block", "pinBlock", "csc", "cid", "magstripe",
	} {
		if !pan.IsAuthenticationData(name) {
			t.Errorf("%s passes", name)
		}
	}
	for _, name := range []string{"", "customer", "pinned", "tracking", "track_and_trace", "spin", "incident", "postcode", "cvvs"} {
		if pan.IsAuthenticationData(name) {
			t.Errorf("%s is refused", name)
		}
	}
}
