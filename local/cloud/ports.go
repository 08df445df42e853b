package cloud

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// ports gives out ports of 127.0.0.1. They are below the ranges from which systems take ports for outgoing connections, so that no
// connection gets one first. It never gives a port twice, because environments bind their ports only later.
type ports struct {
	mu    sync.Mutex
	given map[int]bool
}

func (p *ports) free() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 100 {
		port := 20000 + rand.N(10000)
		if p.given[port] {
			continue
		}
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		p.given[port] = true
		return port, ln.Close()
	}
	return 0, errors.New("no free port between 20000 and 30000 on 127.0.0.1")
}
