package token

import (
	"strings"
	"testing"
)

// A byte has 256 values, which ten does not divide: the last six are passed over, or the digits 0 to 5 would come more
// often.
func TestDigitStream_PassesOverBytesThatWouldFavourSomeDigits(t *testing.T) {
	var counts [10]int
	for b := range 250 {
		s := digitStream{block: []byte{255, 250, byte(b)}, count: 1}
		counts[s.next()-'0']++
		if len(s.block) != 0 {
			t.Errorf("byte %d was passed over", b)
		}
	}
	if counts != [10]int{25, 25, 25, 25, 25, 25, 25, 25, 25, 25} {
		t.Errorf("bytes of each digit: %v", counts)
	}
}

// The derivation is a format, beyond its first block as well. These digits were computed with another implementation:
//
//	python3 -c 'import hashlib; s=bytes(range(32)); h=lambda b: hashlib.sha256(b"token"+s+b).digest()
//	print("".join(str(x%10) for x in h(b"")+h(bytes([1]))+h(bytes([2]))+h(bytes([3])) if x<250)[:120])'
func TestDigitStream_GoesOnBlockAfterBlock(t *testing.T) {
	var s digitStream
	for i := range s.seed {
		s.seed[i] = byte(i)
	}
	var got strings.Builder
	for range 120 {
		got.WriteByte(s.next())
	}
	const want = "139741890305826624387524496702628590684841845522165746335943737743139052371597366436311521457764915772994064705154454506"
	if got.String() != want {
		t.Errorf("got  %s\nwant %s", got.String(), want)
	}
}

func TestIsRef_IsOf32Digits(t *testing.T) {
	for n, want := range map[int]bool{31: false, 32: true, 33: false} {
		if IsRef(strings.Repeat("a", n)) != want {
			t.Errorf("%d digits: %v", n, !want)
		}
	}
}
