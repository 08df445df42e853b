package client_test

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/problem"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/tokenizertest"
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
	c, err := client.New(client.Config{
		Port: srv.Listener.Addr().(*net.TCPAddr).Port, SessionToken: "s", Timeout: timeout, Retries: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, &opened
}

// call is a call of one method. It reports whether the output is the zero value.
type call func(context.Context, *client.Client) (zero bool, err error)

// calls are one call of each method, with a card wherever a request takes text.
var calls = map[string]call{
	"Tokenize": func(ctx context.Context, c *client.Client) (bool, error) {
		out, err := c.Tokenize(ctx,
			client.TokenizeInput{Data: client.NewSecret(pan), Scope: pan, IdempotencyKey: pan, RequestID: pan})
		return out == client.TokenizeOutput{}, err
	},
	"TokenizeBatch": func(ctx context.Context, c *client.Client) (bool, error) {
		out, err := c.TokenizeBatch(ctx, client.TokenizeBatchInput{Items: []client.TokenizeItem{
			{TokenizeInput: client.TokenizeInput{Data: client.NewSecret(pan), Scope: pan, IdempotencyKey: pan}},
		}})
		return out.Results == nil, err
	},
	"DetokenizeBatch": func(ctx context.Context, c *client.Client) (bool, error) {
		out, err := c.DetokenizeBatch(ctx, client.DetokenizeBatchInput{Items: []client.DetokenizeItem{
			{DetokenizeInput: client.DetokenizeInput{Token: pan, Attempt: pan, Reason: pan}},
		}})
		return out.Results == nil, err
	},
	"Seal": func(ctx context.Context, c *client.Client) (bool, error) {
		out, err := c.Seal(ctx,
			client.SealInput{Data: client.NewSecret(pan), Purpose: pan, Metadata: map[string]string{pan: pan}})
		return out.Token == "" && out.ExpiresAt.IsZero() && out.Put.Put == nil, err
	},
	"Detokenize": func(ctx context.Context, c *client.Client) (bool, error) {
		out, err := c.Detokenize(ctx,
			client.DetokenizeInput{Token: pan, Attempt: pan, Reason: pan, Redaction: pan, Mask: pan})
		return out.Data.IsZero() && out.Redaction == "", err
	},
	"Validate": func(ctx context.Context, c *client.Client) (bool, error) {
		out, err := c.Validate(ctx, client.ValidateInput{Token: pan, Reason: pan})
		return out == client.ValidateOutput{}, err
	},
	"Metadata": func(ctx context.Context, c *client.Client) (bool, error) {
		out, err := c.Metadata(ctx, client.MetadataInput{Token: pan, Reason: pan})
		return cmp.Equal(out, client.MetadataOutput{}), err
	},
	"Revoke": func(ctx context.Context, c *client.Client) (bool, error) {
		out, err := c.Revoke(ctx, client.RevokeInput{Token: pan, Reason: pan})
		return out == client.RevokeOutput{}, err
	},
	"Ping": func(ctx context.Context, c *client.Client) (bool, error) {
		out, err := c.Ping(ctx)
		return out == client.PingOutput{}, err
	},
}

// wantError checks what every error has in common, and its kind.
func wantError(t *testing.T, zero bool, err, kind error) {
	t.Helper()
	e, ok := errors.AsType[*client.Error](err)
	switch {
	case !ok || !errors.Is(err, kind):
		t.Errorf("error %v, want %v", err, kind)
	case e.Code == "" || e.Status < 400:
		t.Errorf("code %q, status %d", e.Code, e.Status)
	case strings.Contains(err.Error(), "4111"):
		t.Errorf("the error quotes the request: %v", err)
	case !zero:
		t.Error("there is an output beside the error")
	}
}

func TestClient_KeepsOneConnection(t *testing.T) {
	c, opened := clientOf(t, 0, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"token":"t"}`)
	})
	for range 5 {
		if out, err := c.Tokenize(t.Context(), client.TokenizeInput{Data: client.NewSecret(pan)}); err != nil ||
			out.Token != "t" {
			t.Fatal(out, err)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestClient_EndsACallAtItsDeadline(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client has gone
		<-r.Context().Done()
	}
	soon := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(t.Context(), 20*time.Millisecond)
	}
	cancelled := func() (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		return ctx, cancel
	}
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		context func() (context.Context, context.CancelFunc)
		detail  string
	}{
		{"own timeout", 20 * time.Millisecond, func() (context.Context, context.CancelFunc) {
			return t.Context(), func() {}
		}, "in time"},
		{"deadline of the context", time.Hour, soon, "in time"},
		{"cancellation", time.Hour, cancelled, "cancelled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := clientOf(t, tt.timeout, hang)
			ctx, cancel := tt.context()
			defer cancel()
			zero, err := calls["Tokenize"](ctx, c)
			wantError(t, zero, err, client.ErrUnavailable)
			if !strings.Contains(err.Error(), tt.detail) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestClient_TellsThatNobodyListens(t *testing.T) {
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
	for name, do := range calls {
		t.Run(name, func(t *testing.T) {
			zero, err := do(t.Context(), c)
			wantError(t, zero, err, client.ErrUnavailable)
			if !strings.Contains(err.Error(), "layer is attached") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestClient_RefusesStrangeAnswers(t *testing.T) {
	say := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }
	}
	for answer, h := range map[string]http.HandlerFunc{
		"not JSON": say(pan),
		"large":    say(`"` + strings.Repeat(pan, 2000) + `"`),
		"cut off": say(
			`{"token":"t","live":true,"data":"` + pan +
				`","release":"r","type":"card","in_backups_until":"2026-01-02T03:04:05Z","row":{}`),
		"members of the wrong type": say(`{"token":"t","live":true,"data":"` + pan + `","release":"r","type":"card",` +
			`"in_backups_until":"2026-01-02T03:04:05Z","row":{"table_name":"T"},"status":5,"redaction":5,"expires_at":5,"revoked":5,"live":5}`),
		"404 of another server": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"JSON of another server": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, `{"message":"`+pan+`"}`)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"token":"t"`)
			panic(http.ErrAbortHandler)
		},
	} {
		for method, do := range calls {
			t.Run(answer+" to "+method, func(t *testing.T) {
				c, _ := clientOf(t, 0, h)
				want := client.ErrInternal
				if answer == "broken off" {
					want = client.ErrUnavailable
				}
				zero, err := do(t.Context(), c)
				wantError(t, zero, err, want)
			})
		}
	}
}

func TestClient_RefusesSuccessWithoutResult(t *testing.T) {
	c, _ := clientOf(t, 0, func(w http.ResponseWriter, r *http.Request) {
		answers := map[string]string{"/v1/tokenize": `{}`, "/v1/detokenize": `{"redaction":"MASKED"}`}
		_, _ = io.WriteString(w, answers[r.URL.Path])
	})
	for _, method := range []string{"Tokenize", "Seal", "Detokenize"} {
		t.Run(method, func(t *testing.T) {
			zero, err := calls[method](t.Context(), c)
			wantError(t, zero, err, client.ErrInternal)
		})
	}
	t.Run("Seal without a row", func(t *testing.T) {
		c, _ := clientOf(t, 0, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"token":"t"}`)
		})
		zero, err := calls["Seal"](t.Context(), c)
		wantError(t, zero, err, client.ErrInternal)
	})
}

// An answer of the largest size is read, and one byte more is not.
func TestClient_ReadsAnAnswerOfTheLargestSize(t *testing.T) {
	for size, ok := range map[int]bool{api.MaxBody: true, api.MaxBody + 1: false} {
		answer := `{"token":"t"}`
		answer += strings.Repeat(" ", size-len(answer))
		c, _ := clientOf(t, 0, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		out, err := c.Tokenize(t.Context(), client.TokenizeInput{Data: client.NewSecret(pan)})
		if ok && (err != nil || out.Token != "t") || !ok && !errors.Is(err, client.ErrInternal) {
			t.Errorf("%d bytes: %+v, %v", size, out, err)
		}
	}
}

// A row with a value of a type that no release writes is not understood, rather than left out of the row.
func TestClient_RefusesARowOfAnotherType(t *testing.T) {
	for _, value := range []string{`{"BOOL":true}`, `{"NULL":true}`, `{}`, `{"S":"x","N":"1"}`, `{"N":5}`, `null`} {
		c, _ := clientOf(t, 0, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w,
				`{"token":"t","row":{"table_name":"T","item":{"Hash_Key":{"S":"t"},"Odd":`+value+
					`},"condition_expression":"c"}}`)
		})
		zero, err := calls["Seal"](t.Context(), c)
		if errors.Is(err, client.ErrInternal) {
			wantError(t, zero, err, client.ErrInternal)
		} else {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestClient_ReturnsWhatAProblemDocumentSays(t *testing.T) {
	for _, kind := range failure.Kinds() {
		c, _ := clientOf(t, 0, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(api.RequestHeader, "request-1")
			problem.Of(
				&failure.Error{Kind: kind, Field: "ttl", Detail: "try again",
					RetryAfter: 1500 * time.Millisecond}).Write(w)
		})
		for method, do := range calls {
			t.Run(kind.Code+" of "+method, func(t *testing.T) {
				zero, err := do(t.Context(), c)
				wantError(t, zero, err, kind)
				want := &client.Error{
					Code: kind.Code, Status: kind.Status, Field: "ttl", Detail: "try again",
					RetryAfter: 2 * time.Second, RequestID: "request-1",
				}
				e, _ := errors.AsType[*client.Error](err)
				if diff := cmp.Diff(want, e); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
				if text := err.Error(); text != kind.Title+": ttl: try again" {
					t.Errorf("text %q", text)
				}
			})
		}
	}
}

func TestClient_TakesAnUnknownCodeForErrInternal(t *testing.T) {
	c, _ := clientOf(t, 0, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", problem.ContentType)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, `{"code":"of-a-later-release","status":418,"detail":"too hot"}`)
	})
	zero, err := calls["Ping"](t.Context(), c)
	wantError(t, zero, err, client.ErrInternal)
	if !strings.Contains(err.Error(), "too hot") {
		t.Errorf("error %v", err)
	}
}

// Each of these would get lost or changed on its way, so it is not sent.
func TestClient_RefusesWhatCannotBeSent(t *testing.T) {
	const invalid = "\xff"
	sent := 0
	c, _ := clientOf(t, 0, func(http.ResponseWriter, *http.Request) { sent++ })
	card := client.NewSecret(pan)
	for _, tt := range []struct {
		name, field string
		in          client.TokenizeInput
	}{
		{"negative TTL", "ttl", client.TokenizeInput{Data: card, TTL: -time.Second}},
		{"fractional TTL", "ttl", client.TokenizeInput{Data: card, TTL: 1500 * time.Millisecond}},
		{"TTL below a second", "ttl", client.TokenizeInput{Data: card, TTL: time.Nanosecond}},
		{"data that is not UTF-8", "data",
			client.TokenizeInput{Data: client.NewSecret("a" + invalid), Type: client.TypeText}},
		{"metadata name that is not UTF-8", "metadata",
			client.TokenizeInput{Data: card, Metadata: map[string]string{invalid: "a"}}},
		{"metadata value that is not UTF-8", "metadata",
			client.TokenizeInput{Data: card, Metadata: map[string]string{"a": invalid}}},
		{"context name that is not UTF-8", "binding.context",
			client.TokenizeInput{Data: card, Context: map[string]string{invalid: "a"}}},
		{"context value that is not UTF-8", "binding.context",
			client.TokenizeInput{Data: card, Context: map[string]string{"a": invalid}}},
		{"idempotency key with a line break", "Idempotency-Key",
			client.TokenizeInput{Data: card, IdempotencyKey: pan + "\n"}},
		{"request id with a line break", "X-Request-Id",
			client.TokenizeInput{Data: card, RequestID: pan + "\r\nX-Forwarded-For: 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := c.Tokenize(t.Context(), tt.in)
			wantError(t, out == client.TokenizeOutput{}, err, client.ErrInvalid)
			if e, ok := errors.AsType[*client.Error](err); !ok || e.Field != tt.field || e.Detail == "" {
				t.Errorf("field %q, want %q; %v", e.Field, tt.field, err)
			}
			if tt.in.IdempotencyKey != "" {
				return // Seal has none
			}
			_, err = c.Seal(t.Context(), client.SealInput{
				Data: tt.in.Data, Type: tt.in.Type, TTL: tt.in.TTL, Metadata: tt.in.Metadata, Context: tt.in.Context,
				RequestID: tt.in.RequestID,
			})
			if e, ok := errors.AsType[*client.Error](err); !ok || e.Field != tt.field {
				t.Errorf("Seal: %v", err)
			}
		})
	}
	if sent > 0 {
		t.Errorf("%d requests were sent", sent)
	}
}

// What the client does not check, the extension does.
func TestClient_PassesOnWhatTheExtensionRefuses(t *testing.T) {
	tok := tokenizertest.Start(t)
	card := client.NewSecret(pan)
	for _, tt := range []struct {
		name, field string
		in          client.TokenizeInput
	}{
		{"no data", "data", client.TokenizeInput{}},
		{"no card", "data", client.TokenizeInput{Data: client.NewSecret("4111111111111112")}},
		{"long TTL", "ttl", client.TokenizeInput{Data: card, TTL: 11 * 365 * 24 * time.Hour}},
		{"negative uses", "max_uses", client.TokenizeInput{Data: card, MaxUses: -1}},
		{"many uses", "max_uses", client.TokenizeInput{Data: card, MaxUses: 1_000_001}},
		{"purpose", "binding.purpose", client.TokenizeInput{Data: card, Purpose: "No!"}},
		{"type", "type", client.TokenizeInput{Data: card, Type: "number"}},
		{"format", "format", client.TokenizeInput{Data: card, Format: "short"}},
		{"format of a text", "format",
			client.TokenizeInput{Data: card, Type: client.TypeText, Format: client.FormatCard}},
		{"deterministic with TTL", "deterministic",
			client.TokenizeInput{Data: card, Deterministic: true, TTL: time.Hour}},
		{"scope alone", "scope", client.TokenizeInput{Data: card, Scope: "s"}},
		{"verification code", "metadata", client.TokenizeInput{Data: card, Metadata: map[string]string{"cvv": "123"}}},
		{"idempotency key", "Idempotency-Key", client.TokenizeInput{Data: card, IdempotencyKey: "a/b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := tok.Client.Tokenize(t.Context(), tt.in)
			wantError(t, out == client.TokenizeOutput{}, err, client.ErrInvalid)
			if e, ok := errors.AsType[*client.Error](err); !ok || e.Field != tt.field || e.RequestID == "" {
				t.Errorf("field %q, want %q; request id %q", e.Field, tt.field, e.RequestID)
			}
		})
	}
	if strings.Contains(tok.Log(), "41111111") {
		t.Error("the card is logged")
	}
}

func TestClient_SendsTheZeroInputAsAnEmptyRequest(t *testing.T) {
	bodies := map[string]string{}
	c, _ := clientOf(t, 0, func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies[r.URL.Path] += string(b)
		for _, name := range []string{api.RequestHeader, api.IdempotencyHeader} {
			if values := r.Header.Values(name); len(values) > 0 {
				t.Errorf("%s: header %s is sent: %q", r.URL.Path, name, values)
			}
		}
	})
	ctx := t.Context()
	_, _ = c.Tokenize(ctx, client.TokenizeInput{})
	_, _ = c.Detokenize(ctx, client.DetokenizeInput{})
	_, _ = c.Validate(ctx, client.ValidateInput{})
	_, _ = c.Metadata(ctx, client.MetadataInput{})
	_, _ = c.Revoke(ctx, client.RevokeInput{})
	_, _ = c.Ping(ctx)
	want := map[string]string{
		"/v1/tokenize": `{"data":""}`, "/v1/detokenize": `{"token":""}`, "/v1/validate": `{"token":""}`,
		"/v1/metadata": `{"token":""}`,
		"/v1/revoke":   `{"token":""}`, "/ping": "",
	}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}

func TestNew_NamesTheWrongField(t *testing.T) {
	for _, tt := range []struct {
		name  string
		c     client.Config
		field string
	}{
		{"no session token", client.Config{}, "SessionToken"},
		{"session token with a line break", client.Config{SessionToken: "secret\n"}, "SessionToken"},
		{"negative port", client.Config{SessionToken: "s", Port: -1}, "Port"},
		{"large port", client.Config{SessionToken: "s", Port: 65536}, "Port"},
		{"negative timeout", client.Config{SessionToken: "s", Timeout: -1}, "Timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := client.New(tt.c)
			if c != nil || err == nil || !strings.Contains(err.Error(), ": "+tt.field+": ") ||
				strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v", err)
			}
		})
	}
	for _, port := range []int{0, 1, 65535} {
		if _, err := client.New(client.Config{SessionToken: "s", Port: port}); err != nil {
			t.Error(err)
		}
	}
}

func TestFromEnvironment_NamesTheWrongVariable(t *testing.T) {
	for _, tt := range []struct{ name, session, port, variable string }{
		{"nothing", "", "", "AWS_SESSION_TOKEN"},
		{"no session token", "", "2774", "AWS_SESSION_TOKEN"},
		{"no port", "s", "", ""},
		{"port", "s", "2775", ""},
		{"the smallest port", "s", "1", ""},
		{"the largest port", "s", "65535", ""},
		{"a larger port", "s", "65536", "TOKENIZER_PORT"},
		{"letters", "s", "x", "TOKENIZER_PORT"},
		{"hexadecimal", "s", "0x10", "TOKENIZER_PORT"},
		{"large", "s", "70000", "TOKENIZER_PORT"},
		{"negative", "s", "-1", "TOKENIZER_PORT"},
		{"zero", "s", "0", "TOKENIZER_PORT"},
		{"a sign", "s", "+2774", "TOKENIZER_PORT"},
		{"session token with a line break", "s\n", "", "AWS_SESSION_TOKEN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("AWS_SESSION_TOKEN", tt.session)
			t.Setenv("TOKENIZER_PORT", tt.port)
			_, err := client.FromEnvironment()
			if (err != nil) != (tt.variable != "") || err != nil && !strings.Contains(err.Error(), tt.variable) {
				t.Errorf("error %v, want %q named", err, tt.variable)
			}
		})
	}
}

func TestNewError_IsOfItsKind(t *testing.T) {
	for _, kind := range failure.Kinds() {
		e := client.NewError(kind, "token", "no such token")
		if !errors.Is(e, kind) || e.Code != kind.Code || e.Status != kind.Status ||
			e.Error() != kind.Title+": token: no such token" {
			t.Errorf("%v became %+v", kind, e)
		}
		if again := client.NewError(e, "", ""); !errors.Is(again, kind) {
			t.Errorf("%v, of an error of the kind: %+v", kind, again)
		}
	}
	for _, other := range []error{nil, io.EOF} {
		if e := client.NewError(other, "", ""); !errors.Is(e, client.ErrInternal) {
			t.Errorf("%v became %v", other, e)
		}
	}
}

// Users find every kind of error in this package.
func TestErrors_HaveAVariableForEachKind(t *testing.T) {
	variables := []error{
		client.ErrInvalid, client.ErrUnauthorized, client.ErrForwarded, client.ErrDenied, client.ErrBindingMismatch,
		client.ErrNotFound, client.ErrNoEndpoint, client.ErrKeyReused, client.ErrInFlight, client.ErrRevoked,
		client.ErrExpired, client.ErrUsedUp, client.ErrTooLarge, client.ErrRateLimited,
		client.ErrIntegrity, client.ErrInternal, client.ErrUnavailable, client.ErrNotReady,
	}
	var kinds []error
	for _, kind := range failure.Kinds() {
		kinds = append(kinds, kind)
	}
	if diff := cmp.Diff(kinds, variables, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
		t.Errorf("(-kinds +variables):\n%s", diff)
	}
}

func TestError_ZeroValueIsErrInternal(t *testing.T) {
	var e client.Error
	if !errors.Is(&e, client.ErrInternal) || e.Error() == "" {
		t.Errorf("%v", &e)
	}
}

// A fake may put an error together by itself.
func TestError_GoesByItsCode(t *testing.T) {
	e := &client.Error{Code: "token-expired"}
	if !errors.Is(e, client.ErrExpired) {
		t.Errorf("%v", e)
	}
	b, err := json.Marshal(e)
	if err != nil || !strings.Contains(string(b), "token-expired") {
		t.Errorf("%s, %v", b, err)
	}
}
