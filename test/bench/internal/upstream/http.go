package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strconv"
)

// request is one HTTP request. Its slices are valid until the next one is read.
type request struct {
	path   []byte
	target []byte // X-Amz-Target: the service's name, a dot, and the operation
	signed bool
	body   []byte
}

// answer is what a service says.
type answer struct {
	status int
	body   []byte
}

var errRequest = errors.New("not an HTTP/1.1 request of an AWS client")

// reader reads requests from one connection, into buffers that it keeps.
type reader struct {
	in   *bufio.Reader
	head []byte
	body []byte
}

// next reads a request. It understands what AWS clients send: HTTP/1.1 with a Content-Length.
func (r *reader) next() (request, error) {
	r.head = r.head[:0]
	var req request
	var length int
	var path, target [2]int // places in head, which may move while it grows
	for number := 0; ; number++ {
		line, err := r.in.ReadSlice('\n')
		if err != nil {
			return req, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 && number > 0 {
			break
		}
		start := len(r.head)
		r.head = append(r.head, line...)
		if number == 0 {
			words := bytes.Split(line, []byte(" "))
			if len(words) != 3 {
				return req, errRequest
			}
			path = [2]int{start + len(words[0]) + 1, start + len(words[0]) + 1 + len(words[1])}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "content-length"):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return req, errRequest
			}
		case is(name, "x-amz-target"):
			target = [2]int{len(r.head) - len(value), len(r.head)}
		case is(name, "authorization"):
			req.signed = bytes.HasPrefix(value, []byte("AWS4-HMAC-SHA256 "))
		case is(name, "transfer-encoding"):
			return req, errRequest
		}
	}
	if cap(r.body) < length {
		r.body = make([]byte, length)
	}
	r.body = r.body[:length]
	_, err := io.ReadFull(r.in, r.body)
	req.path, req.target, req.body = r.head[path[0]:path[1]], r.head[target[0]:target[1]], r.body
	return req, err
}

// is compares a header's name. EqualFold does not allocate.
func is(name []byte, lower string) bool {
	return len(name) == len(lower) && bytes.EqualFold(name, []byte(lower))
}

// appendResponse appends an HTTP response. DynamoDB sends a checksum, which clients check.
func appendResponse(out []byte, a answer) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(a.status), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(a.status)...)
	out = append(out, "\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amzn-Requestid: "+
		"00000000-0000-0000-0000-000000000000\r\nX-Amz-Crc32: "...)
	out = strconv.AppendUint(out, uint64(crc32.ChecksumIEEE(a.body)), 10)
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(a.body)), 10)
	out = append(out, "\r\n\r\n"...)
	return append(out, a.body...)
}

// converse answers the requests of one connection, one after the other.
func (s *Server) converse(conn net.Conn) {
	defer conn.Close()
	r := reader{in: bufio.NewReaderSize(conn, 8<<10)}
	var out []byte
	for {
		req, err := r.next()
		if err != nil {
			return
		}
		out = appendResponse(out[:0], s.answer(req))
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}
