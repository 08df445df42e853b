package pan

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// likeDigits is the least number of digits that Like reacts to. Cards of 12 exist, but so do many other numbers.
const likeDigits = 13

// group is a run of digits, and what separates it from the group before.
type group struct{ separator, digits string }

// lazily compiles a regular expression when it is used: most requests need none, and each start of the extension would
// pay for them.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// digitRun finds runs of digits and what stands before each.
var digitRun = lazily(`([^0-9]*)([0-9]+)`)

// uuids are the names that callers make up more often than any other.
var uuids = lazily(`\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b`)

// Like reports whether whole groups of digits in s, next to each other, make a card number: somebody pasted a card
// where it would be stored or shown in the clear. Digits are those of any script, since people can read them, and
// characters that nobody sees do not count. Groups belong together if few characters separate them, if all separators
// are the same, or if they have the sizes in which cards are written.
//
// It is a net, not a proof: it misses numbers that are spelled out, encoded, cut in odd places, or part of a longer
// number. And one in ten of other numbers of that length passes the check digit, and is taken for a card.
func Like(s string) bool {
	s = uuids().ReplaceAllStringFunc(plain(s), func(u string) string {
		if strings.ContainsAny(u, "abcdefABCDEF") {
			return "x" // whose groups of digits are a card's by chance, one time in a hundred
		}
		return u
	})
	var groups []group
	for _, m := range digitRun().FindAllStringSubmatch(s, -1) {
		groups = append(groups, group{m[1], m[2]})
	}
	for first := range groups {
		digits := ""
		for last := first; last < len(groups); last++ {
			if digits += groups[last].digits; len(digits) > MaxDigits {
				break
			}
			if len(digits) >= likeDigits && CheckDigitFits(digits) && together(groups[first:last+1]) {
				return true
			}
		}
	}
	return false
}

// maxSeparator is how many characters may separate groups that look like a card's in another way: all separators the
// same, or the sizes of the groups.
const maxSeparator = 16

// fewAlike is how many groups, all separated by the same, are no chance any more. In hexadecimal numbers a letter often
// stands between two.
const fewAlike = 4

// together tells whether groups look like one number.
func together(groups []group) bool {
	near, alike := true, len(groups) >= fewAlike
	for _, g := range groups[1:] {
		near = near && isNear(g.separator)
		alike = alike && g.separator == groups[1].separator
		if utf8.RuneCountInString(g.separator) > maxSeparator {
			return false
		}
	}
	return near || alike || isCardShape(groups)
}

// isNear tells whether a separator is short and holds no letters, as in most ways of writing a card.
func isNear(separator string) bool {
	return utf8.RuneCountInString(separator) <= 3 && !strings.ContainsFunc(separator, unicode.IsLetter)
}

// isCardShape tells whether groups have the sizes in which cards are printed: fours, or 4-6-5 and 4-6-4.
func isCardShape(groups []group) bool {
	sizes := make([]int, len(groups))
	for i, g := range groups {
		sizes[i] = len(g.digits)
	}
	if len(sizes) == 3 && sizes[0] == 4 && sizes[1] == 6 {
		return sizes[2] == 5 || sizes[2] == 4
	}
	for _, size := range sizes[:len(sizes)-1] {
		if size != 4 {
			return false
		}
	}
	return len(sizes) >= 4 && sizes[len(sizes)-1] <= 4
}

// plain writes digits of any script in ASCII, and leaves out characters that nobody sees.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < utf8.RuneSelf:
			return r
		// zero-width spaces and joiners, marks that combine with a digit
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Mn, r):
			return -1
		}
		return asciiDigit(r)
	}, s)
}

// shownDigits are digits in shapes that Unicode does not count as decimal digits, from the first to the last:
// superscripts, subscripts, in circles, in parentheses, with a full stop.
var shownDigits = []struct {
	first, last rune
	value       rune // of the first
}{
	{'⁰', '⁰', '0'}, {'¹', '¹', '1'}, {'²', '³', '2'}, {'⁴', '⁹', '4'}, {'₀', '₉', '0'},
	{'①', '⑨', '1'}, {'⓪', '⓪', '0'}, {'⑴', '⑼', '1'}, {'⒈', '⒐', '1'}, {'⓵', '⓽', '1'}, {'⓿', '⓿', '0'},
	{'❶', '❾', '1'}, {'➀', '➈', '1'}, {'➊', '➒', '1'}, {'🄀', '🄀', '0'}, {'🄁', '🄊', '0'}, {'🄋', '🄋', '0'},
	{'🄌', '🄌', '0'},
}

// asciiDigit turns a digit of any script or shape into that of ASCII. Unicode has decimal digits in tens, each from
// zero to nine.
func asciiDigit(r rune) rune {
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
	for _, shown := range shownDigits {
		if shown.first <= r && r <= shown.last {
			return shown.value + r - shown.first
		}
	}
	return r
}
