package kmsapi

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// What is read of an answer is what encoding/json reads.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"KeyId":"arn:aws:kms:x","Plaintext":"AAEC","CiphertextBlob":"\/+8=","Mac":null,"More":{"a":[1,"x",{}]}}`,
		`{}`, `null`, `[]`, `{"KeyId":`, `{"Plaintext":"A"}`, `{"Plaintext":5}`, "{\"KeyId\":\"\xff\"}",
		`{"KeyId":"a","KeyId":"b"}`, `{"\u004beyId":"a"} `, `{} {}`, `{}x`, `{} }`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		before := bytes.Clone(document)
		var got answer
		err := wirejson.Decode(document, func(d *wirejson.Decoder) (err error) {
			got, err = readAnswer(d)
			return err
		})
		if !bytes.Equal(document, before) {
			t.Error("the document was altered")
		}
		if err != nil {
			return
		}
		var members map[string]json.RawMessage // as names are exact, which encoding/json's structs do not ask for
		if err := json.Unmarshal(document, &members); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		var want struct {
			keyID                      string
			plaintext, ciphertext, mac []byte
		}
		for name, into := range map[string]any{
			"KeyId":          &want.keyID,
			"Plaintext":      &want.plaintext,
			"CiphertextBlob": &want.ciphertext,
			"Mac":            &want.mac,
		} {
			if members[name] == nil {
				continue
			}
			if err := json.Unmarshal(members[name], into); err != nil {
				t.Fatalf("encoding/json: %v", err)
			}
		}
		if got.keyID != want.keyID || !bytes.Equal(got.plaintext, want.plaintext) ||
			!bytes.Equal(got.ciphertext, want.ciphertext) || !bytes.Equal(got.mac, want.mac) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
