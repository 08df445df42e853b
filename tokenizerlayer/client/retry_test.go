package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
)

// retrying is a client with retries, and how many requests its server has got. The first of them go to refuse.
func retrying(t *testing.T, retries, refused int, refuse http.HandlerFunc) (c *client.Client, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if int(requests.Add(1)) <= refused {
			refuse(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"token":"t","data":"d","redaction":"MASKED","live":true}`)
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{
		Port: srv.Listener.Addr().(*net.TCPAddr).Port, SessionToken: "the-session-token", Retries: retries,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, requests
}

func refuseWith(kind *failure.Kind, after time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		problem.Of(&failure.Error{Kind: kind, RetryAfter: after}).Write(w)
	}
}

// sayLater refuses with the header only.
func sayLater(seconds string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", problem.ContentType)
		w.Header().Set("Retry-After", seconds)
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"code":"rate-limited"}`)
	}
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestClient_TriesAgainWhereThatIsSafe(t *testing.T) {
	card := client.NewSecret(pan)
	tokenize := func(in client.TokenizeInput) func(context.Context, *client.Client) error {
		in.Data = card
		return func(ctx context.Context, c *client.Client) error {
			_, err := c.Tokenize(ctx, in)
			return err
		}
	}
	detokenize := func(attempt string) func(context.Context, *client.Client) error {
		return func(ctx context.Context, c *client.Client) error {
			_, err := c.Detokenize(ctx, client.DetokenizeInput{Token: "t", Attempt: attempt})
			return err
		}
	}
	validate := func(ctx context.Context, c *client.Client) error {
		_, err := c.Validate(ctx, client.ValidateInput{Token: "t"})
		return err
	}
	seal := func(ctx context.Context, c *client.Client) error {
		_, err := c.Seal(ctx, client.SealInput{Data: card})
		return err
	}
	revoke := func(ctx context.Context, c *client.Client) error {
		_, err := c.Revoke(ctx, client.RevokeInput{Token: "t"})
		return err
	}
	ping := func(ctx context.Context, c *client.Client) error {
		_, err := c.Ping(ctx)
		return err
	}
	limited, broken := refuseWith(failure.RateLimited, 0), refuseWith(failure.Unavailable, 0)
	for _, tt := range []struct {
		name             string
		retries, refused int
		refuse           http.HandlerFunc
		do               func(context.Context, *client.Client) error
		requests         int
		kind             error // nil if the call succeeds
	}{
		{"429 of a tokenize", 0, 1, limited, tokenize(client.TokenizeInput{}), 2, nil},
		{"429 twice", 0, 2, limited, validate, 3, nil},
		{"429 three times", 0, 3, limited, validate, 3, client.ErrRateLimited},
		{"429 once, without retries", -1, 1, limited, validate, 1, client.ErrRateLimited},
		{"429 twice, with one retry", 1, 2, limited, validate, 2, client.ErrRateLimited},
		{"429 until later", 0, 1, refuseWith(failure.RateLimited, time.Minute), validate, 1, client.ErrRateLimited},
		{"429 until later, says the header", 0, 1, sayLater("60"), validate, 1, client.ErrRateLimited},
		{"429 until a time that nobody waits for", 0, 1, sayLater("99999999999"), validate, 2, nil},
		{"503 of a seal", 0, 2, broken, seal, 3, client.ErrInternal}, // the answer has no row
		{"503 of a revoke", 0, 1, broken, revoke, 2, nil},
		{"503 of a ping", 0, 1, broken, ping, 2, nil},
		{"503 of a tokenize", 0, 1, broken, tokenize(client.TokenizeInput{}), 1, client.ErrUnavailable},
		{"503 of a key", 0, 1, broken, tokenize(client.TokenizeInput{IdempotencyKey: "k"}), 2, nil},
		{"503 of a deterministic one", 0, 1, broken, tokenize(client.TokenizeInput{Deterministic: true}), 2, nil},
		{"503 of a detokenize", 0, 1, broken, detokenize(""), 1, client.ErrUnavailable},
		{"503 of an attempt", 0, 1, broken, detokenize("a"), 2, nil},
		{"503 of a validate", 0, 1, broken, validate, 2, nil},
		{"not configured", 0, 1, refuseWith(failure.NotReady, 0), validate, 1, client.ErrNotReady},
		{"no answer to a tokenize", 0, 1, hangUp, tokenize(client.TokenizeInput{}), 1, client.ErrUnavailable},
		{"no answer to an attempt", 0, 1, hangUp, detokenize("a"), 2, nil},
		{"no answer, without retries", -1, 1, hangUp, validate, 2, nil},
		{"no answer twice", 0, 2, hangUp, validate, 2, client.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, requests := retrying(t, tt.retries, tt.refused, tt.refuse)
			if err := tt.do(t.Context(), c); (err == nil) != (tt.kind == nil) ||
				err != nil && !errors.Is(err, tt.kind) {
				t.Errorf("error %v, want %v", err, tt.kind)
			}
			if got := int(requests.Load()); got != tt.requests {
				t.Errorf("%d requests, want %d", got, tt.requests)
			}
		})
	}
}

// A call that waits to be tried again ends when it is cancelled, with what it knows.
func TestClient_DoesNotWaitForACallThatIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, requests := retrying(t, 0, 9, func(w http.ResponseWriter, r *http.Request) {
		refuseWith(failure.RateLimited, 4*time.Second)(w, r)
		time.AfterFunc(10*time.Millisecond, cancel)
	})
	_, err := c.Validate(ctx, client.ValidateInput{Token: "t"})
	if !errors.Is(err, client.ErrRateLimited) && !errors.Is(err, client.ErrUnavailable) || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

// No error shows what the server has sent back.
func TestClient_LeavesValuesOutOfErrors(t *testing.T) {
	c, _ := retrying(t, 0, 9, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "the-session-token")
		problem.Of(&failure.Error{Kind: failure.Invalid, Field: pan, Detail: "got " + pan}).Write(w)
	})
	_, err := c.Tokenize(t.Context(), client.TokenizeInput{Data: client.NewSecret(pan)})
	e, _ := errors.AsType[*client.Error](err)
	if diff := cmp.Diff(&client.Error{Code: "invalid-request", Status: 400}, e); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// batches answers each request of a batch with the next list of results, and notes the tokens of its items.
func batches(t *testing.T, answers ...string) (*client.Client, *[]string) {
	t.Helper()
	sent := new([]string)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Items []struct{ Token, Data string }
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		names := ""
		for _, item := range in.Items {
			names += item.Token + item.Data
		}
		*sent = append(*sent, names)
		if answer := answers[min(len(*sent), len(answers))-1]; strings.HasPrefix(answer, "items[") {
			problem.Of(&failure.Error{Kind: failure.Invalid, Field: answer}).Write(w)
		} else {
			_, _ = io.WriteString(w, `{"items":[`+answer+`]}`)
		}
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{Port: srv.Listener.Addr().(*net.TCPAddr).Port, SessionToken: "s"})
	if err != nil {
		t.Fatal(err)
	}
	return c, sent
}

func TestClient_SendsItemsAgainThatMayBe(t *testing.T) {
	const (
		good    = `{"data":"d","redaction":"MASKED"}`
		tooFast = `{"problem":{"code":"rate-limited"}}`
		broken  = `{"problem":{"code":"unavailable"}}`
		other   = `{"reference":"x","data":"d","redaction":"MASKED"}`
	)
	list := func(results ...string) string { return strings.Join(results, ",") }
	for _, tt := range []struct {
		name          string
		answers, sent []string
		want          string // the code of each result
	}{
		{"all succeed", []string{list(good, good, good)}, []string{"abc"}, "ok ok ok "},
		{
			"too fast, and broken", []string{list(good, tooFast, broken), list(good, good)}, []string{"abc", "bc"},
			"ok ok ok ",
		},
		{"broken without an attempt", []string{list(broken, good, good)}, []string{"abc"}, "unavailable ok ok "},
		{"too fast until the end", []string{list(tooFast, good, good), tooFast}, []string{"abc", "a", "a"},
			"rate-limited ok ok "},
		{"then no answer", []string{list(tooFast, good, good), ""}, []string{"abc", "a"}, "rate-limited ok ok "},
		{"another reference", []string{list(other, good, good)}, []string{"abc"}, "internal-error ok ok "},
		{"no result in a result", []string{list(`{}`, good, good)}, []string{"abc"}, "internal-error ok ok "},
		{"too few results", []string{good}, []string{"abc"}, "internal-error"},
		{"refused as a whole", []string{"items[1].reference"}, []string{"abc"}, "invalid-request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, sent := batches(t, tt.answers...)
			out, err := c.DetokenizeBatch(t.Context(), client.DetokenizeBatchInput{Items: []client.DetokenizeItem{
				{DetokenizeInput: client.DetokenizeInput{Token: "a"}},
				{DetokenizeInput: client.DetokenizeInput{Token: "b"}},
				{DetokenizeInput: client.DetokenizeInput{Token: "c", Attempt: "1"}},
			}})
			got := ""
			if e, ok := errors.AsType[*client.Error](err); ok {
				got = e.Code
			}
			for _, r := range out.Results {
				code := "ok"
				if e, ok := errors.AsType[*client.Error](r.Err); ok {
					code = e.Code
				}
				got += code + " "
			}
			if got != tt.want || !cmp.Equal(*sent, tt.sent) {
				t.Errorf("results %q of requests %q, want %q of %q", got, *sent, tt.want, tt.sent)
			}
		})
	}
}

// Items that the client refuses are not sent. The extension counts without them.
func TestClient_NamesThePositionOfAnItemAmongAll(t *testing.T) {
	c, sent := batches(t, "items[1].reference")
	text := func(data string) client.TokenizeItem {
		return client.TokenizeItem{
			TokenizeInput: client.TokenizeInput{Data: client.NewSecret(data), Type: client.TypeText}}
	}
	refused := text("b")
	refused.RequestID = "r"
	_, err := c.TokenizeBatch(t.Context(), client.TokenizeBatchInput{
		Items: []client.TokenizeItem{text("\xff"), text("a"), refused, text("c")},
	})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Field != "items[3].reference" ||
		!cmp.Equal(*sent, []string{"ac"}) {
		t.Errorf("%v, sent %q", err, *sent)
	}
}

func TestClient_RefusesABatchThatCannotBeOne(t *testing.T) {
	c, sent := batches(t, "")
	named := client.TokenizeItem{Reference: "a", TokenizeInput: client.TokenizeInput{Data: client.NewSecret(pan)}}
	for field, items := range map[string][]client.TokenizeItem{
		"items":              make([]client.TokenizeItem, client.MaxBatch+1),
		"items[2].reference": {named, {}, named},
	} {
		_, err := c.TokenizeBatch(t.Context(), client.TokenizeBatchInput{Items: items})
		if e, ok := errors.AsType[*client.Error](err); !ok || !errors.Is(err, client.ErrInvalid) || e.Field != field {
			t.Errorf("%v, want field %s", err, field)
		}
	}
	if _, err := c.TokenizeBatch(t.Context(), client.TokenizeBatchInput{}); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("no items: %v", err)
	}
	if len(*sent) > 0 {
		t.Error(fmt.Sprint(*sent), "was sent")
	}
}

// JSON would put another character in the place of each byte that is no UTF-8.
func TestClient_RefusesTextsThatWouldChange(t *testing.T) {
	const bad = "\xff"
	c, requests := retrying(t, 0, 0, hangUp)
	ctx, card := t.Context(), client.NewSecret(pan)
	for name, do := range map[string]func() error{
		"scope": func() error {
			_, err := c.Tokenize(ctx, client.TokenizeInput{Data: card, Deterministic: true, Scope: bad})
			return err
		},
		"binding.purpose": func() error {
			_, err := c.Seal(ctx, client.SealInput{Data: card, Purpose: bad})
			return err
		},
		"token": func() error {
			_, err := c.Detokenize(ctx, client.DetokenizeInput{Token: bad})
			return err
		},
		"attempt": func() error {
			_, err := c.Detokenize(ctx, client.DetokenizeInput{Token: "t", Attempt: bad})
			return err
		},
		"binding.context": func() error {
			_, err := c.Validate(ctx, client.ValidateInput{Token: "t", Context: map[string]string{"order": bad}})
			return err
		},
		"reason": func() error {
			_, err := c.Revoke(ctx, client.RevokeInput{Token: "t", Reason: bad})
			return err
		},
	} {
		e, ok := errors.AsType[*client.Error](do())
		if !ok || !errors.Is(e, client.ErrInvalid) || e.Field != name || e.Detail == "" {
			t.Errorf("%s: %v", name, e)
		}
	}
	if n := requests.Load(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// A request that went out on a kept connection may have been carried out, though nobody answered.
func TestClient_DoesNotRepeatWhatMayHaveBeenDone(t *testing.T) {
	answered := false
	c, requests := retrying(t, 0, 9, func(w http.ResponseWriter, r *http.Request) {
		if answered {
			hangUp(w, r)
		}
		answered = true
		_, _ = io.WriteString(w, `{"token":"t"}`)
	})
	in := client.TokenizeInput{Data: client.NewSecret(pan)}
	if _, err := c.Tokenize(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Tokenize(t.Context(), in); !errors.Is(err, client.ErrUnavailable) || requests.Load() != 2 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

func TestClient_RefusesABodyThatIsTooLarge(t *testing.T) {
	c, requests := retrying(t, 0, 0, hangUp)
	long := client.NewSecret(strings.Repeat("x", 40_000))
	_, err := c.Tokenize(t.Context(), client.TokenizeInput{Data: long, Type: client.TypeText})
	if !errors.Is(err, client.ErrTooLarge) || requests.Load() > 0 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

func TestClient_TakesNoStrangeRetryAfter(t *testing.T) {
	for _, seconds := range []string{"-1", "99999999999", "soon"} {
		c, _ := retrying(t, -1, 9, sayLater(seconds))
		_, err := c.Validate(t.Context(), client.ValidateInput{Token: "t"})
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "rate-limited" || e.RetryAfter != 0 {
			t.Errorf("%s: %+v", seconds, e)
		}
	}
}
