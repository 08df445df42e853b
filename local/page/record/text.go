package record

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
)

// clip masks and shortens a text, and makes all of it visible.
func clip(s string) string {
	// A card number that begins before the cut is read to its end.
	s = mask.Visible(mask.Cards(s[:min(len(s), maxLine)]))
	if len(s) <= maxText {
		return strings.Clone(s) // not a part of something large
	}
	cut := maxText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// hash is what the CDK appends to the ids of resources.
var hash = regexp.MustCompile(`^(.+?)(?:ServiceRole)?[0-9A-F]{8}$`)

// Name is the short name of a role, a function or a key, such as OrderRole: without path, stack and hash.
func Name(arn string) string {
	name := arn[strings.LastIndexAny(arn, "/:")+1:]
	if i := strings.IndexByte(name, '-'); i > 0 && strings.HasSuffix(name[:i], "Stack") {
		name = name[i+1:]
	}
	if m := hash.FindStringSubmatch(name); m != nil {
		name = m[1]
	}
	return clip(name)
}
