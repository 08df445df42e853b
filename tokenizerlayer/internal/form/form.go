// Package form tells whether a text consists of the characters that a name, a number or a key may have. Regular
// expressions would say the same, but compiling them at each start of the extension takes a millisecond, most of it for
// counts such as {1,128}.
package form

import "strings"

// Characters, to be joined.
const (
	Digits  = "0123456789"
	Lower   = "abcdefghijklmnopqrstuvwxyz"
	Letters = Lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	Hex     = Digits + "abcdef"       // in lower case
	Base64  = Letters + Digits + "-_" // for URLs
)

// Consists tells whether s has least to most bytes, all of them among characters, which are ASCII.
func Consists(s, characters string, least, most int) bool {
	return len(s) >= least && len(s) <= most && strings.Trim(s, characters) == ""
}

// Begins tells whether the first byte of s is among characters.
func Begins(s, characters string) bool { return s != "" && strings.IndexByte(characters, s[0]) >= 0 }
