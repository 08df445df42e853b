package pan

import (
	"testing"
	"unicode"
)

// Every decimal digit of Unicode is one of ASCII, each script's from zero to nine in order.
func TestASCIIDigit_KnowsEveryScript(t *testing.T) {
	next := '0'
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !unicode.IsDigit(r) {
			continue
		}
		if got := asciiDigit(r); got != next {
			t.Errorf("%U is %c, want %c", r, got, next)
		}
		if next++; next > '9' {
			next = '0'
		}
	}
	for shown, want := range map[string]string{
		"⁰¹²³⁴⁵⁶⁷⁸⁹": "0123456789", "₀₁₂₃₄₅₆₇₈₉": "0123456789", "⓪①②③④⑤⑥⑦⑧⑨": "0123456789",
		"⑴⑼⒈⒐⓵⓽⓿❶❾➀➈➊➒": "1919190191919", "🄀🄁🄊🄋🄌": "00900",
	} {
		if got := plain(shown); got != want {
			t.Errorf("%s is %s, want %s", shown, got, want)
		}
	}
}
