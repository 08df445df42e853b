package vault

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
)

// payload is what an envelope holds: the data, and everything about it that must not be forged.
type payload struct {
	Version  int               `json:"v"`
	Type     api.Type          `json:"type"`
	Data     string            `json:"data,omitempty"` // of a card: digits only
	Text     []byte            `json:"text,omitempty"` // of a text; as base64, whose length does not depend on the characters
	Created  int64             `json:"iat,omitempty"`  // Unix seconds, as all times
	Expires  int64             `json:"exp,omitempty"`  // 0: never
	MaxUses  int64             `json:"max,omitempty"`  // 0: without limit
	Metadata map[string]string `json:"meta,omitempty"`
}

// The version of a payload is that of its row's format.
const (
	payloadFirst   = 1
	payloadCurrent = 2
)

func encodePayload(c Create, now, expires time.Time) []byte {
	p := payload{Version: payloadCurrent, Type: c.Data.kind, Created: now.Unix(), MaxUses: c.MaxUses, Metadata: c.Metadata}
	if !expires.IsZero() {
		p.Expires = expires.Unix()
	}
	if p.Type == api.TypeText {
		p.Text = []byte(c.Data.Reveal())
		defer clear(p.Text)
	} else {
		p.Data = c.Data.Reveal()
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)              // which would make metadata six times as long, more than an envelope takes
	if err := encoder.Encode(p); err != nil { // numbers, strings and bytes always marshal
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// decodePayload reads what the envelope of a row holds.
func decodePayload(b []byte, r row) (payload, Data, error) {
	var p payload
	want := map[string]int{formatFirst: payloadFirst, formatCurrent: payloadCurrent}[r.format]
	if json.Unmarshal(b, &p) != nil || p.Version != want {
		return payload{}, Data{}, failure.New(failure.Integrity, "", "the envelope holds no payload of version %d", want)
	}
	content := p.Data
	if p.Type == api.TypeText {
		content = string(p.Text)
	}
	data, err := ParseData(p.Type, sensitive.New(content))
	if err != nil || p.Type == "" {
		return payload{}, Data{}, failure.New(failure.Integrity, "", "the envelope holds no data of its type")
	}
	p.Data, p.Text = "", nil // from here on only data has it
	return p, data, nil
}

func (p payload) expires() time.Time {
	if p.Expires == 0 {
		return time.Time{}
	}
	return time.Unix(p.Expires, 0).UTC()
}
