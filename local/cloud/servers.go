package cloud

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// servers are HTTP servers that end together. One goroutine starts and ends them.
type servers struct {
	running []*http.Server
	wg      sync.WaitGroup
}

// serve starts a server on addr, such as 127.0.0.1:0, and returns its URL.
func (s *servers) serve(addr string, h http.Handler) (*url.URL, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	s.running = append(s.running, srv)
	s.wg.Go(func() { _ = srv.Serve(ln) })
	return &url.URL{Scheme: "http", Host: ln.Addr().String()}, nil
}

// close ends the servers. Requests that are being answered get a second to end.
func (s *servers) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, srv := range s.running {
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close()
		}
	}
	s.wg.Wait()
}
