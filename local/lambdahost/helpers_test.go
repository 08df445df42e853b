package lambdahost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// The test binary plays every part: bootstrap and extensions are symbolic links to it. Which part it plays is in
// FUNCTION or EXTENSION, so a run of the tests themselves has neither. All write what they do to the file TRACE, one
// line each: appending is atomic, so the file has one order for all processes.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("HOST") != "":
		playHost()
	case len(os.Args) == 3 && os.Args[1] == "child":
		dial(os.Args[2])
	case strings.Contains(os.Args[0], "/extensions/"):
		playExtension(os.Getenv("EXTENSION"))
	case os.Getenv("FUNCTION") != "":
		playFunction(os.Getenv("FUNCTION"))
	default:
		os.Exit(m.Run())
	}
}

func trace(format string, args ...any) {
	f, err := os.OpenFile(os.Getenv("TRACE"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintf(f, format+"\n", args...)
}

// awaitTrace waits until the trace holds n lines with that prefix.
func awaitTrace(prefix string, n int) {
	for count := 0; count < n; time.Sleep(2 * time.Millisecond) {
		data, _ := os.ReadFile(os.Getenv("TRACE"))
		count = strings.Count("\n"+string(data), "\n"+prefix)
	}
}

// event is what the tests send to the function.
type event struct {
	Do    string
	Value string
	N     int
}

// reply is what it answers.
type reply struct {
	Value    string
	PID      int
	Group    int
	Env      []string
	Request  string
	ARN      string
	Deadline time.Duration
}

func playFunction(part string) {
	trace("function started")
	switch part {
	case "lambda":
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		go func() {
			<-asked
			trace("function SIGTERM")
			os.Exit(0)
		}()
		lambda.Start(handle)
	case "raw":
		playIllegalFunction()
	case "init error":
		call("POST", "/2018-06-01/runtime/init/error", `{"errorType":"Config.Missing","errorMessage":"no table"}`, nil)
		os.Exit(1)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		call("GET", "/2018-06-01/runtime/invocation/next", "", nil)
		trace("function has an event")
		select {}
	}
}

func handle(ctx context.Context, in event) (any, error) {
	trace("function invoked %s", in.Value)
	switch in.Do {
	case "fail":
		return nil, fmt.Errorf("failed %s", in.Value)
	case "exit":
		os.Exit(in.N)
	case "hang":
		select {}
	case "dial":
		dial(in.Value)
	case "leave a child":
		if err := exec.Command(os.Args[0], "child", in.Value).Start(); err != nil {
			return nil, err
		}
	case "meet": // until N invocations are here at once
		awaitTrace("function invoked", in.N)
	case "wait":
		awaitTrace(in.Value, 1)
	case "print":
		for i := range in.N {
			fmt.Printf("%s out %d\n", in.Value, i)
			fmt.Fprintf(os.Stderr, "%s err %d\n", in.Value, i)
		}
	case "big":
		return bytes.NewReader(bytes.Repeat([]byte("x"), in.N)), nil
	}
	deadline, _ := ctx.Deadline()
	lc, _ := lambdacontext.FromContext(ctx)
	return reply{
		Value: in.Value, PID: os.Getpid(), Group: syscall.Getpgrp(), Env: os.Environ(),
		Request: lc.AwsRequestID, ARN: lc.InvokedFunctionArn, Deadline: time.Until(deadline),
	}, nil
}

// dial makes a connection that lasts as long as the process does.
func dial(address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, conn)
	select {}
}

// call makes one API call and gives status and error type, as a line, and what came back.
func call(method, path, body string, header map[string]string) (string, *http.Response, []byte) {
	req, err := http.NewRequest(method, "http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		trace("api is gone")
		os.Exit(9)
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	var e apiError
	_ = json.Unmarshal(data, &e)
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", e.Type)), resp, data
}

// playIllegalFunction does everything that a function must not.
func playIllegalFunction() {
	const invocation, next = "/2018-06-01/runtime/invocation/", "/2018-06-01/runtime/invocation/next"
	show := func(what, method, path string, header map[string]string) *http.Response {
		line, resp, _ := call(method, path, `{}`, header)
		trace("function: %s: %s", what, line)
		return resp
	}
	show("answer before next", "POST", invocation+"x/response", nil)
	id := show("next", "GET", next, nil).Header.Get("Lambda-Runtime-Aws-Request-Id")
	again := show("next again", "GET", next, nil).Header.Get("Lambda-Runtime-Aws-Request-Id")
	trace("function: same event: %v", id == again && id != "")
	show("init error too late", "POST", "/2018-06-01/runtime/init/error", nil)
	show("answer to something else", "POST", invocation+"x/response", nil)
	show("error for something else", "POST", invocation+"x/error", nil)
	show("register too late", "POST", "/2020-01-01/extension/register",
		map[string]string{"Lambda-Extension-Name": "internal"})
	show("telemetry", "PUT", "/2022-07-01/telemetry", nil)
	show("answer", "POST", invocation+id+"/response", nil)
	show("answer twice", "POST", invocation+id+"/response", nil)
	show("error after answer", "POST", invocation+id+"/error", nil)
	trace("function done")
	call("GET", next, "", nil)
}

func playExtension(part string) {
	name := filepath.Base(os.Args[0])
	trace("%s started", name)
	signal.Ignore(syscall.SIGTERM) // only the function gets one
	if part == "mute" {
		select {}
	}
	if part == "crash early" {
		os.Exit(4)
	}
	time.Sleep(30 * time.Millisecond) // so that a function started too early would win
	header := map[string]string{"Lambda-Extension-Name": name}
	if part == "illegal" {
		playIllegalRegistration(name)
	}
	if part != "no account" {
		header["Lambda-Extension-Accept-Feature"] = "other, accountId"
	}
	events := `{"events":["INVOKE","SHUTDOWN"]}`
	if part == "no events" {
		events = `{"events":[]}`
	}
	trace("%s registers", name)
	_, resp, about := call("POST", "/2020-01-01/extension/register", events, header)
	trace("%s about %s", name, about)
	identity := map[string]string{"Lambda-Extension-Identifier": resp.Header.Get("Lambda-Extension-Identifier")}
	typed := map[string]string{
		"Lambda-Extension-Function-Error-Type": "Extension.Test",
		"Lambda-Extension-Identifier":          identity["Lambda-Extension-Identifier"],
	}
	switch part {
	case "illegal":
		playIllegalExtension(name, identity, typed)
	case "init error":
		call("POST", "/2020-01-01/extension/init/error", "", typed)
		os.Exit(0)
	case "environ":
		env := os.Environ()
		slices.Sort(env)
		trace("environ %s", strings.Join(env, "|"))
	}
	time.Sleep(30 * time.Millisecond) // so that an event delivered too early would win
	for {
		trace("%s asks", name)
		_, _, data := call("GET", "/2020-01-01/extension/event/next", "", identity)
		var got struct {
			EventType, RequestID, InvokedFunctionArn, ShutdownReason string
			DeadlineMs                                               int64
		}
		if err := json.Unmarshal(data, &got); err != nil {
			panic(err)
		}
		left := time.Until(time.UnixMilli(got.DeadlineMs))
		trace("%s %s %s%s in time %v", name, got.EventType, got.InvokedFunctionArn, got.ShutdownReason, left > 0 &&
			left < 30*time.Second)
		switch {
		case part == "stubborn" && got.EventType == "SHUTDOWN":
			select {}
		case got.EventType == "SHUTDOWN":
			os.Exit(0)
		case part == "crash":
			os.Exit(5)
		case part == "exit error":
			call("POST", "/2020-01-01/extension/exit/error", "", typed)
			os.Exit(0)
		case part == "slow":
			awaitTrace("release", 1)
			trace("%s finished", name)
		}
	}
}

func playIllegalRegistration(name string) {
	const register = "/2020-01-01/extension/register"
	named := map[string]string{"Lambda-Extension-Name": name}
	for _, c := range []struct {
		what, body string
		header     map[string]string
	}{
		{"malformed", `{`, named},
		{"unknown event", `{"events":["SLEEP"]}`, named},
		{"unknown name", `{}`, map[string]string{"Lambda-Extension-Name": "internal"}},
	} {
		line, _, _ := call("POST", register, c.body, c.header)
		trace("extension: %s: %s", c.what, line)
	}
}

func playIllegalExtension(name string, identity, typed map[string]string) {
	show := func(what, method, path string, header map[string]string) {
		line, _, _ := call(method, "/2020-01-01/extension/"+path, `{}`, header)
		trace("extension: %s: %s", what, line)
	}
	show("register twice", "POST", "register", map[string]string{"Lambda-Extension-Name": name})
	show("next without identifier", "GET", "event/next", nil)
	show("next with nonsense", "GET", "event/next", map[string]string{"Lambda-Extension-Identifier": "me"})
	show("next with another's", "GET", "event/next",
		map[string]string{"Lambda-Extension-Identifier": "3b241101-e2bb-4255-8caf-4136c566a962"})
	show("error without type", "POST", "init/error", identity)
	call("GET", "/2020-01-01/extension/event/next", "", identity)
	show("init error too late", "POST", "init/error", typed)
	trace("extension done")
}

// host is a function under test and what surrounds it.
type host struct {
	*Function
	t     *testing.T
	trace string
	log   *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newHost starts a function that plays part, with extensions that play theirs.
func newHost(t *testing.T, function, extension string, change func(*Config), extensions ...string) *host {
	t.Helper()
	dir := t.TempDir()
	cfg := testConfig(t, dir, extensions...)
	log := &syncBuffer{}
	cfg.Log = log
	cfg.Variables["FUNCTION"], cfg.Variables["EXTENSION"] = function, extension
	if change != nil {
		change(&cfg)
	}
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		if t.Failed() {
			t.Logf("log:\n%s", log)
		}
	})
	return &host{Function: f, t: t, trace: cfg.Variables["TRACE"], log: log}
}

func testConfig(t *testing.T, dir string, extensions ...string) Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	links := []string{"task/bootstrap"}
	for _, name := range extensions {
		links = append(links, "opt/extensions/"+name)
	}
	for _, link := range links {
		path := filepath.Join(dir, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(self, path); err != nil {
			t.Fatal(err)
		}
	}
	cfg := Config{
		Name: "order", ARN: "arn:aws:lambda:eu-west-1:123456789012:function:order", Handler: "bootstrap",
		AccountID: "123456789012", Region: "eu-west-1", TaskDir: filepath.Join(dir, "task"),
		Timeout: 20 * time.Second,
		Variables: map[string]string{
			"TRACE":  filepath.Join(dir, "trace"),
			"GORACE": "atexit_sleep_ms=0", // a process built with -race takes a second to exit otherwise
		},
	}
	if len(extensions) > 0 {
		cfg.OptDir = filepath.Join(dir, "opt")
	}
	return cfg
}

// do invokes the function, which must answer without an error.
func (h *host) do(e event) reply {
	h.t.Helper()
	result := h.invoke(e)
	if result.FunctionError != "" {
		h.t.Fatalf("%s: %s", result.FunctionError, result.Payload)
	}
	var r reply
	if err := json.Unmarshal(result.Payload, &r); err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *host) invoke(e event) Result {
	h.t.Helper()
	payload, err := json.Marshal(e)
	if err != nil {
		h.t.Fatal(err)
	}
	result, err := h.Invoke(h.t.Context(), payload)
	if err != nil {
		h.t.Fatal(err)
	}
	return result
}

// failing invokes the function and gives the error it failed with.
func (h *host) failing(e event) apiError {
	h.t.Helper()
	result := h.invoke(e)
	var failed apiError
	if err := json.Unmarshal(result.Payload, &failed); err != nil || result.FunctionError != "Unhandled" {
		h.t.Fatalf("got %q with %s, want an error", result.FunctionError, result.Payload)
	}
	return failed
}

// lines gives the trace as it is now.
func (h *host) lines() []string {
	h.t.Helper()
	data, err := os.ReadFile(h.trace)
	if err != nil && !os.IsNotExist(err) {
		h.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// await waits until the trace holds line.
func (h *host) await(line string) {
	h.t.Helper()
	for end := time.Now().Add(kit.Limit); !slices.Contains(h.lines(), line); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("%q did not come; trace:\n%s", line, strings.Join(h.lines(), "\n"))
		}
	}
}

func (h *host) note(line string) {
	h.t.Helper()
	f, err := os.OpenFile(h.trace, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintln(f, line)
}
