// Package sensitive holds values that must not leak by accident.
//
// A [String] carries a card number or another secret through the program. Every way in which Go turns a value into text
// by itself (fmt, log/slog, encoding/json) prints a fixed mask or an address, so a forgotten log line or a wrapped
// error cannot disclose the text. Only two conspicuous names give it: [String.Reveal], for the code that encrypts or
// charges, and [Wire], for the one message that has to carry the value.
package sensitive

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Mask is what a sensitive value prints as.
const Mask = "[REDACTED]"

// String is text that prints as [Mask]. The zero value is the empty string. Use [String.Equal] to compare: == does not
// compile.
type String struct {
	// text is a function because package fmt calls no methods on a value in an unexported field of another struct: it
	// would print a string that stood here, and of a function it prints the address.
	text func() string
}

// New wraps s.
func New(s string) String { return String{func() string { return s }} }

// Reveal returns the text itself. Each call is a place for a reviewer to look at.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return s.text()
}

// IsZero reports whether the text is empty.
func (s String) IsZero() bool { return s.Reveal() == "" }

// Equal compares in a time that depends on the lengths only.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns Mask.
func (String) String() string { return Mask }

// GoString returns Mask.
func (String) GoString() string { return Mask }

// Format prints Mask for every verb: %x would otherwise reach the bytes.
func (String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Mask)) }

// LogValue returns Mask.
func (String) LogValue() slog.Value { return slog.StringValue(Mask) }

// MarshalJSON returns Mask: a struct that happens to hold a String can be logged as JSON.
func (String) MarshalJSON() ([]byte, error) { return json.Marshal(Mask) }

// UnmarshalJSON reads a JSON string; null leaves the text as it is.
func (s *String) UnmarshalJSON(b []byte) error {
	text := s.Reveal()
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	*s = New(text)
	return nil
}

// Wire is a String in a message that exists to carry it: it still prints as Mask, but MarshalJSON reveals the text.
// Use it in wire types only.
type Wire struct{ String }

// OnWire makes s marshal as its own text.
func OnWire(s String) Wire { return Wire{s} }

// MarshalJSON reveals the text.
func (w Wire) MarshalJSON() ([]byte, error) { return json.Marshal(w.Reveal()) }
