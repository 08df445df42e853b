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

func TestNoWayOfPrintingRevealsTheText(t *testing.T) {
	s := sensitive.New(secret)
	type holder struct {
		S sensitive.String
		P *sensitive.String
		W sensitive.Wire
	}
	h := holder{s, &s, sensitive.OnWire(s)}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", []any{s, h.W})
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "w", h.W, "h", map[string]any{"s": s})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "h", struct{ S sensitive.String }{s})
	j, err := json.Marshal(struct{ S sensitive.String }{s})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(j)
	fmt.Fprintln(&out, fmt.Errorf("wrapped: %v", s))
	hexed := fmt.Sprintf("%x", secret)
	if got := out.String(); strings.Contains(got, secret) || strings.Contains(got, hexed) || !strings.Contains(got, sensitive.Mask) {
		t.Errorf("the text is in the output:\n%s", got)
	}
}

func TestWireCarriesTheText(t *testing.T) {
	b, err := json.Marshal(struct{ D sensitive.Wire }{sensitive.OnWire(sensitive.New(secret))})
	if err != nil || string(b) != `{"D":"`+secret+`"}` {
		t.Fatalf("marshal = %s, %v", b, err)
	}
	var back struct{ D sensitive.Wire }
	if err := json.Unmarshal(b, &back); err != nil || back.D.Reveal() != secret {
		t.Fatalf("unmarshal: %v", err)
	}
}

func TestEqual(t *testing.T) {
	if a := sensitive.New("a"); !a.Equal(sensitive.New("a")) || a.Equal(sensitive.New("b")) || a.Equal(sensitive.String{}) {
		t.Error("Equal is wrong")
	}
}
