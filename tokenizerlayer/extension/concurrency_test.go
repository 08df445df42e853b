package main

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

func simultaneously(n int, do func()) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for range n {
		wg.Go(func() { <-gate; do() })
	}
	close(gate)
	wg.Wait()
}

// counted counts outcomes.
type counted struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counted) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[what]++
}

// patiently repeats a call that should be tried again, as it may be on a busy machine.
func patiently[T any](call func() (T, error)) (out T, err error) {
	for range 20 {
		if out, err = call(); !errors.Is(err, client.ErrUnavailable) && !errors.Is(err, client.ErrInFlight) {
			return out, err
		}
	}
	return out, err
}

// tokensOf tokenizes the same n times at once and counts the different tokens.
func (x *running) tokensOf(t *testing.T, n int, in client.TokenizeInput) int {
	t.Helper()
	var tokens counted
	simultaneously(n, func() {
		out, err := patiently(func() (client.TokenizeOutput, error) { return x.Client.Tokenize(t.Context(), in) })
		if err != nil {
			t.Error(err)
		}
		tokens.add(out.Token)
	})
	return len(tokens.n)
}

// The vault's promises hold for the extension as it ships: a process of its own, and a DynamoDB over HTTP.
func TestExtension_KeepsItsPromisesUnderConcurrency(t *testing.T) {
	x := startExtension(t)
	card := client.NewSecret(canary)

	tokens := x.tokensOf(t, 200, client.TokenizeInput{Data: card, Deterministic: true, Scope: "s"})
	if rows := len(x.rows(t, vaultTable)); tokens != 1 || rows != 1 {
		t.Errorf("200 first uses of a value gave %d tokens and %d rows", tokens, rows)
	}

	once, err := x.Client.Tokenize(t.Context(), client.TokenizeInput{Data: card, MaxUses: 1})
	if err != nil {
		t.Fatal(err)
	}
	var detokenized counted
	simultaneously(200, func() {
		in := client.DetokenizeInput{Token: once.Token, Redaction: client.PlainText, Attempt: uuid.NewString()}
		out, err := patiently(func() (client.DetokenizeOutput, error) { return x.Client.Detokenize(t.Context(), in) })
		switch {
		case err == nil && out.Data.Equal(card):
			detokenized.add("card")
		case errors.Is(err, client.ErrUsedUp):
			detokenized.add("used up")
		default:
			t.Error(err)
		}
	})
	if detokenized.n["card"] != 1 || detokenized.n["used up"] != 199 {
		t.Errorf("200 detokenizes of a one-time token: %v", detokenized.n)
	}

	before := len(x.rows(t, vaultTable))
	tokens = x.tokensOf(t, 100, client.TokenizeInput{Data: card, IdempotencyKey: "k"})
	if rows := len(x.rows(t, vaultTable)) - before; tokens != 1 || rows != 1 {
		t.Errorf("100 identical creates gave %d tokens and %d rows", tokens, rows)
	}
}
