package cloud

import (
	"errors"
	"strings"
	"testing"
)

// Whoever types a card where an address belongs does not find it in the terminal.
func TestMailbox_PrintsNoCardOfAnAddress(t *testing.T) {
	for name, mailed := range map[string]func(to, code string) error{
		"printed": nil, "not mailed": func(string, string) error { return errors.New("no room") },
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			m := &mailbox{log: &log, mailed: mailed, codes: map[string]string{}}
			const to = "4111-1111-1111-1111@example.com"
			m.deliver(to, "123456")
			if strings.Contains(log.String(), "4111") || !strings.Contains(log.String(), "1111@example.com") {
				t.Errorf("printed: %s", log.String())
			}
			if code, err := m.code(to); code != "123456" || err != nil {
				t.Errorf("the code is %q, %v", code, err)
			}
		})
	}
}
