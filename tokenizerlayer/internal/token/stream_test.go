package token

import "testing"

// A byte has 256 values, which ten does not divide: the last six are passed over, or the digits 0 to 5 would come more often.
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
