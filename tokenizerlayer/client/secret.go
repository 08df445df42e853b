package client

import (
	"fmt"
	"log/slog"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
)

// Redacted is what a [Secret] and a [PAN] print as.
const Redacted = sensitive.Mask

// Secret is a text that must not leak by accident, such as a card number. Package fmt, log/slog and encoding/json show
// [Redacted] in its place, whatever the verb or the handler; of a Secret in an unexported field, package fmt shows an
// address. The zero value is the empty text. Use Equal to compare: == does not compile.
//
// A Secret protects from accidents, not from code that is out to read it, and it does not erase the text from memory.
type Secret struct{ text sensitive.String }

// NewSecret wraps a text.
func NewSecret(text string) Secret { return Secret{sensitive.New(text)} }

// Reveal returns the text itself. Each call is a place for a reviewer to look at.
func (s Secret) Reveal() string { return s.text.Reveal() }

// IsZero reports whether the text is empty.
func (s Secret) IsZero() bool { return s.text.IsZero() }

// Equal compares two texts in a time that depends on their lengths only.
func (s Secret) Equal(other Secret) bool { return s.text.Equal(other.text) }

// String returns [Redacted].
func (Secret) String() string { return Redacted }

// GoString returns [Redacted].
func (Secret) GoString() string { return Redacted }

// Format prints [Redacted] for every verb.
func (s Secret) Format(f fmt.State, verb rune) { s.text.Format(f, verb) }

// LogValue returns [Redacted].
func (Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON returns [Redacted] as a JSON string: a struct with a Secret can be logged as JSON, but not be stored as
// JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return s.text.MarshalJSON() }

// UnmarshalJSON reads a JSON string. The error does not quote the input.
func (s *Secret) UnmarshalJSON(b []byte) error { return s.text.UnmarshalJSON(b) }

// PAN is a payment card number (primary account number) that has been checked: 12 to 19 digits without separators, the
// last of them a Luhn check digit (ISO/IEC 7812-1). Make one with [ParsePAN], or decode it from JSON. It is a [Secret],
// so it shows as [Redacted]; pass its Secret to Tokenize or Seal. The zero value is no number.
type PAN struct{ Secret }

// ParsePAN checks a card number and removes its separators. It accepts single spaces or dashes between ASCII digits,
// and spaces around them. The error says what is wrong, in words that can follow the name of a field ("must have 12 to
// 19 digits"), and never quotes the input. It does not ask a bank: a number that no bank has issued can pass.
func ParsePAN(s Secret) (PAN, error) {
	n, err := pan.Parse(s.Reveal())
	if err != nil {
		return PAN{}, err
	}
	return PAN{Secret{n.String}}, nil
}

// UnmarshalJSON reads a JSON string as [ParsePAN] does; null leaves p as it is. The error does not quote the input.
func (p *PAN) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var text Secret
	if err := text.UnmarshalJSON(b); err != nil {
		return err
	}
	number, err := ParsePAN(text)
	if err != nil {
		return err
	}
	*p = number
	return nil
}

// Mask shows the last four digits and hides the others, keeping the length: ************1111. The mask may be shown and
// stored. That of the zero PAN is empty.
func (p PAN) Mask() string { return pan.Number{String: p.text}.Mask() }

// MaskMiddle shows the first six digits, which name the issuer, and the last four: 411111******1111. PCI DSS 3.4.1 lets
// no more be displayed. Of a number with fewer than 15 digits it shows only the last four.
func (p PAN) MaskMiddle() string { return pan.Number{String: p.text}.MaskMiddle() }

// ContainsPAN reports whether a text seems to hold a card number. Use it to refuse free text, such as a name or an
// address, into which somebody pasted a card. It finds groups of digits, of any script and with up to three other
// characters between them, that make 13 to 19 digits with a valid check digit. It misses numbers that are written out
// or encoded, and it also finds other numbers whose check digit is valid by chance: one in ten.
func ContainsPAN(text string) bool { return pan.Like(text) }

// IsAuthenticationData reports whether a name, such as that of a member of a request, is one of sensitive
// authentication data: a card verification code, track data or a PIN. PCI DSS 3.3.1 forbids storing these after
// authorization, even encrypted, so refuse a request that has such a member.
func IsAuthenticationData(name string) bool { return pan.IsAuthenticationData(name) }
