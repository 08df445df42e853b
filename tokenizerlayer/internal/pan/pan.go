// Package pan parses payment card numbers (PANs).
//
// A number has 12 to 19 ASCII digits (ISO/IEC 7812-1), may be grouped by single spaces or dashes, and carries a Luhn
// check digit. Everything else is refused with an error that says what is wrong and never quotes the input.
package pan

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
)

// Lengths of a card number, in digits.
const (
	MinDigits = 12
	MaxDigits = 19
)

// maxInput bounds what Parse looks at: 19 digits with a separator between any two, and some slack at the ends.
const maxInput = 2*MaxDigits + 2

// What is wrong with an input. None of these quotes it.
var (
	ErrEmpty      = errors.New("must not be empty")
	ErrCharacters = errors.New("must hold ASCII digits only, single spaces or dashes between them allowed")
	ErrLength     = errors.New("must have 12 to 19 digits")
	ErrLuhn       = errors.New("is not a card number: its check digit does not fit")
)

// Number is a valid card number, digits only. It prints as a mask.
type Number struct{ sensitive.String }

// Parse validates and normalizes s. The sample number of the walkthrough, 0000-0000-0000-0000, is valid.
func Parse(s string) (Number, error) {
	s = strings.Trim(s, " ")
	switch {
	case s == "":
		return Number{}, ErrEmpty
	case len(s) > maxInput:
		return Number{}, ErrLength
	}
	digits := make([]byte, 0, MaxDigits)
	separated := true // no separator before the first digit, after the last, or after another
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits, separated = append(digits, c), false
		case (c == ' ' || c == '-') && !separated:
			separated = true
		default:
			return Number{}, ErrCharacters
		}
	}
	switch {
	case separated:
		return Number{}, ErrCharacters
	case len(digits) < MinDigits || len(digits) > MaxDigits:
		return Number{}, ErrLength
	case !luhn(digits):
		return Number{}, ErrLuhn
	}
	return Number{sensitive.New(string(digits))}, nil
}

// CheckDigitFits tells whether a text of ASCII digits, of any length, ends in the right check digit.
func CheckDigitFits(digits string) bool { return luhn([]byte(digits)) }

// likeDigits is the least number of digits that Like reacts to. Cards of 12 exist, but so do many other numbers.
const likeDigits = 13

// digitGroups finds runs of digits that at most three other characters separate, which is how people write cards.
var digitGroups = regexp.MustCompile(`[0-9]+(?:[^0-9A-Za-z]{1,3}[0-9]+)*`)

// uuids are the names that callers make up more often than any other.
var uuids = regexp.MustCompile(`\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b`)

// Like reports whether whole groups of digits in s, next to each other, make a card number: somebody pasted a card where it
// would be stored or shown in the clear. Digits are those of any script: people can read them.
func Like(s string) bool {
	s = uuids.ReplaceAllStringFunc(strings.Map(asciiDigit, s), func(u string) string {
		if strings.ContainsAny(u, "abcdefABCDEF") {
			return "x" // whose groups of digits are a card's by chance, one time in a hundred
		}
		return u
	})
	for _, run := range digitGroups.FindAllString(s, -1) {
		groups := strings.FieldsFunc(run, func(r rune) bool { return r < '0' || r > '9' })
		for first := range groups {
			digits := ""
			for _, group := range groups[first:] {
				if digits += group; len(digits) > MaxDigits {
					break
				}
				if _, err := Parse(digits); err == nil && len(digits) >= likeDigits {
					return true
				}
			}
		}
	}
	return false
}

// asciiDigit turns a decimal digit of any script into that of ASCII. Unicode has them in tens, each from zero to nine.
func asciiDigit(r rune) rune {
	if r < utf8.RuneSelf {
		return r
	}
	for _, tens := range unicode.Nd.R16 {
		if lo, hi := rune(tens.Lo), rune(tens.Hi); lo <= r && r <= hi {
			return '0' + (r-lo)%10
		}
	}
	for _, tens := range unicode.Nd.R32 {
		if lo, hi := rune(tens.Lo), rune(tens.Hi); lo <= r && r <= hi {
			return '0' + (r-lo)%10
		}
	}
	return r
}

// authentication are the names under which card verification codes, track data and PINs travel, without separators.
var authentication = regexp.MustCompile(`(?i)^(card)?(cvv2?|cvc2?|cav2?|csc|cid|cvn|(cvv|cvc|security|verification)(value|code)|track([12]|[12]?data)?|magstripe|pin|pinblock)$`)

var separators = strings.NewReplacer("_", "", "-", "", ".", "", ":", "")

// IsAuthenticationData tells whether a member's name is one of sensitive authentication data, which must never be stored after
// authorization, not even encrypted (PCI DSS 3.3.1).
func IsAuthenticationData(name string) bool {
	return authentication.MatchString(separators.Replace(name))
}

// Mask shows the last four digits and hides the others, keeping the length: ************0000.
func (n Number) Mask() string {
	return n.mask(0)
}

// firstSixFrom is the number of digits from which the first six may be shown beside the last four: of a shorter number too
// little would stay hidden.
const firstSixFrom = 15

// MaskMiddle shows the first six digits (the issuer) and the last four, the most that PCI DSS 3.4.1 lets be displayed. Of
// numbers with fewer than 15 digits it shows the last four only.
func (n Number) MaskMiddle() string {
	if len(n.Reveal()) < firstSixFrom {
		return n.mask(0)
	}
	return n.mask(6)
}

func (n Number) mask(first int) string {
	d := n.Reveal()
	if len(d) < MinDigits {
		return "" // the zero Number
	}
	return d[:first] + strings.Repeat("*", len(d)-4-first) + d[len(d)-4:]
}

// luhn checks the digit sum of ISO/IEC 7812-1 annex B.
func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
