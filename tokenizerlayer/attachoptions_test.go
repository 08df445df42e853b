package tokenizerlayer

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// Both sides of every range that AttachOptions documents: the least and the most passes, and one beyond is refused by
// its name. 0 is "leave it out".
func TestAttachOptions_BothSidesOfEveryLimit(t *testing.T) {
	for property, limit := range map[string]struct{ least, most int }{
		"Port":           {api.MinPort, api.MaxPort},
		"MaxBodyBytes":   {api.MinBodyLimit, api.MaxBody},
		"ReadRate":       {1, api.MaxReadRate},
		"MaxConnections": {1, api.MaxConnections},
		"KeysAhead":      {NoKeysAhead, api.MaxKeysAhead},
	} {
		check := func(value int) error {
			var o AttachOptions
			reflect.ValueOf(&o).Elem().FieldByName(property).SetInt(int64(value))
			return errors.Join(o.problems(Tokenize)...)
		}
		for _, value := range []int{limit.least, 0, limit.most} {
			if err := check(value); err != nil {
				t.Errorf("%s %d: %v", property, value, err)
			}
		}
		for _, value := range []int{limit.least - 1, limit.most + 1} {
			if err := check(value); value != 0 &&
				(err == nil || !strings.HasPrefix(err.Error(), "AttachOptions."+property+": got ")) {
				t.Errorf("%s %d: %v", property, value, err)
			}
		}
	}
	for _, property := range []string{"Port", "MaxBodyBytes", "ReadRate", "MaxConnections"} {
		// 0 leaves out, and less is refused
		var o AttachOptions
		reflect.ValueOf(&o).Elem().FieldByName(property).SetInt(-1)
		if err := errors.Join(o.problems(Tokenize)...); err == nil ||
			!strings.HasPrefix(err.Error(), "AttachOptions."+property+": got -1") {
			t.Errorf("%s -1: %v", property, err)
		}
	}
	purpose, scope := strings.Repeat("p", 64), strings.Repeat("s", 128)
	for name, tt := range map[string]struct {
		passes, refused AttachOptions
	}{
		"Purposes": {AttachOptions{Purposes: []string{"p", purpose}},
			AttachOptions{Purposes: []string{purpose + "p"}}},
		"IdempotencyScope": {AttachOptions{IdempotencyScope: scope}, AttachOptions{IdempotencyScope: scope + "s"}},
	} {
		if err := errors.Join(tt.passes.problems(Tokenize)...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(tt.refused.problems(Tokenize)...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
