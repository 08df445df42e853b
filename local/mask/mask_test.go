package mask_test

import (
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
)

func TestCards_FindsACardBesideOtherDigitsAndInLongWords(t *testing.T) {
	for _, text := range []string{
		"12 4111 1111 1111 1111", "4111111111111111 12/29", "4111111111111111 123", "4111/1111/1111/1111",
		"4111\t1111\t1111\t1111", "4111\u00a01111\u00a01111\u00a01111", "4111\u20111111\u20111111\u20111111",
		"order_4111111111111111_of_customer_number_a",
		"4111,1111,1111,1111", "4111:1111:1111:1111", "4111    1111    1111    1111", `["4111","1111","1111","1111"]`,
		"4111     1111          1111                    1111", `{"x":"4111\u003c1111 1111 1111"}`,
		`4111\t1111\n1111\r1111`,
		"4111&nbsp;1111&#160;1111&nbsp;1111", "\u2463" + strings.Repeat("\u2460", 15),
		"11111111-2222-4333-8444-555555555555 4111 1111 1111 1111", "4111%201111%201111%201111",
		"\uff14\uff11\uff11\uff11" + strings.Repeat("\uff11", 12), strings.Repeat("\u0664\u0661", 8),
	} {
		t.Run(text, func(t *testing.T) {
			if got := mask.Cards(text); !strings.Contains(got, "********") {
				t.Errorf("%q stays in clear", got)
			}
		})
	}
}

func TestCards_HidesCardsAndLeavesTheRest(t *testing.T) {
	for in, want := range map[string]string{
		"4111111111111111":                     "************1111",
		"a 4111-1111-1111-1111 b":              "a ************1111 b",
		"4111.1111.1111.1111":                  "************1111",
		`{"x":4111111111111111}`:               `{"x":************1111}`,
		"0000-0000-0000-0000":                  "************0000",
		"4111111111111112":                     "4111111111111112", // no valid check digit
		"123456789012":                         "123456789012",     // the account
		"41111111-1111-4111-8111-111111111111": "41111111-1111-4111-8111-111111111111",
		"2026-11-26T19:52:06.406Z":             "2026-11-26T19:52:06.406Z",
		"":                                     "",
		"41111111111111114111111111111111":     "41111111111111114111111111111111", // a ref has 32 digits
		"4111 1111 1111 1111 4111 1111":        "********************1111",
		"5: 4abc1234-1111-4111-8111-111111111111, 4111111111111111": "5: 4abc1234-1111-4111-8111-111111111111, " +
			"************1111",
		"12 41111111-1111-4111-8111-111111111111": "12 41111111-1111-4111-8111-111111111111",
	} {
		if got := mask.Cards(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestVisible_ShowsWhatCannotBeSeen(t *testing.T) {
	for in, want := range map[string]string{
		"a\x00b\x1b[31m\x07\x7f":     `a\u0000b\u001b[31m\u0007\u007f`,
		"PAID\u202eDIAP\u2066\u200b": `PAID\u202eDIAP\u2066\u200b`,
		"a\u2028b\ufeff\U000e0001":   `a\u2028b\ufeff\udb40\udc01`,
		"Zoë, 東京\n\t<&>":             "Zoë, 東京\n\t<&>", "": "",
	} {
		if got := mask.Visible(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
