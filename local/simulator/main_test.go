package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestRun_RefusesBadFlagsBeforeAnythingStarts(t *testing.T) {
	for want, args := range map[string][]string{
		"-card is not a card number":   {"-card", "4111111111111112"},
		"-card must hold ASCII digits": {"-card", "x"},
		"-addr":                        {"-addr", "0.0.0.0:8080"},
		"loopback":                     {"-addr", "8080"},
		"unexpected argument":          {"serve"},
		"add -serve":                   {"-open"},
		"flag provided but not":        {"-nope"},
	} {
		var out bytes.Buffer
		err := run(t.Context(), args, &out, func(string) string { return "" })
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(out.String(), "synthesize") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestRun_NamesABadEndpointBeforeAnythingStarts(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for endpoint, want := range map[string]string{
		"localhost:4566": "AWS_ENDPOINT_URL_KMS is not a URL",
		web.URL:          "kms ListKeys: " + web.URL + " answered with status 404 and no JSON",
		gone.URL:         "kms ListKeys: " + gone.URL + " does not answer",
	} {
		var out bytes.Buffer
		err := run(t.Context(), nil, &out, func(name string) string {
			return map[string]string{"AWS_ENDPOINT_URL_KMS": endpoint}[name]
		})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "unset it") ||
			strings.Contains(out.String(), "synthesize") {
			t.Errorf("error = %v after printing %q", err, out.String())
		}
	}
}

func TestRun_EndsAtOnceWhenItsLauncherHasEnded(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	held, err := syscall.Dup(int(r.Fd())) // which run has for itself, as in a process of its own
	if err = errors.Join(err, w.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	err = run(t.Context(), []string{"-until-closed", strconv.Itoa(held)}, io.Discard,
		func(string) string { return "" })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

// What functions print is searched for the card as it is, and shown without it.
func TestTee_MasksWhatItShowsAndKeepsTheRest(t *testing.T) {
	var shown bytes.Buffer
	log := &tee{also: &shown}
	const line = "F: paid with 4111 1111 1111 1111\n"
	if n, err := log.Write([]byte(line)); n != len(line) || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := shown.String(); got != "F: paid with ************1111\n" || string(log.all()) != line {
		t.Errorf("shown %q, kept %q", got, log.all())
	}
}

func TestRun_EndsAtOnceWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := run(ctx, nil, io.Discard, func(string) string { return "" })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}
