package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// served is a client of a handler, and how many connections it has opened. Each goes through wrap, which may be nil.
func served(t *testing.T, h http.HandlerFunc, wrap func(net.Conn) net.Conn) (c *Client, dials *atomic.Int32) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := New(Config{Port: srv.Listener.Addr().(*net.TCPAddr).Port, SessionToken: "s"})
	if err != nil {
		t.Fatal(err)
	}
	dials = new(atomic.Int32)
	c.http.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) {
		dials.Add(1)
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil || wrap == nil {
			return conn, err
		}
		return wrap(conn), nil
	}
	return c, dials
}

// breaking is a connection that breaks in the middle of a write, once it is told to.
type breaking struct {
	net.Conn
	broken *atomic.Bool
}

func (b breaking) Write(p []byte) (int, error) {
	if !b.broken.Load() {
		return b.Conn.Write(p)
	}
	n, _ := b.Conn.Write(p[:len(p)/2]) // what has begun net/http does not repeat by itself
	return n, errors.New("broken")
}

// A request that did not leave as a whole cannot have been carried out. That happens to a connection that was kept; one
// that is new and breaks is another fault.
func TestClient_RepeatsWhatDidNotLeaveAKeptConnection(t *testing.T) {
	// Of a request that fits into its buffer, net/http tells that it was written before it is.
	in := TokenizeInput{Data: NewSecret(strings.Repeat("x", 16<<10)), Type: TypeText}
	for _, tt := range []struct {
		name            string
		kept            bool
		want            error
		requests, dials int32
	}{
		{"kept", true, nil, 2, 2},
		{"new", false, ErrUnavailable, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int32
			var broken, begun atomic.Bool
			c, dials := served(t, func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err == nil {
					requests.Add(1)
				}
				_, _ = io.WriteString(w, `{"token":"t"}`)
			}, func(conn net.Conn) net.Conn {
				if begun.CompareAndSwap(false, true) {
					return breaking{conn, &broken}
				}
				return conn
			})
			if tt.kept {
				if _, err := c.Tokenize(t.Context(), in); err != nil {
					t.Fatal(err)
				}
			}
			broken.Store(true)
			if _, err := c.Tokenize(t.Context(), in); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if requests.Load() != tt.requests || dials.Load() != tt.dials {
				t.Errorf("%d requests on %d connections, want %d on %d", requests.Load(), dials.Load(),
					tt.requests, tt.dials)
			}
		})
	}
}

// Where nobody listens, another connection at once would not help.
func TestClient_ConnectsOnceWhereNobodyListens(t *testing.T) {
	c, err := New(Config{SessionToken: "s"})
	if err != nil {
		t.Fatal(err)
	}
	dials := 0
	c.http.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		dials++
		return nil, errors.New("refused")
	}
	_, err = c.Ping(t.Context())
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "layer is attached") || dials != 1 {
		t.Errorf("%v after %d connections", err, dials)
	}
}

// Of nine connections that are used at once, eight are kept for the next calls.
func TestClient_KeepsEightIdleConnections(t *testing.T) {
	const callers = 9
	arrived, answer := make(chan bool), make(chan bool)
	c, dials := served(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- true
		<-answer
		_, _ = io.WriteString(w, `{"release":"r"}`)
	}, nil)
	for range 2 {
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				if _, err := c.Ping(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		for range callers {
			<-arrived
		}
		for range callers {
			answer <- true
		}
		wg.Wait()
	}
	if got := dials.Load(); got != callers+1 {
		t.Errorf("%d connections, want %d", got, callers+1)
	}
}

// Headers may have 64 KiB, those that the server adds included.
func TestClient_BoundsTheHeadersOfAnAnswer(t *testing.T) {
	for size, want := range map[int]error{64<<10 - 512: nil, 64<<10 + 1: ErrInternal} {
		c, _ := served(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", size))
			_, _ = io.WriteString(w, `{"release":"r"}`)
		}, nil)
		if _, err := c.Ping(t.Context()); want == nil && err != nil || !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", size, err, want)
		}
	}
}

// A pause that ends no earlier than the call is none.
func TestSleep_EndsWithItsContext(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		pause, deadline, after time.Duration // after which it is cancelled, or never
		want                   bool
		wait                   time.Duration
	}{
		{"ends before the deadline", time.Second, time.Second + 1, 0, true, time.Second},
		{"ends at the deadline", time.Second, time.Second, 0, false, 0},
		{"ends after the deadline", time.Second + 1, time.Second, 0, false, 0},
		{"without a deadline", time.Hour, 0, 0, true, time.Hour},
		{"cancelled meanwhile", time.Second, 0, time.Millisecond, false, time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.deadline > 0 {
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				if tt.after > 0 {
					time.AfterFunc(tt.after, cancel)
				}
				start := time.Now()
				if got := sleep(ctx, tt.pause); got != tt.want || time.Since(start) != tt.wait {
					t.Errorf("%v after %v, want %v after %v", got, time.Since(start), tt.want, tt.wait)
				}
			})
		})
	}
}

// Each field and each detail says what to do.
func TestNew_SaysWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		name   string
		c      Config
		field  string // "" if there is no error
		detail string
	}{
		{"no session token", Config{}, "SessionToken", "is empty: pass AWS_SESSION_TOKEN"},
		{"a space", Config{SessionToken: "a b"}, "SessionToken", "must be printable ASCII without spaces"},
		{"DEL", Config{SessionToken: "a\x7f"}, "SessionToken", "must be printable ASCII without spaces"},
		{"another script", Config{SessionToken: "ä"}, "SessionToken", "must be printable ASCII without spaces"},
		{"the first and the last character", Config{SessionToken: "!~"}, "", ""},
		{"a negative port", Config{SessionToken: "s", Port: -1}, "Port", "is -1: pass one from 1 to 65535"},
		{"a large port", Config{SessionToken: "s", Port: 65536}, "Port", "is 65536: pass one from 1 to 65535"},
		{"a negative timeout", Config{SessionToken: "s", Timeout: -1}, "Timeout", "is -1ns: pass a positive one"},
		{"the smallest", Config{SessionToken: "s", Port: 1, Timeout: 1}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.c)
			wantSetting(t, err, tt.field, tt.detail)
		})
	}
}

func wantSetting(t *testing.T, err error, field, detail string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if ok != (field != "") ||
		ok && (!errors.Is(e, ErrNotReady) || e.Field != field || !strings.HasPrefix(e.Detail, detail)) {
		t.Errorf("%v, want field %q and detail %q", err, field, detail)
	}
}

func TestConfigFromEnvironment_ReadsItsVariables(t *testing.T) {
	const session, port = "AWS_SESSION_TOKEN", "TOKENIZER_PORT"
	for _, tt := range []struct {
		name, session, port string
		want                Config
		field, detail       string // "" if there is no error
	}{
		{"no port", "!~", "", Config{SessionToken: "!~"}, "", ""},
		{"a port", "s", "2775", Config{SessionToken: "s", Port: 2775}, "", ""},
		{"the smallest port", "s", "1", Config{SessionToken: "s", Port: 1}, "", ""},
		{"the largest port", "s", "65535", Config{SessionToken: "s", Port: 65535}, "", ""},
		{"no session token", "", "2775", Config{}, session, "is not set"},
		{"a space", "a b", "2775", Config{}, session, "must be printable ASCII without spaces"},
		{"DEL", "a\x7f", "", Config{}, session, "must be printable ASCII without spaces"},
		{"zero", "s", "0", Config{}, port, "is not a port: set it to a number from 1 to 65535"},
		{"too large", "s", "65536", Config{}, port, "is not a port: set it to a number from 1 to 65535"},
		{"six digits", "s", "002775", Config{}, port, "is not a port: set it to a number from 1 to 65535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(session, tt.session)
			t.Setenv(port, tt.port)
			got, err := ConfigFromEnvironment()
			wantSetting(t, err, tt.field, tt.detail)
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
