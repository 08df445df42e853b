package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestConn_SpeaksToAServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/closing" {
			w.Header().Set("Connection", "close")
		}
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusTeapot)
		}
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("X-Tokenizer-Token"), body)
	}))
	defer server.Close()
	c, err := Dial(strings.TrimPrefix(server.URL, "http://"), "secret")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, path := range []string{"/a", "/closing", "/b"} {
		got, err := c.Post(path, []byte("{}"))
		if err != nil || string(got) != "POST "+path+" secret {}" {
			t.Errorf("%s %v", got, err)
		}
	}
	if _, err := c.Post("/bad", nil); err == nil || !strings.Contains(err.Error(), "418") {
		t.Error(err)
	}
}

func TestRun_DoesAllOperations(t *testing.T) {
	var done atomic.Int64
	r, err := Run(context.Background(), 4, 20, func(int) error { done.Add(1); return nil })
	if err != nil || done.Load() != 20 || len(r.Each) != 20 {
		t.Error(err, done.Load(), len(r.Each))
	}
}

func TestRun_EndsWithTheFirstError(t *testing.T) {
	trouble := errors.New("trouble")
	if _, err := Run(context.Background(), 2, 1000000, func(client int) error {
		if client == 0 {
			return trouble
		}
		return nil
	}); !errors.Is(err, trouble) {
		t.Error(err)
	}
}
