package envelope_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
)

var bound = envelope.Context{"table": "T", "account_id": "123456789012", "hash_key": "6b1f"}

const sample = `{"v":1,"type":"card","data":"4111111111111111"}`

// newKey returns a data key whose wrapped form is its plaintext inverted, and the function that unwraps it.
func newKey(t testing.TB) (envelope.DataKey, envelope.Unwrap) {
	t.Helper()
	plain := make([]byte, envelope.KeySize)
	if _, err := rand.Read(plain); err != nil {
		t.Fatal(err)
	}
	unwrap := func(_ context.Context, w envelope.WrappedKey, _ envelope.Context) ([]byte, error) {
		return invert(w.Ciphertext), nil
	}
	return envelope.DataKey{
		Plaintext: plain,
		Wrapped:   envelope.WrappedKey{Provider: envelope.KMSProvider, Info: "arn", Ciphertext: invert(plain)},
	}, unwrap
}

func invert(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

func seal(t testing.TB, key envelope.DataKey, c envelope.Context) []byte {
	t.Helper()
	m, err := envelope.Seal(key, c, []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSeal_HidesThePlaintextAndOpens(t *testing.T) {
	key, unwrap := newKey(t)
	m := seal(t, key, bound)
	if bytes.Contains(m, []byte("4111")) || bytes.Contains(m, key.Plaintext) {
		t.Fatal("the message holds plaintext or key")
	}
	if m[0] != 2 || m[1] != 0x04 || m[2] != 0x78 {
		t.Fatalf("header % x, want version 2 and suite 0478", m[:3])
	}
	var seen envelope.WrappedKey
	got, err := envelope.Open(t.Context(), m, bound,
		func(ctx context.Context, w envelope.WrappedKey, c envelope.Context) ([]byte, error) {
			seen = w
			if !maps.Equal(c, bound) {
				t.Errorf("unwrap got context %v", c)
			}
			return unwrap(ctx, w, c)
		})
	if err != nil || string(got) != sample {
		t.Fatalf("open: %v", err)
	}
	if seen.Provider != key.Wrapped.Provider || seen.Info != key.Wrapped.Info ||
		!bytes.Equal(seen.Ciphertext, key.Wrapped.Ciphertext) {
		t.Errorf("unwrap got %+v", seen)
	}
}

// A data key service that does not check the context must not be asked at all.
func TestOpen_RefusesAnotherContextBeforeTheKeyIsUnwrapped(t *testing.T) {
	key, unwrap := newKey(t)
	with := func(k, v string) envelope.Context {
		c := maps.Clone(bound)
		if c[k] = v; v == "" {
			delete(c, k)
		}
		return c
	}
	for name, tt := range map[string]struct{ sealed, want envelope.Context }{
		"another token":        {bound, with("hash_key", "other")},
		"another account":      {bound, with("account_id", "210987654321")},
		"another table":        {bound, with("table", "U")},
		"the message has more": {with("purpose", "refund"), bound},
		"the message has less": {bound, with("purpose", "refund")},
		"nothing is expected":  {bound, nil},
		"a key has moved":      {with("purpose", "x"), with("other", "x")},
	} {
		t.Run(name, func(t *testing.T) {
			asked := false
			_, err := envelope.Open(t.Context(), seal(t, key, tt.sealed), tt.want,
				func(ctx context.Context, w envelope.WrappedKey, c envelope.Context) ([]byte, error) {
					asked = true
					return unwrap(ctx, w, c)
				})
			if !errors.Is(err, envelope.ErrContext) || asked {
				t.Errorf("error = %v, key service asked = %v", err, asked)
			}
		})
	}
}

// Messages of one frame and of two.
func messages(t *testing.T, key envelope.DataKey) [][]byte {
	t.Helper()
	long, err := envelope.Seal(key, bound, bytes.Repeat([]byte("long "), 820))
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{seal(t, key, bound), long}
}

func TestOpen_RefusesEveryAlteredBit(t *testing.T) {
	key, unwrap := newKey(t)
	for _, m := range messages(t, key) {
		for i := range 8 * len(m) {
			m[i/8] ^= 1 << (i % 8)
			if got, err := envelope.Open(t.Context(), m, bound, unwrap); err == nil || got != nil {
				t.Fatalf("bit %d of byte %d of %d altered: opened", i%8, i/8, len(m))
			}
			m[i/8] ^= 1 << (i % 8)
		}
		if _, err := envelope.Open(t.Context(), m, bound, unwrap); err != nil {
			t.Fatalf("the message itself: %v", err)
		}
	}
}

// A message that is cut off or goes on is refused before the key is asked for.
func TestOpen_RefusesEveryTruncationAndExtension(t *testing.T) {
	key, _ := newKey(t)
	unwrap := func(context.Context, envelope.WrappedKey, envelope.Context) ([]byte, error) {
		t.Error("the key was asked for")
		return nil, nil
	}
	for _, m := range messages(t, key) {
		for n := range m {
			if _, err := envelope.Open(t.Context(), m[:n], bound, unwrap); err == nil {
				t.Fatalf("%d of %d bytes opened", n, len(m))
			}
		}
		for _, more := range []byte{0, 0xff} {
			longest := append(bytes.Clone(m), bytes.Repeat([]byte{more}, envelope.MaxMessage+1-len(m))...)
			for n := len(m) + 1; n <= len(longest); n++ {
				if _, err := envelope.Open(t.Context(), longest[:n], bound, unwrap); err != envelope.ErrFormat {
					t.Fatalf("%d bytes in place of %d: error = %v", n, len(m), err)
				}
			}
		}
	}
}

func TestOpen_RefusesAnotherDataKey(t *testing.T) {
	key, _ := newKey(t)
	other, _ := newKey(t)
	for name, k := range map[string][]byte{
		"another key": other.Plaintext, "a short key": key.Plaintext[:16], "no key": nil,
	} {
		_, err := envelope.Open(t.Context(), seal(t, key, bound), bound,
			func(context.Context, envelope.WrappedKey, envelope.Context) ([]byte, error) { return k, nil })
		if !errors.Is(err, envelope.ErrAuthentication) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

func TestOpen_ReturnsUnwrapErrorsUnchanged(t *testing.T) {
	key, _ := newKey(t)
	refused := errors.New("refused")
	_, err := envelope.Open(t.Context(), seal(t, key, bound), bound,
		func(context.Context, envelope.WrappedKey, envelope.Context) ([]byte, error) { return nil, refused })
	if !errors.Is(err, refused) {
		t.Errorf("error = %v", err)
	}
}

func TestOpen_RefusesForeignFormats(t *testing.T) {
	_, unwrap := newKey(t)
	for name, m := range map[string][]byte{
		"empty":        nil,
		"text":         []byte("hello"),
		"version 1":    {1, 0x80, 0x04, 0x78},
		"signed suite": {2, 0x05, 0x78, 0},
		"too large":    append([]byte{2, 0x04, 0x78}, make([]byte, envelope.MaxMessage)...),
	} {
		if _, err := envelope.Open(t.Context(), m, bound, unwrap); !errors.Is(err, envelope.ErrFormat) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

// A message that ends with its context is bound to it, but is no message. One that ends before is bound to nothing.
func TestOpen_TellsAMessageWithoutItsEndFromAnotherContext(t *testing.T) {
	key, unwrap := newKey(t)
	m := seal(t, key, bound)
	const version, suite, id, length = 1, 2, 32, 2
	end := version + suite + id + length + int(m[version+suite+id])<<8 + int(m[version+suite+id+1])
	for size, want := range map[int]error{end - 1: envelope.ErrContext, end: envelope.ErrFormat} {
		if _, err := envelope.Open(t.Context(), m[:size], bound, unwrap); !errors.Is(err, want) {
			t.Errorf("%d of %d bytes: error = %v, want %v", size, len(m), err, want)
		}
	}
}

func TestSeal_RefusesMisuse(t *testing.T) {
	key, _ := newKey(t)
	short := key
	short.Plaintext = short.Plaintext[:31]
	odd := key
	odd.Wrapped.Provider = "\xff"
	for name, f := range map[string]func() ([]byte, error){
		"short key":          func() ([]byte, error) { return envelope.Seal(short, bound, []byte("x")) },
		"provider not UTF-8": func() ([]byte, error) { return envelope.Seal(odd, bound, []byte("x")) },
		"no context":         func() ([]byte, error) { return envelope.Seal(key, nil, []byte("x")) },
		"reserved name": func() ([]byte, error) {
			return envelope.Seal(key, envelope.Context{"aws-crypto-x": "1"}, []byte("x"))
		},
		"name not UTF-8": func() ([]byte, error) {
			return envelope.Seal(key, envelope.Context{"\xff": "1"}, []byte("x"))
		},
		"value not UTF-8": func() ([]byte, error) {
			return envelope.Seal(key, envelope.Context{"a": "\xff"}, []byte("x"))
		},
		"large context": func() ([]byte, error) {
			return envelope.Seal(key, envelope.Context{"a": strings.Repeat("1", 1<<16)}, []byte("x"))
		},
		"large plaintext": func() ([]byte, error) {
			return envelope.Seal(key, bound, make([]byte, envelope.MaxPlaintext+1))
		},
	} {
		if m, err := f(); err == nil || m != nil {
			t.Errorf("%s: sealed", name)
		}
	}
	if _, err := envelope.Seal(key, bound, make([]byte, envelope.MaxPlaintext)); err != nil {
		t.Errorf("the largest plaintext: %v", err)
	}
}

func TestEnvelope_ServesConcurrentCallers(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				key, unwrap := newKey(t)
				m, err := envelope.Seal(key, bound, []byte(sample))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := envelope.Open(t.Context(), m, bound, unwrap); err != nil || string(got) != sample {
					t.Error("open:", err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkSeal(b *testing.B) {
	key, _ := newKey(b)
	for b.Loop() {
		seal(b, key, bound)
	}
}

func BenchmarkOpen(b *testing.B) {
	key, unwrap := newKey(b)
	m := seal(b, key, bound)
	for b.Loop() {
		if _, err := envelope.Open(b.Context(), m, bound, unwrap); err != nil {
			b.Fatal(err)
		}
	}
}
