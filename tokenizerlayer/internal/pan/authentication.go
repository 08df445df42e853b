package pan

import (
	"slices"
	"strings"
	"unicode"
)

// IsAuthenticationData tells whether a member's name is one of sensitive authentication data: a card verification code,
// track data or a PIN. PCI DSS 3.3.1 forbids to store these after authorization, even encrypted.
//
// Names are taken apart at separators, digits and capital letters, and their words are looked at: ccCvv,
// card_verification_number and encrypted_pin_block are such names; mapping, shipping and pinned are not.
func IsAuthenticationData(name string) bool {
	all := words(name)
	joined := strings.Join(all, "")
	has := func(some ...string) bool {
		return slices.ContainsFunc(some, func(word string) bool { return slices.Contains(all, word) })
	}
	switch {
	case has("email", "mail", "phone", "sms") && !strings.Contains(joined, "cvv") && !has("pin"):
		return false // codes that are sent to people
	case slices.ContainsFunc(marks, func(mark string) bool { return strings.Contains(joined, mark) }):
		return true
	case has("cav", "csc", "pin", "pins", "magstripe"):
		return true
	case slices.Contains([]string{"cid", "cardid", "verification", "cardverification", "securitycode"}, joined):
		return true
	case has("verification", "security") && has("code", "value", "number", "no", "num", "digits", "data"):
		return true
	case has("card", "cc") && has("code"):
		return true
	case has("track", "tracks"):
		return len(all) == 1 || has("1", "2", "3", "data", "equivalent", "magnetic", "stripe", "card")
	}
	return false
}

// marks are so particular that they are looked for inside words too, which may have been joined without a capital
// letter.
var marks = []string{
	"cvv", "cvc", "cvd", "cvn", "pinblock", "pincode", "magstripe", "magneticstripe", "trackdata", "track1data",
	"track2data", "track3data", "cardcode", "cardsecurity", "securitycode", "verificationcode", "verificationvalue",
	"cardpin",
}

// words takes a name apart: at everything that is no letter or digit, between letters and digits, and where a capital
// letter begins a word (PINBlock has the words pin and block). They are in lower case.
func words(name string) []string {
	var all []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			all, word = append(all, strings.ToLower(string(word))), nil
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
			continue
		case len(word) > 0 && unicode.IsDigit(r) != unicode.IsDigit(word[len(word)-1]):
			end()
		case unicode.IsUpper(r) && i > 0 && unicode.IsLower(runes[i-1]):
			end()
		case unicode.IsUpper(r) && i+1 < len(runes) && unicode.IsLower(runes[i+1]) && len(word) > 0:
			end()
		}
		word = append(word, r)
	}
	end()
	return all
}

var (
	// trackData finds track 1 and track 2 as a magnetic stripe or a chip holds them (ISO/IEC 7813): start sentinel,
	// number, separator and the four digits of the expiry. The sentinels may be missing, as in a chip's "track 2
	// equivalent data", whose separator is a D.
	trackData = lazily(`(?i)%?B[0-9]{12,19}\^[^^\r\n]{2,26}\^[0-9]{4}|(^|[^0-9]);?[0-9]{12,19}[=D][0-9]{4}[0-9]{3,}`)
	// pinBlock is a clear PIN block of ISO 9564 format 0 to 3: eight bytes in hexadecimal, of which the first has
	// format and length.
	pinBlock = lazily(`(?i)^[0-3][4-9a-c][0-9a-f]{14}$`)
)

// HoldsAuthenticationData tells whether a text seems to hold the data of a card's track, or is a PIN block. Neither may
// be stored after authorization, not even encrypted (PCI DSS 3.3.1). It is a net, not a proof: a PIN block that was
// encrypted looks like any number.
func HoldsAuthenticationData(text string) bool {
	return trackData().MatchString(text) || pinBlock().MatchString(text) && strings.ContainsAny(text, "abcdefABCDEF")
}
