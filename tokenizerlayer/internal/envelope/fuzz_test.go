package envelope_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
)

// Bounds of one Open: far above what it takes, and far below what a message of MaxMessage bytes can make a careless
// reader take. TestOpen_AllocatesInProportionToTheMessage has the narrow bound.
const (
	maxTime  = 5 * time.Second
	maxAlloc = 1 << 20
)

// checkedOpen opens a message and checks what holds for every message: bounded time and memory, named errors, a key
// service that is asked at most once and for the expected context, no plaintext beside an error.
func checkedOpen(t testing.TB, message []byte, want envelope.Context, unwrap envelope.Unwrap) ([]byte, error) {
	t.Helper()
	asked := 0
	before, original, start := allocated(), bytes.Clone(message), time.Now()
	got, err := envelope.Open(t.Context(), message, want,
		func(ctx context.Context, w envelope.WrappedKey, c envelope.Context) ([]byte, error) {
			if asked++; !maps.Equal(c, want) {
				t.Error("the key was asked for with another context")
			}
			return unwrap(ctx, w, c)
		})
	if took, used := time.Since(start), allocated()-before; took > maxTime || used > maxAlloc {
		t.Errorf("took %v and %d bytes", took, used)
	}
	if asked > 1 || (err == envelope.ErrContext || err == envelope.ErrFormat) && asked > 0 {
		t.Errorf("error %v after the key was asked for %d times", err, asked)
	}
	switch err {
	case nil, envelope.ErrFormat, envelope.ErrContext, envelope.ErrAuthentication, errNotOurs:
	default:
		t.Errorf("error = %v", err)
	}
	if err != nil && got != nil {
		t.Error("a plaintext beside an error")
	}
	if !bytes.Equal(message, original) {
		t.Error("the message has changed")
	}
	return got, err
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// fixedKey is the key of testdata/sealed.hex. Workers of the fuzzer are processes of their own and must agree on it.
func fixedKey() (envelope.DataKey, envelope.Unwrap) {
	plain := make([]byte, envelope.KeySize)
	for i := range plain {
		plain[i] = byte(i)
	}
	unwrap := func(_ context.Context, w envelope.WrappedKey, _ envelope.Context) ([]byte, error) {
		return invert(w.Ciphertext), nil
	}
	wrapped := envelope.WrappedKey{Provider: envelope.KMSProvider, Info: "arn", Ciphertext: invert(plain)}
	return envelope.DataKey{Plaintext: plain, Wrapped: wrapped}, unwrap
}

// sealedSample is sample, sealed once under the fixed key and bound to bound.
func sealedSample(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/sealed.hex")
	if err != nil {
		t.Fatal(err)
	}
	m, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Whatever a message was turned into, it opens to what was sealed, from the bytes that were sealed, or not at all.
func FuzzOpen(f *testing.F) {
	_, unwrapOurs := fixedKey()
	ours, theirs := sealedSample(f), openableVector(f)
	for _, m := range [][]byte{
		ours, nil, ours[:3], ours[:len(ours)-1], append(bytes.Clone(ours), 0), crowdedContext(), crowdedKeys(),
		bytes.Replace(ours, []byte("6b1f"), []byte("6b1e"), 1),
		bytes.Replace(ours, []byte("arn"), []byte("\xff\xfe\x00"), 1),
	} {
		f.Add(m, false)
	}
	for _, v := range readVectors(f) {
		f.Add(v.Message, true)
	}
	f.Fuzz(func(t *testing.T, message []byte, published bool) {
		genuine, want, unwrap, plaintext := ours, bound, unwrapOurs, []byte(sample)
		if published {
			genuine, want, unwrap, plaintext = theirs.Message, theirs.Context, theirs.unwrap, theirs.Plaintext
		}
		got, err := checkedOpen(t, message, want, unwrap)
		if opened := err == nil; opened != bytes.Equal(message, genuine) || opened && !bytes.Equal(got, plaintext) {
			t.Errorf("error = %v", err)
		}
	})
}

// What Seal makes opens, with the same context and no other, and not after any change. The official library opens it,
// too, and does not seal what Seal refuses for another reason than its size.
func FuzzSealedMessage(f *testing.F) {
	f.Add([]byte(sample), "hash_key", "6b1f", "6b1e", uint16(200), byte(1))
	f.Add([]byte(nil), "", "", "x", uint16(0), byte(0))
	f.Add([]byte{0}, "table", "U", "T", uint16(35), byte(1))
	f.Add(bytes.Repeat([]byte{7}, envelope.MaxPlaintext), "Ä\U00010000", "\uffff", "\u0000", uint16(36), byte(0x80))
	f.Add(bytes.Repeat([]byte{7}, envelope.MaxPlaintext), "k", strings.Repeat("v", envelope.MaxMessage/2), "",
		uint16(36), byte(0x80))
	f.Add(make([]byte, envelope.MaxPlaintext+1), "k", "v", "w", uint16(1), byte(1))
	f.Add([]byte("x"), "aws-crypto-public-key", "v", "w", uint16(1), byte(1))
	f.Add([]byte("x"), "k", "\xff", "w", uint16(1), byte(1))
	f.Add([]byte("0"), "\xef", "\xb4\xb0", "0", uint16(1), byte(1)) // only together they are UTF-8
	library := newOfficial(f)
	key, unwrap := fixedKey()
	f.Fuzz(func(t *testing.T, plaintext []byte, name, value, other string, at uint16, change byte) {
		c := envelope.Context{"table": "T", name: value}
		message, err := envelope.Seal(key, c, plaintext)
		if err != nil {
			simple := utf8.ValidString(name) && utf8.ValidString(value) && !strings.HasPrefix(name, "aws-crypto-") &&
				len(plaintext)+len(name)+len(value) <= envelope.MaxPlaintext
			if simple || message != nil {
				t.Errorf("not sealed: %v", err)
			}
			if m, err := library.seal(key, c, plaintext, 0); err == nil && len(m) <= envelope.MaxMessage &&
				len(plaintext) <= envelope.MaxPlaintext {
				t.Error("the library seals it")
			}
			return
		}
		if got, read, err := library.open(message, unwrap); err != nil || !bytes.Equal(got, plaintext) ||
			!maps.Equal(read, c) {
			t.Errorf("the library does not open it: %v", err)
		}
		if got, err := checkedOpen(t, message, c, unwrap); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("not opened again: %v", err)
		}
		if changed := with(c, name, other); !maps.Equal(changed, c) {
			if _, err := checkedOpen(t, message, changed, unwrap); err != envelope.ErrContext {
				t.Errorf("with another context: %v", err)
			}
		}
		i := int(at) % len(message)
		if _, err := checkedOpen(t, message[:i], c, unwrap); err == nil {
			t.Errorf("%d of %d bytes opened", i, len(message))
		}
		if message[i] ^= change; change != 0 {
			if _, err := checkedOpen(t, message, c, unwrap); err == nil {
				t.Errorf("opened with byte %d of %d changed", i, len(message))
			}
		}
	})
}

func with(c envelope.Context, name, value string) envelope.Context {
	changed := maps.Clone(c)
	changed[name] = value
	return changed
}

// A message that anybody can write must not be expensive to refuse. The AWS library for Go needs seconds and gigabytes
// for the first.
func TestOpen_RefusesACrowdedHeaderAtOnce(t *testing.T) {
	_, unwrap := fixedKey()
	for name, tt := range map[string]struct {
		message []byte
		err     error
	}{
		"thousands of pairs in the context": {crowdedContext(), envelope.ErrContext},
		"thousands of data keys":            {crowdedKeys(), envelope.ErrFormat},
	} {
		if len(tt.message) > envelope.MaxMessage {
			t.Fatalf("%s: %d bytes are refused for their number", name, len(tt.message))
		}
		if _, err := checkedOpen(t, tt.message, bound, unwrap); err != tt.err {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

// An empty context can be written in two ways. Expecting nothing matches neither.
func TestSeal_BindsEveryMessageToSomething(t *testing.T) {
	_, unwrap := fixedKey()
	for _, context := range [][]byte{{0, 0}, {0, 2, 0, 0}} {
		for _, want := range []envelope.Context{nil, {}} {
			if _, err := checkedOpen(t, header(context, oneKey), want, unwrap); err != envelope.ErrContext {
				t.Errorf("context % x: error = %v", context, err)
			}
		}
	}
}

// oneKey is a header's list of data keys: one, whose provider, info and ciphertext are a letter each.
var oneKey = []byte{0, 1, 0, 1, 'p', 0, 1, 'i', 0, 1, 'c'}

// crowdedContext is a well-formed header whose context fills the message.
func crowdedContext() []byte {
	const n = 2600
	pairs := binary.BigEndian.AppendUint16(nil, n)
	for i := range n {
		pairs = append(pairs, 0, 2, byte('!'+i/90), byte('!'+i%90), 0, 0)
	}
	return header(append(binary.BigEndian.AppendUint16(nil, uint16(len(pairs))), pairs...), oneKey)
}

// crowdedKeys is a well-formed header, bound to bound, that is full of data keys.
func crowdedKeys() []byte {
	const n = 2600
	context := serialize(bound)
	keys := append(binary.BigEndian.AppendUint16(nil, n), make([]byte, 6*n)...)
	return header(append(binary.BigEndian.AppendUint16(nil, uint16(len(context))), context...), keys)
}

func header(context, keys []byte) []byte {
	m := append([]byte{2, 0x04, 0x78}, make([]byte, 32)...)
	m = append(append(m, context...), keys...)
	m = append(m, 2, 0, 0, 0x10, 0)             // framed, 4096 bytes
	return append(m, make([]byte, 32+16+32)...) // commitment, tag and a little more
}

// What a message says about its own lengths must not make Open allocate: there may be less than it says.
func TestOpen_AllocatesInProportionToTheMessage(t *testing.T) {
	key, unwrap := fixedKey()
	genuine := seal(t, key, bound)
	l, ok := dissect(genuine)
	if !ok {
		t.Fatal("the message cannot be read")
	}
	large := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	put := func(m []byte, at, n int) []byte { return slices.Concat(m[:at], large[:n], m[at+n:]) }
	short := func(at, n int) []byte { return put(genuine, at, n)[:at+n] } // ends after the large number
	blocks := block(t, key, sample)
	smallFrames := slices.Concat(genuine[:l.commitment-4], []byte{0, 0, 0, 1}, genuine[l.commitment:l.body])
	number := uint32(1)
	frame := func(m []byte) []byte {
		m = append(binary.BigEndian.AppendUint32(m, number), make([]byte, 8)...)
		return binary.BigEndian.AppendUint32(m, number)
	}
	for ; len(smallFrames)+33+40 <= envelope.MaxMessage; number++ {
		smallFrames = append(frame(smallFrames), make([]byte, 17)...)
	}
	smallFrames = repair(append(frame(append(smallFrames, large[:4]...)), make([]byte, 4+16)...))
	if got, err := checkedOpen(t, smallFrames, bound, unwrap); err != nil || len(got) != int(number)-1 {
		t.Fatalf("small frames: %d bytes, error %v", len(got), err)
	}
	full, err := envelope.Seal(key, bound, make([]byte, envelope.MaxPlaintext))
	if err != nil {
		t.Fatal(err)
	}
	huge := with(bound, "more", strings.Repeat("x", 1<<20))
	before := allocated()
	if _, err := envelope.Open(t.Context(), genuine, huge, unwrap); err != envelope.ErrContext ||
		allocated()-before > 8<<10 {
		t.Errorf("an expected context of a megabyte: error %v, %d bytes", err, allocated()-before)
	}
	for name, m := range map[string][]byte{
		"genuine":                      genuine,
		"the largest":                  full,
		"the largest, altered":         append(bytes.Clone(full[:len(full)-1]), full[len(full)-1]^1),
		"length of the context":        put(genuine, 35, 2),
		"pairs in the context":         put(genuine, 37, 2),
		"number of keys":               put(genuine, l.keys, 2),
		"length of the provider":       put(genuine, l.keys+2, 2),
		"length of the provider, last": short(l.keys+2, 2),
		"length of the info":           put(genuine, l.keys+4+7, 2),
		"length of the ciphertext":     put(genuine, l.keys+4+7+2+3, 2),
		"length of frames":             put(genuine, l.commitment-4, 4),
		"length of frames, repaired":   repair(put(genuine, l.commitment-4, 4)),
		"length of the final frame":    put(put(genuine, l.frames[0].content-4, 4), l.commitment-4, 4),
		"length of the block":          put(blocks, l.body+12, 8),
		"length of the block, last":    put(blocks, l.body+12, 8)[:l.body+20],
		"many small frames":            smallFrames,
		"crowded context":              crowdedContext(),
		"crowded keys":                 crowdedKeys(),
	} {
		before := allocated()
		const runs = 100
		for range runs {
			_, _ = envelope.Open(t.Context(), m, bound, unwrap)
		}
		// Keys and ciphers take some thousand bytes, whatever the message.
		if used := int(allocated()-before) / runs; used > 3*len(m)+8<<10 {
			t.Errorf("%s: %d bytes allocated for a message of %d", name, used, len(m))
		}
	}
}
