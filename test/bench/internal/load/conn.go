// Package load makes load: many clients that do one thing each, one time after the other, and a client of the loopback
// API that costs next to nothing, so that the time is the extension's.
package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// timeout bounds a request.
const timeout = 10 * time.Second

// Conn is a connection to the loopback API that is kept open. One goroutine uses it at a time.
type Conn struct {
	addr, token string
	conn        net.Conn
	in          *bufio.Reader
	out, body   []byte
}

// Dial returns a connection to the extension at addr that knows the function's session token.
func Dial(addr, token string) (*Conn, error) {
	c := &Conn{addr: addr, token: token}
	return c, c.connect()
}

func (c *Conn) connect() error {
	conn, err := net.DialTimeout("tcp", c.addr, timeout)
	if err != nil {
		return err
	}
	c.conn, c.in = conn, bufio.NewReaderSize(conn, 4<<10)
	return nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.conn.Close() }

// Do sends a request and returns the answer, whose body is valid until the next request.
func (c *Conn) Do(method, path string, body []byte) (status int, answer []byte, err error) {
	c.out = append(append(append(c.out[:0], method...), ' '), path...)
	c.out = append(append(c.out, " HTTP/1.1\r\nHost: "...), c.addr...)
	c.out = append(append(c.out, "\r\nX-Tokenizer-Token: "...), c.token...)
	c.out = append(c.out, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(append(c.out, "\r\n\r\n"...), body...)
	if err := c.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return 0, nil, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, nil, err
	}
	return c.read()
}

// Post is Do for the operations of the API. An answer that is not 200 is an error.
func (c *Conn) Post(path string, body []byte) ([]byte, error) {
	status, answer, err := c.Do("POST", path, body)
	if err == nil && status != 200 {
		err = fmt.Errorf("POST %s: status %d: %s", path, status, answer)
	}
	return answer, err
}

var errResponse = errors.New("not an HTTP/1.1 response with a Content-Length")

func (c *Conn) read() (status int, body []byte, err error) {
	length, closing := -1, false
	for number := 0; ; number++ {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if number == 0 {
			if len(line) < 12 {
				return 0, nil, errResponse
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, nil, errResponse
			}
			continue
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, nil, errResponse
			}
		case bytes.EqualFold(name, []byte("Connection")):
			closing = bytes.EqualFold(value, []byte("close"))
		}
	}
	if length < 0 {
		return 0, nil, errResponse
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return 0, nil, err
	}
	if closing {
		_ = c.conn.Close()
		return status, c.body, c.connect()
	}
	return status, c.body, nil
}
