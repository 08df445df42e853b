// Package endtoend_test has what holds for a user of the running system: the API's answers, the commands of the
// documents, and envelopes that another implementation reads and writes. Package kit says how to write such a test.
package endtoend_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// canary is the card that everything is paid with, and that must show up nowhere.
const canary = "4111111111111111"

var (
	stop  = func() error { return nil } // ends the simulator, if there is one
	start = sync.OnceValues(func() (*kit.Simulator, error) {
		s, err := kit.StartSimulator(canary)
		if err == nil {
			stop = func() error {
				err := s.Stop()
				if all := s.Stdout.String() + s.Stderr.String(); strings.Contains(all, canary) ||
					strings.Contains(all, javascriptCard) {
					err = errors.Join(err, errors.New("a card was printed"))
				}
				return err
			}
		}
		return s, err
	})
)

// simulator is the one that all tests share: starting it takes seconds. Its end is part of what is tested.
func simulator(t *testing.T) *kit.Simulator {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
