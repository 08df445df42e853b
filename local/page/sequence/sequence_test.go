package sequence_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/sequence"
)

var diagram = sequence.Diagram{
	Title: "POST /order", Lanes: []string{"Client", `<b>"API"&`},
	Arrows: []sequence.Arrow{
		{From: 0, To: 1, Label: "POST /order", Card: true},
		{From: 1, To: 0, Label: `no <script>`, At: 1500 * time.Microsecond, Denied: true, Back: true},
	},
}

func TestSVG_IsXMLWithEveryArrow(t *testing.T) {
	svg := diagram.SVG(true)
	decoder, arrows := xml.NewDecoder(strings.NewReader(svg)), 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "g" {
			arrows++
		}
	}
	if arrows != 2 {
		t.Errorf("%d arrows", arrows)
	}
	for _, want := range []string{`class="s-card"`, `class="s-denied"`, "+1.5 ms", "denied: no &lt;script&gt;", "&lt;b&gt;"} {
		if !strings.Contains(svg, want) {
			t.Errorf("it lacks %s", want)
		}
	}
	if strings.Contains(diagram.SVG(false), "<style") {
		t.Error("in a page it has styles of its own, which the page's policy forbids")
	}
	timeless := diagram
	timeless.NoTimes = true
	if strings.Contains(timeless.SVG(true), " ms") {
		t.Error("it has times")
	}
}

func TestWords_TellEveryArrow(t *testing.T) {
	words := strings.Join(diagram.Words(), "\n")
	for _, want := range []string{
		`After 0.0 ms, Client to <b>"API"&: POST /order. The card number goes along in clear.`,
		`After 1.5 ms, <b>"API"& to Client: denied: no <script>.`,
	} {
		if !strings.Contains(words, want) {
			t.Errorf("%q is missing:\n%s", want, words)
		}
	}
}
