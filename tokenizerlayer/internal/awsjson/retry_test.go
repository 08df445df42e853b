package awsjson_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
)

// sequence answers requests with one reply after the other; the last one stays.
type sequence struct {
	mu      sync.Mutex
	replies []reply
	n       int
}

func (s *sequence) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	now := s.replies[min(s.n, len(s.replies)-1)]
	s.n++
	s.mu.Unlock()
	_, _ = io.Copy(io.Discard, q.Body)
	now.send(w)
}

func put(ctx context.Context, c clients) error {
	return c.dynamo.PutItem(ctx, dynamoapi.PutItemInput{TableName: "T"})
}

var success = reply{status: 200, body: "{}"}

func throttled(header, wait string) reply {
	return reply{status: 400, header: map[string]string{header: wait}, body: `{"__type":"x#ThrottlingException"}`}
}

func TestRetry_WaitsAsLongAsTheServiceAsks(t *testing.T) {
	for name, tt := range map[string]struct {
		header, wait string
		least        time.Duration
	}{
		"in seconds":               {"Retry-After", "1", time.Second},
		"in milliseconds":          {"X-Amz-Retry-After", "150", 150 * time.Millisecond},
		"not at all":               {"Retry-After", "0", 0},
		"until a time":             {"Retry-After", time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat), 0},
		"longer than there is":     {"Retry-After", "3600", 0},
		"what nobody understands":  {"Retry-After", "soon", 0},
		"a number below zero":      {"X-Amz-Retry-After", "-5", 0},
		"a number without meaning": {"X-Amz-Retry-After", "99999999999999999999", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(&sequence{replies: []reply{throttled(tt.header, tt.wait), success}})
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			start := time.Now()
			if err := put(ctx, newClients(t, server.URL, awsjson.Options{})); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took < tt.least || took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// Calls that fail one after another use up what there is for retries, as with the SDK. Then each is tried once.
func TestRetry_EndsWithTheBudget(t *testing.T) {
	s := &script{reply: reply{status: 500}}
	server := httptest.NewServer(s)
	defer server.Close()
	c, ctx := newClients(t, server.URL, awsjson.Options{}), t.Context()
	for i := range 120 {
		_ = put(ctx, c)
		ours := s.attempts()
		_, _ = c.sdkDynamo.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: new("T"), Item: map[string]types.AttributeValue{},
		})
		if sdks := s.attempts(); ours != sdks || i == 119 && ours != 1 {
			t.Fatalf("call %d: %d attempts; the SDK: %d", i, ours, sdks)
		}
	}
	s.set(success)
	for range 5 { // each gives back a fifth of what a retry costs
		if err := put(ctx, c); err != nil {
			t.Error(err)
		}
	}
	s.set(reply{status: 500})
	if _ = put(ctx, c); s.attempts() != 2 {
		t.Error("the budget does not grow again")
	}
}

// A retry that succeeds costs nothing, however many there are.
func TestRetry_ThatSucceedsIsPaidBack(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		if n.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	c := newClients(t, server.URL, awsjson.Options{})
	for i := range 200 {
		if err := put(t.Context(), c); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}

func TestRetry_ALostAnswerIsNotTheEnd(t *testing.T) {
	for _, lost := range []int{1, 2} {
		replies := []reply{{fault: hangUp("")}, {fault: hangUp("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n")}}[:lost]
		server := httptest.NewServer(&sequence{replies: append(replies, success)})
		if err := put(t.Context(), newClients(t, server.URL, awsjson.Options{})); err != nil {
			t.Errorf("%d lost: %v", lost, err)
		}
		server.Close()
	}
}

// strict is a service that refuses signatures of another time than its own.
type strict struct {
	mu    sync.Mutex
	ahead time.Duration
	n     int
}

func (s *strict) set(ahead time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead, s.n = ahead, 0
}

func (s *strict) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.n = 0 }()
	return s.n
}

func (s *strict) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	_, _ = io.Copy(io.Discard, q.Body)
	s.mu.Lock()
	s.n++
	now := time.Now().Add(s.ahead).UTC()
	s.mu.Unlock()
	w.Header().Set("Date", now.Format(http.TimeFormat))
	at, err := time.Parse("20060102T150405Z", q.Header.Get("X-Amz-Date"))
	if err != nil || now.Sub(at).Abs() > 5*time.Minute {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w,
			`{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature expired"}`)
		return
	}
	_, _ = io.WriteString(w, "{}")
}

// A clock that is wrong costs an attempt, once, and another when it is right again.
func TestClock_AWrongOneIsCorrectedAsByTheSDK(t *testing.T) {
	s := &strict{}
	server := httptest.NewServer(s)
	defer server.Close()
	c, ctx := newClients(t, server.URL, awsjson.Options{}), t.Context()
	for _, ahead := range []time.Duration{0, 3 * time.Hour, -24 * time.Hour, 0} {
		s.set(ahead)
		for call := range 3 {
			_, err := c.sdkDynamo.PutItem(ctx,
				&dynamodb.PutItemInput{TableName: new("T"), Item: map[string]types.AttributeValue{}})
			sdks := s.attempts()
			if ours := put(ctx, c); ours != nil || err != nil {
				t.Fatalf("%v ahead, call %d: %v; the SDK: %v", ahead, call, ours, err)
			}
			if attempts := s.attempts(); attempts != sdks {
				t.Errorf("%v ahead, call %d: %d attempts; the SDK: %d", ahead, call, attempts, sdks)
			}
		}
	}
}

// A name that does not exist is not looked up again; one that cannot be looked up is.
func TestRetry_NamesAreLookedUpAsByTheSDK(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want int
	}{
		"no such name":   {&net.DNSError{Err: "no such host", IsNotFound: true}, 1},
		"no name server": {&net.DNSError{Err: "server misbehaving", IsTemporary: true}, 3},
		"refused":        {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			dials := 0
			c := newClients(t, "http://dynamodb.example",
				awsjson.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
					dials++
					return nil, tt.err
				}})
			if err := put(t.Context(), c); !errors.Is(err, tt.err) || err.Error() != "no answer" || dials != tt.want {
				t.Errorf("%v after %d dials, want %d", err, dials, tt.want)
			}
		})
	}
}

func TestAnswers_ThatAreTooLargeAreRefused(t *testing.T) {
	for name, status := range map[string]int{"success": 200, "failure": 400} {
		t.Run(name, func(t *testing.T) {
			endless := func(w http.ResponseWriter) {
				w.WriteHeader(status)
				for range 5 << 10 { // 5 MiB
					if _, err := w.Write(make([]byte, 1<<10)); err != nil {
						return
					}
				}
			}
			server := httptest.NewServer(&script{reply: reply{fault: endless}})
			defer server.Close()
			if err := put(t.Context(), newClients(t, server.URL, awsjson.Options{})); err == nil ||
				awsjson.Code(err) != "" {
				t.Error(err)
			}
		})
	}
}
