package envelope_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
)

// vector is one of the AWS Encryption SDK's published messages; testdata/README.md says from where.
type vector struct {
	ID        string
	MasterKey struct {
		ProviderID string `json:"provider-id"`
		Key        string
	} `json:"master_key"`
	Key       []byte           `json:"key_material_base64"`
	Context   envelope.Context `json:"encryption_context"`
	Message   []byte           `json:"ciphertext_base64"`
	Plaintext []byte           `json:"plaintext_base64"`
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/esdk-0x0478-raw-aes.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Tests []vector }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	return file.Tests
}

// openable is the vector that is within what this package supports.
const openable = "0478-ec_len_2-cmm_Default-0753d7fa-f37a-4b8c-b1fe-29db29f57af6"

func openableVector(t testing.TB) vector {
	t.Helper()
	vectors := readVectors(t)
	i := slices.IndexFunc(vectors, func(v vector) bool { return v.ID == openable })
	if i < 0 {
		t.Fatal("the vector is gone: ", openable)
	}
	return vectors[i]
}

// Every published vector is listed: what is not opened is refused for a reason of the design.
func TestOpen_OpensPublishedVectorsOrRefusesThemForAReason(t *testing.T) {
	outside := map[string]struct {
		reason string
		err    error
	}{
		openable: {},
		"0478-ec_len_2-cmm_RequiredEncryptionContext-e6017b36-1eca-4a48-9f60-b90982183206": {
			"its encryption context is not in the message: what an envelope is bound to must be readable before KMS is asked", envelope.ErrContext},
		"0478-ec_len_0-cmm_Default-8aa92ac6-31f0-49b2-801d-8f51633affc2": {
			"its encryption context is empty: an envelope is always bound to something", envelope.ErrContext},
	}
	for _, v := range readVectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			expect, listed := outside[v.ID]
			if !listed {
				t.Fatal("this vector is not listed")
			}
			delete(outside, v.ID)
			asked := 0
			got, err := envelope.Open(t.Context(), v.Message, v.Context,
				func(ctx context.Context, w envelope.WrappedKey, c envelope.Context) ([]byte, error) {
					asked++
					return v.unwrap(ctx, w, c)
				})
			if !errors.Is(err, expect.err) {
				t.Fatalf("error = %v, want %v (%s)", err, expect.err, expect.reason)
			}
			if expect.err != nil {
				if got != nil || asked > 0 {
					t.Errorf("refused, but with %d bytes, and the key was asked for %d times", len(got), asked)
				}
				return
			}
			if !bytes.Equal(got, v.Plaintext) || asked != 1 {
				t.Errorf("another plaintext (%d bytes), or the key was asked for %d times", len(got), asked)
			}
		})
	}
	if len(outside) > 0 {
		t.Errorf("listed, but not published: %v", slices.Sorted(maps.Keys(outside)))
	}
}

// What frames add is an order and an end. Where the numbers show that it is broken, nobody is asked for the key.
// Numbers that were changed to fit do not authenticate.
func TestOpen_RefusesFramesThatWereMovedOrLeftOut(t *testing.T) {
	const frameLength, frames = 512, 20
	const ordinary = 4 + 12 + frameLength + 16 // sequence number, IV, ciphertext, tag
	const final = 4 + 4 + 12 + 4 + frameLength + 16
	v := openableVector(t)
	body := len(v.Message) - (frames-1)*ordinary - final
	frame := func(n int) []byte { return v.Message[body+n*ordinary : body+(n+1)*ordinary] }
	if n := binary.BigEndian.Uint32(frame(1)); n != 2 {
		t.Fatalf("frame 2 is numbered %d: the layout is another one", n)
	}
	// numbered is frame n with number and IV of another place.
	numbered := func(n int, number byte) []byte {
		f := bytes.Clone(frame(n))
		f[3], f[15] = number, number
		return f
	}
	rest := v.Message[body+2*ordinary:]
	end := v.Message[len(v.Message)-final:]
	lastNumbered := bytes.Clone(end)
	lastNumbered[7], lastNumbered[19] = 1, 1
	for name, tt := range map[string]struct {
		message []byte
		err     error
	}{
		"the first two swapped": {
			slices.Concat(v.Message[:body], frame(1), frame(0), rest), envelope.ErrFormat,
		},
		"the first repeated": {
			slices.Concat(v.Message[:body], frame(0), frame(0), rest), envelope.ErrFormat,
		},
		"the first left out": {slices.Concat(v.Message[:body], frame(1), rest), envelope.ErrFormat},
		"the last left out":  {v.Message[:len(v.Message)-final], envelope.ErrFormat},
		"the last but one left out": {
			slices.Concat(v.Message[:len(v.Message)-final-ordinary], end), envelope.ErrFormat,
		},
		"only the last":     {slices.Concat(v.Message[:body], end), envelope.ErrFormat},
		"no frame":          {v.Message[:body], envelope.ErrFormat},
		"the last repeated": {slices.Concat(v.Message, end), envelope.ErrFormat},
		"the first two swapped and numbered": {
			slices.Concat(v.Message[:body], numbered(1, 1), numbered(0, 2), rest), envelope.ErrAuthentication,
		},
		"the first twice, the second numbered": {
			slices.Concat(v.Message[:body], frame(0), numbered(0, 2), rest), envelope.ErrAuthentication,
		},
		"only the last, numbered": {slices.Concat(v.Message[:body], lastNumbered), envelope.ErrAuthentication},
	} {
		if got, err := checkedOpen(t, tt.message, v.Context, v.unwrap); err != tt.err || got != nil {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

// unwrap is the raw AES keyring: the provider info is the key's name, the length of tag (in bits) and IV (in bytes),
// and the IV; the additional data is the serialized encryption context.
// https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/framework/raw-aes-keyring.md
func (v vector) unwrap(_ context.Context, w envelope.WrappedKey, c envelope.Context) ([]byte, error) {
	iv, found := strings.CutPrefix(w.Info, v.MasterKey.Key+"\x00\x00\x00\x80\x00\x00\x00\x0c")
	if w.Provider != v.MasterKey.ProviderID || !found || len(iv) != 12 {
		return nil, errNotOurs
	}
	block, err := aes.NewCipher(v.Key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, []byte(iv), w.Ciphertext, serialize(c))
	if err != nil {
		return nil, errNotOurs
	}
	return key, nil
}

var errNotOurs = errors.New("the data key is not wrapped by this key")

// serialize writes a context as it is authenticated: count, then length-prefixed keys and values in the order of the
// keys.
func serialize(c envelope.Context) []byte {
	out := binary.BigEndian.AppendUint16(nil, uint16(len(c)))
	for _, k := range slices.Sorted(maps.Keys(c)) {
		for _, s := range []string{k, c[k]} {
			out = append(binary.BigEndian.AppendUint16(out, uint16(len(s))), s...)
		}
	}
	return out
}
