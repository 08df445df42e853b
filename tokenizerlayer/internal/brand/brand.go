// Package brand names the card network of a number by its first digits, the issuer identification number of ISO/IEC
// 7812.
//
// The networks sell no list that one may publish, and move ranges between each other. So a brand is what to show a
// person beside the last four digits, as in "visa, ends in 1111". Nothing may be decided by it: the payment processor
// knows better.
package brand

import "strings"

// The brands.
const (
	Visa       = "visa"
	Mastercard = "mastercard"
	Amex       = "amex"
	Discover   = "discover"
	Diners     = "diners"
	JCB        = "jcb"
	UnionPay   = "unionpay"
	Maestro    = "maestro"
	Mir        = "mir"
	Elo        = "elo"
	Hipercard  = "hipercard"
	Verve      = "verve"
	// Unknown is the brand of a number that the table does not have.
	Unknown = "unknown"
)

// Names are all brands.
func Names() []string {
	return []string{
		Visa, Mastercard, Amex, Discover, Diners, JCB, UnionPay, Maestro, Mir, Elo, Hipercard, Verve, Unknown,
	}
}

// table has the prefixes of each brand, single ones and ranges. It is that of Braintree's credit-card-type 10.3.0 (npm,
// MIT), as of 2026-11-26, with these differences:
//
//   - Networks that have no name here are Unknown, so that a shorter prefix does not give them another's.
//   - Where two networks have ranges of the same length, the narrower one decides, and not the order of the package.
//   - Maestro does not have all of 6. The package has it for a number that is still being typed; here it would give
//     Maestro's name to whatever begins with a 6 that nobody else has.
var table = []struct{ brand, prefixes string }{
	{Visa, `4`},
	{Mastercard, `51-55 2221-2229 223-229 23-26 270-271 2720`},
	{Amex, `34 37`},
	{Diners, `300-305 36 38 39`},
	{Unknown, `9792 650052 650082-650083 650092 650161 650170 650173 650175 650268 650271 650273-650274
		650456-650457 650836 650846-650850 650923 650987 650990 654997 657366 657998 658758
		658767-658768 65083700-65083704 65085800-65085804 65085900-65085901 65086000
		65086100-65086105 65086200-65086203 65875000-65875003 65875009 65875101-65875104 65875200
		65875501 65875601 65875900 65876000-65876002 65876100-65876103 65876110 65876115-65876116
		65876200-65876201 65876500 65876504-65876505 65876600-65876602 65877100-65877101
		65877600-65877602 65877700 65877801-65877802 65878200-65878202 65878300-65878311
		65878400-65878405 65878500-65878505 65878600-65878601 65879800 65880800 65880900`}, // troy
	{Discover, `6011 644-649 65`},
	{JCB, `2131 1800 3528-3589`},
	{UnionPay, `620 62100-62182 62184-62187 62185-62197 62200-62205 622010-622999 622018 62207-62209 623-626
		6270 6272 6276 627700-627779 627781-627799 6282-6289 6291 6292 810 8110-8131 8132-8151
		8152-8163 8164-8171`},
	{Maestro, `493698 500000-504174 504176-506698 506779-508999 56-59 63 67`},
	{Elo, `401178 401179 438935 457631 457632 431274 451416 457393 504175 506699-506778 509000-509999
		627780 636297 636368 650031-650033 650035-650051 650405-650439 650485-650538 650541-650598
		650700-650718 650720-650727 650901-650978 651652-651679 655000-655019 655021-655058`},
	{Mir, `2200-2204`},
	{Unknown, `637095 63737423 63743358 637568 637599 637609 637612`}, // hiper
	{Hipercard, `606282`},
	{Unknown, `589562 402918 527572`}, // naranja
	{Verve, `506099-506127 506129 506133-506150 506158-506163 506166 506168 506170 506173 506176-506180
		506184 506187-506188 506191 506195 506197 507865 507866 507868-507877 507880-507888 507900
		507941`},
}

// Of returns the brand of a number, which has nothing but digits. Of several prefixes that the number begins with the
// longest decides, and of ranges of the same length the narrowest: Verve has ranges within one of Maestro.
func Of(digits string) string {
	best, length, width := Unknown, 0, 0
	for _, row := range table {
		for prefix := range strings.FieldsSeq(row.prefixes) {
			from, to, isRange := strings.Cut(prefix, "-")
			if !isRange {
				to = from
			}
			n := len(from)
			if n < length || n > len(digits) || digits[:n] < from || to < digits[:n] {
				continue
			}
			if w := number(to) - number(from); n > length || w < width {
				best, length, width = row.brand, n, w
			}
		}
	}
	return best
}

// number is the value of a prefix of the table.
func number(prefix string) (n int) {
	for _, digit := range []byte(prefix) {
		n = 10*n + int(digit-'0')
	}
	return n
}
