package pan_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
)

// form is the grammar of Parse once more, as an expression.
var form = regexp.MustCompile(`^ *[0-9]+([ -][0-9]+)* *$`)

// luhnSum is the digit sum of ISO/IEC 7812-1 once more, from the left and by table.
func luhnSum(digits string) int {
	doubled := [10]int{0, 2, 4, 6, 8, 1, 3, 5, 7, 9}
	sum := 0
	for i, d := range digits {
		if (len(digits)-i)%2 == 0 {
			sum += doubled[d-'0']
		} else {
			sum += int(d - '0')
		}
	}
	return sum
}

// Parse accepts what a second description of card numbers accepts, keeps its digits, and says nothing of what it
// refuses.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", " ", "0000-0000-0000-0000", "4111111111111111", " 3782 822463 10005 ", "501800000009",
		"6304000000000000000", "00000000000",
		strings.Repeat("0", 20), strings.Repeat("0-", 18) + "0", strings.Repeat("0 ", 20), "4111111111111112",
		"4111--1111 1111 1111",
		"-4111111111111111", "4111111111111111-", "4111 - 1111 1111 1111", "4111\t111111111111", "+4111111111111111",
		"\u0664111111111111111",
		"\uff14111111111111", "4111111111111111\n", "4111\u00a0111111111111", "4111111111111111\x00",
		"4111\xff11111111111",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		digits := strings.NewReplacer(" ", "", "-", "").Replace(s)
		want := form.MatchString(s) && len(digits) >= 12 && len(digits) <= 19 && luhnSum(digits)%10 == 0
		n, err := pan.Parse(s)
		if (err == nil) != want {
			t.Fatalf("error = %v, want accepted = %v", err, want)
		}
		if err != nil {
			// The very values, so that no text of the input can be in them.
			if !slices.Contains([]error{pan.ErrEmpty, pan.ErrCharacters, pan.ErrLength, pan.ErrLuhn}, err) ||
				!n.IsZero() || n.Mask() != "" {
				t.Fatalf("refused with %v and a number", err)
			}
			if (err == pan.ErrEmpty) != (strings.Trim(s, " ") == "") ||
				errors.Is(err, pan.ErrLuhn) && !form.MatchString(s) {
				t.Fatalf("error = %v for another reason", err)
			}
			return
		}
		if n.Reveal() != digits {
			t.Fatal("other digits than the input's")
		}
		if mask := n.Mask(); mask != strings.Repeat("*", len(digits)-4)+digits[len(digits)-4:] {
			t.Fatalf("mask %q", mask)
		}
		if again, err := pan.Parse(n.Reveal()); err != nil || !again.Equal(n.String) {
			t.Fatalf("the digits alone: %v", err)
		}
	})
}
