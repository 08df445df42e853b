package pan_test

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
)

func TestParse_ReadsCardNumbersAndSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name, in, digits, mask string
		err                    error
	}{
		{name: "the sample card", in: "0000-0000-0000-0000", digits: "0000000000000000", mask: "************0000"},
		{name: "plain", in: "4111111111111111", digits: "4111111111111111", mask: "************1111"},
		{name: "spaces", in: " 3782 822463 10005 ", digits: "378282246310005", mask: "***********0005"},
		{name: "12 digits", in: "501800000009", digits: "501800000009", mask: "********0009"},
		{name: "19 digits", in: "6304000000000000000", digits: "6304000000000000000", mask: "***************0000"},
		{name: "empty", in: "", err: pan.ErrEmpty},
		{name: "blanks", in: "   ", err: pan.ErrEmpty},
		{name: "11 digits", in: "00000000000", err: pan.ErrLength},
		{name: "20 digits", in: strings.Repeat("0", 20), err: pan.ErrLength},
		{name: "very long", in: strings.Repeat("0", 1<<20), err: pan.ErrLength},
		{name: "check digit", in: "4111111111111112", err: pan.ErrLuhn},
		{name: "letters", in: "4111x11111111111", err: pan.ErrCharacters},
		{name: "Arabic-Indic digits", in: "\u0664111111111111111", err: pan.ErrCharacters},
		{name: "full-width digits", in: "\uff14111111111111", err: pan.ErrCharacters},
		{name: "double separator", in: "4111--1111 1111 1111", err: pan.ErrCharacters},
		{name: "leading dash", in: "-4111111111111111", err: pan.ErrCharacters},
		{name: "trailing dash", in: "4111111111111111-", err: pan.ErrCharacters},
		{name: "tab", in: "4111\t111111111111", err: pan.ErrCharacters},
		{name: "sign", in: "+4111111111111111", err: pan.ErrCharacters},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := pan.Parse(tt.in)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error = %v, want %v", err, tt.err)
			}
			if n.Reveal() != tt.digits || n.Mask() != tt.mask {
				t.Errorf("digits or mask %q are wrong", n.Mask())
			}
		})
	}
}

func TestNumber_MasksByItsLength(t *testing.T) {
	for digits, want := range map[string]string{
		"4111111111111111": "411111******1111", "378282246310005": "378282*****0005",
		"30569309025904": "**********5904",
		"501800000009":   "********0009", "6304000000000000000": "630400*********0000",
	} {
		n, err := pan.Parse(digits)
		if err != nil || n.MaskMiddle() != want {
			t.Errorf("%s, want %s: %v", n.MaskMiddle(), want, err)
		}
	}
	if zero := (pan.Number{}); zero.Mask() != "" || zero.MaskMiddle() != "" {
		t.Error("the zero number has a mask")
	}
}

func TestParse_CatchesEverySingleDigitError(t *testing.T) {
	const good = "4111111111111111"
	for i := range good {
		for d := byte('0'); d <= '9'; d++ {
			bad := good[:i] + string(d) + good[i+1:]
			if _, err := pan.Parse(bad); (err == nil) != (bad == good) {
				t.Errorf("digit %d changed to %c: error = %v", i, d, err)
			}
		}
	}
}

func TestNumber_PrintsMasked(t *testing.T) {
	n, err := pan.Parse("4111111111111111")
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s %x", n, n, n, n, n); strings.Contains(s, "4111") ||
		strings.Contains(s, fmt.Sprintf("%x", "4111")) {
		t.Errorf("printed: %s", s)
	}
}

func TestLike_FindsCardsThatPeopleWrite(t *testing.T) {
	for _, s := range []string{
		"4111111111111111", "card 4111 1111 1111 1111.", "4111-1111-1111-1111", "x4111111111111111",
		"4111111111111111x", "no. 12: 4111.1111.1111.1111",
		"378282246310005", "a4111111111111111 22", "22 4111111111111111b",
		"4111a1111a1111a1111", "4111 1111 1111 1111thanks", "card4111 1111 1111 1111", "b4111-1111-1111-1111b",
		"00000000-0000-4000-8000-00000000000a 4111111111111111", "4222222222222",
	} {
		if !pan.Like(s) {
			t.Errorf("%q is not found", s)
		}
	}
	for _, s := range []string{
		"", "4111111111111112", "411111111111", "order 20260102", "4111,x1111",
		"41111111-1111-1111-9234-56789012345b", "12 Main Street, 90210",
	} {
		if pan.Like(s) {
			t.Errorf("%q is found", s)
		}
	}
}

// Digests and refs are hexadecimal: what looks like a card in them is chance, and has to be rare.
func TestLike_HardlyEverFindsACardInAHexadecimalNumber(t *testing.T) {
	found := 0
	const tries = 100_000
	for range tries {
		var random [16]byte
		_, _ = rand.Read(random[:])
		if pan.Like(hex.EncodeToString(random[:])) {
			found++
		}
	}
	if found > tries/200 { // whole runs of 13 and more digits whose check digit fits come up once in 700
		t.Errorf("%d of %d", found, tries)
	}
}

// Names that callers make up are UUIDs more often than not.
func TestLike_HardlyEverFindsACardInAUUID(t *testing.T) {
	found := 0
	const tries = 100_000
	for range tries {
		if pan.Like(uuid.NewString()) {
			found++
		}
	}
	if found > tries/1000 {
		t.Errorf("%d of %d UUIDs are taken for cards", found, tries)
	}
	t.Logf("%d of %d", found, tries)
}
