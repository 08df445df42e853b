// Package token draws tokens. A token is random: it is never derived from the data that it stands for, so it says nothing
// about it but, in the format Card, its length and last four digits.
package token

import (
	"crypto/rand"
	"io"
	"regexp"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
)

// Format is how a token looks.
type Format string

const (
	// UUID is a version 4 UUID in lower case (RFC 9562), 122 random bits.
	UUID Format = "uuid"
	// Card has the card's length and last four digits, and random digits before them. Its check digit never fits, so that
	// it cannot be taken for a card number. The digits are too few to be unguessable: what keeps a token's data safe is the
	// permission to detokenize, in every format.
	Card Format = "card"
)

// kept is how many of a card's last digits its token shows.
const kept = 4

// New draws a token of a format; n is the card that one of the format Card stands for.
func New(f Format, n pan.Number) (string, error) {
	if f == Card {
		return newCard(rand.Reader, n.Reveal())
	}
	u, err := uuid.NewRandom()
	return u.String(), err
}

// newCard draws digits until they make no card number, nine times out of ten at once.
func newCard(random io.Reader, digits string) (string, error) {
	drawn := []byte(digits)
	for {
		if err := drawDigits(random, drawn[:len(drawn)-kept]); err != nil {
			return "", err
		}
		if !pan.CheckDigitFits(string(drawn)) {
			return string(drawn), nil
		}
	}
}

// drawDigits fills into with digits, all equally likely: of the 256 values of a byte, 250 are ten times each digit.
func drawDigits(random io.Reader, into []byte) error {
	var b [1]byte
	for i := range into {
		for {
			if _, err := io.ReadFull(random, b[:]); err != nil {
				return err
			}
			if b[0] < 250 {
				break
			}
		}
		into[i] = '0' + b[0]%10
	}
	return nil
}

var (
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	cardForm = regexp.MustCompile(`^[0-9]{12,19}$`)
)

// Valid tells whether s can be a token at all. A card number cannot: what is looked up appears in CloudTrail, and a card that
// was sent by mistake must not get that far.
func Valid(s string) bool {
	return uuidForm.MatchString(s) || cardForm.MatchString(s) && !pan.CheckDigitFits(s)
}
