package envelope_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
)

// The official library and ours accept the same messages, with the same plaintext, but for what stricter lists. Half of
// the inputs are repaired after the fuzzer has changed them: commitment and tags are made anew, so that a change is not
// refused just because something does not authenticate.
func FuzzDifferential(f *testing.F) {
	library := newOfficial(f)
	key, _ := fixedKey()
	for _, m := range writtenByBoth(f, library, key) {
		f.Add(m, false)
		f.Add(m, true)
	}
	for _, m := range oddities(f, key) {
		f.Add(m, true)
	}
	for _, m := range illegal(f, key) {
		f.Add(m, true)
	}
	f.Add(crowdedContext(), true)
	f.Add(crowdedKeys(), true)
	f.Fuzz(func(t *testing.T, message []byte, repaired bool) {
		if repaired {
			message = repair(message)
		}
		compare(t, library, message)
	})
}

// What neither opens although every tag is right: seeds of the fuzzer, and named here.
func TestOpen_RefusesIllegalLayoutsAsTheOfficialLibraryDoes(t *testing.T) {
	library := newOfficial(t)
	key, unwrap := fixedKey()
	for name, m := range illegal(t, key) {
		m = repair(m)
		if _, err := checkedOpen(t, m, bound, unwrap); err != envelope.ErrFormat {
			t.Errorf("%s: error = %v", name, err)
		}
		if _, _, err := library.open(m, unwrap); err == nil {
			t.Errorf("%s: the library opens it", name)
		}
	}
}

// Key commitment: the tags alone would let somebody make one message that opens to different plaintexts under different
// keys.
func TestOpen_RefusesAnotherCommitmentThoughEveryTagIsRight(t *testing.T) {
	library := newOfficial(t)
	key, unwrap := fixedKey()
	m := resealed(seal(t, key, bound), make([]byte, 32))
	if _, err := checkedOpen(t, m, bound, unwrap); err != envelope.ErrAuthentication {
		t.Errorf("error = %v", err)
	}
	compare(t, library, m)
	if _, err := checkedOpen(t, resealed(m, nil), bound, unwrap); err != nil {
		t.Errorf("with its own commitment: %v", err)
	}
}

// Each difference that stricter lists exists: the library opens the message, and we refuse it for that reason.
func TestOpen_IsStricterThanTheOfficialLibrary(t *testing.T) {
	library := newOfficial(t)
	key, unwrap := fixedKey()
	for reason, m := range oddities(t, key) {
		m = repair(m)
		_, c, err := library.open(m, unwrap)
		if err != nil {
			t.Errorf("%s: the library refuses it, too: %v", reason, err)
		}
		if got := stricter(m, c); got != reason {
			t.Errorf("%s: refused because of %q", reason, got)
		}
		compare(t, library, m)
	}
}

// A block in place of frames is not written by the library for Go, but by those for Java and Python, and all of them
// open it.
func TestOpen_OpensABlockInPlaceOfFrames(t *testing.T) {
	library := newOfficial(t)
	key, unwrap := fixedKey()
	for _, content := range []string{"", "x", sample, strings.Repeat("long ", 2000)} {
		m := repair(block(t, key, content))
		want, _, err := library.open(m, unwrap)
		if err != nil || string(want) != content {
			t.Errorf("the library: %v", err)
		}
		if got, err := checkedOpen(t, m, bound, unwrap); err != nil || string(got) != content {
			t.Errorf("%d bytes: %v", len(content), err)
		}
		for i := range min(len(m), 400) { // the header and the beginning of the block
			m[i] ^= 1
			compare(t, library, m)
			compare(t, library, repair(m))
			m[i] ^= 1
		}
	}
}

// maxOfficial bounds what the library is given: it takes seconds and gigabytes for thousands of pairs or frames.
const maxOfficial = 32

// compare opens a message with the library and with ours. Its data key is its wrapped one, inverted.
func compare(t *testing.T, library official, message []byte) {
	t.Helper()
	l, dissected := dissect(message)
	want := bound
	if dissected {
		want = l.context
	}
	asked := 0
	unwrap := func(ctx context.Context, w envelope.WrappedKey, c envelope.Context) ([]byte, error) {
		asked++
		key := invert(w.Ciphertext)
		if len(key) != envelope.KeySize { // the library would have checks of its own
			return nil, errNotOurs
		}
		return key, nil
	}
	got, err := envelope.Open(t.Context(), message, want, unwrap)
	if asked > 1 || asked == 0 == (err != envelope.ErrFormat && err != envelope.ErrContext) || err != nil &&
		got != nil {
		t.Errorf("error %v and %d bytes after the key was asked for %d times", err, len(got), asked)
	}
	if len(message) > 39 && binary.BigEndian.Uint16(message[37:]) > maxOfficial || len(l.frames) > maxOfficial {
		return
	}
	official, c, refused := library.open(message, unwrap)
	if refused != nil {
		if err == nil {
			t.Errorf("opened, but the library says: %v", refused)
		}
		return
	}
	if !dissected || !maps.Equal(c, want) {
		t.Fatalf("the library opens what the test cannot read; context %q", c)
	}
	switch reason := stricter(message, c); {
	case err != nil && reason == "":
		t.Errorf("refused, but the library opens it: %v", err)
	case err == nil && reason != "":
		t.Errorf("opened in spite of %s", reason)
	case err == nil && !bytes.Equal(got, official):
		t.Errorf("opened to other bytes than the library's: %d instead of %d", len(got), len(official))
	}
	if _, err := envelope.Open(t.Context(), message, with(c, "one", "more"), unwrap); err != envelope.ErrContext &&
		len(message) <= envelope.MaxMessage {
		t.Errorf("with another context: %v", err)
	}
}

// stricter says why we refuse a message that the library opens: "" if there is no reason. The list is complete. Two
// more rules do not need a reason here, since the library has been told them: one data key, and an unwrapped key of 32
// bytes.
func stricter(m []byte, c envelope.Context) string {
	l, _ := dissect(m)
	switch {
	case len(m) > envelope.MaxMessage:
		return "its size"
	case len(c) == 0:
		return "an empty context"
	case slices.ContainsFunc(slices.Collect(maps.Keys(c)), func(name string) bool {
		return strings.HasPrefix(name, "aws-crypto-")
	}):
		return "a reserved name"
	case !bytes.Equal(m[37:l.keys], serialize(c)):
		return "the order of the context"
	}
	for _, f := range l.frames {
		if !bytes.Equal(m[f.iv:f.iv+12], binary.BigEndian.AppendUint32(make([]byte, 8), f.number)) {
			return "an IV that is not the frame's number"
		}
	}
	return ""
}

// oddities are messages that the library opens once they are repaired, by the reason for which we refuse them.
func oddities(t testing.TB, key envelope.DataKey) map[string][]byte {
	t.Helper()
	sealed := func(c envelope.Context) []byte { return seal(t, key, c) }
	otherIV := sealed(bound)
	l, _ := dissect(otherIV)
	otherIV[l.frames[0].iv] = 1
	none := sealed(envelope.Context{"a": ""})
	none = slices.Concat(none[:35], []byte{0, 0}, none[35+2+2+5:])
	large := sealed(bound)
	large = slices.Concat(large[:l.frames[0].content-4], binary.BigEndian.AppendUint32(nil, envelope.MaxMessage),
		make([]byte, envelope.MaxMessage+16))
	binary.BigEndian.PutUint32(large[l.commitment-4:], envelope.MaxMessage)
	return map[string][]byte{
		"its size":         large,
		"an empty context": none,
		"a reserved name": bytes.Replace(sealed(envelope.Context{"xws-crypto-x": "1"}),
			[]byte("xws"), []byte("aws"), 1),
		"the order of the context": bytes.Replace(sealed(envelope.Context{"a": "1", "b": "2"}),
			[]byte("\x00\x01a\x00\x011"), []byte("\x00\x01c\x00\x011"), 1),
		"an IV that is not the frame's number": otherIV,
	}
}

// illegal are messages whose layout the specification forbids.
func illegal(t testing.TB, key envelope.DataKey) map[string][]byte {
	t.Helper()
	m := seal(t, key, bound)
	l, _ := dissect(m)
	f := l.frames[0]
	with := func(at int, b ...byte) []byte { return slices.Concat(m[:at], b, m[at+len(b):]) }
	withoutFrame := slices.Concat(m[:f.content-4], make([]byte, 4+16))
	lengthOfBlock, overflow := block(t, key, sample), block(t, key, sample)
	lengthOfBlock[l.commitment-1] = 1
	overflow = binary.BigEndian.AppendUint64(overflow[:l.body+12], math.MaxUint64-15) // and the tag's 16 bytes make 0
	return map[string][]byte{
		"no data key":    slices.Concat(m[:l.keys], []byte{0, 0}, m[l.commitment-5:]),
		"content type 0": with(l.commitment-5, 0),
		"content type 3": with(l.commitment-5, 3),
		"frames of no length": slices.Concat(withoutFrame[:l.commitment-4], make([]byte, 4),
			withoutFrame[l.commitment:]),
		"a block with a length of frames":   lengthOfBlock,
		"a block whose length overflows":    overflow,
		"a final frame longer than a frame": with(l.commitment-4, 0, 0, 0, byte(f.length-1)),
		"a final frame number 0":            with(f.iv-4, 0, 0, 0, 0),
		"a final frame number 2":            with(f.iv-4, 0, 0, 0, 2),
		"a frame after the final one":       slices.Concat(m, m[l.body:]),
		"a final frame that is not marked": slices.Concat(with(l.commitment-4, 0, 0, 0, byte(f.length))[:l.body],
			m[f.iv-4:f.content-4], m[f.content:]),
		"a provider that is not UTF-8":  with(l.keys+4, 0xff),
		"more data keys than there are": with(l.keys, 0, 2),
	}
}

// block is a message of one block, which needs to be repaired.
func block(t testing.TB, key envelope.DataKey, content string) []byte {
	t.Helper()
	m := seal(t, key, bound)
	l, _ := dissect(m)
	m = m[:l.body]
	m[l.commitment-5] = 1
	clear(m[l.commitment-4 : l.commitment])
	m = append(append(m, make([]byte, 11)...), 1)
	m = binary.BigEndian.AppendUint64(m, uint64(len(content)))
	return append(append(m, content...), make([]byte, 16)...)
}

func writtenByBoth(t testing.TB, library official, key envelope.DataKey) (messages [][]byte) {
	t.Helper()
	for _, c := range contexts {
		for _, size := range []int{0, 1, 46} {
			m, err := envelope.Seal(key, c, make([]byte, size))
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, m)
			for _, length := range []int64{4, 16, 23, 46, 4096, 1<<32 - 1} {
				m, err := library.seal(key, c, make([]byte, size), length)
				if err != nil {
					t.Fatal(err)
				}
				messages = append(messages, m)
			}
		}
	}
	return append(messages, block(t, key, sample))
}

// layout is where the parts of a message are. dissect is a second reader, which knows the format but none of the rules,
// and reads as much of the body as there is.
type layout struct {
	context                     envelope.Context
	keys, commitment, tag, body int
	wrapped                     []byte
	contentType                 byte
	frameLength                 uint32
	frames                      []part
}

// part is a frame or a block: from start on there are number, IV and length, then content and tag.
type part struct {
	kind               string
	number             uint32
	start, iv, content int
	length             int
}

// dissect reports false if the header is not whole, or has more than one data key.
func dissect(m []byte) (l layout, ok bool) {
	defer func() {
		if recover() != nil { // beyond the end
			l, ok = layout{}, false
		}
	}()
	m = slices.Clip(m) // so that its end is where slicing panics
	at := 35
	number := func(n int) (v int) {
		for range n {
			v, at = v<<8|int(m[at]), at+1
		}
		return v
	}
	field := func() []byte {
		n := number(2)
		at += n
		return m[at-n : at]
	}
	l.context = envelope.Context{}
	if number(2) > 0 {
		for range number(2) {
			name := string(field())
			l.context[name] = string(field())
		}
	}
	l.keys = at
	if number(2) != 1 {
		return layout{}, false
	}
	field()
	field()
	l.wrapped = field()
	l.contentType, l.frameLength = byte(number(1)), uint32(number(4))
	l.commitment, l.tag, l.body = at, at+32, at+48
	_ = m[:l.body]
	at = l.body
	l.frames = parts(m, l)
	return l, true
}

// parts are the frames, or the block, that are whole.
func parts(m []byte, l layout) (parts []part) {
	for at := l.body; ; {
		p := part{kind: "AWSKMSEncryptionClient Frame", start: at, iv: at + 4, length: int(l.frameLength)}
		switch {
		case l.contentType == 1:
			p = part{kind: "AWSKMSEncryptionClient Single Block", number: 1, start: at, iv: at, content: at + 20}
			if len(m) >= p.content {
				p.length = int(min(binary.BigEndian.Uint64(m[at+12:]), 1<<40))
			}
		case len(m) >= at+4 && binary.BigEndian.Uint32(m[at:]) == 0xffffffff:
			p = part{kind: "AWSKMSEncryptionClient Final Frame", start: at, iv: at + 8, content: at + 24}
			if len(m) >= p.content {
				p.length = int(binary.BigEndian.Uint32(m[at+20:]))
			}
		default:
			p.content = at + 16
		}
		if len(m)-16-p.length < p.content {
			return parts
		}
		if l.contentType != 1 {
			p.number = binary.BigEndian.Uint32(m[p.iv-4:])
		}
		parts = append(parts, p)
		if at = p.content + p.length + 16; p.kind != "AWSKMSEncryptionClient Frame" {
			return parts
		}
	}
}

// repair makes the commitment and every tag of a message right, as somebody who has the data key could. What was
// ciphertext is plaintext now.
func repair(m []byte) []byte { return resealed(m, nil) }

// resealed is repair with another commitment than the key's, if it is not nil.
func resealed(m, commitment []byte) []byte {
	l, ok := dissect(m)
	if !ok || len(l.wrapped) != envelope.KeySize {
		return m
	}
	m = bytes.Clone(m)
	derive := func(info string) []byte {
		key, err := hkdf.Key(sha512.New, invert(l.wrapped), m[3:35], info, 32)
		if err != nil {
			panic(err)
		}
		return key
	}
	block, err := aes.NewCipher(derive("\x04\x78DERIVEKEY"))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	if commitment == nil {
		commitment = derive("COMMITKEY")
	}
	copy(m[l.commitment:l.tag], commitment)
	aead.Seal(m[:l.tag], make([]byte, 12), nil, m[:l.tag])
	for _, p := range l.frames {
		additional := slices.Concat(m[3:35], []byte(p.kind), binary.BigEndian.AppendUint32(nil, p.number),
			binary.BigEndian.AppendUint64(nil, uint64(p.length)))
		aead.Seal(m[:p.content], m[p.iv:p.iv+12], m[p.content:p.content+p.length], additional)
	}
	return m
}
