package lambdahost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

func TestInvoke_GivesTheFunctionItsEventAndContext(t *testing.T) {
	h := newHost(t, "lambda", "", nil)
	first := h.do(event{Value: "a"})
	if first.Value != "a" || first.ARN != h.cfg.ARN || len(first.Request) != 36 {
		t.Errorf("got %+v", first)
	}
	if first.Deadline <= 0 || first.Deadline > h.cfg.Timeout {
		t.Errorf("deadline in %v, want within %v", first.Deadline, h.cfg.Timeout)
	}
	if first.Group != first.PID || first.Group == syscall.Getpgrp() {
		t.Errorf("process %d is in group %d: Ctrl-C at the terminal would reach it", first.PID, first.Group)
	}
	second := h.do(event{Value: "b"})
	if second.PID != first.PID || second.Request == first.Request {
		t.Errorf("second invocation ran in process %d as %s; first in %d as %s", second.PID, second.Request, first.PID,
			first.Request)
	}
}

func TestEnvironment_StartsAndEndsInLambdasOrder(t *testing.T) {
	h := newHost(t, "lambda", "", nil, "alpha", "beta")
	h.do(event{Value: "1"})
	h.Close()
	lines := h.lines()
	before := func(first, second string) {
		t.Helper()
		i, j := slices.Index(lines, first), slices.Index(lines, second)
		if i < 0 || j < 0 || i > j {
			t.Errorf("want %q (at %d) before %q (at %d)", first, i, second, j)
		}
	}
	for _, name := range []string{"alpha", "beta"} {
		before(name+" started", name+" registers")
		before(name+" registers", "function started")
		before(name+" asks", "function invoked 1")
		before("function SIGTERM", name+" SHUTDOWN spindown in time true")
		before(name+" INVOKE "+h.cfg.ARN+" in time true", "function SIGTERM")
	}
	if t.Failed() {
		t.Logf("trace:\n%s", strings.Join(lines, "\n"))
	}
}

func TestRegister_TellsTheAccountOnlyToExtensionsThatAcceptIt(t *testing.T) {
	for part, want := range map[string]string{
		"":           `alpha about {"accountId":"123456789012","functionName":"order","functionVersion":"$LATEST","handler":"bootstrap"}`,
		"no account": `alpha about {"functionName":"order","functionVersion":"$LATEST","handler":"bootstrap"}`,
	} {
		h := newHost(t, "lambda", part, nil, "alpha")
		h.do(event{})
		if !slices.Contains(h.lines(), want) {
			t.Errorf("%q: no line %s in\n%s", part, want, strings.Join(h.lines(), "\n"))
		}
	}
}

func TestEnvironment_DoesNotAwaitExtensionsWithoutEvents(t *testing.T) {
	h := newHost(t, "lambda", "no events", nil, "alpha")
	h.do(event{})
	h.do(event{})
	h.Close()
	for _, line := range h.lines() {
		if strings.HasPrefix(line, "alpha INVOKE") || strings.HasPrefix(line, "alpha SHUTDOWN") {
			t.Errorf("unexpected %q", line)
		}
	}
}

func TestInvoke_AnswersBeforeExtensionsFinish(t *testing.T) {
	h := newHost(t, "lambda", "slow", func(c *Config) { c.MaxConcurrency = 1 }, "alpha")
	h.do(event{Value: "1"})
	if slices.Contains(h.lines(), "alpha finished") {
		t.Fatal("the extension finished before it was released")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // there is no event for "still busy"
	defer cancel()
	if _, err := h.Invoke(ctx, []byte(`{"Value":"2"}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the environment was used before the extension had finished: got error %v", err)
	}
	h.note("release")
	h.do(event{Value: "3"})
	lines := h.lines()
	if i := slices.Index(lines, "alpha finished"); i < 0 || i > slices.Index(lines, "function invoked 3") ||
		slices.Contains(lines, "function invoked 2") {
		t.Errorf("trace:\n%s", strings.Join(lines, "\n"))
	}
}

func TestInvoke_GivesConcurrentInvocationsEnvironmentsOfTheirOwn(t *testing.T) {
	const environments, invocations = 3, 12
	var ports atomic.Int64
	h := newHost(t, "lambda", "", func(c *Config) {
		c.MaxConcurrency = environments
		c.Variables["PORT"] = "overridden"
		c.PerEnvironment = func() (map[string]string, error) {
			return map[string]string{"PORT": fmt.Sprint("port ", ports.Add(1))}, nil
		}
	}, "alpha")
	h.do(event{}) // so that there is an idle environment and there are places for more
	var wg sync.WaitGroup
	replies := make([]reply, invocations)
	for i := range replies {
		// No invocation ends before one has begun in each environment.
		wg.Go(func() { replies[i] = h.do(event{Do: "meet", N: 1 + environments, Value: fmt.Sprint(i)}) })
	}
	wg.Wait()
	used := map[int]string{}
	for i, r := range replies {
		if r.Value != fmt.Sprint(i) {
			t.Errorf("invocation %d got the answer %q", i, r.Value)
		}
		port := slices.IndexFunc(r.Env, func(v string) bool { return strings.HasPrefix(v, "PORT=port ") })
		if port < 0 {
			t.Fatalf("no PORT in %q", r.Env)
		}
		used[r.PID] = r.Env[port]
	}
	if len(used) != environments {
		t.Errorf("used %d environments, want %d", len(used), environments)
	}
	if distinct := slices.Compact(slices.Sorted(maps.Values(used))); len(distinct) != environments {
		t.Errorf("environments have the ports %q", distinct)
	}
}

func TestInvoke_WaitsForAnEnvironmentUntilItsContextEnds(t *testing.T) {
	h := newHost(t, "lambda", "", func(c *Config) { c.MaxConcurrency = 1 })
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.do(event{Do: "wait", Value: "release"})
	}()
	h.await("function invoked release")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Invoke(ctx, []byte(`{"Value":"queued"}`)); !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "environment") {
		t.Errorf("got error %v", err)
	}
	h.note("release")
	<-done
	h.do(event{Value: "last"})
	if slices.Contains(h.lines(), "function invoked queued") {
		t.Error("the invocation ran after its caller had gone")
	}
}

func TestInvoke_GoesOnWithoutItsCaller(t *testing.T) {
	h := newHost(t, "lambda", "", func(c *Config) { c.MaxConcurrency = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := h.Invoke(ctx, []byte(`{"Do":"wait","Value":"release"}`))
		failed <- err
	}()
	h.await("function invoked release")
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	h.note("release")
	h.do(event{Value: "next"})
	if n := strings.Count(strings.Join(h.lines(), "\n"), "function started"); n != 1 {
		t.Errorf("%d environments were started, want the one to survive", n)
	}
}

func TestInvoke_ReplacesTheEnvironmentAfterATimeout(t *testing.T) {
	h := newHost(t, "lambda", "", func(c *Config) { c.Timeout, c.MaxConcurrency = time.Second, 1 }, "alpha")
	first := h.do(event{})
	failed := h.failing(event{Do: "hang"})
	if failed.Type != "Sandbox.Timedout" || !regexp.MustCompile(
		`^RequestId: [0-9a-f-]{36} Error: Task timed out after 1\.00 seconds$`).MatchString(failed.Message) {
		t.Errorf("got %+v", failed)
	}
	if second := h.do(event{}); second.PID == first.PID {
		t.Error("the environment was used again")
	}
	h.await("alpha SHUTDOWN timeout in time true")
}

func TestInvoke_RecoversFromCrashesAndErrors(t *testing.T) {
	for _, c := range []struct {
		name, function, extension string
		event                     event
		want                      apiError // RequestId is put in
		survives                  bool
	}{
		{
			"function returns an error", "lambda", "", event{Do: "fail", Value: "x"},
			apiError{"errorString", "failed x"}, true,
		},
		{
			"function exits", "lambda", "", event{Do: "exit", N: 3},
			apiError{"Runtime.ExitError", "RequestId: ID Error: Runtime exited with error: exit status 3"}, false,
		},
		{
			"function exits cleanly", "lambda", "", event{Do: "exit"},
			apiError{"Runtime.ExitError", "RequestId: ID Error: Runtime exited without providing a reason"}, false,
		},
		{
			"extension exits", "lambda", "crash", event{Do: "hang"},
			apiError{"Extension.Crash", "RequestId: ID Error: exit status 5"}, false,
		},
		{
			"extension reports exit error", "lambda", "exit error", event{Do: "hang"},
			apiError{"Extension.ExitError", "RequestId: ID Error: exit code 0"}, false,
		},
		{
			"extension reports init error", "lambda", "init error", event{},
			apiError{"Extension.InitError", "RequestId: ID Error: exit code 0"}, false,
		},
		{
			"extension exits during init", "lambda", "crash early", event{},
			apiError{"Extension.Crash", "RequestId: ID Error: exit status 4"}, false,
		},
		{"function reports init error", "init error", "", event{}, apiError{"Config.Missing", "no table"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, c.function, c.extension, func(c *Config) { c.MaxConcurrency = 1 }, "alpha")
			for range 2 { // the second time in a new environment, or the same
				got := h.failing(c.event)
				got.Message = regexp.MustCompile(`[0-9a-f-]{36}`).ReplaceAllString(got.Message, "ID")
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			}
			started := strings.Count(strings.Join(h.lines(), "\n"), "alpha started")
			if want := map[bool]int{true: 1, false: 2}[c.survives]; started != want {
				t.Errorf("started %d environments, want %d", started, want)
			}
		})
	}
}

func TestKill_FailsTheInvocationAndNotTheNext(t *testing.T) {
	for name, want := range map[string]apiError{
		"bootstrap": {"Runtime.ExitError", "Runtime exited with error: signal: killed"},
		"alpha":     {"Extension.Crash", "signal: killed"},
	} {
		h := newHost(t, "lambda", "", nil, "alpha")
		failed := make(chan apiError, 1)
		go func() { failed <- h.failing(event{Do: "hang", Value: name}) }()
		h.await("function invoked " + name)
		if n := h.Kill(name); n != 1 {
			t.Errorf("killed %d processes named %s", n, name)
		}
		if got := <-failed; got.Type != want.Type || !strings.HasSuffix(got.Message, "Error: "+want.Message) {
			t.Errorf("got %+v", got)
		}
		h.do(event{}) // and while it is idle:
		if n, again := h.Kill(name), h.Kill(name); n != 1 || again != 0 {
			t.Errorf("killed %d idle processes named %s, and then %d more", n, name, again)
		}
		for e := range h.environments.Range {
			<-e.(*environment).ctx.Done()
		}
		h.do(event{})
	}
}

func TestInvoke_TimesOutAnInitThatTakesTooLong(t *testing.T) {
	h := newHost(t, "lambda", "mute", func(c *Config) { c.initTimeout = 100 * time.Millisecond }, "alpha")
	if got := h.failing(event{}); got.Type != "Sandbox.Timedout" ||
		!strings.HasSuffix(got.Message, "Task timed out after 0.10 seconds") {
		t.Errorf("got %+v", got)
	}
	if slices.Contains(h.lines(), "function started") {
		t.Error("the function was started although an extension had not registered")
	}
}

func TestServer_RefusesIllegalTransitionsWithLambdasErrorTypes(t *testing.T) {
	h := newHost(t, "raw", "illegal", nil, "alpha")
	h.invoke(event{})
	h.await("function done")
	h.await("extension done")
	lines := slices.DeleteFunc(h.lines(), func(l string) bool {
		return !strings.HasPrefix(l, "function: ") && !strings.HasPrefix(l, "extension: ")
	})
	slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(a[:5], b[:5]) })
	want := []string{
		"extension: malformed: 403 InvalidRequestFormat",
		"extension: unknown event: 403 Extension.InvalidEventType",
		"extension: unknown name: 403 Extension.InvalidExtensionName",
		"extension: register twice: 403 Extension.InvalidExtensionState",
		"extension: next without identifier: 403 Extension.MissingExtensionIdentifier",
		"extension: next with nonsense: 403 Extension.InvalidExtensionIdentifier",
		"extension: next with another's: 403 Extension.UnknownExtensionIdentifier",
		"extension: error without type: 403 Extension.MissingHeader",
		"extension: init error too late: 403 Extension.InvalidExtensionState",
		"function: answer before next: 400 InvalidRequestID",
		"function: next: 200",
		"function: next again: 200",
		"function: same event: true",
		"function: init error too late: 403 InvalidStateTransition",
		"function: answer to something else: 400 InvalidRequestID",
		"function: error for something else: 400 InvalidRequestID",
		"function: register too late: 403 Extension.RegistrationClosed",
		"function: telemetry: 404",
		"function: answer: 202",
		"function: answer twice: 403 InvalidStateTransition",
		"function: error after answer: 403 InvalidStateTransition",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

func TestInvoke_AllowsAnswersAsLargeAsLambdaDoes(t *testing.T) {
	h := newHost(t, "lambda", "", nil)
	if result := h.invoke(event{Do: "big", N: maxResponse}); result.FunctionError != "" ||
		len(result.Payload) != maxResponse {
		t.Errorf("got %d bytes and %q", len(result.Payload), result.FunctionError)
	}
	want := apiError{
		"Function.ResponseSizeTooLarge",
		"Response payload size exceeded maximum allowed payload size (6291556 bytes).",
	}
	if diff := cmp.Diff(want, h.failing(event{Do: "big", N: maxResponse + 1})); diff != "" {
		t.Error(diff)
	}
	h.do(event{})
}

func TestInvoke_RefusesAnEventThatIsTooLarge(t *testing.T) {
	h := newHost(t, "lambda", "", nil)
	if _, err := h.Invoke(t.Context(), make([]byte, maxEvent+1)); err == nil {
		t.Error("no error")
	}
}

func TestVariables_AreLambdasAndNoneOfTheHost(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of the host")
	t.Setenv("HOST_ONLY", "1")
	h := newHost(t, "lambda", "environ", func(c *Config) {
		c.MemoryMB = 256
		c.Variables["AWS_REGION"] = "reserved"
		c.Variables["TZ"] = "reserved"
	}, "alpha")
	common := []string{
		"AWS_DEFAULT_REGION=eu-west-1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_FUNCTION_NAME=order",
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "AWS_LAMBDA_RUNTIME_API=API",
		"AWS_REGION=eu-west-1", "EXTENSION=environ", "FUNCTION=lambda", "GORACE=atexit_sleep_ms=0", "LANG=en_US.UTF-8",
		"LD_LIBRARY_PATH=/lib64:/usr/lib64:TASK:TASK/lib:OPT/lib", "PATH=/usr/local/bin:/usr/bin/:/bin:OPT/bin",
		"TRACE=" + h.trace, "TZ=:UTC",
	}
	function := append(slices.Clone(common), "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/order",
		"AWS_LAMBDA_LOG_STREAM_NAME=STREAM",
		// the last by aws-lambda-go itself
		"LAMBDA_RUNTIME_DIR=TASK", "LAMBDA_TASK_ROOT=TASK", "_HANDLER=bootstrap", "_X_AMZN_TRACE_ID=TRACE")
	mask := func(vars []string) []string {
		var masked []string
		for _, v := range vars {
			v = strings.NewReplacer(h.cfg.TaskDir, "TASK", h.cfg.OptDir, "OPT").Replace(v)
			v = regexp.MustCompile(`^AWS_LAMBDA_RUNTIME_API=127\.0\.0\.1:\d+$`).ReplaceAllString(v,
				"AWS_LAMBDA_RUNTIME_API=API")
			v = regexp.MustCompile(`=\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$`).ReplaceAllString(v, "=STREAM")
			v = regexp.MustCompile(`=Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`).ReplaceAllString(
				v, "=TRACE")
			masked = append(masked, v)
		}
		slices.Sort(masked)
		return masked
	}
	if diff := cmp.Diff(mask(function), mask(h.do(event{}).Env)); diff != "" {
		t.Errorf("function: %s", diff)
	}
	lines := h.lines()
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "environ ") })
	if diff := cmp.Diff(mask(common), mask(strings.Split(strings.TrimPrefix(lines[i], "environ "), "|"))); diff != "" {
		t.Errorf("extension: %s", diff)
	}
}

func TestClose_InterruptsAndKillsWhatDoesNotEnd(t *testing.T) {
	h := newHost(t, "stubborn", "stubborn", nil, "alpha")
	interrupted := make(chan error)
	go func() {
		_, err := h.Invoke(t.Context(), []byte("{}"))
		interrupted <- err
	}()
	h.await("function has an event")
	var processes []*process
	for e := range h.environments.Range {
		processes = e.(*environment).started()
	}
	start := time.Now()
	h.Close()
	if took := time.Since(start); took < shutdownLimit {
		t.Errorf("took %v, want %v at least", took, shutdownLimit)
	}
	if err := <-interrupted; !errors.Is(err, ErrClosed) {
		t.Errorf("interrupted invocation: got error %v", err)
	}
	if _, err := h.Invoke(t.Context(), []byte("{}")); !errors.Is(err, ErrClosed) {
		t.Errorf("later invocation: got error %v", err)
	}
	if len(processes) != 2 {
		t.Fatalf("%d processes", len(processes))
	}
	for _, p := range processes {
		if err := syscall.Kill(p.pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s is still there: %v", p.name, err)
		}
	}
}

func TestEnvironment_KillsWhatAFunctionLeavesBehind(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	h := newHost(t, "lambda", "", nil)
	h.do(event{Do: "leave a child", Value: listener.Addr().String()})
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	h.failing(event{Do: "exit", N: 1})
	awaitEnd(t, conn)
}

// awaitEnd waits until the process at the other end of conn has ended.
func awaitEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(kit.Limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want the connection to end with the process", err)
	}
}

func TestLog_HasWholeLinesOfEachProcess(t *testing.T) {
	h := newHost(t, "lambda", "", func(c *Config) { c.MaxConcurrency = 2 })
	const lines = 500
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { h.do(event{Do: "print", N: lines, Value: fmt.Sprint("writer", i)}) })
	}
	wg.Wait()
	h.Close()
	line := regexp.MustCompile(`^order: writer[01] (out|err) \d+$`)
	seen := 0
	for got := range strings.Lines(h.log.String()) {
		if !line.MatchString(strings.TrimSuffix(got, "\n")) {
			t.Errorf("got line %q", got)
		}
		seen++
	}
	if seen != 2*2*lines {
		t.Errorf("got %d lines, want %d", seen, 2*2*lines)
	}
}

func TestLineWriter_SplitsAtNewlinesAndBoundsLines(t *testing.T) {
	var out syncBuffer
	w := &lineWriter{w: &out, prefix: "> "}
	long := strings.Repeat("x", maxLine)
	for _, part := range []string{"a", "b\nc\n\nd", long} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	}
	_, _ = w.Write([]byte("end"))
	w.flush()
	if diff := cmp.Diff("> ab\n> c\n> \n> d"+long+"\n> end\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	for want, spoil := range map[string]func(*Config){
		"Name":           func(c *Config) { c.Name = "" },
		"ARN":            func(c *Config) { c.ARN = "" },
		"Region":         func(c *Config) { c.Region = "" },
		"negative":       func(c *Config) { c.Timeout = -1 },
		"MaxConcurrency": func(c *Config) { c.MaxConcurrency = -1 },
		"absolute":       func(c *Config) { c.TaskDir = "task" },
		"no program":     func(c *Config) { c.TaskDir = t.TempDir() },
		"OptDir":         func(c *Config) { c.OptDir = "/does/not/exist" },
		"at most 10":     func(c *Config) { c.OptDir = elevenExtensions(t) },
	} {
		cfg := testConfig(t, t.TempDir())
		spoil(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one about %s", err, want)
		}
	}
}

func elevenExtensions(t *testing.T) string {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "extensions"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 11 {
		if err := os.WriteFile(filepath.Join(dir, "extensions", fmt.Sprint(i)), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestInvoke_ReturnsAnErrorWhenTheHostFails(t *testing.T) {
	h := newHost(t, "lambda", "", func(c *Config) { c.MaxConcurrency = 1 })
	if err := os.Remove(h.cfg.command()[0]); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the place in the pool is given back
		if _, err := h.Invoke(t.Context(), []byte("{}")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("bootstrap missing: got error %v", err)
		}
	}
	broken := errors.New("no port")
	h = newHost(t, "lambda", "", func(c *Config) {
		c.MaxConcurrency = 1
		c.PerEnvironment = func() (map[string]string, error) { return nil, broken }
	})
	for range 2 {
		if _, err := h.Invoke(t.Context(), []byte("{}")); !errors.Is(err, broken) {
			t.Errorf("PerEnvironment: got error %v", err)
		}
	}
}

// playHost is a process that runs a function which dials back and hangs; the test kills it.
func playHost() {
	var cfg Config
	if err := json.Unmarshal([]byte(os.Getenv("HOST")), &cfg); err != nil {
		panic(err)
	}
	f, err := New(cfg)
	if err != nil {
		panic(err)
	}
	payload, _ := json.Marshal(event{Do: "dial", Value: os.Getenv("DIAL")})
	_, _ = f.Invoke(context.Background(), payload)
}
