package vault_test

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/kmsserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// fault is what happens to a request in place of its answer, or after it.
type fault func(next http.Handler, w http.ResponseWriter, q *http.Request)

// troubled is a service whose answers a test troubles.
type troubled struct {
	next http.Handler

	mu    sync.Mutex
	fault fault
}

func (s *troubled) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault == nil {
		s.next.ServeHTTP(w, q)
		return
	}
	fault(s.next, w, q)
}

func (s *troubled) set(f fault) { s.mu.Lock(); defer s.mu.Unlock(); s.fault = f }

// answers is a fault in which the service does nothing and something else answers.
func answers(status int, header map[string]string, body string) fault {
	return func(_ http.Handler, w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// damages is a fault in which the service does what it is asked, and its answer arrives otherwise.
func damages(damage func(w http.ResponseWriter, answer *httptest.ResponseRecorder)) fault {
	return func(next http.Handler, w http.ResponseWriter, q *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, q)
		maps.Copy(w.Header(), answer.Header())
		damage(w, answer)
	}
}

func hangUp(w http.ResponseWriter, part string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, part)
	conn.Close()
}

var faults = map[string]fault{
	"lost answers":  damages(func(w http.ResponseWriter, _ *httptest.ResponseRecorder) { hangUp(w, "") }),
	"lost requests": func(_ http.Handler, w http.ResponseWriter, _ *http.Request) { hangUp(w, "") },
	"answers that are cut off": damages(func(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
		hangUp(w, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"+answer.Body.String())
	}),
	"answers without their end": damages(func(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
		w.WriteHeader(answer.Code)
		_, _ = w.Write(bytes.TrimSuffix(bytes.TrimSpace(answer.Body.Bytes()), []byte("}")))
	}),
	"answers that are too large": damages(func(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
		_, _ = w.Write(append(bytes.Repeat([]byte(" "), 5<<20), answer.Body.Bytes()...))
	}),
	"answers that are not JSON": damages(func(w http.ResponseWriter, _ *httptest.ResponseRecorder) {
		_, _ = io.WriteString(w, "<html>upstream text")
	}),
	"answers with another checksum": damages(func(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
		w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer.Body.Bytes())+1), 10))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}),
	"no answer for a long time": func(_ http.Handler, _ http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		<-q.Context().Done()
	},
	"answers that never end": damages(func(w http.ResponseWriter, _ *httptest.ResponseRecorder) {
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.Copy(io.Discard, conn) // until the client gives up
		conn.Close()
	}),
	"throttling": answers(400, nil, `{"__type":"ThrottlingException","message":"upstream text"}`),
	"throttling for a while": answers(400, map[string]string{"X-Amz-Retry-After": "200"},
		`{"__type":"ThrottlingException"}`),
	"throttling for an hour": answers(400, map[string]string{"Retry-After": "3600"},
		`{"__type":"ThrottlingException"}`),
	"a server's errors":          answers(500, nil, `{"__type":"InternalFailure"}`),
	"errors that are not JSON":   answers(503, nil, `<html>upstream text</html>`),
	"errors that are no service": answers(404, nil, `not found`),
}

// upset is a vault between services that a test troubles.
type upset struct {
	fixture
	of     map[string]*troubled
	down   map[string]*atomic.Bool // names that cannot be looked up
	tables *dynamodb.Client        // without trouble
	limit  time.Duration
}

func newUpset(t *testing.T) *upset {
	t.Helper()
	u := &upset{of: map[string]*troubled{}, down: map[string]*atomic.Bool{"KMS": {}, "DynamoDB": {}},
		limit: 4 * time.Second}
	clock := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	serve := func(name string, h http.Handler) string {
		u.of[name] = &troubled{next: h}
		server := httptest.NewServer(u.of[name])
		t.Cleanup(server.Close)
		return server.URL
	}
	kmsURL := serve("KMS", kmsserver.New(kmsserver.Config{AccountID: account, Region: region}))
	dynamoURL := serve("DynamoDB",
		dynamoserver.New(dynamoserver.Config{AccountID: account, Region: region, Now: clock.Now}))
	admin := newKMS(kmsURL, "admin")
	key := func(in *kms.CreateKeyInput) vault.Key {
		made, err := admin.CreateKey(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return vault.Key{Version: "1", ARN: *made.KeyMetadata.Arn}
	}
	u.tables = newDynamoDB(dynamoURL, "admin")
	createTables(t, u.tables)
	options := func(name string) awsjson.Options {
		return awsjson.Options{AttemptTimeout: 300 * time.Millisecond, MaxBackoff: 5 * time.Millisecond,
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if u.down[name].Load() {
					return nil, &net.DNSError{Err: "server misbehaving", Name: "upstream text", IsTemporary: true}
				}
				var d net.Dialer
				return d.DialContext(ctx, network, address)
			}}
	}
	keys, err := kmsapi.New(environmentOf(t, kmsURL, "AKID", nil), options("KMS"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := dynamoapi.New(environmentOf(t, dynamoURL, "AKID", nil), options("DynamoDB"))
	if err != nil {
		t.Fatal(err)
	}
	u.fixture = newVault(t, func(c *vault.Config) {
		c.TokenKeys = []vault.Key{key(&kms.CreateKeyInput{})}
		c.FingerprintKeys = []vault.Key{key(&kms.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})}
		c.KMS, c.Store, c.Now, c.Timeout = keys, store, clock.Now, u.limit
	})
	return u
}

// hurry has operations fail at the same time, each in time and as what is not there for the moment.
func (u *upset) hurry(t *testing.T, operations map[string]func() error) {
	t.Helper()
	var wg sync.WaitGroup
	for name, operation := range operations {
		wg.Go(func() {
			start := time.Now()
			wantKind(t, operation(), failure.Unavailable)
			if took := time.Since(start); took > 3*u.limit { // more than once, because the machine may be slow
				t.Errorf("%s took %v", name, took)
			}
		})
	}
	wg.Wait()
}

// whole checks that nothing was written by halves: every token of the index is in the vault, and every row has all that
// a row has.
func (u *upset) whole(t *testing.T) {
	t.Helper()
	scan := func(name string) []map[string]string {
		out, err := u.tables.Scan(t.Context(), &dynamodb.ScanInput{TableName: &name})
		if err != nil {
			t.Fatal(err)
		}
		var rows []map[string]string
		for _, row := range out.Items {
			texts := map[string]string{}
			for name := range row {
				texts[name] = textIn(row, name)
			}
			rows = append(rows, texts)
		}
		return rows
	}
	stored := map[string]bool{}
	for _, row := range scan(table) {
		stored[row["Hash_Key"]] = true
		for _, name := range []string{"Hash_Key", "Account_Id", "CandidateString", "Ref", "Format"} {
			if _, found := row[name]; !found {
				t.Errorf("a row has no %s", name)
			}
		}
	}
	for _, row := range scan(index) {
		if tok, found := row["Hash_Key"]; found && !stored[tok] {
			t.Error("the index names a token that the vault does not have")
		}
	}
}

func TestFault_OfOneServiceIsAnsweredInTimeAndEndsWithIt(t *testing.T) {
	for _, service := range []string{"KMS", "DynamoDB"} {
		for name, f := range faults {
			t.Run(service+" "+name, func(t *testing.T) {
				t.Parallel()
				u := newUpset(t)
				u.through(t, service, func(on bool) {
					if on {
						u.of[service].set(f)
					} else {
						u.of[service].set(nil)
					}
				})
			})
		}
		t.Run(service+" cannot be looked up", func(t *testing.T) {
			t.Parallel()
			u := newUpset(t)
			u.through(t, service, func(on bool) {
				u.down[service].Store(on)
				u.of[service].set(nil)
				if on { // connections that are open need no name: they are lost too
					u.of[service].set(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) { hangUp(w, "") })
				}
			})
		})
	}
}

// through goes through a fault of a service, which trouble switches on and off, with every kind of operation.
func (u *upset) through(t *testing.T, service string, trouble func(on bool)) {
	t.Helper()
	ctx := t.Context()
	known := u.create(t, visa)
	limited := u.create(t, visa, uses(1))
	first := u.create(t, visa, deterministic("before"))
	trouble(true)
	operations := map[string]func() error{
		"tokenize": func() error { _, err := u.Create(ctx, vault.Create{Data: cardData(t, visa)}); return err },
		"tokenize deterministically": func() error {
			_, err := u.Create(ctx, vault.Create{Data: cardData(t, visa), Deterministic: true, Scope: "during"})
			return err
		},
		"detokenize":      func() error { _, err := u.detokenize(t, known.Token); return err },
		"detokenize once": func() error { _, err := u.Detokenize(ctx, attempt(limited.Token, "one")); return err },
	}
	if service == "DynamoDB" { // revoking does not need KMS
		operations["revoke"] = func() error { _, err := u.Revoke(ctx, first.Token); return err }
	}
	u.hurry(t, operations)
	trouble(false)
	u.whole(t)
	if data, err := u.detokenize(t, known.Token); err != nil || data != visa {
		t.Errorf("detokenize after the fault: %v", err)
	}
	if _, err := u.Detokenize(ctx, attempt(limited.Token, "one")); err != nil {
		t.Errorf("the same attempt after the fault: %v", err)
	}
	if _, err := u.Detokenize(ctx, attempt(limited.Token, "two")); !errors.Is(err, failure.UsedUp) {
		t.Errorf("another attempt: %v", err)
	}
	during := u.create(t, visa, deterministic("during"))
	if again := u.create(t, visa, deterministic("during")); again.Token != during.Token {
		t.Error("a deterministic token is not found again")
	}
	u.revoke(t, first.Token)
	u.revoke(t, during.Token)
	u.whole(t)
}
