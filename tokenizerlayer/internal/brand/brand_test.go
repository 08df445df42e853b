package brand_test

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/brand"
)

// names are our names of the package's networks. Those that it has and we do not are unknown.
var names = map[string]string{
	"visa": brand.Visa, "mastercard": brand.Mastercard, "american-express": brand.Amex, "diners-club": brand.Diners,
	"discover": brand.Discover, "jcb": brand.JCB, "unionpay": brand.UnionPay, "maestro": brand.Maestro,
	"elo": brand.Elo, "mir": brand.Mir, "hipercard": brand.Hipercard, "verve": brand.Verve,
	"troy": brand.Unknown, "hiper": brand.Unknown, "naranja": brand.Unknown,
}

type prefix struct{ network, from, to string }

// source has the prefixes of the package that the table comes from.
func source(t *testing.T) (all []prefix) {
	t.Helper()
	b, err := os.ReadFile("testdata/credit-card-type-10.3.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var networks map[string][][2]string
	if err := json.Unmarshal(b, &networks); err != nil {
		t.Fatal(err)
	}
	for network, ranges := range networks {
		for _, r := range ranges {
			all = append(all, prefix{network, r[0], r[1]})
		}
	}
	return all
}

// want is the brand of the most particular prefix of the source that digits begin with.
func want(t *testing.T, all []prefix, digits string) string {
	t.Helper()
	best := prefix{}
	for _, p := range all {
		if begin := digits[:len(p.from)]; begin < p.from || p.to < begin || p.network == "maestro" && p.from == "6" {
			continue
		}
		if len(p.from) > len(best.from) || len(p.from) == len(best.from) && width(t, p) < width(t, best) {
			best = p
		}
	}
	if best.network == "" {
		return brand.Unknown
	}
	return names[best.network]
}

func width(t *testing.T, p prefix) int {
	t.Helper()
	from, err := strconv.Atoi(p.from)
	if err != nil {
		t.Fatal(err)
	}
	to, err := strconv.Atoi(p.to)
	if err != nil {
		t.Fatal(err)
	}
	return to - from
}

// around are numbers at the ends of a range of prefixes, and next to them on both sides.
func around(t *testing.T, p prefix) (list []string) {
	t.Helper()
	for _, end := range []string{p.from, p.to} {
		n, err := strconv.Atoi(end)
		if err != nil {
			t.Fatal(err)
		}
		for _, prefix := range []int{n - 1, n, n + 1} {
			for _, rest := range []string{"0", "9"} {
				text := strconv.Itoa(prefix)
				list = append(list, text+strings.Repeat(rest, 16-len(text)))
			}
		}
	}
	return list
}

func TestOf_HasTheBoundariesOfItsSource(t *testing.T) {
	all := source(t)
	for _, p := range all {
		for _, digits := range around(t, p) {
			if got, want := brand.Of(digits), want(t, all, digits); got != want {
				t.Errorf("%s, at %s %s-%s: %s, want %s", digits, p.network, p.from, p.to, got, want)
			}
		}
	}
}

// Of all numbers, and not only of those at the boundaries: every prefix of six digits.
func TestOf_AgreesWithItsSourceOnEveryPrefixOfSixDigits(t *testing.T) {
	all := source(t)
	for i := 0; i < 1_000_000; i += 7 { // 7 and 10 have no common factor: every last digit comes
		digits := strconv.Itoa(1_000_000 + i)[1:] + "0000000000"
		if got, want := brand.Of(digits), want(t, all, digits); got != want {
			t.Fatalf("%s: %s, want %s", digits, got, want)
		}
	}
}

// Where networks share numbers, one of the prefixes is more particular, so that the order of the table decides nothing.
func TestSource_LeavesNoTies(t *testing.T) {
	all := source(t)
	for i, a := range all {
		for _, b := range all[:i] {
			overlap := a.network != b.network && len(a.from) == len(b.from) && a.from <= b.to && b.from <= a.to
			if overlap && width(t, a) == width(t, b) {
				t.Errorf("%v and %v overlap", a, b)
			}
		}
	}
}

func TestOf_NamesTheNetworksOwnTestNumbers(t *testing.T) {
	for digits, want := range map[string]string{
		"4111111111111111":    brand.Visa,
		"4222222222222":       brand.Visa,
		"5555555555554444":    brand.Mastercard,
		"2223003122003222":    brand.Mastercard,
		"2720999999999996":    brand.Mastercard,
		"2721000000000004":    brand.Unknown,
		"378282246310005":     brand.Amex,
		"6011111111111117":    brand.Discover,
		"30569309025904":      brand.Diners,
		"3530111333300000":    brand.JCB,
		"6200000000000005":    brand.UnionPay,
		"6759649826438453":    brand.Maestro,
		"2200000000000004":    brand.Mir,
		"2204999999999999":    brand.Mir,
		"2205000000000000":    brand.Unknown,
		"5066991111111118":    brand.Elo, // within Maestro's range
		"4011780000000000":    brand.Elo, // within Visa's
		"6062825624254001":    brand.Hipercard,
		"5060990580000217499": brand.Verve,   // within Maestro's, with a prefix of the same length
		"9792030000000000":    brand.Unknown, // Troy
		"6500520000000000":    brand.Unknown, // Troy, within Discover's range
		"6069850000000000":    brand.Unknown, // RuPay
		"0000000000000000":    brand.Unknown,
		"6":                   brand.Unknown,
		"":                    brand.Unknown,
	} {
		if got := brand.Of(digits); got != want {
			t.Errorf("%s: %s, want %s", digits, got, want)
		}
	}
}

func TestNames_AreThoseOfTheTable(t *testing.T) {
	for _, p := range source(t) {
		if name, listed := names[p.network]; !listed || !slices.Contains(brand.Names(), name) {
			t.Errorf("%s is no brand", p.network)
		}
	}
	if n := len(brand.Names()); n != 13 {
		t.Errorf("%d brands", n)
	}
}
