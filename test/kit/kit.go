// Package kit is for tests of the whole system: it builds and starts the programs of this repository as processes,
// waits for what they print, ends them, signs users up, and has fakes of what is around an extension.
//
// # Write a test of the whole system
//
// First decide where it belongs. A test that needs one package alone stays beside that package. A test of the running
// system goes into a package below test/:
//
//   - test/endtoend has the requests of a user, the commands of the documents, and what another implementation reads
//     and writes. Its tests share one simulator.
//   - test/crash ends processes and connections at every call of a request.
//   - test/reproducible builds everything twice.
//
// A test of the extension as a process needs packages below tokenizerlayer/internal, and so is in
// tokenizerlayer/extension. Only the package test itself may import the CDK: a package that does not import it runs
// under the race detector, and beside the others.
//
// A test of the simulator, which is the app with its functions, extension and local services, looks like this:
//
//	func TestOrder_IsCreatedOnce(t *testing.T) {
//		system := simulator(t)             // in test/endtoend: the one that all tests share
//		idToken := system.SignUp(t)        // a user of this test alone
//		got := system.Post(t, "/order", idToken, order(number(t, 1)))
//		if got.Status != http.StatusCreated {
//			t.Errorf("status %d: %s", got.Status, got.Body)
//		}
//	}
//
// Tests that share a system use order numbers and users of their own. A test of the extension alone starts one with
// [NewExtension], which has fakes of Lambda, KMS and DynamoDB, and a client:
//
//	x := kit.NewExtension(t, kit.Build(t, "tokenizerlayer/extension"))
//	x.Start(t)
//	out, err := x.Client.Tokenize(t.Context(), client.TokenizeInput{Data: client.NewSecret("4111 1111 1111 1111")})
//
// Wait for events and never sleep: [Buffer.Seen] tells that a program has printed something, [Recorder.Watch] that a
// service is asked, [Lambda] that the extension asks for the next event. Put [Limit] around every wait that could last
// forever.
package kit

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
)

// Limit ends what hangs: a call, or a wait for a process. It measures nothing, and is far more than anything takes on a
// machine that has much else to do.
const Limit = 2 * time.Minute

// BuildLimit is the same of what may have to compile the CDK. It is less than the 10 minutes after which go test ends a
// package without a word about what the processes printed.
const BuildLimit = 9 * time.Minute

// ReadSources makes a test's cached result depend on the sources that a synthesis builds, and on those named. Without
// it the cache would not know them, because a child process reads them. Call it in a test: the cache does not see what
// TestMain reads.
func ReadSources(more ...string) error {
	root, err := synth.ModuleRoot("")
	if err != nil {
		return err
	}
	names := []string{"go.mod", "app.go", "cdk.json", "stacks", "lambdas", "tokenizerlayer"}
	for _, name := range slices.Concat(names, more) {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Build compiles a command of this repository, which is named by its directory, and returns the program's path. Under
// the race detector the program has it, too: a race ends it with an exit status that is not 0.
func Build(t *testing.T, command string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), filepath.Base(command))
	if err := build(command, program); err != nil {
		t.Fatal(err)
	}
	return program
}

// WithProgram is for a TestMain whose tests share a program: it compiles the command, and calls use while *program is
// the program's path. It returns the exit code.
func WithProgram(command string, program *string, use func() int) (code int) {
	dir, err := os.MkdirTemp("", "program-")
	if err == nil {
		defer os.RemoveAll(dir)
		*program = filepath.Join(dir, filepath.Base(command))
		err = build(command, *program)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return use()
}

func build(command, program string) error {
	root, err := synth.ModuleRoot("")
	if err != nil {
		return err
	}
	arguments := []string{"build", "-o", program}
	if underRace() {
		arguments = append(arguments, "-race")
	}
	cmd := exec.Command("go", append(arguments, "./"+command)...)
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", command, err, output)
	}
	return nil
}

func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Buffer is a buffer for concurrent writers. Its zero value is ready to use.
type Buffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	waiting []waiter
}

// waiter is somebody who waits for a text.
type waiter struct {
	text *regexp.Regexp
	seen chan struct{}
}

// Write implements io.Writer.
func (l *Buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.b.Write(p)
	l.waiting = slices.DeleteFunc(l.waiting, func(w waiter) bool {
		found := w.text.Match(l.b.Bytes())
		if found {
			close(w.seen)
		}
		return found
	})
	return n, err
}

// String returns what was written so far.
func (l *Buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Seen returns a channel that is closed as soon as the text has been written.
func (l *Buffer) Seen(text string) <-chan struct{} { return l.seen(regexp.QuoteMeta(text)) }

// SeenLine is Seen for a line that has the text, up to its end.
func (l *Buffer) SeenLine(text string) <-chan struct{} {
	return l.seen(regexp.QuoteMeta(text) + ".*\n")
}

func (l *Buffer) seen(pattern string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := waiter{regexp.MustCompile(pattern), make(chan struct{})}
	if w.text.Match(l.b.Bytes()) {
		close(w.seen)
	} else {
		l.waiting = append(l.waiting, w)
	}
	return w.seen
}
