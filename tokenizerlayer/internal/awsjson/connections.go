package awsjson

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxIdle is how long connections may be idle, by the wall clock. A Lambda environment is frozen between
	// invocations, for a second or for hours. Meanwhile the other side forgets connections, and nobody here hears of
	// it; whether the monotonic clock goes on is the platform's affair. The AWS SDK for Java closes connections after
	// as long. A shorter time would cost a handshake in functions that are called once in a while; a longer one, a
	// failed attempt. Connections that die sooner cost one attempt (see Client.Do).
	maxIdle = 60 * time.Second
	// maxAhead is how long a connection is kept that was opened ahead of the first request.
	maxAhead = 10 * time.Second
	// idleConnections are kept for a service. A function has 64 connections to the extension unless it asks for more,
	// and a detokenize reads two rows at the same time.
	idleConnections = 128
	dialTimeout     = 5 * time.Second
)

// connections are those to one service. Each service has its own, so that trouble with one does not close those to the
// other.
type connections struct {
	http    *http.Transport
	address string // host and port
	tls     *tls.Config
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	now     func() time.Time
	used    atomic.Int64 // when a call ended last, in nanoseconds of Unix time

	mu    sync.Mutex
	ahead *aheadConn // opened ahead and not used yet
}

// aheadConn is a connection that was opened ahead of the request that uses it. It can be dead, as one that has been
// used.
type aheadConn struct {
	net.Conn
	opened time.Time
}

func newConnections(endpoint *url.URL, roots *x509.CertPool, o Options) *connections {
	c := &connections{
		address: address(endpoint), now: o.Now, dial: o.Dial,
		tls: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: endpoint.Hostname()},
	}
	if c.dial == nil {
		c.dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	var http1 http.Protocols
	http1.SetHTTP1(true)
	c.http = &http.Transport{
		Proxy:               http.ProxyFromEnvironment, // as the SDK
		DialContext:         c.dialContext,
		TLSHandshakeTimeout: dialTimeout,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, // through a proxy
		MaxIdleConns:        idleConnections, MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout: maxIdle,
		Protocols:       &http1,
	}
	if endpoint.Scheme == "https" {
		c.http.DialTLSContext = c.dialContext // where there is no proxy
		c.http.DialContext = c.dial           // to a proxy
	}
	return c
}

func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// beforeCall closes connections that have been idle for too long, as after a freeze.
func (c *connections) beforeCall() {
	now := c.now().UnixNano()
	if last := c.used.Swap(now); last != 0 && time.Duration(now-last).Abs() > maxIdle {
		c.http.CloseIdleConnections()
	}
}

func (c *connections) afterCall() { c.used.Store(c.now().UnixNano()) }

// dialContext gives the connection that was opened ahead, or opens one.
func (c *connections) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if conn := c.takeAhead(address); conn != nil {
		return conn, nil
	}
	return c.open(ctx, network, address)
}

// open opens a connection, with TLS if the service has it.
func (c *connections) open(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := c.dial(ctx, network, address)
	if err != nil || c.http.DialTLSContext == nil {
		return conn, err
	}
	secure := tls.Client(conn, c.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// warm opens a connection ahead of the first request. Where there is a proxy it does nothing, and if it fails, the
// first request tries for itself.
func (c *connections) warm(ctx context.Context, endpoint *url.URL) {
	if proxy, err := c.http.Proxy(&http.Request{URL: endpoint}); proxy != nil || err != nil {
		return
	}
	conn, err := c.open(ctx, "tcp", c.address)
	if err != nil {
		return
	}
	ahead := &aheadConn{Conn: conn, opened: c.now()}
	c.mu.Lock()
	before := c.ahead
	c.ahead = ahead
	c.mu.Unlock()
	if before != nil {
		before.Close()
	}
	time.AfterFunc(maxAhead, func() { c.discard(ahead) })
}

func (c *connections) takeAhead(address string) net.Conn {
	c.mu.Lock()
	conn := c.ahead
	c.ahead = nil
	c.mu.Unlock()
	switch {
	case conn == nil:
		return nil
	// by the wall clock, which goes on in a freeze
	case address != c.address || c.now().Round(0).Sub(conn.opened.Round(0)).Abs() > maxAhead:
		conn.Close()
		return nil
	}
	return conn
}

// discard closes a connection that was opened ahead if it has not been used.
func (c *connections) discard(conn *aheadConn) {
	c.mu.Lock()
	unused := c.ahead == conn
	if unused {
		c.ahead = nil
	}
	c.mu.Unlock()
	if unused {
		conn.Close()
	}
}

// closeIdle closes the connections that nobody uses, and the one that was opened ahead: what is wrong with one may be
// wrong with all.
func (c *connections) closeIdle() {
	c.http.CloseIdleConnections()
	if conn := c.takeAhead(c.address); conn != nil {
		conn.Close()
	}
}
