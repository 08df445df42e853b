package kmsapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/heapdump"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
)

// service answers every request with the same text, and keeps what it was asked last.
type service struct {
	status               int // 0 means 200
	answer, target, body string
}

func (s *service) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	s.target, s.body = q.Header.Get("X-Amz-Target")+" "+q.Header.Get("Content-Type"), string(body)
	w.WriteHeader(max(s.status, http.StatusOK))
	_, _ = io.WriteString(w, s.answer)
}

func environment(t *testing.T, url string) awsjson.Environment {
	t.Helper()
	variables := map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL": url,
	}
	e, err := awsjson.Load(func(name string) string { return variables[name] })
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newService(t *testing.T, answer string) (*service, *kmsapi.Client) {
	t.Helper()
	s := &service{answer: answer}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := kmsapi.New(environment(t, server.URL), awsjson.Options{Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func TestNew_RefusesAnEndpointThatIsNone(t *testing.T) {
	c, err := kmsapi.New(environment(t, "ftp://kms"), awsjson.Options{})
	if err == nil || c != nil || !strings.HasPrefix(err.Error(), "AWS_ENDPOINT_URL ") {
		t.Errorf("%v, %v", c, err)
	}
}

// call calls an operation with inputs that hold texts beyond ASCII. It returns what came of it as one value.
type call struct {
	name, target, body string
	do                 func(context.Context, *kmsapi.Client) (any, error)
	want, none         any
}

func allCalls() []call {
	nine := map[string]string{}
	for _, name := range strings.Fields("i h g f e d c b a") {
		nine[name] = name + `"é`
	}
	blob, message := []byte{0, 254, 255}, []byte("\x00é")
	return []call{
		{
			"GenerateDataKey", "TrentService.GenerateDataKey application/x-amz-json-1.1",
			`{"KeyId":"ké","KeySpec":"AES_256","EncryptionContext":{"a":"1","purpose":"é"}}`,
			func(ctx context.Context, c *kmsapi.Client) (any, error) {
				return c.GenerateDataKey(ctx, kmsapi.GenerateDataKeyInput{
					KeyID: "ké", EncryptionContext: map[string]string{"purpose": "é", "a": "1"},
				})
			},
			kmsapi.GenerateDataKeyOutput{KeyID: "ké", Plaintext: []byte{1, 2}, CiphertextBlob: []byte{3}},
			kmsapi.GenerateDataKeyOutput{},
		},
		{
			"GenerateDataKey without a context", "TrentService.GenerateDataKey application/x-amz-json-1.1",
			`{"KeyId":"k","KeySpec":"AES_256"}`,
			func(ctx context.Context, c *kmsapi.Client) (any, error) {
				return c.GenerateDataKey(ctx, kmsapi.GenerateDataKeyInput{KeyID: "k"})
			},
			kmsapi.GenerateDataKeyOutput{KeyID: "ké", Plaintext: []byte{1, 2}, CiphertextBlob: []byte{3}},
			kmsapi.GenerateDataKeyOutput{},
		},
		{
			"Decrypt", "TrentService.Decrypt application/x-amz-json-1.1",
			`{"KeyId":"k","CiphertextBlob":"AP7/","EncryptionContext":{"only":"x"}}`,
			func(ctx context.Context, c *kmsapi.Client) (any, error) {
				return c.Decrypt(ctx, kmsapi.DecryptInput{
					KeyID: "k", CiphertextBlob: blob, EncryptionContext: map[string]string{"only": "x"},
				})
			},
			kmsapi.DecryptOutput{KeyID: "ké", Plaintext: []byte{1, 2}}, kmsapi.DecryptOutput{},
		},
		{
			"Decrypt in a large context", "TrentService.Decrypt application/x-amz-json-1.1",
			`{"KeyId":"k","CiphertextBlob":"","EncryptionContext":{"a":"a\"é","b":"b\"é","c":"c\"é","d":"d\"é",` +
				`"e":"e\"é","f":"f\"é","g":"g\"é","h":"h\"é","i":"i\"é"}}`,
			func(ctx context.Context, c *kmsapi.Client) (any, error) {
				return c.Decrypt(ctx, kmsapi.DecryptInput{KeyID: "k", EncryptionContext: nine})
			},
			kmsapi.DecryptOutput{KeyID: "ké", Plaintext: []byte{1, 2}}, kmsapi.DecryptOutput{},
		},
		{
			"GenerateMac", "TrentService.GenerateMac application/x-amz-json-1.1",
			`{"KeyId":"k","MacAlgorithm":"HMAC_SHA_256","Message":"AMOp"}`,
			func(ctx context.Context, c *kmsapi.Client) (any, error) {
				return c.GenerateMac(ctx, kmsapi.GenerateMacInput{KeyID: "k", Message: message})
			},
			kmsapi.GenerateMacOutput{KeyID: "ké", Mac: []byte{4}}, kmsapi.GenerateMacOutput{},
		},
	}
}

func TestClient_SendsItsInputAndReadsTheAnswer(t *testing.T) {
	for _, tt := range allCalls() {
		t.Run(tt.name, func(t *testing.T) {
			s, c := newService(t, `{"More":[{}],"KeyId":"ké","Plaintext":"AQI=","CiphertextBlob":"Aw==","Mac":"BA=="}`)
			got, err := tt.do(t.Context(), c)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff([]string{tt.target, tt.body}, []string{s.target, s.body}); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever goes wrong is an error, and what had been read until then is not returned.
func TestClient_ReturnsNothingBesideAnError(t *testing.T) {
	for name, s := range map[string]service{
		"refused":        {status: 400, answer: `{"__type":"InvalidCiphertextException"}`},
		"cut off":        {answer: `{"KeyId":"k","Plaintext":"AQI=","Mac":"BA=="`},
		"no base64":      {answer: `{"KeyId":"k","Plaintext":"AQI=","Mac":"BA==","CiphertextBlob":"?"}`},
		"another form":   {answer: `{"KeyId":"k","Plaintext":"AQI=","Mac":"BA==","CiphertextBlob":{}}`},
		"unknown, wrong": {answer: `{"KeyId":"k","Plaintext":"AQI=","Mac":"BA==","More":}`},
	} {
		for _, tt := range allCalls() {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				of, c := newService(t, s.answer)
				of.status = s.status
				got, err := tt.do(t.Context(), c)
				if diff := cmp.Diff(tt.none, got); diff != "" || err == nil {
					t.Errorf("error = %v (-want +got):\n%s", err, diff)
				}
				if s.status != 0 && awsjson.Code(err) != kmsapi.InvalidCiphertext {
					t.Errorf("error = %v", err)
				}
			})
		}
	}
}

// An answer may have 64 KiB.
func TestClient_BoundsAnAnswer(t *testing.T) {
	for size, fits := range map[int]bool{64 << 10: true, 64<<10 + 1: false} {
		const answer = `{"KeyId":"k","Mac":"BA=="}`
		_, c := newService(t, answer+strings.Repeat(" ", size-len(answer)))
		if _, err := c.GenerateMac(t.Context(), kmsapi.GenerateMacInput{KeyID: "k"}); (err == nil) != fits {
			t.Errorf("%d bytes: error = %v", size, err)
		}
	}
}

// A data key that was read before the answer turned out to be wrong is cleared. The test looks for it among all objects
// in memory, of which none is collected meanwhile.
func TestClient_LeavesNoDataKeyOfAWrongAnswerInMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for name, tt := range map[string]struct {
		do func(*kmsapi.Client) error
		of string
	}{
		"GenerateDataKey": {func(c *kmsapi.Client) error {
			_, err := c.GenerateDataKey(t.Context(), kmsapi.GenerateDataKeyInput{KeyID: "k"})
			return err
		}, "one data key"},
		"Decrypt": {func(c *kmsapi.Client) error {
			_, err := c.Decrypt(t.Context(), kmsapi.DecryptInput{KeyID: "k"})
			return err
		}, "another data key"},
	} {
		encoded := encodedKey(tt.of)
		_, c := newService(t, `{"KeyId":"k","Plaintext":"`+encoded+`","CiphertextBlob":"?"}`)
		if err := tt.do(c); err == nil {
			t.Errorf("%s: the answer passes", name)
		}
		dump := heapdump.Take(t)
		if !bytes.Contains(dump, []byte(encoded)) {
			t.Errorf("%s: the dump does not hold the answer that the test keeps: it shows nothing", name)
		}
		if key := sha256.Sum256([]byte(tt.of)); bytes.Contains(dump, key[:]) {
			t.Errorf("%s: the data key is left in memory", name)
		}
	}
}

// encodedKey is a data key in base64. In no frame of the test's is a copy of the key itself.
//
//go:noinline
func encodedKey(of string) string {
	key := sha256.Sum256([]byte(of))
	return base64.StdEncoding.EncodeToString(key[:])
}
