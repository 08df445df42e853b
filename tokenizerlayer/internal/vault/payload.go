package vault

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// payload is what an envelope holds: the data, and everything about it that must not be forged.
type payload struct {
	Version  int               `json:"v"`
	Seed     []byte            `json:"r"` // of the token; as base64
	Type     api.Type          `json:"type"`
	Data     string            `json:"data,omitempty"` // of a card: digits only
	Text     []byte            `json:"text,omitempty"` // of a text; as base64, whose length does not depend on the characters
	Created  int64             `json:"iat"`            // Unix seconds, as all times
	Expires  int64             `json:"exp,omitempty"`  // 0: never
	MaxUses  int64             `json:"max,omitempty"`  // 0: without limit
	Context  map[string]string `json:"ctx,omitempty"`  // of the binding
	Metadata map[string]string `json:"meta,omitempty"`
}

// payloadVersion is that of the row's format.
const payloadVersion = 3

// newPayload is what has to be sealed for a token to be made. Its text and seed are cleared by wipe.
func newPayload(c Create, seed token.Seed, now, expires time.Time) *payload {
	p := &payload{
		Version: payloadVersion, Seed: seed[:], Type: c.Data.kind, Created: now.Unix(), MaxUses: c.MaxUses, Context: c.Context,
		Metadata: c.Metadata,
	}
	if !expires.IsZero() {
		p.Expires = expires.Unix()
	}
	if p.Type == api.TypeText {
		p.Text = []byte(c.Data.Reveal())
	} else {
		p.Data = c.Data.Reveal()
	}
	return p
}

// wipe clears what can be cleared, so that a later look into the process's memory finds less. Strings cannot.
func (p *payload) wipe() {
	clear(p.Seed)
	clear(p.Text)
}

func (p *payload) encode() []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)              // which would make metadata six times as long, more than an envelope takes
	if err := encoder.Encode(p); err != nil { // numbers, strings and bytes always marshal
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// decodePayload reads what the envelope of a row holds, and checks that it is the row's: that token and ref were made of its seed.
func decodePayload(plaintext []byte, r row) (payload, Data, error) {
	var p payload
	defer p.wipe()
	if json.Unmarshal(plaintext, &p) != nil || p.Version != payloadVersion || len(p.Seed) != token.SeedSize {
		return payload{}, Data{}, integrity("the envelope holds no payload of version %d", payloadVersion)
	}
	content := p.Data
	if p.Type == api.TypeText {
		content = string(p.Text)
	}
	data, err := ParseData(p.Type, sensitive.New(content))
	if err != nil || p.Type == "" {
		return payload{}, Data{}, integrity("the envelope holds no data of its type")
	}
	if !token.Seed(p.Seed).Made(r.token, r.ref, data.number) {
		return payload{}, Data{}, integrity("the envelope was sealed for another token")
	}
	known := p
	known.Seed, known.Data, known.Text = nil, "", nil // from here on only data has it
	return known, data, nil
}

func (p payload) created() time.Time { return time.Unix(p.Created, 0).UTC() }

func (p payload) expires() time.Time {
	if p.Expires == 0 {
		return time.Time{}
	}
	return time.Unix(p.Expires, 0).UTC()
}
