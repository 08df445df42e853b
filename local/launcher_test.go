package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// TestMain is also each program that a launcher starts: links to this test's binary are named after them. FAKE_*
// variables say what they do.
func TestMain(m *testing.M) {
	fakes := map[string]func() int{
		"local": func() int { main(); return 0 }, "go": fakeGo, "node": fakeNode, "simulator": fakeSimulator,
		"tokenizer-dev": fakeServer,
	}
	if fake := fakes[filepath.Base(os.Args[0])]; fake != nil {
		os.Exit(fake())
	}
	os.Exit(m.Run())
}

// fakeGo answers `go env GOVERSION` and `go run FLAGS -exec cp PACKAGE BINARY`.
func fakeGo() int {
	if os.Args[1] == "env" {
		if message := os.Getenv("FAKE_GO_FAILS"); message != "" {
			fmt.Fprintln(os.Stderr, message)
			return 1
		}
		fmt.Println(os.Getenv("FAKE_GO"))
		return 0
	}
	last := len(os.Args) - 1
	pkg, binary := os.Args[last-1], os.Args[last]
	fmt.Fprint(os.Stderr, "go: downloading example.com/module v1.0.0\nexample.com/compiled\n")
	switch os.Getenv("FAKE_BUILD " + pkg) {
	case "fails":
		fmt.Fprintf(os.Stderr, "# %s\n./main.go:3:15: undefined: undefined\n", pkg)
		return 1
	case "hangs":
		if tell := os.Getenv("FAKE_HANGING"); tell != "" {
			_ = os.WriteFile(tell, nil, 0o600)
		}
		hang()
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	if err := os.Symlink(self, binary); err != nil {
		panic(err)
	}
	return 0
}

// hang waits for a signal that ends the process.
func hang() {
	never := make(chan os.Signal, 1)
	signal.Notify(never, syscall.SIGUSR1) // or Go would take it for a deadlock
	<-never
}

func fakeNode() int {
	fmt.Println(os.Getenv("FAKE_NODE"))
	return 0
}

// fakeSimulator prints its arguments and what it reads, and ends with FAKE_EXIT or when a signal comes.
func fakeSimulator() int {
	if os.Args[1] == "-check" {
		if slices.Contains(os.Args, "-wrong") {
			fmt.Println("flag provided but not defined: -wrong")
			return 3
		}
		return 0
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	dir, _ := os.Getwd()
	fmt.Printf("%s in %s\n", strings.Join(os.Args[1:], "|"), dir)
	switch os.Getenv("FAKE_EXIT") {
	case "":
		input, _ := io.ReadAll(os.Stdin)
		fmt.Printf("read %s\n", input)
		return 0
	case "signal":
		fmt.Println("got", <-signals)
		return 7
	case "closed":
		if !strings.Contains(strings.Join(os.Args, " "), " -until-closed 3") {
			return 1
		}
		_, _ = io.Copy(io.Discard, os.NewFile(3, "launcher"))
		fmt.Println("ends with the launcher")
		return 0
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		hang()
	}
	code, _ := strconv.Atoi(os.Getenv("FAKE_EXIT"))
	return code
}

// fakes is a launcher as a process, with fake programs on its PATH.
func fakes(t *testing.T, environment []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"local", "go", "node"} {
		if slices.Contains(environment, "missing="+name) {
			continue
		}
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "local"), args...)
	cmd.Env = slices.Concat([]string{"PATH=" + dir, "TMPDIR=" + t.TempDir(), "FAKE_GO=go1.26.8", "FAKE_NODE=v22.1.0",
		"GORACE=atexit_sleep_ms=0"}, environment)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// outcome is what a process printed, and its exit code.
type outcome struct {
	stdout, stderr string
	code           int
}

func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for _, variable := range cmd.Env {
		if temp, found := strings.CutPrefix(variable, "TMPDIR="); found {
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left in the temporary directory: %v, %v", left, err)
			}
		}
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

const greeting = "Compiling the CDK app and the simulator: on two cores 2 to 5 minutes the first time, seconds later.\n"

func TestLauncher_HandsEverythingOver(t *testing.T) {
	args := []string{"-serve", "-outputs", "a file", "--", "", "-card=1", "*"}
	cmd := fakes(t, nil, args...)
	cmd.Stdin = strings.NewReader("input")
	got := finish(t, cmd)
	before, rest, _ := strings.Cut(got.stdout, "|")
	app, rest, _ := strings.Cut(rest, "|")
	if before != "-compiled-app" || filepath.Base(app) != "app" {
		t.Errorf("the simulator is told %s %s", before, app)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := "-until-closed|3|" + strings.Join(args, "|") + " in " + dir + "\nread input\n"
	if diff := cmp.Diff(outcome{want, greeting, 0}, outcome{rest, got.stderr, got.code},
		cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLauncher_EndsAsTheSimulatorDoes(t *testing.T) {
	for exit, want := range map[string]int{"0": 0, "5": 5, "killed": 128 + 9} {
		if got := finish(t, fakes(t, []string{"FAKE_EXIT=" + exit})); got.code != want {
			t.Errorf("%s: exit code %d, want %d", exit, got.code, want)
		}
	}
}

func TestLauncher_SaysWhatIsMissing(t *testing.T) {
	least := leastGo(readGoMod(t))
	const node = "install Node.js 22 or 24 from https://nodejs.org/"
	golang := "install Go " + least + " or later from https://go.dev/dl/"
	for name, tt := range map[string]struct {
		environment []string
		want        []string
	}{
		"no node": {[]string{"missing=node"}, []string{"node is not on the PATH", node}},
		"an old node": {[]string{"FAKE_NODE=v18.20.1"},
			[]string{"node is 18.20.1, which is too old for the CDK", node}},
		"no go":        {[]string{"missing=go"}, []string{"go is not on the PATH", golang}},
		"an old go":    {[]string{"FAKE_GO=go1.25.9"}, []string{"go is 1.25.9, which is too old", golang}},
		"go's refusal": {[]string{"FAKE_GO_FAILS=go: download failed"}, []string{"go: download failed", golang}},
		"both":         {[]string{"missing=node", "missing=go"}, []string{node, golang}},
		"a compile error": {
			[]string{"FAKE_BUILD .=fails", "FAKE_BUILD " + simulatorPackage + "=hangs"},
			[]string{"compiling the CDK app failed (exit status 1):\n# .\n./main.go:3:15: undefined: undefined\n"},
		},
		"another compile error": {
			[]string{"FAKE_BUILD " + simulatorPackage + "=fails", "FAKE_BUILD .=hangs"},
			[]string{
				"compiling the simulator failed (exit status 1):\n# " + simulatorPackage +
					"\n./main.go:3:15: undefined: undefined\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := finish(t, fakes(t, tt.environment))
			if got.code != 1 || got.stdout != "" || !strings.HasPrefix(got.stderr, greeting+"local: ") {
				t.Errorf("exit code %d, printed %q and %q", got.code, got.stdout, got.stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("printed %q, want %q", got.stderr, want)
				}
			}
		})
	}
}

func TestLauncher_AcceptsWhatWorks(t *testing.T) {
	for name, tt := range map[string]struct{ variable, note string }{
		"Node 20": {"FAKE_NODE=v20.20.2",
			"Node 20.20.2 works, but gets no security fixes any more: 22 or 24 are better.\n"},
		"Node 24":     {"FAKE_NODE=v24.0.0", ""},
		"a later Go":  {"FAKE_GO=go1.30rc1", ""},
		"Go's trunk":  {"FAKE_GO=devel go1.27-abcdef Mon", ""},
		"unknown Go":  {"FAKE_GO=somebody's", ""},
		"patched Go":  {"FAKE_GO=go1.26.9-vendor X:experiment", ""},
		"least of Go": {"FAKE_GO=go" + leastGo(readGoMod(t)), ""},
	} {
		if got := finish(t, fakes(t, []string{tt.variable})); got.code != 0 || got.stderr != greeting+tt.note {
			t.Errorf("%s: exit code %d, printed %q", name, got.code, got.stderr)
		}
	}
}

func readGoMod(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Somebody who mistypes a flag should not have to wait for the CDK first.
func TestLauncher_RefusesAWrongFlagWhileTheAppCompiles(t *testing.T) {
	got := finish(t, fakes(t, []string{"FAKE_BUILD .=hangs"}, "-wrong"))
	if want := (outcome{"", greeting + "flag provided but not defined: -wrong\n", 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLauncher_ShowsTheHelpWithoutTheCDK(t *testing.T) {
	for _, flag := range []string{"-h", "-help", "--help"} {
		got := finish(t, fakes(t, []string{"FAKE_BUILD .=fails", "missing=node"}, "-v", flag))
		if got.code != 0 || !strings.HasPrefix(got.stdout, "-until-closed|3|-v|"+flag+" in ") {
			t.Errorf("%s: %+v", flag, got)
		}
	}
}

func TestLauncher_ForwardsSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := fakes(t, []string{"FAKE_EXIT=signal"})
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		lines.Scan() // it listens
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		lines.Scan()
		_ = cmd.Wait()
		if got := lines.Text(); got != "got "+s.String() || cmd.ProcessState.ExitCode() != 7 {
			t.Errorf("%s: the simulator %s, exit code %d", s, got, cmd.ProcessState.ExitCode())
		}
	}
}

// A launcher that is killed can tell nobody.
func TestLauncher_TakesTheSimulatorAlongWhenKilled(t *testing.T) {
	s := startLauncher(t, fakes(t, []string{"FAKE_EXIT=closed"}))
	s.line(t)
	if err := s.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := s.rest(t); got != "ends with the launcher\n" {
		t.Errorf("the simulator printed %q", got)
	}
	_ = s.Wait()
}

func TestLauncher_EndsTheCompilationWhenInterrupted(t *testing.T) {
	hanging := filepath.Join(t.TempDir(), "hanging")
	if err := syscall.Mkfifo(hanging, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := fakes(t, []string{"FAKE_BUILD .=hangs", "FAKE_HANGING=" + hanging})
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(hanging); err != nil { // waits for the compiler
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 128+15 ||
		stderr.String() != greeting+"local: stopped while compiling (terminated)\n" {
		t.Errorf("exit code %d, printed %q", code, &stderr)
	}
}

func TestLauncher_NeedsTheProject(t *testing.T) {
	cmd := fakes(t, nil)
	cmd.Dir = t.TempDir()
	if got := finish(t, cmd); got.code != 1 || !strings.Contains(got.stderr, "no cdk.json here or above") {
		t.Errorf("%+v", got)
	}
	inside := fakes(t, nil)
	inside.Dir = "simulator"
	if got := finish(t, inside); got.code != 0 {
		t.Errorf("in a directory of the project: %+v", got)
	}
}

func TestPrinter_TellsHowFarTheCompilationIs(t *testing.T) {
	app, simulator := newBuild("CDK app", "", "", ""), newBuild("simulator", "", "", "")
	builds := []*build{app, simulator}
	var lines, rewritten bytes.Buffer
	tell := func(seconds int) {
		for _, p := range []printer{{&lines, false}, {&rewritten, true}} {
			p.progress(builds, time.Duration(seconds)*time.Second)
		}
	}
	tell(0)
	_, _ = io.WriteString(app, "go: downloading github.com/aws/aws-cdk-go/awscdk/v2 v2.270.0\n")
	tell(15)
	_, _ = io.WriteString(app, "github.com/aws/aws-cdk-go/awscdk/v2/aws")
	_, _ = io.WriteString(app, "ec2/internal\ngithub.com/aws/aws-cdk-go/awscdk/v2/awsec2\n")
	simulator.done = true
	tell(30)
	printer{&rewritten, true}.clear()
	printer{&lines, false}.clear()

	const first, second, third = "  ... compiling:   0 s  CDK app; simulator",
		"  ... compiling:  15 s  CDK app downloading awscdk; simulator",
		"  ... compiling:  30 s  CDK app 2 packages, awsec2; simulator done"
	if diff := cmp.Diff(first+"\n"+second+"\n"+third+"\n", lines.String()); diff != "" {
		t.Errorf("no terminal (-want +got):\n%s", diff)
	}
	const erase = "\x1b[K"
	if diff := cmp.Diff("\r"+first+erase+"\r"+second+erase+"\r"+third+erase+"\r"+erase,
		rewritten.String()); diff != "" {
		t.Errorf("terminal (-want +got):\n%s", diff)
	}

	rewritten.Reset()
	_, _ = io.WriteString(app, strings.Repeat("x", 200)+"\n")
	tell(45)
	if n := len(strings.Trim(rewritten.String(), "\r"+erase)); n > 79 {
		t.Errorf("a line of %d characters would wrap", n)
	}
}

// The ticks of a launcher lead to lines, fewer and fewer of them.
func TestLauncher_PrintsTheProgress(t *testing.T) {
	ticks := make(chan time.Time)
	read, write := io.Pipe()
	go func() {
		err := launcher{out: write, ticks: ticks}.compile(
			[]job{{newBuild("CDK app", "", "", ""), func(ctx context.Context) error {
				for range 17 {
					ticks <- time.Time{} // once it is received, the line of the one before is printed
				}
				return nil
			}}})
		write.CloseWithError(err)
	}()
	printed, err := io.ReadAll(read)
	const line = "  ... compiling:   0 s  CDK app\n"
	if err != nil || string(printed) != strings.Repeat(line, 5) {
		t.Errorf("printed %q, %v", printed, err)
	}
}

func TestIsTerminal_TellsATerminalFromAFileAndFromCI(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal to open: ", err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	t.Setenv("CI", "")
	t.Setenv("TERM", "xterm")
	if !isTerminal(terminal) || isTerminal(file) {
		t.Error("a terminal is not told from a file")
	}
	t.Setenv("CI", "true")
	if isTerminal(terminal) {
		t.Error("CI is nobody who watches")
	}
	t.Setenv("CI", "")
	t.Setenv("TERM", "dumb")
	if isTerminal(terminal) {
		t.Error("a dumb terminal cannot go back to the start of a line")
	}
}

// Anything else would have to be compiled before the first word is printed.
func TestLauncher_ImportsTheStandardLibraryAlone(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		"{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(output)); got != "github.com/lambda-tokenizer/lambda-tokenizer/local" {
		t.Errorf("packages outside of the standard library:\n%s", got)
	}
	const limit = 75
	output, err = exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if n := strings.Count(string(output), "\n"); err != nil || n > limit {
		t.Errorf("it takes %d packages (%v), want at most %d: each costs time before the first word", n, err, limit)
	}
}

// realTools is a launcher as a process that compiles with the real tools.
func realTools(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if err := kit.ReadSources(); err != nil { // so that the cached result depends on them
		t.Fatal(err)
	}
	cmd := fakes(t, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, args...)
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOFLAGS", "GOPROXY"} {
		if value, set := os.LookupEnv(name); set {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// With the real tools: the programs are compiled, and say what their flags are.
func TestLauncher_KnowsTheFlagsOfItsPrograms(t *testing.T) {
	flags := regexp.MustCompile(`(?m)^  -([a-z-]+)`)
	listed := func(text string) (names []string) {
		for _, match := range flags.FindAllStringSubmatch(text, -1) {
			names = append(names, match[1])
		}
		return names
	}
	simulator := finish(t, realTools(t, "-h"))
	want := slices.Sorted(slices.Values(append([]string{"app", "layer"}, simulatorFlags...)))
	if diff := cmp.Diff(want, listed(simulator.stdout)); diff != "" || simulator.code != 0 {
		t.Errorf("simulator (-want +got):\n%s%+v", diff, simulator)
	}
	runner := finish(t, realTools(t, "-app", ".", "-h"))
	if diff := cmp.Diff(runnerFlags, listed(runner.stderr)); diff != "" || runner.code != 0 || runner.stdout != "" {
		t.Errorf("runner (-want +got):\n%s%+v", diff, runner)
	}
	server := finish(t, realTools(t, "-layer", "-h"))
	if diff := cmp.Diff(serverFlags, listed(server.stderr)); diff != "" || server.code != 0 || server.stdout != "" {
		t.Errorf("development server (-want +got):\n%s%+v", diff, server)
	}
}
