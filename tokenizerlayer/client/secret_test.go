package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

func number(t *testing.T, text string) client.PAN {
	t.Helper()
	n, err := client.ParsePAN(client.NewSecret(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSecret_NeverPrintsTheText(t *testing.T) {
	card, secret := number(t, pan), client.NewSecret(pan)
	holder := struct {
		Card   client.PAN
		Secret client.Secret
		Input  client.TokenizeInput
		Output client.DetokenizeOutput

		card   client.PAN // package fmt calls no methods on these
		secret *client.Secret
		inputs map[string]client.SealInput
	}{
		card, secret, client.TokenizeInput{Data: secret}, client.DetokenizeOutput{Data: secret},
		card, &secret, map[string]client.SealInput{"a": {Data: secret}},
	}
	for name, v := range map[string]any{
		"Secret": secret, "*Secret": &secret, "PAN": card, "*PAN": &card, "struct": holder, "*struct": &holder,
		"slice": []any{secret, card, holder}, "error": fmt.Errorf("wrapped: %v, %v", secret, card),
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08.3f"} {
				fmt.Fprintf(&out, verb+"\n", v)
			}
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
			slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
			if b, err := json.Marshal(v); err != nil {
				t.Error(err)
			} else {
				out.Write(b)
			}
			for _, text := range []string{pan, fmt.Sprintf("%x", pan), fmt.Sprintf("%X", pan)} {
				if strings.Contains(out.String(), text) {
					t.Errorf("the card is printed:\n%s", &out)
				}
			}
		})
	}
	for _, v := range []any{secret, card} {
		if got := fmt.Sprint(v); got != client.Redacted {
			t.Errorf("%T prints as %q", v, got)
		}
	}
}

func TestSecret_ComparesTexts(t *testing.T) {
	a := client.NewSecret("a")
	if !a.Equal(client.NewSecret("a")) || a.Equal(client.NewSecret("b")) || a.Equal(client.Secret{}) || a.IsZero() {
		t.Error("Equal or IsZero is wrong")
	}
	if !(client.Secret{}).IsZero() || (client.Secret{}).Reveal() != "" {
		t.Error("the zero value is not the empty text")
	}
}

func TestSecret_DecodesFromJSON(t *testing.T) {
	for document, want := range map[string]string{`{"Card":"4111"}`: "4111", `{"Card":null}`: "", `{}`: ""} {
		var got struct{ Card client.Secret }
		if err := json.Unmarshal([]byte(document), &got); err != nil || got.Card.Reveal() != want {
			t.Errorf("%s: %q, %v", document, got.Card.Reveal(), err)
		}
	}
	var got struct{ Card client.Secret }
	if err := json.Unmarshal([]byte(`{"Card":`+pan+`}`), &got); err == nil || strings.Contains(err.Error(), pan) {
		t.Errorf("a number: %v", err)
	}
}

func TestParsePAN_SaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ text, want, reason string }{
		{"4111111111111111", pan, ""},
		{" 4111 1111 1111 1111 ", pan, ""},
		{"4111-1111-1111-1111", pan, ""},
		{"000000000000", "000000000000", ""},
		{"", "", "must not be empty"},
		{"41111111111", "", "12 to 19 digits"},
		{"4111111111111112", "", "check digit"},
		{"4111  1111 1111 1111", "", "ASCII digits"},
		{"४111111111111111", "", "ASCII digits"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			n, err := client.ParsePAN(client.NewSecret(tt.text))
			if n.Reveal() != tt.want || (err != nil) != (tt.reason != "") ||
				err != nil && !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%q, %v", n.Reveal(), err)
			}
			if err != nil && tt.text != "" && strings.Contains(err.Error(), tt.text) {
				t.Errorf("the error quotes the input: %v", err)
			}
		})
	}
}

// A PAN has been checked, however it came about.
func TestPAN_DecodesFromJSONOnlyWhatParsePANAccepts(t *testing.T) {
	for _, tt := range []struct {
		document, want string
		fails          bool
	}{
		{`"4111-1111-1111-1111"`, pan, false},
		{`null`, "4012888888881881", false},
		{`"4111111111111112"`, "4012888888881881", true},
		{`""`, "4012888888881881", true},
		{`4111111111111111`, "4012888888881881", true},
	} {
		t.Run(tt.document, func(t *testing.T) {
			n := number(t, "4012888888881881")
			err := json.Unmarshal([]byte(tt.document), &n)
			if n.Reveal() != tt.want || (err != nil) != tt.fails {
				t.Errorf("%q, %v", n.Reveal(), err)
			}
			if err != nil && strings.Contains(err.Error(), "4111") {
				t.Errorf("the error quotes the input: %v", err)
			}
		})
	}
}

func TestPAN_MasksShowNoMoreThanAllowed(t *testing.T) {
	for _, tt := range []struct{ digits, mask, middle string }{
		{pan, "************1111", "411111******1111"},
		{"378282246310005", "***********0005", "378282*****0005"},
		{"36227206271667", "**********1667", "**********1667"},
		{"000000000000", "********0000", "********0000"},
	} {
		t.Run(tt.digits, func(t *testing.T) {
			n := number(t, tt.digits)
			if n.Mask() != tt.mask || n.MaskMiddle() != tt.middle {
				t.Errorf("%s, %s", n.Mask(), n.MaskMiddle())
			}
		})
	}
	if zero := (client.PAN{}); zero.Mask() != "" || zero.MaskMiddle() != "" {
		t.Error("the zero PAN has a mask")
	}
}

func TestIsAuthenticationData_KnowsTheNames(t *testing.T) {
	for name, want := range map[string]bool{"cvv": true, "card-cvc": true, "PIN": true, "track2": true,
		"customer": false, "": false} {
		if got := client.IsAuthenticationData(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
