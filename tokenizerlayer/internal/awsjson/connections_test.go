package awsjson_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
)

// road is the network between a client and a server. It can lose connections as a network does while an environment is
// frozen: nobody hears of it until the next byte, which is answered with a reset, or not at all.
type road struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	open   map[*lane]bool
	opened int // connections, in all
	dead   int // that were used after they had been lost
}

// lane is one connection.
type lane struct {
	client, server net.Conn
	lost, silent   atomic.Bool
}

func newRoad(t testing.TB, server *httptest.Server) *road {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &road{listener: ln, to: server.Listener.Addr().String(), open: map[*lane]bool{}}
	go r.accept()
	t.Cleanup(func() {
		ln.Close()
		for l := range r.lanes() {
			l.client.Close()
			l.server.Close()
		}
	})
	return r
}

func (r *road) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.to)
		if err != nil {
			conn.Close()
			continue
		}
		l := &lane{client: conn, server: server}
		r.mu.Lock()
		r.open[l] = true
		r.opened++
		r.mu.Unlock()
		go r.forth(l)
		go func() { _, _ = io.Copy(conn, server); conn.Close() }()
	}
}

func (r *road) forth(l *lane) {
	defer l.server.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := l.client.Read(buffer)
		if n > 0 && l.lost.Load() {
			if n > 100 { // not TLS's farewell
				r.mu.Lock()
				r.dead++
				r.mu.Unlock()
			}
			if l.silent.Load() {
				continue
			}
			_ = l.client.(*net.TCPConn).SetLinger(0) // a reset
			l.client.Close()
			return
		}
		if err == nil {
			_, err = l.server.Write(buffer[:n])
		}
		if err != nil {
			return
		}
	}
}

func (r *road) lanes() map[*lane]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[*lane]bool{}
	for l := range r.open {
		all[l] = true
	}
	return all
}

// lose loses all connections that there are.
func (r *road) lose(silently bool) {
	for l := range r.lanes() {
		l.silent.Store(silently)
		l.lost.Store(true)
	}
}

// counts returns how many connections were opened, and how many were used after they had been lost, since the last
// look.
func (r *road) counts() (opened, dead int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	opened, dead = r.opened, r.dead
	r.opened, r.dead = 0, 0
	return opened, dead
}

func (r *road) url(scheme string) string { return scheme + "://" + r.listener.Addr().String() }

// gate is a server that answers requests when as many of them have come as are expected.
type gate struct {
	mu       sync.Mutex
	expected int
	waiting  []chan struct{}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	_, _ = io.Copy(io.Discard, q.Body)
	turn := make(chan struct{})
	g.mu.Lock()
	g.waiting = append(g.waiting, turn)
	if len(g.waiting) >= g.expected {
		for _, next := range g.waiting {
			close(next)
		}
		g.waiting = nil
	}
	g.mu.Unlock()
	select {
	case <-turn:
	case <-q.Context().Done():
	}
	_, _ = io.WriteString(w, `{"Item":{"A":{"S":"x"}}}`)
}

func (g *gate) expect(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expected = n
}

// calls makes n calls at once, each of which must succeed.
func calls(t *testing.T, c *dynamoapi.Client, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kit.Limit)
	defer cancel()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if row, err := c.GetItem(ctx, dynamoapi.GetItemInput{TableName: "T"}); err != nil || len(row) != 1 {
				t.Errorf("%v: %v", err, errors.Unwrap(err))
			}
		})
	}
	wg.Wait()
}

// clock is a wall clock that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// idle is a client with n idle connections.
func idle(t *testing.T, n int, o awsjson.Options) (*dynamoapi.Client, *road, *gate) {
	t.Helper()
	g := &gate{}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	r := newRoad(t, server)
	c := newClients(t, r.url("http"), o).dynamo
	g.expect(n)
	calls(t, c, n)
	if opened, _ := r.counts(); opened != n {
		t.Fatalf("%d connections were opened, want %d", opened, n)
	}
	g.expect(1)
	return c, r, g
}

// neverAgain are options with which a call fails that waits for its second attempt, or counts the first.
var neverAgain = awsjson.Options{Attempts: 1, MaxBackoff: time.Hour}

var connections = map[string]int{"1": 1, "3": 3, "8": 8, "64": 64}

func TestFreeze_TheFirstCallSucceedsWithOneRetry(t *testing.T) {
	for name, n := range connections {
		t.Run(name+" idle connections", func(t *testing.T) {
			c, r, _ := idle(t, n, neverAgain)
			for range 3 {
				r.lose(false)
				calls(t, c, 1)
				if opened, dead := r.counts(); opened != 1 || dead != 1 {
					t.Errorf("%d dead connections were tried, and %d opened", dead, opened)
				}
				calls(t, c, 1)
				if opened, dead := r.counts(); opened != 0 || dead != 0 {
					t.Errorf("afterwards %d dead connections were tried, and %d opened", dead, opened)
				}
			}
		})
	}
}

// A dead connection is not the service's fault: the call has all its attempts besides.
func TestFreeze_TakesNoAttemptAway(t *testing.T) {
	s := &script{reply: reply{status: 200, body: "{}"}}
	server := httptest.NewServer(s)
	defer server.Close()
	r := newRoad(t, server)
	c := newClients(t, r.url("http"), awsjson.Options{})
	if err := put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s.set(reply{status: 500})
	r.lose(false)
	if err := put(t.Context(), c); err == nil || s.attempts() != 3 {
		t.Errorf("error %v after another number of attempts than three", err)
	}
}

func TestFreeze_SimultaneousFirstCallsSucceedWithOneRetryEach(t *testing.T) {
	for name, n := range connections {
		t.Run(name+" idle connections", func(t *testing.T) {
			c, r, g := idle(t, n, neverAgain)
			// Each call gets a connection of its own. If one ended early, another could take its connection. The one
			// that is opened for that other call would come too late to be closed with the rest.
			g.expect(n)
			for range 12 { // more failed attempts than the SDK's budget for retries has
				r.lose(false)
				calls(t, c, n)
				if _, dead := r.counts(); dead == 0 || dead > n {
					t.Errorf("%d dead connections were tried", dead)
				}
			}
		})
	}
}

// The wall clock goes on while an environment is frozen. After a long freeze no dead connection is tried at all.
func TestFreeze_OfMoreThanAMinuteTriesNoDeadConnection(t *testing.T) {
	var wall clock
	c, r, _ := idle(t, 8, awsjson.Options{Now: wall.now})
	for _, frozen := range []time.Duration{61 * time.Second, 24 * time.Hour, -time.Hour} {
		r.lose(false)
		wall.advance(frozen)
		calls(t, c, 1)
		if opened, dead := r.counts(); opened != 1 || dead != 0 {
			t.Errorf("after %v: %d dead connections were tried, and %d opened", frozen, dead, opened)
		}
	}
	wall.advance(30 * time.Second)
	calls(t, c, 1)
	if opened, _ := r.counts(); opened != 0 {
		t.Error("a connection was not used again")
	}
}

// A network that answers nothing costs an attempt's time, once.
func TestFreeze_ASilentNetworkCostsOneAttempt(t *testing.T) {
	c, r, _ := idle(t, 3, awsjson.Options{AttemptTimeout: time.Second, MaxBackoff: time.Hour})
	r.lose(true)
	calls(t, c, 1)
	if opened, dead := r.counts(); opened != 1 || dead != 1 {
		t.Errorf("%d dead connections were tried, and %d opened", dead, opened)
	}
}

// secure is a server with TLS, and a client that trusts its certificate, which AWS_CA_BUNDLE names.
func secure(t *testing.T, o awsjson.Options) (*dynamoapi.Client, *road, *httptest.Server) {
	t.Helper()
	server := httptest.NewUnstartedServer(&gate{expected: 1})
	server.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that the tests end
	server.StartTLS()
	t.Cleanup(server.Close)
	r := newRoad(t, server)
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{
		"AWS_REGION":                region,
		"AWS_ACCESS_KEY_ID":         keyID,
		"AWS_SECRET_ACCESS_KEY":     secret,
		"AWS_ENDPOINT_URL_DYNAMODB": r.url("https"),
		"AWS_CA_BUNDLE":             bundle,
	}
	e, err := awsjson.Load(func(name string) string { return variables[name] })
	if err != nil {
		t.Fatal(err)
	}
	o.AttemptTimeout = 10 * time.Second // far more than a slow machine needs
	c, err := dynamoapi.New(e, o)
	if err != nil {
		t.Fatal(err)
	}
	return c, r, server
}

func TestWarm_OpensTheFirstCallsConnection(t *testing.T) {
	c, r, _ := secure(t, neverAgain)
	c.Warm(t.Context())
	if opened, _ := r.counts(); opened != 1 {
		t.Fatalf("%d connections", opened)
	}
	calls(t, c, 1)
	calls(t, c, 1)
	if opened, _ := r.counts(); opened != 0 {
		t.Errorf("%d more connections", opened)
	}
}

func TestWarm_AConnectionFromBeforeAFreezeIsNotUsed(t *testing.T) {
	for _, frozen := range []time.Duration{11 * time.Second, -11 * time.Second} {
		var wall clock
		c, r, _ := secure(t, awsjson.Options{Now: wall.now, Attempts: 1})
		c.Warm(t.Context())
		r.lose(true)
		wall.advance(frozen)
		calls(t, c, 1)
		if opened, dead := r.counts(); opened != 2 || dead != 0 {
			t.Errorf("after %v: %d connections, %d dead ones were tried", frozen, opened, dead)
		}
	}
}

func TestWarm_ADeadConnectionCostsOneRetry(t *testing.T) {
	c, r, _ := secure(t, neverAgain)
	c.Warm(t.Context())
	r.lose(false)
	calls(t, c, 1)
	if opened, _ := r.counts(); opened != 2 {
		t.Errorf("%d connections", opened)
	}
}

func TestWarm_AFailureChangesNothing(t *testing.T) {
	c, r, server := secure(t, neverAgain)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	c.Warm(cancelled)
	r.counts()
	calls(t, c, 1)
	server.Close()
	c.Warm(t.Context())
	if _, err := c.GetItem(t.Context(), dynamoapi.GetItemInput{TableName: "T"}); err == nil {
		t.Error("a server that is away has answered")
	}
}

// A certificate of another authority than those of AWS_CA_BUNDLE, or the system's, is refused, warm or not.
func TestTLS_AnotherAuthorityIsRefused(t *testing.T) {
	server := httptest.NewUnstartedServer(&gate{expected: 1})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	c := newClients(t, server.URL, awsjson.Options{}).dynamo
	c.Warm(t.Context())
	_, err := c.GetItem(t.Context(), dynamoapi.GetItemInput{TableName: "T"})
	if unknown, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok ||
		strings.Contains(err.Error(), unknown.Error()) {
		t.Errorf("error = %v", err)
	}
}
