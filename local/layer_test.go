package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// fakeServer prints its arguments, and ends when a signal comes or its standard input ends.
func fakeServer() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	fmt.Println(strings.Join(os.Args[1:], "|"))
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case s := <-signals:
		fmt.Println("got", s)
	case <-ended:
		fmt.Println("input ended")
	}
	if code := os.Getenv("FAKE_EXIT"); code != "" {
		return 5
	}
	return 0
}

const layerGreeting = "Compiling the development server: a minute the first time, seconds later.\n"

// started is a launcher that runs.
type started struct {
	*exec.Cmd
	lines  *bufio.Reader // of standard output, which ends when the last process has that holds it
	stderr bytes.Buffer
	held   io.Closer // its standard input
}

func startLauncher(t *testing.T, cmd *exec.Cmd) *started {
	t.Helper()
	s := &started{Cmd: cmd}
	stdout, write, err := os.Pipe() // of which Wait knows nothing, so that what is printed later can still be read
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, &s.stderr
	if s.held, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() { stdout.Close() })
	s.lines = bufio.NewReader(stdout)
	return s
}

func (s *started) line(t *testing.T) string {
	t.Helper()
	line, err := s.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, &s.stderr)
	}
	return strings.TrimSuffix(line, "\n")
}

// rest is what is printed until nobody is left who could print.
func (s *started) rest(t *testing.T) string {
	t.Helper()
	rest, err := io.ReadAll(s.lines)
	if err != nil {
		t.Fatal(err)
	}
	return string(rest)
}

func TestLayer_NeedsNeitherNodeNorTheCDK(t *testing.T) {
	for _, args := range [][]string{{"-layer", "-port", "0", "-as", "a=tokenize"},
		{"-port", "0", "--layer", "-as", "a=tokenize"}} {
		cmd := fakes(t, []string{"missing=node", "FAKE_BUILD .=fails", "FAKE_BUILD " + simulatorPackage + "=fails"},
			args...)
		s := startLauncher(t, cmd)
		if got := s.line(t); got != "-until-stdin-ends|-port|0|-as|a=tokenize" {
			t.Errorf("%v: the server is told %s", args, got)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if got := s.rest(t); got != "got terminated\n" {
			t.Errorf("%v: the server %s", args, got)
		}
		if err := cmd.Wait(); err != nil || s.stderr.String() != layerGreeting {
			t.Errorf("%v: %v, printed %q", args, err, &s.stderr)
		}
	}
}

func TestLayer_SaysWhatIsMissing(t *testing.T) {
	for name, tt := range map[string]struct {
		environment []string
		want        string
	}{
		"no go": {[]string{"missing=go"}, "local: go is not on the PATH"},
		"a compile error": {
			[]string{"FAKE_BUILD " + serverPackage + "=fails"},
			"local: compiling the development server failed (exit status 1):\n# " + serverPackage,
		},
	} {
		got := finish(t, fakes(t, tt.environment, "-layer"))
		if got.code != 1 || got.stdout != "" || !strings.HasPrefix(got.stderr, layerGreeting+tt.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A flag of the wrong program is refused before anything is compiled.
func TestLayer_RefusesFlagsThatMeanNothing(t *testing.T) {
	tests := map[string][]string{
		"local: -as is a flag of the development server: write go run ./local -layer -as":     {"-as", "tokenize"},
		"local: -port is a flag of the development server: write go run ./local -layer -port": {"-v", "--port=0"},
	}
	for _, name := range simulatorFlags {
		tests["local: -"+name+" has no meaning with -layer, which serves the layer's API and nothing else"] =
			[]string{"-layer", "-" + name + "=x"}
	}
	for want, args := range tests {
		got := finish(t, fakes(t, []string{"missing=go", "missing=node"}, args...))
		if got.code != 1 || got.stdout != "" || !strings.HasPrefix(got.stderr, want) {
			t.Errorf("%v: %+v", args, got)
		}
	}
	// What follows a -- is no flag, so the programs decide.
	if got := finish(t, fakes(t, nil, "--", "-as")); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

func TestLayer_EndsAsTheServerDoes(t *testing.T) {
	s := startLauncher(t, fakes(t, []string{"FAKE_EXIT=5"}, "-layer"))
	s.line(t)
	if err := s.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if got := s.rest(t); got != "got interrupt\n" {
		t.Errorf("the server %s", got)
	}
	_ = s.Wait()
	if got := s.ProcessState.ExitCode(); got != 5 {
		t.Errorf("exit code %d", got)
	}
}

// The end of standard input ends the server if somebody asks for that, and nothing otherwise.
func TestLayer_EndsWithStandardInputIfAsked(t *testing.T) {
	for _, flag := range []string{"-until-stdin-ends", "--until-stdin-ends", "-until-stdin-ends=true"} {
		s := startLauncher(t, fakes(t, nil, "-layer", flag))
		s.line(t)
		s.held.Close()
		if got := s.rest(t); got != "got terminated\n" {
			t.Errorf("%s: the server %s", flag, got)
		}
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	}

	for _, args := range [][]string{{"-layer"}, {"-layer", "-until-stdin-ends=false"}} {
		s := startLauncher(t, fakes(t, nil, args...))
		s.held.Close() // before it runs
		// The server always ends with the launcher, which holds its standard input.
		if got := s.line(t); got != "-until-stdin-ends" {
			t.Errorf("%v: the server is told %s", args, got)
		}
		if err := s.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if got := s.rest(t); got != "got interrupt\n" {
			t.Errorf("the server %s", got)
		}
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// At a SIGTERM, `go run` ends and leaves the program that it runs behind.
func TestLayer_EndsWithWhoeverStartedIt(t *testing.T) {
	cmd := fakes(t, nil, "-layer")
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append([]string{shell, "-c", `"$0" "$@"; true`}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	cmd.Path = shell
	s := startLauncher(t, cmd)
	s.line(t)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := s.rest(t); got != "got terminated\n" {
		t.Errorf("the server %s", got)
	}
	_ = cmd.Wait()
}

// With the real tools.
func TestLayer_ServesUntilItsLauncherIsKilled(t *testing.T) {
	s := startLauncher(t, realTools(t, "-layer", "-port", "0"))
	environment := map[string]string{}
	for _, variable := range strings.Fields(s.line(t))[1:] {
		name, value, _ := strings.Cut(variable, "=")
		environment[name] = value
	}
	port, err := strconv.Atoi(environment["TOKENIZER_PORT"])
	if err != nil {
		t.Fatal(err)
	}
	tokenizer, err := client.New(client.Config{Port: port, SessionToken: environment["AWS_SESSION_TOKEN"]})
	if err != nil {
		t.Fatal(err)
	}
	made, err := tokenizer.Tokenize(t.Context(), client.TokenizeInput{Data: client.NewSecret("4111 1111 1111 1111")})
	if err != nil {
		t.Fatal(err)
	}
	if shown, err := tokenizer.Detokenize(t.Context(), client.DetokenizeInput{Token: made.Token}); err != nil ||
		shown.Data.Reveal() != "************1111" {
		t.Errorf("detokenize: %v", err)
	}
	if err := s.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if rest := s.rest(t); rest != "" { // which ends when the server has ended
		t.Errorf("standard output has more than a line: %q", rest)
	}
	_ = s.Wait()
	if left, err := filepath.Glob(filepath.Join(temporary(t, s.Env), "*")); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
	again := startLauncher(t, realTools(t, "-layer", "-port", strconv.Itoa(port)))
	if got := again.line(t); !strings.HasSuffix(got, " TOKENIZER_PORT="+strconv.Itoa(port)) {
		t.Errorf("the second start printed %q", got)
	}
	if err := again.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := again.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &again.stderr)
	}
}

// temporary is the directory for temporary files in an environment.
func temporary(t *testing.T, environment []string) string {
	t.Helper()
	for _, variable := range environment {
		if dir, found := strings.CutPrefix(variable, "TMPDIR="); found {
			return dir
		}
	}
	t.Fatal("no TMPDIR")
	return ""
}
