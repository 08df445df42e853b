// Package fulltests is the switch between the tests that a developer waits for and all of them.
//
// With TESTS=full in the environment, as in CI, tests run every case. Without it, those that take long run a
// representative part, which is the same each time. A test asks Enabled and says in its comment what it leaves out; one
// that has no such part calls Only.
package fulltests

import (
	"os"
	"testing"
)

// Variable is the environment variable, and Full the value that asks for all tests.
const (
	Variable = "TESTS"
	Full     = "full"
)

// Enabled tells whether every case runs.
func Enabled() bool { return os.Getenv(Variable) == Full }

// Only skips t unless every case runs. What it would take says why it is not always run.
func Only(t testing.TB, takes string) {
	t.Helper()
	if !Enabled() {
		t.Skipf("it takes %s: %s=%s runs it", takes, Variable, Full)
	}
}
