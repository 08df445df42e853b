// Package mask replaces card numbers in texts that people read.
//
//	fmt.Fprintln(log, mask.Cards(text))
package mask

import (
	"regexp"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// written matches what can be a card number. It also matches tokens, refs and keys, so that they are left alone: a part
// of them can have a valid check digit by chance.
var written = regexp.MustCompile(random + `|\p{Nd}(?:[^\p{L}\p{Nd}]{0,4}\p{Nd}){11,}`)

const random = `[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32,}`

var (
	isRandom = regexp.MustCompile(`^(?:` + random + `)$`)
	group    = regexp.MustCompile(`\p{Nd}+`)
)

// Cards replaces the digits of what looks like a card number, except the last four.
func Cards(s string) string {
	return written.ReplaceAllStringFunc(s, func(found string) string {
		if isRandom.MatchString(found) {
			return found
		}
		groups := group.FindAllString(found, -1)
		number := []rune(strings.Join(groups, ""))
		// What is longer than a card number, or has digits of other scripts, is not looked at any closer.
		if foreign := len(string(number)) > len(number); foreign || len(number) > 19 || hasCard(groups) {
			return strings.Repeat("*", len(number)-4) + string(number[len(number)-4:])
		}
		return found
	})
}

// hasCard tells whether groups that follow each other are a card number, as in 12 4111 1111 1111 1111.
func hasCard(groups []string) bool {
	for i := range groups {
		number := ""
		for _, digits := range groups[i:] {
			if number += digits; len(number) > 19 {
				break
			}
			if _, err := client.ParsePAN(client.NewSecret(number)); err == nil {
				return true
			}
		}
	}
	return false
}
