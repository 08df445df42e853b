// Package pan parses payment card numbers (PANs).
//
// A number has 12 to 19 ASCII digits (ISO/IEC 7812-1), may be grouped by single spaces or dashes, and carries a Luhn
// check digit. Everything else is refused with an error that says what is wrong and never quotes the input.
package pan

import (
	"errors"
	"strings"

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
	ErrLuhn       = errors.New("is not a card number: its check digit is wrong")
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

// Mask shows the last four digits and hides the others, keeping the length: ************0000.
func (n Number) Mask() string {
	return n.mask(0)
}

// firstSixFrom is the number of digits from which the first six may be shown beside the last four: of a shorter number
// too little would stay hidden.
const firstSixFrom = 15

// MaskMiddle shows the first six digits (the issuer) and the last four, the most that PCI DSS 3.4.1 lets be displayed.
// Of numbers with fewer than 15 digits it shows the last four only.
func (n Number) MaskMiddle() string {
	if len(n.Reveal()) < firstSixFrom {
		return n.mask(0)
	}
	return n.mask(6)
}

// Len is how many digits the number has.
func (n Number) Len() int { return len(n.Reveal()) }

// LastFour are the last four digits.
func (n Number) LastFour() string {
	d := n.Reveal()
	return d[max(0, len(d)-4):]
}

// FirstSix are the first six digits, which may be shown and stored beside the last four (PCI DSS 3.4.1); "" for numbers
// with fewer than 15 digits, for which [Number.MaskMiddle] does not show them either.
func (n Number) FirstSix() string {
	if n.Len() < firstSixFrom {
		return ""
	}
	return n.Reveal()[:6]
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
