package strictjson

import (
	"cmp"
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// integers decodes an integer by its value, as JSON Schema has it: some programs write every number as 3600.0.
var integers = json.UnmarshalFromFunc(func(d *jsontext.Decoder, into *int64) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	n, ok := integer(string(value))
	if !ok {
		return errNoInteger
	}
	*into = n
	return nil
})

var errNoInteger = errors.New("no integer of 64 bits")

// maxDigits is how many digits the largest integer of 64 bits has.
const maxDigits = 19

// integer returns the value of a JSON number if it is an integer of 64 bits.
func integer(number string) (int64, bool) {
	unsigned, negative := strings.CutPrefix(number, "-")
	mantissa, exponent, _ := strings.Cut(strings.ToLower(unsigned), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, false // a text, or another value that is no number
	}
	if digits == "" {
		return 0, true
	}
	shift, err := strconv.ParseInt(cmp.Or(exponent, "0"), 10, 32)
	if err != nil {
		return 0, false
	}
	significant := strings.TrimRight(digits, "0")
	shift += int64(len(digits) - len(significant) - len(fraction))
	if shift < 0 || shift > maxDigits {
		return 0, false
	}
	if negative {
		significant = "-" + significant
	}
	n, err := strconv.ParseInt(significant+strings.Repeat("0", int(shift)), 10, 64)
	return n, err == nil
}
