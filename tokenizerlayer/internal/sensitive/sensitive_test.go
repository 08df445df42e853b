package sensitive_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
)

const secret = "4111111111111111"

func TestString_NeverPrintsTheText(t *testing.T) {
	s := sensitive.New(secret)
	type holder struct {
		S sensitive.String
		P *sensitive.String
		W sensitive.Wire

		// Package fmt calls no methods on these.
		s sensitive.String
		p *sensitive.String
		w sensitive.Wire
		m map[string]sensitive.String
	}
	h := holder{s, &s, sensitive.OnWire(s), s, &s, sensitive.OnWire(s), map[string]sensitive.String{"s": s}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", []any{s, h.W})
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "w", h.W, "h", map[string]any{"s": s})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "h", h)
	j, err := json.Marshal(struct{ S sensitive.String }{s})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(j)
	fmt.Fprintln(&out, fmt.Errorf("wrapped: %v", s))
	hexed := fmt.Sprintf("%x", secret)
	if got := out.String(); strings.Contains(got, secret) || strings.Contains(got, hexed) ||
		!strings.Contains(got, sensitive.Mask) {
		t.Errorf("the text is in the output:\n%s", got)
	}
}

func TestWire_CarriesTheText(t *testing.T) {
	b, err := json.Marshal(struct{ D sensitive.Wire }{sensitive.OnWire(sensitive.New(secret))})
	if err != nil || string(b) != `{"D":"`+secret+`"}` {
		t.Fatalf("marshal = %s, %v", b, err)
	}
	var back struct{ D sensitive.Wire }
	if err := json.Unmarshal(b, &back); err != nil || back.D.Reveal() != secret {
		t.Fatalf("unmarshal: %v", err)
	}
}

func TestString_EqualComparesTheTexts(t *testing.T) {
	if a := sensitive.New("a"); !a.Equal(sensitive.New("a")) || a.Equal(sensitive.New("b")) ||
		a.Equal(sensitive.String{}) {
		t.Error("Equal is wrong")
	}
	var zero sensitive.String
	if !zero.IsZero() || zero.Reveal() != "" || !zero.Equal(sensitive.New("")) {
		t.Error("the zero value is not the empty text")
	}
}

func TestString_UnmarshalJSONReadsAString(t *testing.T) {
	for _, tt := range []struct {
		name, document, want string
		fails                bool
	}{
		{"string", `"4111"`, "4111", false},
		{"escaped string", `"\u00e9"`, "é", false},
		{"null", `null`, "before", false},
		{"number", `4111111111111111`, "before", true},
		{"object", `{"a":4111111111111111}`, "before", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := sensitive.New("before")
			err := json.Unmarshal([]byte(tt.document), &got)
			if got.Reveal() != tt.want || (err != nil) != tt.fails {
				t.Errorf("text %q, error %v", got.Reveal(), err)
			}
			if err != nil && strings.Contains(err.Error(), "4111") {
				t.Errorf("the error quotes the input: %v", err)
			}
		})
	}
}
