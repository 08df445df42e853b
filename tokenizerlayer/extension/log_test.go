package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// startWithPipe starts an extension that logs into a pipe, and returns the pipe's other end.
func startWithPipe(t *testing.T) (*running, *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	x := newRunning(t)
	x.StartWithLog(t, writer)
	writer.Close() // the extension has its own
	return x, reader
}

// wantNothingReleased sends one request of each operation. None may be answered with what was asked for.
func (x *running) wantNothingReleased(t *testing.T, token string) {
	t.Helper()
	for path, body := range map[string]string{
		api.PathTokenize:   `{"data":"` + canary + `"}`,
		api.PathDetokenize: `{"token":"` + token + `","redaction":"PLAIN_TEXT"}`,
		api.PathValidate:   `{"token":"` + token + `"}`, api.PathMetadata: `{"token":"` + token + `"}`,
		api.PathRevoke: `{"token":"` + token + `"}`,
	} {
		status, answer := x.post(t, path, body)
		if status != http.StatusServiceUnavailable || !strings.Contains(answer, "cannot be recorded") ||
			strings.Contains(answer, "1111") {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}

func (x *running) wantItEndsWell(t *testing.T) {
	t.Helper()
	if err := x.ShutDown(); err != nil || x.Stderr.String() != "" {
		t.Errorf("the extension ended with %v, and printed %q", err, x.Stderr.String())
	}
}

// Nobody reads the log any more: the extension goes on, and releases nothing.
func TestRun_ReleasesNothingWhenItsLogIsClosed(t *testing.T) {
	x, log := startWithPipe(t)
	token := x.want(t, http.StatusOK, api.PathTokenize, `{"data":"`+canary+`"}`)
	log.Close()
	x.wantNothingReleased(t, token)
	x.wantItEndsWell(t)
}

// The log is open and nobody reads it: what does not get into it in time is not released. Once it is read again, all is
// well, and every answer has its event.
func TestRun_ReleasesNothingWhileItsLogIsFull(t *testing.T) {
	x, log := startWithPipe(t)
	token := x.want(t, http.StatusOK, api.PathTokenize, `{"data":"`+canary+`"}`)
	other := x.want(t, http.StatusOK, api.PathTokenize, `{"data":"`+canary+`"}`)
	detokenize := func() bool {
		status, answer := x.post(t, api.PathDetokenize, `{"token":"`+token+`","redaction":"PLAIN_TEXT"}`)
		if status != http.StatusOK && (status != http.StatusServiceUnavailable || strings.Contains(answer, canary)) {
			t.Fatalf("%d %s", status, answer)
		}
		return status == http.StatusOK
	}
	released := 0
	for detokenize() {
		if released++; released > 10_000 {
			t.Fatal("the log does not get full")
		}
	}
	x.wantNothingReleased(t, other)

	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(x.Stdout, log) // until the extension ends
		read <- err
	}()
	for !detokenize() { // until the lines that are late have been written
	}
	released++
	x.wantItEndsWell(t)
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	if recorded := strings.Count(x.Stdout.String(), `"operation":"detokenize","outcome":"ok"`); recorded < released {
		t.Errorf("%d answers showed the card, and %d events say so", released, recorded)
	}
}
