package token

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// A byte has 256 values, which ten does not divide: the last six are drawn again, or the digits 0 to 5 would come more often.
func TestNoDigitIsLikelierThanAnother(t *testing.T) {
	var counts [10]int
	for b := range 256 {
		digit := make([]byte, 1)
		err := drawDigits(bytes.NewReader([]byte{byte(b)}), digit)
		if again := errors.Is(err, io.EOF); again != (b >= 250) {
			t.Errorf("byte %d: %v", b, err)
		}
		if err == nil {
			counts[digit[0]-'0']++
		}
	}
	if counts != [10]int{25, 25, 25, 25, 25, 25, 25, 25, 25, 25} {
		t.Errorf("bytes of each digit: %v", counts)
	}
}
