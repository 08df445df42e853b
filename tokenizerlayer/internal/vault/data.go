package vault

import (
	"strings"
	"unicode/utf8"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/brand"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
)

// Data is what a token stands for: a card number or a text. It prints as a mask.
type Data struct {
	kind   api.Type
	number pan.Number // of a card
	text   sensitive.String
}

// ParseData validates and normalizes data of a type; "" means a card. A card's digits are kept without their
// separators, a text as it is.
func ParseData(kind api.Type, s sensitive.String) (Data, error) {
	switch kind {
	case api.TypeCard, "":
		n, err := pan.Parse(s.Reveal())
		if err != nil {
			return Data{}, failure.New(failure.Invalid, "data", "%s", err) // the parser's errors do not quote the input
		}
		return Data{kind: api.TypeCard, number: n, text: n.String}, nil
	case api.TypeText:
		switch text := s.Reveal(); {
		case text == "":
			return Data{}, failure.New(failure.Invalid, "data", "%s", pan.ErrEmpty)
		case len(text) > api.MaxText || !utf8.ValidString(text):
			return Data{}, failure.New(failure.Invalid, "data", "must have at most %d bytes of UTF-8", api.MaxText)
		case pan.HoldsAuthenticationData(text):
			return Data{}, failure.New(failure.Invalid, "data",
				"looks like track data or a PIN block, which must never be stored; remove it")
		}
		return Data{kind: api.TypeText, text: s}, nil
	}
	return Data{}, failure.New(failure.Invalid, "type", "must be %s or %s", api.TypeCard, api.TypeText)
}

// Type says what the data is.
func (d Data) Type() api.Type { return d.kind }

// Reveal returns the digits or the text.
func (d Data) Reveal() string { return d.text.Reveal() }

// String keeps data from being printed.
func (d Data) String() string { return sensitive.Mask }

// Card tells what may be shown and stored of a card beside its token; nil for a text.
func (d Data) Card(firstSix bool) *api.Card {
	if d.kind != api.TypeCard {
		return nil
	}
	c := &api.Card{Brand: brand.Of(d.Reveal()), LastFour: d.number.LastFour(), Length: d.number.Len()}
	if firstSix {
		c.FirstSix = d.number.FirstSix()
	}
	return c
}

// Masked shows as much as may be shown to people who need not know: of a card what mask says, of a text its last four
// characters, but never more than a quarter of it.
func (d Data) Masked(mask api.Mask) string {
	if d.kind == api.TypeCard {
		if mask == api.FirstSixLastFour {
			return d.number.MaskMiddle()
		}
		return d.number.Mask()
	}
	const stars = 8 // whatever the length: it may say which text it is
	characters := []rune(d.Reveal())
	shown := min(4, len(characters)/4)
	return strings.Repeat("*", stars) + string(characters[len(characters)-shown:])
}
