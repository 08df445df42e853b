package awsjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Whatever is answered about a failure, the error has names only.
func FuzzDecodeError(f *testing.F) {
	for _, seed := range []string{
		`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":"None"},{"Code":"x y"},null]}`,
		`{"code":"A","__type":"B:http://x"}`, `null`, `[]`, `{"__type":"4111111111111111 "}`, `{"__type":null}`, "", "{",
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
	e := Environment{Region: "eu-central-1", Credentials: aws.Credentials{SecretAccessKey: "hidden", SessionToken: "hidden"}, endpoints: func(string) string { return "" }}
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
	c.connections.http.Proxy = func(*http.Request) (*url.URL, error) { return &url.URL{Scheme: "http", Host: "proxy.example"}, nil }
	c.connections.dial = nil // would panic
	c.Warm(t.Context())
}
