package vault

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// The buffer of a payload does not grow, so clearing it clears every copy. What is written is JSON, and can be read
// back.
func TestPayload_FitsIntoItsBuffer(t *testing.T) {
	now := time.Unix(1_767_323_045, 0)
	for name, tt := range map[string]struct {
		kind api.Type
		data string
		set  func(*Create)
	}{
		"a card": {kind: api.TypeCard, data: "4111111111111111", set: func(*Create) {}},
		"the longest one": {kind: api.TypeCard, data: "6799990100000000019", set: func(c *Create) {
			c.MaxUses = api.MaxUses
		}},
		"a text": {kind: api.TypeText, data: strings.Repeat("\"\u2028<\U0001F4B3", api.MaxText/9),
			set: func(*Create) {}},
		"all of it": {kind: api.TypeText, data: strings.Repeat("x", api.MaxText), set: func(c *Create) {
			c.MaxUses, c.Context, c.Metadata = 1, map[string]string{}, map[string]string{}
			for _, key := range strings.Split("abcdefgh", "") {
				c.Context[key+"q"] = strings.Repeat("\"", api.MaxContextBytes/8-2)
				c.Metadata[key+"b"] = strings.Repeat("\\", api.MaxMetadataBytes/8-2)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := ParseData(tt.kind, sensitive.New(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			c := Create{Data: data}
			tt.set(&c)
			p := newPayload(c, token.NewSeed(), now, now.Add(api.MaxTTL*time.Second))
			encoded := p.encode()
			if len(encoded) > p.size() {
				t.Errorf("%d bytes, in a buffer of %d", len(encoded), p.size())
			}
			var read payload
			if err := json.Unmarshal(encoded, &read); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(*p, read); diff != "" {
				t.Errorf("(-written +read):\n%s", diff)
			}
		})
	}
}

func TestPayload_WipeClearsTextAndSeed(t *testing.T) {
	data, err := ParseData(api.TypeText, sensitive.New("a text"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPayload(Create{Data: data}, token.NewSeed(), time.Now(), time.Time{})
	if p.wipe(); string(p.Text) != "\x00\x00\x00\x00\x00\x00" || len(p.Seed) != token.SeedSize ||
		token.Seed(p.Seed) != (token.Seed{}) {
		t.Errorf("text %q, seed %x", p.Text, p.Seed)
	}
}
