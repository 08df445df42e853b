// Package sensitive holds values that must not leak by accident.
//
// A [String] carries a card number or another secret through the program. Every way Go has of turning it into text by
// itself (fmt, log/slog, encoding/json, %#v) prints a fixed mask, so a forgotten log line or a wrapped error cannot
// disclose it. Two conspicuous ways lead out: [String.Reveal], for the code that encrypts or charges, and [Wire], for
// the one message that has to carry the value.
package sensitive

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Mask is what a sensitive value prints as.
const Mask = "[REDACTED]"

// String is text that prints as [Mask]. The zero value is the empty string.
type String struct{ value string }

// New wraps s.
func New(s string) String { return String{value: s} }

// Reveal returns the text itself. Each call is a place for a reviewer to look at.
func (s String) Reveal() string { return s.value }

// IsZero reports whether the text is empty.
func (s String) IsZero() bool { return s.value == "" }

// Equal compares in time that depends on the lengths only.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.value), []byte(other.value)) == 1
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

// UnmarshalJSON reads a JSON string.
func (s *String) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &s.value) }

// Wire is a String in a message that exists to carry it: it still prints as Mask, but MarshalJSON reveals the text.
// Use it in wire types only.
type Wire struct{ String }

// OnWire makes s marshal as its own text.
func OnWire(s String) Wire { return Wire{s} }

// MarshalJSON reveals the text.
func (w Wire) MarshalJSON() ([]byte, error) { return json.Marshal(w.value) }
