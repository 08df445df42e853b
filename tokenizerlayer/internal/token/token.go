// Package token makes tokens from random secrets.
//
// A token is random. It is derived from a random [Seed]. It does not depend on the data, except that in the format
// [Card] it has the length and the last four digits of the card. Two values follow from a seed:
//
//	ref   = hex(SHA-256("ref" || seed)[:16])
//	token = UUID, or card digits, from SHA-256("token" || seed)
//
// The seed is sealed together with the data. Whoever opens an envelope computes both again, so a token proves which
// data it stands for: to put other data behind a UUID token, somebody would have to know its seed, or find another with
// the same 122 bits. Neither value says anything about the other or about the seed.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/form"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
)

// Format is how a token looks.
type Format string

const (
	// UUID is a version 4 UUID in lower case (RFC 9562), 122 random bits.
	UUID Format = "uuid"
	// Card has the card's length and last four digits, and random digits before them. Its check digit never fits, so it
	// is not Luhn-valid. It has few digits: of a card with n digits there are about 0.9 * 10^(n-4) tokens, so a card
	// token can be guessed, and it vouches for its data only as far as that many attempts go. What keeps its data safe
	// is the permission to detokenize.
	Card Format = "card"
)

// kept is how many of a card's last digits its token shows.
const kept = 4

// SeedSize is the length of a seed, in bytes.
const SeedSize = 32

// Seed is the secret that a token is made of. Only who made the token, and who opens its envelope, knows it.
type Seed [SeedSize]byte

// NewSeed draws a seed.
func NewSeed() (s Seed) {
	_, _ = rand.Read(s[:]) // never fails: crypto/rand aborts the program instead
	return s
}

// Ref names the token without telling it: for logs, for the encryption context and so for CloudTrail. It has 32
// hexadecimal digits.
func (s Seed) Ref() string {
	sum := s.hash("ref")
	return hex.EncodeToString(sum[:16])
}

// Token derives the token. Of a card, number n, it takes the length and the last four digits.
func (s Seed) Token(f Format, n pan.Number) string {
	if f == Card {
		return s.card(n.Reveal())
	}
	sum := s.hash("token")
	u := uuid.UUID(sum[:16])
	u[6] = u[6]&0x0f | 0x40 // version 4
	u[8] = u[8]&0x3f | 0x80 // variant of RFC 9562
	return u.String()
}

// Made reports whether the token and its ref come from this seed. The comparison takes the same time whatever differs.
func (s Seed) Made(token, ref string, n pan.Number) bool {
	format := UUID
	if isCardLike(token) {
		format = Card
	}
	same := subtle.ConstantTimeCompare([]byte(s.Ref()), []byte(ref))
	return same&subtle.ConstantTimeCompare([]byte(s.Token(format, n)), []byte(token)) == 1
}

// hash is SHA-256(label || seed || more). Labels differ in length, and seeds do not, so no two of them give the same
// input.
func (s Seed) hash(label string, more ...byte) [sha256.Size]byte {
	input := append(append([]byte(label), s[:]...), more...)
	defer clear(input)
	return sha256.Sum256(input)
}

// card takes digits from the hash until they make no card number, which the first ones do nine times out of ten.
func (s Seed) card(digits string) string {
	if len(digits) < pan.MinDigits {
		return "" // the data is no card, so no card token is made of this seed
	}
	made := []byte(digits)
	stream := digitStream{seed: s}
	for {
		for i := range len(made) - kept {
			made[i] = stream.next()
		}
		if !pan.CheckDigitFits(string(made)) {
			return string(made)
		}
	}
}

// digitStream gives random digits: the bytes of SHA-256("token" || seed), then of SHA-256("token" || seed || i) for i =
// 1, 2, ...
type digitStream struct {
	seed  Seed
	block []byte
	count byte
}

// next gives a digit, all of them equally likely: of the 256 values of a byte, it takes the 250 that are ten times each
// digit. That the stream repeats itself after 256 blocks is of no consequence: a token needs more than three with a
// probability below 10^-9.
func (d *digitStream) next() byte {
	for {
		if len(d.block) == 0 {
			var block [sha256.Size]byte
			if d.count == 0 {
				block = d.seed.hash("token")
			} else {
				block = d.seed.hash("token", d.count)
			}
			d.block, d.count = block[:], d.count+1
		}
		b := d.block[0]
		if d.block = d.block[1:]; b < 250 {
			return '0' + b%10
		}
	}
}

// isUUID tells whether s has the form of a UUID in lower case: groups of 8, 4, 4, 4 and 12 hexadecimal digits.
func isUUID(s string) bool {
	group := strings.Split(s, "-")
	if len(group) != 5 {
		return false
	}
	for i, digits := range [...]int{8, 4, 4, 4, 12} {
		if !form.Consists(group[i], form.Hex, digits, digits) {
			return false
		}
	}
	return true
}

// isCardLike tells whether s has the form of a card number.
func isCardLike(s string) bool { return form.Consists(s, form.Digits, pan.MinDigits, pan.MaxDigits) }

// Parse returns a token as the vault writes it: a UUID may come in upper case. It reports whether s can be a token at
// all. A card number cannot: what is looked up appears in DynamoDB's records, and a card that was sent by mistake must
// not get that far.
func Parse(s string) (token string, ok bool) {
	lower := strings.ToLower(s)
	return lower, isUUID(lower) || isCardLike(lower) && !pan.CheckDigitFits(lower)
}

// IsRef reports whether s has the form of a ref.
func IsRef(s string) bool { return form.Consists(s, form.Hex, 32, 32) }
