package awsjson

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// Whatever is answered about a failure, the error has names only.
func FuzzDecodeError(f *testing.F) {
	for _, seed := range []string{
		`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":"None"},{"Code":"x y"},null]}`,
		`{"code":"A","__type":"B:http://x"}`, `null`, `[]`, `{"__type":"4111111111111111 "}`, `{"__type":null}`, "",
		"{",
	} {
		f.Add(seed, "")
		f.Add(seed, "C#D:E")
	}
	name := regexp.MustCompile(`^[A-Za-z0-9.]{0,80}$`)
	f.Fuzz(func(t *testing.T, body, header string) {
		e := decodeError(400, http.Header{"X-Amzn-Errortype": {header}}, []byte(body))
		for _, code := range append(e.Reasons, e.Code) {
			if !name.MatchString(code) {
				t.Errorf("the code %q", code)
			}
		}
	})
}

func TestBuffer_IsWipedOnEveryPath(t *testing.T) {
	secret := []byte("a data key in base64")
	long := bytes.Repeat(secret, 2000)
	for name, tt := range map[string]struct {
		from  io.Reader
		limit int
		fails bool
	}{
		"short":     {bytes.NewReader(secret), 1000, false},
		"long":      {iotest.HalfReader(bytes.NewReader(long)), 1 << 20, false},
		"the limit": {bytes.NewReader(secret), len(secret), false},
		"too long":  {bytes.NewReader(secret), len(secret) - 1, true},
		"cut off":   {io.MultiReader(bytes.NewReader(secret), iotest.ErrReader(io.ErrUnexpectedEOF)), 1000, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuffer()
			first := b.b[:cap(b.b)]
			if err := b.readFrom(tt.from, tt.limit); (err != nil) != tt.fails {
				t.Error(err)
			}
			last := b.b[:cap(b.b)]
			if !bytes.Contains(last, secret) {
				t.Fatal("nothing was read: the test shows nothing")
			}
			b.release()
			if bytes.Contains(first, []byte("key")) || bytes.Contains(last, []byte("key")) {
				t.Error("a part of the answer is left")
			}
		})
	}
}

// watched is a body that keeps the room that it is read into.
type watched struct {
	io.Reader
	rooms [][]byte
}

func (w *watched) Read(to []byte) (int, error) {
	w.rooms = append(w.rooms, to)
	return w.Reader.Read(to)
}

func (w *watched) Close() error { return nil }

func TestClient_WipesRequestsAndAnswersWhateverBecomesOfThem(t *testing.T) {
	const key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	e := Environment{Region: "eu-central-1", endpoints: func(string) string { return "" }}
	s := ofKMS
	s.MaxAnswer = 1 << 10
	for name, tt := range map[string]struct {
		status int
		body   io.Reader
		fails  bool
	}{
		"success":   {200, strings.NewReader(`{"Plaintext":"` + key + `"}`), false},
		"not JSON":  {200, strings.NewReader(`{"Plaintext":"` + key), true},
		"a failure": {400, strings.NewReader(`{"__type":"X","Plaintext":"` + key + `"}`), true},
		"too large": {200, strings.NewReader(`{"Plaintext":"` + strings.Repeat(key, 100) + `"}`), true},
		"cut off": {200, io.MultiReader(strings.NewReader(`{"Plaintext":"`+key),
			iotest.ErrReader(io.ErrUnexpectedEOF)), true},
		"no checksum": {200, strings.NewReader(`{"Plaintext":"` + key + `"} `), true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New(s, e, Options{Attempts: 1, Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, io.EOF
			}})
			if err != nil {
				t.Fatal(err)
			}
			body, header := &watched{Reader: tt.body}, http.Header{}
			if name == "no checksum" {
				header.Set("X-Amz-Crc32", "1")
			}
			err = c.read(&http.Response{StatusCode: tt.status, Header: header, Body: body},
				func(d *wirejson.Decoder) error { return d.Skip() })
			if (err != nil) != tt.fails {
				t.Error(err)
			}
			var sent []byte
			_ = c.Do(t.Context(), "Operation", func(to []byte) []byte {
				sent = append(to, key...)
				return sent
			}, (*wirejson.Decoder).Skip)
			for _, room := range append(body.rooms, sent) {
				if bytes.Contains(room, []byte("AAEC")) {
					t.Error("a part of a key is left")
				}
			}
		})
	}
}

// The transport may still read a request's body when the request has failed.
func TestPayload_EndsWhenItIsDetached(t *testing.T) {
	p := &payload{rest: []byte("abc")}
	var first [1]byte
	if n, err := p.Read(first[:]); n != 1 || err != nil || first[0] != 'a' {
		t.Error(n, err)
	}
	p.detach()
	if n, err := p.Read(first[:]); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
		t.Error(n, err)
	}
}

func TestClient_IsPrintedWithoutItsCredentials(t *testing.T) {
	e := Environment{Region: "eu-central-1", Credentials: aws.Credentials{
		SecretAccessKey: "hidden", SessionToken: "hidden",
	}, endpoints: func(string) string { return "" }}
	c, err := New(ofKMS, e, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, c) + fmt.Sprintf(format, e); strings.Contains(got, "hidden") {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

// Where a proxy is in the way, it is for the proxy to connect.
func TestWarm_LeavesProxiesAlone(t *testing.T) {
	e := Environment{Region: "eu-central-1", endpoints: func(string) string { return "" }}
	c, err := New(ofKMS, e, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.connections.http.Proxy = func(*http.Request) (*url.URL, error) {
		return &url.URL{Scheme: "http", Host: "proxy.example"}, nil
	}
	c.connections.dial = nil // would panic
	c.Warm(t.Context())
}
