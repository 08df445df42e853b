package orders

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// The members of a request, as errors name them.
const (
	fieldNumber  = "CustomerOrder"
	fieldName    = "CustomerName"
	fieldCard    = "CreditCard"
	fieldAddress = "Address"
)

const (
	reasonRequired = "is required"
	reasonCard     = "looks like it holds a card number, which belongs in CreditCard only"
)

// PlaceRequest is the body of POST /order.
type PlaceRequest struct {
	CustomerOrder string        `json:"CustomerOrder"`
	CustomerName  string        `json:"CustomerName"`
	CreditCard    client.Secret `json:"CreditCard"`
	Address       string        `json:"Address"`
}

// PayRequest is the body of POST /paybill.
type PayRequest struct {
	CustomerOrder string `json:"CustomerOrder"`
}

// validate returns the card of a well-formed request.
func (r PlaceRequest) validate() (client.PAN, error) {
	if err := validNumber(r.CustomerOrder); err != nil {
		return client.PAN{}, err
	}
	if err := validText(fieldName, r.CustomerName, MaxName); err != nil {
		return client.PAN{}, err
	}
	card, err := client.ParsePAN(r.CreditCard)
	if err != nil {
		return client.PAN{}, invalid(fieldCard, err.Error()) // a fixed text
	}
	if err := validText(fieldAddress, r.Address, MaxAddress); err != nil {
		return client.PAN{}, err
	}
	return card, nil
}

var safeNumber = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)

// validNumber checks an order number. It becomes a key, and people read keys aloud, so its alphabet is small.
func validNumber(s string) error {
	_, notCard := client.ParsePAN(client.NewSecret(s))
	switch {
	case s == "":
		return invalid(fieldNumber, reasonRequired)
	case len(s) > MaxNumber:
		return invalid(fieldNumber, fmt.Sprintf("must have at most %d characters", MaxNumber))
	case !safeNumber.MatchString(s):
		return invalid(fieldNumber, "must hold letters, digits, dots, dashes and underscores only")
	case notCard == nil || client.ContainsPAN(s):
		return invalid(fieldNumber, reasonCard)
	}
	return nil
}

func validText(field, s string, limit int) error {
	switch {
	case strings.TrimSpace(s) == "":
		return invalid(field, reasonRequired)
	case !utf8.ValidString(s):
		return invalid(field, "must be UTF-8")
	case utf8.RuneCountInString(s) > limit:
		return invalid(field, fmt.Sprintf("must have at most %d characters", limit))
	case strings.ContainsFunc(s, unicode.IsControl):
		return invalid(field, "must not hold control characters")
	case client.ContainsPAN(s):
		return invalid(field, reasonCard)
	}
	return nil
}
