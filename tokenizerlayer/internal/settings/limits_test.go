package settings_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
)

// What is within a limit by the least that is possible is taken as it is.
func TestLoad_TakesNumbersAtTheirLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		of          func(settings.Settings) int
		least, most int
	}{
		settings.Port:           {func(s settings.Settings) int { return s.Port }, 1024, 65535},
		settings.MaxBodyBytes:   {func(s settings.Settings) int { return int(s.MaxBodyBytes) }, 64, 32768},
		settings.ReadRate:       {func(s settings.Settings) int { return s.ReadRate }, 1, 10_000},
		settings.MaxConnections: {func(s settings.Settings) int { return s.MaxConnections }, 1, 1024},
		settings.KeysAhead:      {func(s settings.Settings) int { return s.KeysAhead }, 0, 256},
	} {
		for _, n := range []int{tt.least, tt.most} {
			s, err := load(map[string]string{name: fmt.Sprint(n)})
			if err != nil || tt.of(s) != n {
				t.Errorf("%s=%d: read as %d, error %v", name, n, tt.of(s), err)
			}
		}
		for _, n := range []int{tt.least - 1, tt.most + 1} {
			want := fmt.Sprintf("%s must be a number from %d to %d; the default", name, tt.least, tt.most)
			if _, err := load(map[string]string{name: fmt.Sprint(n)}); err == nil ||
				!strings.Contains(err.Error(), want) {
				t.Errorf("%s=%d: error = %v, want %q", name, n, err, want)
			}
		}
	}
}

func TestLoad_CountsTheVersionsOfAKey(t *testing.T) {
	for _, name := range []string{settings.TokenKeys, settings.FingerprintKeys} {
		for n := 1; n <= 5; n++ {
			var versions []string
			for i := range n {
				versions = append(versions, fmt.Sprintf("%d=%s", i+1, testKey))
			}
			s, err := load(map[string]string{name: strings.Join(versions, ",")})
			if (err == nil) != (n <= 4) {
				t.Errorf("%s with %d versions: error = %v", name, n, err)
			}
			if got := map[string]int{
				settings.TokenKeys: len(s.TokenKeys), settings.FingerprintKeys: len(s.FingerprintKeys),
			}[name]; got != n {
				t.Errorf("%s with %d versions: %d are read", name, n, got)
			}
		}
	}
}
