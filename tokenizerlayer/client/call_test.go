package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
)

// To begin again after a lost connection is no retry: all of them are left.
func TestClient_CountsNoLostConnectionAsARetry(t *testing.T) {
	var lost atomic.Bool
	c, requests := retrying(t, 2, 3, func(w http.ResponseWriter, r *http.Request) {
		if lost.CompareAndSwap(false, true) {
			hangUp(w, r)
		}
		sayLater("0")(w, r)
	})
	if _, err := c.Validate(t.Context(), client.ValidateInput{Token: "t"}); err != nil || requests.Load() != 4 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

// An error tells whether the time was too short, or the extension broke off.
func TestClient_TellsHowAnAnswerEnded(t *testing.T) {
	begin := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"token":`)
		_ = http.NewResponseController(w).Flush()
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, tt := range []struct {
		name, detail string
		ctx          context.Context
		timeout      time.Duration
		after        func(r *http.Request) // the answer has begun
	}{
		{"broken off", "interrupted", t.Context(), time.Minute, func(*http.Request) { panic(http.ErrAbortHandler) }},
		{"too slow", "in time", t.Context(), 50 * time.Millisecond, func(r *http.Request) { <-r.Context().Done() }},
		{"cancelled", "cancelled", ctx, time.Minute, func(r *http.Request) {
			cancel()
			<-r.Context().Done()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := clientOf(t, tt.timeout, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				begin(w)
				tt.after(r)
			})
			zero, err := calls["Tokenize"](tt.ctx, c)
			wantError(t, zero, err, client.ErrUnavailable)
			if !strings.Contains(err.Error(), tt.detail) {
				t.Errorf("error %v, want %q", err, tt.detail)
			}
		})
	}
}

// What answers with something else than HTTP is not the extension, and gets the request only once.
func TestClient_DoesNotRepeatWhatIsAnsweredInAnotherProtocol(t *testing.T) {
	c, requests := retrying(t, 0, 9, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "220 ready\r\n\r\n")
		_ = conn.Close()
	})
	_, err := c.Validate(t.Context(), client.ValidateInput{Token: "t"})
	if !errors.Is(err, client.ErrInternal) || !strings.Contains(err.Error(), "not understood") || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

// A body of the largest size is sent, and one byte more is not.
func TestClient_SendsABodyOfTheLargestSize(t *testing.T) {
	var sizes []int
	c, _ := clientOf(t, 0, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		sizes = append(sizes, len(b))
		_, _ = io.WriteString(w, `{"token":"t"}`)
	})
	tokenize := func(length int) error {
		_, err := c.Tokenize(t.Context(), client.TokenizeInput{Data: client.NewSecret(strings.Repeat("x", length))})
		return err
	}
	if err := tokenize(1); err != nil {
		t.Fatal(err)
	}
	largest := api.MaxBody - sizes[0] + 1
	if err := tokenize(largest); err != nil || sizes[len(sizes)-1] != api.MaxBody {
		t.Errorf("the largest body: %v, sizes %d", err, sizes)
	}
	err := tokenize(largest + 1)
	e, ok := errors.AsType[*client.Error](err)
	if !ok || !errors.Is(err, client.ErrTooLarge) || !strings.Contains(e.Detail, "32768 bytes") || len(sizes) != 2 {
		t.Errorf("a larger body: %v, sizes %d", err, sizes)
	}
}

func TestClient_SendsItsHeaders(t *testing.T) {
	var got http.Header
	c, _ := clientOf(t, 0, func(_ http.ResponseWriter, r *http.Request) { got = r.Header })
	ignored := []string{"User-Agent", "Content-Length"}
	for _, tt := range []struct {
		name string
		do   func()
		want http.Header
	}{
		{"Tokenize", func() {
			_, _ = c.Tokenize(t.Context(), client.TokenizeInput{RequestID: "r!~", IdempotencyKey: "k"})
		}, http.Header{
			api.TokenHeader: {"s"}, "Content-Type": {"application/json"}, api.RequestHeader: {"r!~"},
			api.IdempotencyHeader: {"k"},
		}},
		{"Ping", func() { _, _ = c.Ping(t.Context()) }, http.Header{api.TokenHeader: {"s"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.do()
			for _, name := range ignored {
				got.Del(name)
			}
			want := http.Header{}
			for name, values := range tt.want {
				want[http.CanonicalHeaderKey(name)] = values
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Only a problem document of the right media type is the extension's.
func TestClient_BelievesAProblemOfTheRightMediaType(t *testing.T) {
	const expired = `{"code":"token-expired"}`
	for _, tt := range []struct {
		name, mediaType, body string
		want                  error
	}{
		{"problem", problem.ContentType, expired, client.ErrExpired},
		{"with a parameter", problem.ContentType + " ; charset=utf-8", expired, client.ErrExpired},
		{"JSON", "application/json", expired, client.ErrInternal},
		{"no problem", problem.ContentType, `{}`, client.ErrInternal},
		{"neither", "text/plain", `no`, client.ErrInternal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := clientOf(t, 0, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.mediaType)
				w.WriteHeader(http.StatusGone)
				_, _ = io.WriteString(w, tt.body)
			})
			_, err := c.Validate(t.Context(), client.ValidateInput{Token: "t"})
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if tt.want == client.ErrInternal && !strings.Contains(err.Error(), "status 410") {
				t.Errorf("%v does not say the status", err)
			}
		})
	}
}

// The header goes before the member of the document. A time of more than a million seconds is taken for none.
func TestClient_ReadsRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		header, member string
		want           time.Duration
	}{
		{"1", "0", time.Second},
		{"0", "5", 0},
		{"19", "0", 19 * time.Second},
		{"1000000", "5", 1_000_000 * time.Second},
		{"1000001", "5", 0},
		{"9223372036854775807", "5", 0},
		{"-1", "5", 0},
		{"soon", "5", 5 * time.Second},
		{"", "1000000", 1_000_000 * time.Second},
		{"", "1000001", 0},
		{"", "-1", 0},
	} {
		t.Run(tt.header+" and "+tt.member, func(t *testing.T) {
			c, _ := clientOf(t, 0, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", problem.ContentType)
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(http.StatusTooManyRequests)
				_, _ = io.WriteString(w, `{"code":"rate-limited","retry_after":`+tt.member+`}`)
			})
			_, err := c.Validate(t.Context(), client.ValidateInput{Token: "t"})
			if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "rate-limited" || e.RetryAfter != tt.want {
				t.Errorf("%+v, want %v", e, tt.want)
			}
		})
	}
}

// Short values occur in texts by chance: an error that has one keeps its text.
func TestClient_LeavesOutTextsWithAValueOfEightBytes(t *testing.T) {
	for token, want := range map[string]string{"1234567": "got 1234567", "12345678": ""} {
		c, _ := clientOf(t, 0, func(w http.ResponseWriter, _ *http.Request) {
			problem.Of(&failure.Error{Kind: failure.NotFound, Detail: "got " + token}).Write(w)
		})
		_, err := c.Detokenize(t.Context(), client.DetokenizeInput{Token: token})
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "token-not-found" || e.Detail != want {
			t.Errorf("%d bytes: detail %q, want %q", len(token), e.Detail, want)
		}
	}
}

// A value of one is a value, and so is a context with one member.
func TestClient_SendsTheSmallestValues(t *testing.T) {
	var got string
	c, _ := clientOf(t, 0, func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = string(b)
	})
	for _, tt := range []struct {
		name, want string
		in         client.TokenizeInput
	}{
		{"TTL", `"ttl":1`, client.TokenizeInput{TTL: time.Second}},
		{"uses", `"max_uses":1`, client.TokenizeInput{MaxUses: 1}},
		{"context", `"binding":{"context":{"a":"b"}}`, client.TokenizeInput{Context: map[string]string{"a": "b"}}},
		{"purpose", `"binding":{"purpose":"p"}`, client.TokenizeInput{Purpose: "p"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _ = c.Tokenize(t.Context(), tt.in)
			if want := `{"data":"",` + tt.want + `}`; got != want {
				t.Errorf("sent %s, want %s", got, want)
			}
		})
	}
}
