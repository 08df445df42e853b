package vault

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// payload is what an envelope holds: the data, and everything about it that must not be forged.
type payload struct {
	Version int      `json:"v"`
	Seed    []byte   `json:"r"` // of the token; as base64
	Type    api.Type `json:"type"`
	Data    string   `json:"data,omitempty"` // of a card: digits only
	// of a text; as base64, whose length does not depend on the characters
	Text     []byte            `json:"text,omitempty"`
	Created  int64             `json:"iat"`           // Unix seconds, as all times
	Expires  int64             `json:"exp,omitempty"` // 0: never
	MaxUses  int64             `json:"max,omitempty"` // 0: without limit
	Context  map[string]string `json:"ctx,omitempty"` // of the binding
	Metadata map[string]string `json:"meta,omitempty"`
}

// payloadVersion is that of the row's format.
const payloadVersion = 3

// newPayload is what has to be sealed for a token to be made. Its text and seed are cleared by wipe.
func newPayload(c Create, seed token.Seed, now, expires time.Time) *payload {
	p := &payload{
		Version:  payloadVersion,
		Seed:     seed[:],
		Type:     c.Data.kind,
		Created:  now.Unix(),
		MaxUses:  c.MaxUses,
		Context:  c.Context,
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

// size is at least what the payload takes as JSON.
func (p *payload) size() int {
	size := 256 + base64.StdEncoding.EncodedLen(len(p.Seed)) + base64.StdEncoding.EncodedLen(len(p.Text)) + len(p.Data)
	for _, members := range []map[string]string{p.Context, p.Metadata} {
		for name, value := range members {
			size += 2*(len(name)+len(value)) + 6 // a quotation mark takes two bytes
		}
	}
	return size
}

// encode writes the payload as JSON, into a buffer that does not grow: growing would leave a copy behind. The caller
// clears it.
func (p *payload) encode() []byte {
	b := append(make([]byte, 0, p.size()), '{')
	b = strconv.AppendInt(wirejson.AppendName(b, "v"), int64(p.Version), 10)
	b = wirejson.AppendBytes(wirejson.AppendName(b, "r"), p.Seed)
	b = wirejson.AppendString(wirejson.AppendName(b, "type"), string(p.Type))
	if p.Type == api.TypeText {
		b = wirejson.AppendBytes(wirejson.AppendName(b, "text"), p.Text)
	} else {
		b = wirejson.AppendString(wirejson.AppendName(b, "data"), p.Data)
	}
	for _, number := range [...]struct {
		name  string
		value int64
	}{{"iat", p.Created}, {"exp", p.Expires}, {"max", p.MaxUses}} {
		if number.value != 0 {
			b = strconv.AppendInt(wirejson.AppendName(b, number.name), number.value, 10)
		}
	}
	b = appendMembers(b, "ctx", p.Context)
	b = appendMembers(b, "meta", p.Metadata)
	return append(b, '}')
}

func appendMembers(b []byte, name string, members map[string]string) []byte {
	if len(members) == 0 {
		return b
	}
	b = append(wirejson.AppendName(b, name), '{')
	for _, name := range slices.Sorted(maps.Keys(members)) {
		b = wirejson.AppendString(wirejson.AppendName(b, name), members[name])
	}
	return append(b, '}')
}

// decodePayload reads what the envelope of a row holds, and checks that it is the row's: that token and ref were made
// of its seed.
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
