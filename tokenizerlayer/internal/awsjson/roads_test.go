package awsjson

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// markedConn is a connection that notices that it is closed.
type markedConn struct {
	net.Conn
	closed atomic.Bool
}

func (c *markedConn) Close() error { c.closed.Store(true); return nil }

// roads are connections whose clock stands still, and the connections that they opened.
type roads struct {
	*connections
	at     time.Time
	opened []*markedConn
}

func newRoads(t *testing.T) *roads {
	t.Helper()
	u, err := url.Parse("http://kms.example")
	if err != nil {
		t.Fatal(err)
	}
	r := &roads{at: time.Now()}
	r.connections = newConnections(u, nil, Options{
		Now: func() time.Time { return r.at },
		Dial: func(context.Context, string, string) (net.Conn, error) {
			r.opened = append(r.opened, new(markedConn))
			return r.opened[len(r.opened)-1], nil
		},
	}.complete())
	r.http.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	return r
}

func (r *roads) warmUp(ctx context.Context) {
	r.warm(ctx, &url.URL{Scheme: "http", Host: "kms.example"})
}

// closed tells which connections are closed, in the order in which they were opened.
func (r *roads) closed() (closed []bool) {
	for _, c := range r.opened {
		closed = append(closed, c.closed.Load())
	}
	return closed
}

func TestAddress_HasThePortOfTheScheme(t *testing.T) {
	for from, want := range map[string]string{
		"http://kms.example": "kms.example:80", "https://kms.example/path": "kms.example:443",
		"http://kms.example:8000": "kms.example:8000", "https://[::1]": "[::1]:443", "https://[::1]:8443": "[::1]:8443",
	} {
		u, err := url.Parse(from)
		if err != nil {
			t.Fatal(err)
		}
		if got := address(u); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}

// Of connections that are opened ahead, the last one is kept.
func TestWarm_KeepsOneConnection(t *testing.T) {
	r := newRoads(t)
	r.warmUp(t.Context())
	r.warmUp(t.Context())
	if c := r.closed(); len(c) != 2 || !c[0] || c[1] {
		t.Errorf("closed are %v", c)
	}
	r.closeIdle()
	if c := r.closed(); !c[1] || r.takeAhead(r.address) != nil {
		t.Errorf("closed are %v once all that are idle are closed", c)
	}
}

// A connection that was opened ahead is used once, for ten seconds, for its own address. What is not used is closed.
func TestTakeAhead_BothSidesOfItsLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		passed time.Duration
		other  bool
		used   bool
	}{
		"at once": {0, false, true}, "in time": {10 * time.Second, false, true},
		"too late": {10*time.Second + 1, false, false}, "after a step back": {-10*time.Second - 1, false, false},
		"for another address": {0, true, false},
	} {
		r := newRoads(t)
		r.warmUp(t.Context())
		r.at = r.at.Add(tt.passed)
		address := r.address
		if tt.other {
			address = "proxy.example:3128"
		}
		got := r.takeAhead(address)
		if (got != nil) != tt.used || r.closed()[0] == tt.used {
			t.Errorf("%s: used %v, closed %v", name, got != nil, r.closed())
		}
		if again := r.takeAhead(r.address); again != nil {
			t.Errorf("%s: the connection is used twice", name)
		}
	}
}

// Nothing has to ask for a connection that nobody uses to be closed. The time is the test's.
func TestWarm_ClosesAfterTenSecondsWhatNobodyUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoads(t)
		r.warmUp(t.Context())
		time.Sleep(5 * time.Second)
		r.warmUp(t.Context())
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if c := r.closed(); !c[0] || c[1] {
			t.Errorf("after ten seconds of the first and five of the second: closed are %v", c)
		}
		time.Sleep(5*time.Second - 1)
		synctest.Wait()
		if c := r.closed(); c[1] {
			t.Error("the second is closed too soon")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if c := r.closed(); !c[1] || r.takeAhead(r.address) != nil {
			t.Error("the second is open after ten seconds")
		}
		r.warmUp(t.Context())
		used := r.takeAhead(r.address)
		time.Sleep(time.Minute)
		synctest.Wait()
		if used == nil || r.closed()[2] {
			t.Error("a connection that is used is closed")
		}
	})
}

// Who does not answer is given up after five seconds, however much time a call would have.
func TestOpen_EndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoads(t)
		r.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		start := time.Now()
		conn, err := r.open(t.Context(), "tcp", r.address)
		if conn != nil || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("%v, %v after %v", conn, err, time.Since(start))
		}
	})
}

func TestOpen_ClosesAConnectionWithoutTLS(t *testing.T) {
	near, far := net.Pipe()
	go func() { _, _ = io.WriteString(far, "HTTP/1.1 400 Bad Request\r\n\r\n") }()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	defer far.Close()
	marked := &markedConn{Conn: near}
	r := newRoads(t)
	r.dial = func(context.Context, string, string) (net.Conn, error) { return marked, nil }
	r.http.DialTLSContext = r.dialContext
	r.tls.ServerName = "kms.example"
	if conn, err := r.open(t.Context(), "tcp", r.address); conn != nil || err == nil || !marked.closed.Load() {
		t.Errorf("%v, %v, closed %v", conn, err, marked.closed.Load())
	}
}

// Through a proxy, the transport asks for the service in clear, and speaks TLS with the service only.
func TestProxy_IsAskedToConnect(t *testing.T) {
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked.Store(q.Method + " " + q.Host)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	c := clientOf(t, "https://kms.example", Options{Attempts: 1, AttemptTimeout: 30 * time.Second})
	c.connections.http.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	if err := c.Do(t.Context(), "Operation", empty, (*wirejson.Decoder).Skip); err == nil {
		t.Error("what the proxy refuses succeeds")
	}
	if got := asked.Load(); got != "CONNECT kms.example:443" {
		t.Errorf("the proxy was asked %v", got)
	}
}

// Connections may be idle for a minute, by a clock that may also be set back.
func TestDo_UsesConnectionsThatWereIdleForAMinute(t *testing.T) {
	for idle, want := range map[time.Duration]int32{
		0: 1, 60 * time.Second: 1, 60*time.Second + 1: 2, -60 * time.Second: 1, -60*time.Second - 1: 2,
	} {
		var opened atomic.Int32
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "{}")
		}))
		server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				opened.Add(1)
			}
		}
		server.Start()
		defer server.Close()
		at := time.Now()
		c := clientOf(t, server.URL, Options{AttemptTimeout: 30 * time.Second, Now: func() time.Time { return at }})
		for range 2 {
			if err := c.Do(t.Context(), "Operation", empty, (*wirejson.Decoder).Skip); err != nil {
				t.Error(err)
			}
			at = at.Add(idle)
		}
		if got := opened.Load(); got != want {
			t.Errorf("idle for %v: %d connections, want %d", idle, got, want)
		}
	}
}

// A detokenize reads two rows at a time, on each connection that a function has to the extension.
func TestConnections_AsManyAreKeptAsAFunctionUses(t *testing.T) {
	c := clientOf(t, "", Options{}).connections.http
	if least := 2 * api.DefaultConnections; c.MaxIdleConns < least || c.MaxIdleConnsPerHost < least {
		t.Errorf("%d connections are kept, %d for each host, of %d", c.MaxIdleConns, c.MaxIdleConnsPerHost, least)
	}
}

// What is read is what was sent, also where it takes several buffers, and up to the limit.
func TestBuffer_HoldsWhatWasRead(t *testing.T) {
	for _, size := range []int{0, 1, usualBuffer - 1, usualBuffer, usualBuffer + 1, 10*usualBuffer + 1} {
		content := []byte(strings.Repeat("0123456789é", size/12+1))[:size]
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "with its end": iotest.DataErrReader,
			"in halves": iotest.HalfReader,
		} {
			for limit, fits := range map[int]bool{size: true, size + 1: true, size - 1: false} {
				b := newBuffer()
				err := b.readFrom(wrap(bytes.NewReader(content)), limit)
				if (err == nil) != fits || fits && !bytes.Equal(b.b, content) {
					t.Errorf("%d bytes %s, limit %d: %d were read, error = %v", size, name, limit, len(b.b), err)
				}
				b.release()
			}
		}
	}
}
