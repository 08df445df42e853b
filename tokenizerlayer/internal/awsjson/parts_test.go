package awsjson

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// clientOf is a client of a server.
func clientOf(t *testing.T, url string, o Options) *Client {
	t.Helper()
	e := Environment{Region: "eu-central-1", endpoints: func(string) string { return url }}
	e.Credentials.AccessKeyID, e.Credentials.SecretAccessKey = "id", "secret"
	s := ofKMS
	s.MaxAnswer = 1 << 10
	c, err := New(s, e, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func empty(to []byte) []byte { return append(to, "{}"...) }

func TestOptions_HaveTheBoundsOfACall(t *testing.T) {
	got := Options{}.complete()
	if got.Attempts != 3 || got.AttemptTimeout != 1200*time.Millisecond || got.MaxBackoff != 200*time.Millisecond {
		t.Errorf("by default: %+v", got)
	}
	if now := got.Now(); time.Since(now) < 0 || time.Since(now) > time.Hour {
		t.Errorf("by default it is %v", now)
	}
	set := Options{Attempts: 1, AttemptTimeout: 2, MaxBackoff: 3, Now: func() time.Time { return time.Unix(4, 0) }}
	got = set.complete()
	if got.Attempts != 1 || got.AttemptTimeout != 2 || got.MaxBackoff != 3 || got.Now().Unix() != 4 {
		t.Errorf("what is set: %+v", got)
	}
}

// Success are the statuses from 200 to 299.
func TestRead_TellsSuccessByTheStatus(t *testing.T) {
	c := clientOf(t, "", Options{})
	for status, want := range map[int]bool{199: false, 200: true, 201: true, 299: true, 300: false, 500: false} {
		decoded := false
		err := c.read(&http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("{}"))},
			func(d *wirejson.Decoder) error { decoded = true; return d.Skip() })
		if (err == nil) != want || decoded != want {
			t.Errorf("status %d: error = %v, decoded %v", status, err, decoded)
		}
		if e, ok := errors.AsType[*Error](err); !want && (!ok || e.Status != status) {
			t.Errorf("status %d: error = %v", status, err)
		}
	}
}

func TestCheckSum_TakesTheSumOnly(t *testing.T) {
	body := []byte(`{"a":"é"}`)
	sum := uint64(crc32.ChecksumIEEE(body))
	for name, tt := range map[string]struct {
		header string
		ok     bool
	}{
		"none": {"", true}, "the sum": {fmt.Sprint(sum), true}, "another": {fmt.Sprint(sum ^ 1), false},
		"one of 33 bits": {fmt.Sprint(sum + 1<<32), false}, "in hexadecimal": {fmt.Sprintf("%#x", sum), false},
		"less than nothing": {"-1", false}, "a text": {"x", false},
	} {
		header := http.Header{}
		if tt.header != "" {
			header.Set("X-Amz-Crc32", tt.header)
		}
		if err := checkSum(header, body); (err == nil) != tt.ok {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

// The clock here may be in any zone.
func TestClockSkew_IsTheDistanceToTheDate(t *testing.T) {
	now := time.Date(2026, 3, 1, 14, 0, 0, 0, time.FixedZone("two hours ahead", 2*60*60)) // noon in UTC
	for name, tt := range map[string]struct {
		date, age string
		skew      time.Duration
		ok        bool
	}{
		"the same":     {"Sun, 01 Mar 2026 12:00:00 GMT", "", 0, true},
		"ahead":        {"Sun, 01 Mar 2026 12:07:00 GMT", "", 7 * time.Minute, true},
		"behind":       {"Sun, 01 Mar 2026 11:59:59 GMT", "", -time.Second, true},
		"of a cache":   {"Sun, 01 Mar 2026 12:07:00 GMT", "0", 0, false},
		"none":         {"", "", 0, false},
		"in no format": {"2026-03-01T12:07:00Z", "", 0, false},
	} {
		header := http.Header{}
		for name, value := range map[string]string{"Date": tt.date, "Age": tt.age} {
			if value != "" {
				header.Set(name, value)
			}
		}
		if skew, ok := clockSkew(header, now); skew != tt.skew || ok != tt.ok {
			t.Errorf("%s: %v, %v", name, skew, ok)
		}
	}
}

// A refusal that may be about the clock is tried again if the clock was off by more than four minutes, either way.
func TestClockError_LooksAtCodeAndDistance(t *testing.T) {
	for _, code := range append([]string{"", "ValidationException", "ExpiredToken"}, skewCodes...) {
		for off, far := range map[time.Duration]bool{
			0: false, 4 * time.Minute: false, 4*time.Minute + 1: true, -4 * time.Minute: false,
			-4*time.Minute - 1: true,
		} {
			refused := &Error{Code: code, Status: 400}
			err := clockError(refused, off)
			_, again := errors.AsType[*skewError](err)
			if want := far && code != "" && !strings.HasPrefix(code, "V") && code != "ExpiredToken"; again != want {
				t.Errorf("%q, off by %v: tried again %v", code, off, again)
			}
			if Code(err) != code || err.Error() != refused.Error() {
				t.Errorf("%q, off by %v: error = %v", code, off, err)
			}
		}
	}
	if err := clockError(errAnswer, time.Hour); !errors.Is(err, errAnswer) {
		t.Errorf("another error becomes %v", err)
	}
}

func TestRetryAfter_ReadsWhatServicesSend(t *testing.T) {
	now := time.Date(2026, 3, 1, 14, 0, 0, 0, time.FixedZone("two hours ahead", 2*60*60)) // noon in UTC
	for value, want := range map[string]struct{ seconds, milliseconds time.Duration }{
		"":                              {},
		"0":                             {},
		"1":                             {time.Second, time.Millisecond},
		"10":                            {10 * time.Second, 10 * time.Millisecond},
		"2147483647":                    {2147483647 * time.Second, 2147483647 * time.Millisecond},
		"2147483648":                    {},
		"-1":                            {},
		"0x10":                          {},
		"1.5":                           {},
		"soon":                          {},
		"Sun, 01 Mar 2026 12:00:10 GMT": {10 * time.Second, 0},
		"Sun, 01 Mar 2026 11:59:59 GMT": {},
		"Sun, 01 Mar 2026 12:00:00 GMT": {},
	} {
		got := retryAfter(http.Header{"Retry-After": {value}}, now)
		if got != want.seconds {
			t.Errorf("Retry-After %q: %v, want %v", value, got, want.seconds)
		}
		if got = retryAfter(http.Header{"X-Amz-Retry-After": {value}}, now); got != want.milliseconds {
			t.Errorf("X-Amz-Retry-After %q: %v, want %v", value, got, want.milliseconds)
		}
	}
	both := http.Header{"X-Amz-Retry-After": {"20"}, "Retry-After": {"10"}}
	if got := retryAfter(both, now); got != 20*time.Millisecond {
		t.Errorf("of both: %v", got)
	}
}

// A call whose time is over does not go on after a pause.
func TestPause_EndsWithTheCall(t *testing.T) {
	c := clientOf(t, "", Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c.pause(ctx, 1, outcome{err: errAnswer, retryAfter: time.Hour}) {
		t.Error("the call goes on")
	}
}

// Each attempt goes over a connection that was opened before, and dies. The first such failure does not count, the
// others do.
func TestDo_ReplacesADeadConnectionOnce(t *testing.T) {
	for attempts, want := range map[int]int32{1: 2, 3: 4} {
		var requests atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if requests.Add(1) > 10 {
				t.Error("there is no end")
			}
			panic(http.ErrAbortHandler)
		}))
		defer server.Close()
		var c *Client
		warming := false
		c = clientOf(t, server.URL, Options{
			Attempts: attempts, AttemptTimeout: 30 * time.Second, MaxBackoff: time.Millisecond,
			Now: func() time.Time { // is asked before each attempt
				if c != nil && !warming {
					warming = true
					c.Warm(t.Context())
					warming = false
				}
				return time.Now()
			},
		})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := c.Do(ctx, "Operation", empty, (*wirejson.Decoder).Skip); err == nil {
			t.Error("no answer is a success")
		}
		if got := requests.Load(); got != want {
			t.Errorf("%d attempts: %d requests, want %d", attempts, got, want)
		}
	}
}

// How long connections have been idle counts from the end of the last call, not from its beginning.
func TestDo_CountsIdlenessFromTheEndOfACall(t *testing.T) {
	var opened atomic.Int32
	var ahead atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		ahead.Add(int64(maxIdle - time.Second)) // so long does a call take
		_, _ = io.WriteString(w, "{}")
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := clientOf(t, server.URL, Options{
		AttemptTimeout: 30 * time.Second,
		Now:            func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	for range 3 {
		if err := c.Do(t.Context(), "Operation", empty, (*wirejson.Decoder).Skip); err != nil {
			t.Error(err)
		}
		ahead.Add(int64(maxIdle / 2))
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

// slowConn is a connection whose answer comes when a request has begun, and whose writes wait until they may go on.
type slowConn struct {
	answer       io.Reader
	begun, write chan struct{}
	begin, end   func()
	ended        chan struct{}

	mu   sync.Mutex
	sent []byte
}

func newSlowConn(answer string) *slowConn {
	c := &slowConn{
		answer: strings.NewReader(answer), begun: make(chan struct{}), write: make(chan struct{}),
		ended: make(chan struct{}),
	}
	c.begin, c.end = sync.OnceFunc(func() { close(c.begun) }), sync.OnceFunc(func() { close(c.ended) })
	return c
}

func (c *slowConn) Read(to []byte) (int, error) {
	<-c.begun
	if n, err := c.answer.Read(to); err == nil {
		return n, nil
	}
	<-c.ended
	return 0, net.ErrClosed
}

func (c *slowConn) Write(b []byte) (int, error) {
	c.begin()
	<-c.write
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, b...)
	return len(b), nil
}

func (c *slowConn) Close() error                     { c.end(); return nil }
func (c *slowConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *slowConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *slowConn) SetDeadline(time.Time) error      { return nil }
func (c *slowConn) SetReadDeadline(time.Time) error  { return nil }
func (c *slowConn) SetWriteDeadline(time.Time) error { return nil }

// A service may answer before it has read the request. Then the transport still sends the rest, out of a buffer that
// serves another request meanwhile. It must not.
func TestDo_SendsNothingAfterItsEnd(t *testing.T) {
	conn := newSlowConn("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}")
	c := clientOf(t, "http://kms.example", Options{
		Attempts: 1, AttemptTimeout: 30 * time.Second,
		Dial: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	})
	written := make(chan error, 1)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) { written <- info.Err },
	})
	var body []byte
	err := c.Do(ctx, "Operation", func([]byte) []byte {
		body = bytes.Repeat([]byte("a"), 1<<20)
		return body
	}, (*wirejson.Decoder).Skip)
	if err == nil {
		t.Error("the answer is a success")
	}
	copy(body, bytes.Repeat([]byte("OTHER"), len(body)/5)) // what the next request puts there
	close(conn.write)
	select {
	case err := <-written:
		if err == nil {
			t.Error("the rest of the request is sent")
		}
	case <-time.After(time.Minute):
		t.Fatal("the request is never ended")
	}
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if bytes.Contains(conn.sent, []byte("OTHER")) || bytes.Contains(conn.sent, []byte{0}) {
		t.Error("what stands in the buffer after the call is sent")
	}
}

// An exception's name is told without what may stand around it, up to its limit.
func TestException_TakesNamesOnly(t *testing.T) {
	long := strings.Repeat("A", 80)
	for named, want := range map[string]string{
		"X": "X", "com.amazonaws.dynamodb.v20120810#ThrottlingException": "ThrottlingException", "": "",
		"X:http://internal.amazon.com/coral/": "X", "a#X:http://b#c": "X", "a#b#c": "", "#": "", "AZaz09.": "AZaz09.",
		"a b": "", "a_b": "", "a-b": "", "é": "", "a@": "", "a[": "", "a`": "", "a{": "", "a/": "", "a;": "", "[": "",
		long: long, long + "A": "", "x#" + long: long,
	} {
		if got := exception(named); got != want {
			t.Errorf("%q is told as %q, want %q", named, got, want)
		}
	}
}

func TestDecodeError_TakesTheFirstNameThatThereIs(t *testing.T) {
	for name, tt := range map[string]struct {
		header, body string
		want         Error
	}{
		"header first":   {"a#H:x", `{"__type":"B","code":"C"}`, Error{Code: "H", Status: 418}},
		"then the type":  {"", `{"code":"C","__TYPE":"B"}`, Error{Code: "B", Status: 418}},
		"then the code":  {"", `{"Code":"C"}`, Error{Code: "C", Status: 418}},
		"not a text":     {"", `{"code":5,"__type":{"a":1},"message":"41"}`, Error{Code: "UnknownError", Status: 418}},
		"no body":        {"", ``, Error{Code: "UnknownError", Status: 418}},
		"no body, named": {"H", ``, Error{Code: "H", Status: 418}},
		"no JSON":        {"H", `<html>`, Error{Status: 418}},
		"one byte":       {"H", `{`, Error{Status: 418}},
		"cut off":        {"", `{"__type":"B","CancellationReasons":[{"Code":"None"}]`, Error{Status: 418}},
		"reasons": {
			"", `{"CancellationReasons":[{"Code":"None","Item":{"Code":{"S":"x"}}},{"Message":"m"},null,{"Code":"a b"}],` +
				`"__type":"B"}`,
			Error{Code: "B", Status: 418, Reasons: []string{"None", "", "", ""}},
		},
		"reasons of another form": {"", `{"CancellationReasons":5,"__type":"B"}`, Error{Status: 418}},
		"a code of another":       {"", `{"CancellationReasons":[{"Code":5}],"__type":"B"}`, Error{Status: 418}},
		"a reason of another":     {"", `{"CancellationReasons":[{"Code":"None"},5],"__type":"B"}`, Error{Status: 418}},
	} {
		header := http.Header{}
		if tt.header != "" {
			header.Set("X-Amzn-ErrorType", tt.header)
		}
		if diff := cmp.Diff(&tt.want, decodeError(418, header, []byte(tt.body))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := (&Error{Status: 418}).Error(); got != "the answer has the status 418" {
		t.Errorf("without a name: %s", got)
	}
}

// The parts of errors that package retry of the SDK asks for.
func TestErrors_TellTheSDKWhatToDo(t *testing.T) {
	e := &Error{Code: "X", Status: 418}
	if e.ErrorCode() != "X" || e.HTTPStatusCode() != 418 || e.Error() != "X" {
		t.Errorf("%v", e)
	}
	cause := errors.New("dial tcp 10.0.0.1")
	for text, err := range map[string]error{
		"no answer": &sendError{cause}, "the answer cannot be read": &readError{cause},
	} {
		if err.Error() != text || !errors.Is(err, cause) || Code(err) != "" {
			t.Errorf("%q: %v", text, err)
		}
	}
	skewed := &skewError{e}
	if !(&sendError{cause}).ConnectionError() || !skewed.RetryableError() || Code(skewed) != "X" {
		t.Error("the SDK is told not to try again")
	}
}

func TestIsRegion_BothSidesOfEveryLimit(t *testing.T) {
	for s, want := range map[string]bool{
		"": false, "a": true, "eu-central-1": true, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false,
		"-a": false, "a-": false, "a.b": false, "EU": false, "é": false, "a_b": false, "-": false,
	} {
		if got := isRegion(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}
