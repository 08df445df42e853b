package envelope

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

// Promise: neither the keys of a message nor a plaintext that is refused stay in memory, however Seal and Open end.
func TestEnvelope_WipesSecrets(t *testing.T) {
	const size = 2*frameLength + 100 // two frames and a final one
	c := Context{"table": "T"}
	newKey := func() []byte { return bytes.Repeat([]byte{7}, KeySize) }
	text := bytes.Repeat([]byte("4"), size)
	var s secrets
	message, err := s.seal(DataKey{newKey(), WrappedKey{KMSProvider, "arn", []byte("wrapped")}}, c, text)
	if err != nil {
		t.Fatal(err)
	}
	wantWiped(t, "sealed", &s, true)
	header := headerSize(c, WrappedKey{KMSProvider, "arn", []byte("wrapped")})
	if len(message) != header+bodySize(size) || cap(message) != len(message) {
		t.Errorf("a message of %d bytes of %d, computed as %d", len(message), cap(message), header+bodySize(size))
	}

	refused := errors.New("refused")
	for _, tt := range []struct {
		name    string
		altered int // index of a byte
		key     []byte
		unwrap  error
		want    error
		derived bool // so there was something to wipe
		text    int  // bytes of plaintext that there was room for
	}{
		{"opened", -1, newKey(), nil, nil, true, 0},
		{"the first frame altered", header + 4 + ivSize, newKey(), nil, ErrAuthentication, true, size},
		{"the final frame altered", len(message) - 1, newKey(), nil, ErrAuthentication, true, size},
		{"the tag of the header altered", header - 1, newKey(), nil, ErrAuthentication, true, 0},
		{"the commitment altered", header - tagSize - 1, newKey(), nil, ErrAuthentication, true, 0},
		{"another data key", -1, bytes.Repeat([]byte{8}, KeySize), nil, ErrAuthentication, true, 0},
		{"a long data key", -1, bytes.Repeat([]byte{7}, KeySize+1), nil, ErrAuthentication, false, 0},
		{"a data key beside an error", -1, newKey(), refused, refused, false, 0},
	} {
		m := bytes.Clone(message)
		if tt.altered >= 0 {
			m[tt.altered] ^= 1
		}
		var s secrets
		got, err := s.open(t.Context(), m, c, func(context.Context, WrappedKey, Context) ([]byte, error) {
			return tt.key, tt.unwrap
		})
		if err != tt.want || (got != nil) != (err == nil) || err == nil && !bytes.Equal(got, text) {
			t.Errorf("%s: %d bytes, error %v", tt.name, len(got), err)
		}
		if cap(s.plaintext) != tt.text {
			t.Errorf("%s: there was room for %d bytes of plaintext", tt.name, cap(s.plaintext))
		}
		if !isZero(tt.key) {
			t.Errorf("%s: the data key was not wiped", tt.name)
		}
		wantWiped(t, tt.name, &s, tt.derived)
	}
}

// A panic of Unwrap, too, leaves nothing. What it was given is not a secret.
func TestEnvelope_WipesSecretsBeforeAPanicGoesOn(t *testing.T) {
	var s secrets
	defer func() {
		if recover() == nil || !isZero(s.dataKey) {
			t.Error("not wiped, or no panic")
		}
	}()
	c := Context{"table": "T"}
	message, err := Seal(DataKey{make([]byte, KeySize), WrappedKey{}}, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.dataKey = bytes.Repeat([]byte{7}, KeySize)
	_, _ = s.open(t.Context(), message, c, func(context.Context, WrappedKey, Context) ([]byte, error) {
		panic("unwrap")
	})
}

func wantWiped(t *testing.T, name string, s *secrets, derived bool) {
	t.Helper()
	for what, b := range map[string][]byte{
		"the pseudorandom key": s.pseudorandom, "the encryption key": s.encryptionKey, "the commitment": s.commitment,
	} {
		if !isZero(b) || (len(b) > 0) != derived {
			t.Errorf("%s: %s has %d bytes, or is not wiped", name, what, len(b))
		}
	}
	if !isZero(s.plaintext[:cap(s.plaintext)]) {
		t.Errorf("%s: plaintext was not wiped", name)
	}
}

func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
