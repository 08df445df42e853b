package pan_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
)

func TestLike_FindsCardNumbersHoweverTheyAreWritten(t *testing.T) {
	for _, s := range []string{
		"4111111111111111", "card 4111-1111-1111-1111, please", "a4111111111111111b", "4111_1111_1111_1111",
		"12 4111 1111 1111 1111",
		"4111  1111  1111  1111", "4111 - 1111 - 1111 - 1111", "4111\u00a01111\u00a01111\u00a01111",
		"\uff14\uff11\uff11\uff11111111111111",
		"\u0664\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661",
		"\U0001d7d2111111111111111",
		"4111x1111x1111x1111", "4111    1111    1111    1111", "4111 or 1111 or 1111 or 1111",
		"4111\u200b1111\u200d1111\ufeff1111",
		"4\u200b1\u200b1\u200b1\u200b1\u200b1\u200b1\u200b1\u200b1\u200b1\u200b1\u200b1\u200b1\u200b1\u200b1\u200b1",
		"④①①①①①①①①①①①①①①①", "⁴¹¹¹¹¹¹¹¹¹¹¹¹¹¹¹", "₄₁₁₁₁₁₁₁₁₁₁₁₁₁₁₁",
		"4111 then 1111, 1111: 1111", "3782 amex 822463/10005", "4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1",
		"4,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
		"6304000000000000000", "6304 0000 0000 0000 000", "3056 amex 930902/5904", "41    1111    1111    1111    11",
		"4111" + strings.Repeat("-", 16) + "1111" + strings.Repeat("-", 16) + "1111" + strings.Repeat("-", 16) + "1111",
		"4\u03011\u03011\u03011111111111111", "tel 1234567 card 4111 1111 1111 1111",
	} {
		if !pan.Like(s) {
			t.Errorf("%q passes", s)
		}
	}
	for _, s := range []string{
		"4111 amex 111111/111111", "4111 then 1111, 1111: 111111118", "4111 then 1111, 1111: 11113",
		"63040000000000000000",
		"4111" + strings.Repeat("-", 17) + "1111" + strings.Repeat("-", 17) + "1111" + strings.Repeat("-", 17) + "1111",
		"", "order 12", "4111111111111112", "411111111111", "tel. +49 30 123456",
		"12 Main St, Apt 4, NY 10001, +1 212 555 0134",
		"2026-11-26T13:01:07Z, room 1204",
		"4111 of one kind and then a long text in between 1111 and again 1111 or 1111",
	} {
		if pan.Like(s) {
			t.Errorf("%q is taken for a card", s)
		}
	}
}

func TestLike_ReadsDigitsOfEveryScript(t *testing.T) {
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

func TestIsAuthenticationData_KnowsTheNamesThatItGoesBy(t *testing.T) {
	for _, name := range []string{
		"cvv", "CVV2", "card_cvv", "cardCvv", "card-cvv", "cvv-code", "cvc_code", "security.code", "securityCode",
		"card_verification_value",
		"track1", "track_2", "track-2", "track2_data", "trackData", "pin", "PIN", "pin-block", "pinBlock", "csc", "cid",
		"magstripe",
		"ccCvv", "cc_cvv", "cvd", "cardCode", "card_verification_number", "pin_code", "pinCode", "encrypted_pin_block",
		"track3", "cvv2code",
		"cvv_number", "pin_number", "track2_equivalent", "verification", "verificationValue", "PINBlock", "CardCVV",
		"CVV2Code", "creditcardcvv2",
		"newPin", "Track2EquivalentData", "track1data", "mycvv", "card_security_code", "CardSecurityCode", "cardPin",
		"magneticStripe", "cvn", "cav2",
		"securityDigits", "cvvs", "_track", "track.", "2track", "XPin", "track_2_x",
	} {
		if !pan.IsAuthenticationData(name) {
			t.Errorf("%s passes", name)
		}
	}
	for _, name := range []string{
		"", "customer", "pinned", "tracking", "track_and_trace", "spin", "incident", "postcode", "mapping", "shipping",
		"discover", "shoppingCart",
		"trackingNumber", "opinion", "email_verification_code", "zip_code", "promoCode", "countryCode", "customer_id",
		"soundtrack", "security_level",
	} {
		if pan.IsAuthenticationData(name) {
			t.Errorf("%s is refused", name)
		}
	}
}

func TestHoldsAuthenticationData_FindsItInsideText(t *testing.T) {
	for _, text := range []string{
		"%B4111111111111111^DOE/JANE^29121010000000000000?", ";4111111111111111=29121010000000000000?",
		"4111111111111111=2912101000000",
		"4111111111111111D29121010000000000F", "swipe: ;378282246310005=2912101?",
		"b4111111111111111^DOE/JANE      ^2912101",
		"041276FFFEFEEEEE", "24123456FFFFFFFF", "0412acffffffffff",
	} {
		if !pan.HoldsAuthenticationData(text) {
			t.Errorf("%q passes", text)
		}
	}
	for _, text := range []string{
		"", "DE89370400440532013000", "2^10 = 1024", "a=4111111111111111", "0512345678901234", "dead beef",
		"deadbeefdeadbeef", "order=20291210",
		"https://shop.example/?id=123456789012", "041276FFFEFEEEEEE", "Bahnhofstraße 1",
	} {
		if pan.HoldsAuthenticationData(text) {
			t.Errorf("%q is refused", text)
		}
	}
}
