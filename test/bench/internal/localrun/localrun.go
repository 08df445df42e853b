// Package localrun runs functions as `go run ./local -app DIR -serve` does: it writes a small app, whose functions make
// tokens, as a cloud assembly, and starts the compiled package local/runner for it.
package localrun

import (
	"bufio"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
)

// Event is what the functions expect.
var Event = []byte(`{"card":"4111 1111 1111 1111"}`)

// Limits of a start and of an end.
const (
	startLimit = 30 * time.Second
	endLimit   = 10 * time.Second
)

// app is the assembly without what is compiled. Like an app of yours it has a role whose policy allows what the layer
// needs for a tokenize, so the local run decides about every call as it does for other apps.
//
//go:embed app
var app embed.FS

// template is the file of the assembly that has the functions.
const template = "template.json"

// App says what the assembly gets that is compiled.
type App struct {
	Root      string   // the module's directory, which has the layer's clients for Python and Node
	Extension string   // of the layer
	Function  string   // the function in Go
	Extra     []string // further environment variables of the functions and the extension, which override the others
}

// Write writes the app into a directory that does not exist yet.
func Write(dir string, a App) error {
	content, err := fs.Sub(app, "app")
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, content); err != nil {
		return err
	}
	layer := filepath.Join(dir, "layer")
	if err := os.CopyFS(layer, os.DirFS(filepath.Join(a.Root, "tokenizerlayer", "layer"))); err != nil {
		return err
	}
	for to, from := range map[string]string{
		filepath.Join(layer, "extensions", "tokenizer"): a.Extension, filepath.Join(dir, "go", "bootstrap"): a.Function,
	} {
		if err := copyProgram(from, to); err != nil {
			return err
		}
	}
	return setVariables(filepath.Join(dir, template), a.Extra)
}

func copyProgram(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// setVariables gives all functions of a template further environment variables.
func setVariables(file string, variables []string) error {
	if len(variables) == 0 {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var t struct {
		Resources map[string]struct {
			Type       string
			Properties map[string]any
		}
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return err
	}
	for _, resource := range t.Resources {
		if resource.Type != "AWS::Lambda::Function" {
			continue
		}
		of := resource.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)
		for _, variable := range variables {
			name, value, _ := strings.Cut(variable, "=")
			of[name] = value
		}
	}
	if b, err = json.Marshal(t); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

// Run is a running app.
type Run struct {
	conn   *load.Conn
	cmd    *exec.Cmd
	held   *os.File // the runner ends when this is closed, which it also is if this process is killed
	exited chan struct{}
}

// Start starts the app in dir by the runner, and returns when Lambda's Invoke API is served. No function has started by
// then: the first invocation of each is a cold one.
func Start(ctx context.Context, runner, dir string) (*Run, error) {
	closed, held, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	r := &Run{held: held, exited: make(chan struct{})}
	r.cmd = exec.Command(runner, "-app", dir, "-serve", "-until-closed", "3")
	r.cmd.ExtraFiles = []*os.File{closed} // the first of these is file descriptor 3
	messages, err := r.cmd.StderrPipe()
	if err == nil {
		err = r.cmd.Start()
	}
	closed.Close()
	if err != nil {
		held.Close()
		return nil, err
	}
	addresses, last := make(chan string, 1), make(chan string, 1)
	go func() {
		last <- follow(messages, addresses)
		_ = r.cmd.Wait()
		close(r.exited)
	}()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case address := <-addresses:
		if r.conn, err = load.Dial(address, ""); err == nil {
			return r, nil
		}
	case line := <-last:
		err = fmt.Errorf("the local run ended before it served: %s", line)
	case <-limit.C:
		err = fmt.Errorf("the local run does not serve after %v", startLimit)
	case <-ctx.Done():
		err = ctx.Err()
	}
	r.Stop()
	return nil, err
}

var serving = regexp.MustCompile(`^Serving http://(\S+) until `)

// follow reads what the runner prints to its end. It sends the address that the runner serves, and returns the last
// line.
func follow(messages io.Reader, addresses chan<- string) (last string) {
	lines := bufio.NewScanner(messages)
	for lines.Scan() {
		last = lines.Text()
		if found := serving.FindStringSubmatch(last); found != nil {
			select {
			case addresses <- found[1]:
			default: // it has been sent: go on reading, because the runner waits while nobody does
			}
		}
	}
	_, _ = io.Copy(io.Discard, messages) // after a line that is too long
	return last
}

// Invoke invokes a function, waits for its answer, and fails if that has no token. A function is named as in the
// template: Go, Python or Node.
func (r *Run) Invoke(function string) error {
	answer, err := r.conn.Post("/2015-03-31/functions/"+function+"/invocations", Event)
	if err != nil {
		return err
	}
	var made struct{ Token, ErrorType string }
	if err := json.Unmarshal(answer, &made); err != nil || made.Token == "" {
		return fmt.Errorf("the function %s has made no token, its answer has the error type %q", function, made.ErrorType)
	}
	return nil
}

// Stop ends the runner and its functions, and returns when the runner is gone.
func (r *Run) Stop() {
	if r.conn != nil {
		_ = r.conn.Close()
	}
	_ = r.held.Close()
	limit := time.NewTimer(endLimit)
	defer limit.Stop()
	select {
	case <-r.exited:
	case <-limit.C:
		_ = r.cmd.Process.Kill()
		<-r.exited
	}
}
