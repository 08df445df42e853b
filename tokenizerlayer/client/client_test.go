package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
)

const pan = "4111111111111111"

// clientOf returns a client of a handler, and the number of connections it has opened.
func clientOf(t *testing.T, timeout time.Duration, h http.HandlerFunc) (*client.Client, *atomic.Int32) {
	t.Helper()
	var opened atomic.Int32
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{Port: srv.Listener.Addr().(*net.TCPAddr).Port, SessionToken: "s", Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return c, &opened
}

func TestOneConnectionServesManyCalls(t *testing.T) {
	c, opened := clientOf(t, 0, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"token":"t"}`)
	})
	for range 5 {
		if token, err := c.Tokenize(t.Context(), sensitive.New(pan)); err != nil || token != "t" {
			t.Fatal(token, err)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestNoCallOutlivesItsDeadline(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	hang := func(http.ResponseWriter, *http.Request) { <-release }
	c, _ := clientOf(t, 20*time.Millisecond, hang)
	if _, err := c.Tokenize(t.Context(), sensitive.New(pan)); !errors.Is(err, api.ErrUnavailable) || !strings.Contains(err.Error(), "in time") {
		t.Error("own timeout:", err)
	}
	c, _ = clientOf(t, time.Hour, hang)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Tokenize(ctx, sensitive.New(pan)); !errors.Is(err, api.ErrUnavailable) {
		t.Error("context's deadline:", err)
	}
}

func TestStrangeAnswersAreErrorsThatQuoteNothing(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, pan) },
		"large": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `"`+strings.Repeat(pan, 2000)+`"`)
		},
		"foreign 404": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
		"no row": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"token":"t"}`) },
	} {
		c, _ := clientOf(t, 0, h)
		_, err := c.Seal(t.Context(), sensitive.New(pan))
		if !errors.Is(err, api.ErrInternal) || strings.Contains(err.Error(), "4111") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	c, err := client.New(client.Config{Port: port, SessionToken: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ping(t.Context()); !errors.Is(err, api.ErrUnavailable) || !strings.Contains(err.Error(), "layer attached") {
		t.Error(err)
	}
}

func TestConfiguration(t *testing.T) {
	t.Setenv("AWS_SESSION_TOKEN", "")
	if _, err := client.FromEnvironment(); err == nil || !strings.Contains(err.Error(), "AWS_SESSION_TOKEN") {
		t.Error("no session token:", err)
	}
	t.Setenv("AWS_SESSION_TOKEN", "s")
	for _, port := range []string{"x", "0x10", "70000", "-1"} {
		t.Setenv("TOKENIZER_PORT", port)
		if _, err := client.FromEnvironment(); err == nil || !strings.Contains(err.Error(), "port") && !strings.Contains(err.Error(), "PORT") {
			t.Errorf("port %s: %v", port, err)
		}
	}
	t.Setenv("TOKENIZER_PORT", "")
	if _, err := client.FromEnvironment(); err != nil {
		t.Error(err)
	}
}
