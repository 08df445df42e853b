package awsjson

import (
	"io"
	"sync"
)

// Buffers hold answers, of which some have data keys in them, and requests, of which some have a digest of a card
// number. They are wiped after each use. Copies that cannot be wiped are in the HTTP and TLS layers' own buffers.
const (
	usualBuffer = 8 << 10  // as much as nearly every request and answer takes
	keptBuffer  = 64 << 10 // a larger one is left to the garbage collector
)

// buffer is room for one request or answer.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, usualBuffer)} }}

func newBuffer() *buffer { return buffers.Get().(*buffer) }

// release wipes the buffer. Nobody may have kept a part of it.
func (b *buffer) release() {
	clear(b.b[:cap(b.b)])
	b.b = b.b[:0]
	if cap(b.b) <= keptBuffer {
		buffers.Put(b)
	}
}

// readFrom reads all of r, which must have at most limit bytes.
func (b *buffer) readFrom(r io.Reader, limit int) error {
	for {
		if len(b.b) > limit {
			return errAnswer
		}
		if len(b.b) == cap(b.b) {
			b.grow()
		}
		n, err := r.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case err == io.EOF && len(b.b) <= limit:
			return nil
		case err == io.EOF:
			return errAnswer
		case err != nil:
			return &readError{err}
		}
	}
}

// grow moves what the buffer holds to a larger one, and wipes the place where it was.
func (b *buffer) grow() {
	larger := make([]byte, len(b.b), 2*cap(b.b))
	copy(larger, b.b)
	clear(b.b)
	b.b = larger
}

// payload is a request's body. The transport may go on reading it after the request has failed; detach ends that, so
// that the buffer can be wiped and used again.
type payload struct {
	mu   sync.Mutex
	rest []byte
	gone bool
}

func (p *payload) Read(to []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
		return 0, io.ErrClosedPipe
	case len(p.rest) == 0:
		return 0, io.EOF
	}
	n = copy(to, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *payload) Close() error { return nil }

func (p *payload) detach() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest, p.gone = nil, true
}
