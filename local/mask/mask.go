// Package mask prepares texts for people: it replaces card numbers, and writes characters that cannot be seen.
//
//	fmt.Fprintln(log, mask.Cards(text))
//	page := mask.Visible(mask.Cards(text))
package mask

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

var (
	// random matches tokens, refs and keys, which are left alone: a part of them can have a valid check digit by
	// chance.
	random = regexp.MustCompile(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32,}`)
	// escaped matches what JSON and HTML write for a character between digits.
	escaped = regexp.MustCompile(escape)
	// digits matches digits of any script, with anything but letters between them.
	digits = regexp.MustCompile(`\p{N}(?:(?:` + escape + `|[^\p{L}\p{N}])*\p{N})*`)
	group  = regexp.MustCompile(`\p{N}+`)
)

const (
	escape   = `\\[bfnrt]|\\u[0-9a-fA-F]{4}|&#?[0-9a-zA-Z]+;`
	shortest = 12 // digits of a card number
	longest  = 19
)

// Cards replaces the digits of what looks like a card number, except the last four.
func Cards(s string) string {
	var b strings.Builder
	at := 0
	for _, found := range random.FindAllStringIndex(s, -1) {
		b.WriteString(digits.ReplaceAllStringFunc(s[at:found[0]], masked))
		b.WriteString(s[found[0]:found[1]])
		at = found[1]
	}
	b.WriteString(digits.ReplaceAllStringFunc(s[at:], masked))
	return b.String()
}

// masked masks a row of digits if there is a card number in it.
func masked(found string) string {
	groups := group.FindAllString(escaped.ReplaceAllString(found, " "), -1)
	number := []rune(strings.Join(groups, ""))
	if len(number) < shortest {
		return found
	}
	// What is longer than a card number, or has digits of other scripts, is not looked at any closer.
	if foreign := len(string(number)) > len(number); foreign || len(number) > longest || hasCard(groups) {
		return strings.Repeat("*", len(number)-4) + string(number[len(number)-4:])
	}
	return found
}

// hasCard tells whether groups that follow each other are a card number, as in 12 4111 1111 1111 1111.
func hasCard(groups []string) bool {
	for i := range groups {
		number := ""
		for _, digits := range groups[i:] {
			if number += digits; len(number) > longest {
				break
			}
			if _, err := client.ParsePAN(client.NewSecret(number)); err == nil {
				return true
			}
		}
	}
	return false
}

// Visible writes control characters, and those that cannot be seen or that turn a text around, as JSON writes them,
// such as \u202e. A line break and a tab stay.
func Visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if !hidden(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

func hidden(r rune) bool {
	return r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
