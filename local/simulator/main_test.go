package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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

func TestRun_EndsAtOnceWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := run(ctx, nil, io.Discard, func(string) string { return "" })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}
