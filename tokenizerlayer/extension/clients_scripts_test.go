package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// step answers a request. It reports whether the connection can be used for another.
type step func(conn net.Conn, path string, body []byte) (again bool)

// scripted is a server on the port of the extension that does something else.
type scripted struct {
	port    int
	barrier int // a port whose connections end when the server has closed one

	mu     sync.Mutex
	steps  []step
	served int
	closed chan struct{}
	once   sync.Once
}

// scripts are what the servers answer, request by request. The last step is for all the others.
var scripts = map[string][]step{
	"dead":                {},
	"silent":              {silent},
	"trickles its header": {trickle("HTTP/1.1 200 OK\r\nX-Long: ")},
	"trickles its body": {
		trickle("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30000\r\n\r\n")},
	"trickles to the end": {trickle("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")},
	"endless":             {endless},
	"endless header":      {endlessHeader},
	"nested":              {say(200, "application/json", strings.Repeat("[", 30000))},
	"page":                {say(404, "text/html", "<html>4111111111111111</html>")},
	"hello":               {say(200, "text/plain", "hello 4111111111111111")},
	"http2":               {raw("\x00\x00\x00\x04\x00\x00\x00\x00\x00")},
	"ssh":                 {raw("SSH-2.0-OpenSSH_9.6 4111111111111111\r\n")},
	"interrupted": {
		raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"token\":\"4111")},
	"half a header": {raw("HTTP/1.1 200 OK\r\nContent-Ty")},
	"redirect": {
		raw("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")},
	"no code": {
		say(400, "application/problem+json", `{"title":"4111111111111111","detail":"4111111111111111"}`)},
	"plain problem": {say(400, "application/json", `{"code":"invalid-request","detail":"4111111111111111"}`)},
	"later release": {say(418, "application/problem+json",
		`{"code":"of-a-later-release","status":418,"detail":"too hot","field":"data"}`)},
	"echo": {echo},
	"not configured": {say(503, "application/problem+json",
		`{"code":"not-configured","detail":"is not set","field":"TOKENIZER_TABLE"}`)},
	"200":                              {ok},
	"429, then 200":                    {tooFast(""), ok},
	"503, then 200":                    {unavailable, ok},
	"429":                              {tooFast("")},
	"503":                              {unavailable},
	"429 for a minute":                 {tooFast("Retry-After: 60\r\n")},
	"ends, then 200":                   {end, ok},
	"reset at the next byte, then 200": {resetNext, ok},
	"200 and closed, then 200":         {okAndEnd, ok},
	"a batch in parts":                 {batchInParts, batchInParts},
	"a batch in another order": {
		say(200, "application/json", `{"items":[`+shownAs("b")+`,`+shownAs("a")+`]}`)},
	"says {}":                                {say(200, "application/json", `{}`)},
	`says {"token":5}`:                       {say(200, "application/json", `{"token":5}`)},
	`says {"token":""}`:                      {say(200, "application/json", `{"token":""}`)},
	`says []`:                                {say(200, "application/json", `[]`)},
	`says "4111111111111111"`:                {say(200, "application/json", `"4111111111111111"`)},
	`says null`:                              {say(200, "application/json", `null`)},
	`says {"token":"t","expires_at":5}`:      {say(200, "application/json", `{"token":"t","expires_at":5}`)},
	`says {"token":"t","expires_at":"soon"}`: {say(200, "application/json", `{"token":"t","expires_at":"soon"}`)},
}

func startScripted(t *testing.T, script string) *scripted {
	t.Helper()
	steps, ok := scripts[script]
	if !ok {
		t.Fatalf("there is no script %q", script)
	}
	s := &scripted{steps: steps, closed: make(chan struct{})}
	if len(steps) == 0 {
		s.port = 1 // which no other server of a test can get
		return s
	}
	s.port = serveConnections(t, s.serve)
	s.barrier = serveConnections(t, func(conn net.Conn) {
		select {
		case <-s.closed:
		case <-time.After(10 * time.Second):
		}
	})
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// serveConnections serves each connection until serve returns or the test ends.
func serveConnections(t *testing.T, serve func(net.Conn)) (port int) {
	t.Helper()
	ln := listen(t)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func (s *scripted) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(request.Body)
		if err != nil || !s.next()(conn, request.URL.Path, body) {
			_ = conn.Close()
			s.once.Do(func() { close(s.closed) })
			return
		}
	}
}

func (s *scripted) next() step {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.steps[min(s.served, len(s.steps)-1)]
	s.served++
	return next
}

func (s *scripted) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

// raw writes a text and ends the connection.
func raw(text string) step {
	return func(conn net.Conn, _ string, _ []byte) bool {
		_, _ = io.WriteString(conn, text)
		return false
	}
}

func write(conn net.Conn, status int, contentType, header, body string) bool {
	_, err := fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n%s",
		status, http.StatusText(status), contentType, header, len(body), body)
	return err == nil
}

func say(status int, contentType, body string) step {
	return func(conn net.Conn, _ string, _ []byte) bool { return write(conn, status, contentType, "", body) }
}

// answers are those of the extension, to requests of which the token does not matter.
var answers = map[string]string{
	"/v1/tokenize": `{"token":"the-token-1234","row":{"table_name":"T","item":{"Hash_Key":{"S":"the-token-1234"},"Format":{"N":"3"},` +
		`"CandidateString":{"B":"AAEC"}},"condition_expression":"attribute_not_exists(Hash_Key)"}}`,
	"/v1/detokenize": `{"data":"***","redaction":"MASKED"}`,
	"/v1/validate":   `{"live":true}`,
	"/v1/metadata":   `{"type":"card","created_at":"2026-01-02T03:04:05Z"}`,
	"/v1/revoke":     `{"revoked":true,"existed":true,"in_backups_until":"2026-01-02T03:04:05Z"}`,
	"/ping":          `{"status":"ok","release":"r"}`,
}

func ok(conn net.Conn, path string, body []byte) bool {
	if bytes.Contains(body, []byte("deterministic")) {
		return write(conn, 200, "application/json", "", `{"token":"the-token-1234","deduplicated":true}`)
	}
	return write(conn, 200, "application/json", "", answers[path])
}

func okAndEnd(conn net.Conn, path string, body []byte) bool {
	ok(conn, path, body)
	return false
}

// resetNext answers, and resets the connection when the next request begins.
func resetNext(conn net.Conn, path string, body []byte) bool {
	ok(conn, path, body)
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
	return false
}

func tooFast(header string) step {
	return func(conn net.Conn, _ string, _ []byte) bool {
		return write(conn, 429, "application/problem+json", header, `{"code":"rate-limited","detail":"too fast"}`)
	}
}

func unavailable(conn net.Conn, _ string, _ []byte) bool {
	return write(conn, 503, "application/problem+json", "", `{"code":"unavailable","detail":"KMS failed"}`)
}

func end(net.Conn, string, []byte) bool { return false }

func silent(conn net.Conn, _ string, _ []byte) bool {
	_, _ = io.Copy(io.Discard, conn)
	return false
}

// trickle writes a text and then x after x, each long before a client's patience with a silent connection ends.
func trickle(text string) step {
	return func(conn net.Conn, _ string, _ []byte) bool {
		_, err := io.WriteString(conn, text)
		for tick := time.NewTicker(20 * time.Millisecond); err == nil; <-tick.C {
			_, err = io.WriteString(conn, "x")
		}
		return false
	}
}

func endless(conn net.Conn, _ string, _ []byte) bool {
	_, err := io.WriteString(conn,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
	chunk := "10000\r\n" + strings.Repeat("[", 0x10000) + "\r\n"
	for err == nil {
		_, err = io.WriteString(conn, chunk)
	}
	return false
}

func endlessHeader(conn net.Conn, _ string, _ []byte) bool {
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Long: ")
	for err == nil {
		_, err = io.WriteString(conn, strings.Repeat("x", 0x10000))
	}
	return false
}

// echo sends the request back in each text of a problem document.
func echo(conn net.Conn, _ string, body []byte) bool {
	text := string(body)
	document, err := json.Marshal(
		map[string]any{"code": "invalid-request", "title": text, "detail": text, "field": text})
	return err == nil && write(conn, 400, "application/problem+json", "", string(document))
}

func shownAs(reference string) string {
	return `{"data":"***","redaction":"MASKED","reference":"` + reference + `"}`
}

// batchInParts refuses all but the first item at first. Of those that come again, which must be the ones that may, it
// refuses none.
func batchInParts(conn net.Conn, _ string, body []byte) bool {
	var in struct {
		Items []struct{ Token, Reference string }
	}
	if json.NewDecoder(bytes.NewReader(body)).Decode(&in) != nil {
		return false
	}
	problems := map[string]string{
		"the-token-1": `{"problem":{"code":"rate-limited","detail":"too fast"}}`,
		"the-token-2": `{"reference":"c","problem":{"code":"unavailable","detail":"KMS failed"}}`,
		"the-token-3": `{"problem":{"code":"unavailable","detail":"KMS failed"}}`,
	}
	var results []string
	for _, item := range in.Items {
		result := strings.Replace(shownAs(item.Reference), `,"reference":""`, "", 1)
		if len(in.Items) == 4 && problems[item.Token] != "" {
			result = problems[item.Token]
		}
		results = append(results, result)
	}
	return write(conn, 200, "application/json", "", `{"items":[`+strings.Join(results, ",")+`]}`)
}
