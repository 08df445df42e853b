package dataflow_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/dataflow"
)

var flow = dataflow.Flow{
	Callers: []dataflow.Caller{{Name: "Users", Note: "of Pool"}},
	Routes: []dataflow.Route{
		{API: "Api", Name: "POST /order", Caller: "Users", Actor: "Order", InScope: true},
		{API: "Api", Name: "GET /health", Caller: "Users"},
	},
	Actors: []dataflow.Actor{
		{Name: "Order", Notes: []string{"role <&> \"R\""}, Layers: []string{"L"}, InScope: true},
		{Name: "Logs", Notes: []string{"a service"}},
	},
	Stores: []dataflow.Store{{Name: "Key", Note: "opens", InScope: true}, {Name: "Table", Note: "tokens"}},
	Uses: []dataflow.Use{
		{Actor: "Order", Store: "Key", What: "GenerateDataKey"}, {Actor: "Order", Store: "Table", What: "PutItem"},
		{Actor: "Logs", Store: "Key", What: "Decrypt"}, {Actor: "Nobody", Store: "Key", What: "Nothing"},
	},
}

// shapes counts the elements of a drawing by name and class, and fails if it is not XML.
func shapes(t *testing.T, svg []byte) map[string]int {
	t.Helper()
	counts := map[string]int{}
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return counts
		}
		if err != nil {
			t.Fatal(err)
		}
		if element, ok := token.(xml.StartElement); ok {
			name := element.Name.Local
			for _, a := range element.Attr {
				if a.Name.Local == "class" {
					name += "." + a.Value
				}
			}
			counts[name]++
		}
	}
}

func TestSVG_DrawsEverything(t *testing.T) {
	svg := dataflow.SVG(flow)
	counts := shapes(t, svg)
	for shape, want := range map[string]int{
		"rect.scope":     1 + 3, // with the legend
		"rect.connected": 1 + 4,
		"rect.layer":     1,
		"path.arrow":     6, // none to or from what is not in the flow
		"text.use":       3,
	} {
		if counts[shape] != want {
			t.Errorf("%d of %s, want %d", counts[shape], shape, want)
		}
	}
	for _, text := range []string{
		"Users", "of Pool", "POST /order", "role &lt;&amp;&gt; &#34;R&#34;", "GenerateDataKey", "opens", "layer L",
	} {
		if !strings.Contains(string(svg), ">"+text+"</text>") {
			t.Errorf("%q is missing", text)
		}
	}
}

func TestSVG_IsTheSameEveryTimeAndNeedsNothingElse(t *testing.T) {
	svg := dataflow.SVG(flow)
	for range 10 {
		if !bytes.Equal(svg, dataflow.SVG(flow)) {
			t.Fatal("it differs")
		}
	}
	for _, reference := range []string{"href", "url(http", "@import", "@font-face", "<image"} {
		if bytes.Contains(svg, []byte(reference)) {
			t.Errorf("it refers to something else: %s", reference)
		}
	}
}

func TestSVG_OfNothing(t *testing.T) {
	if counts := shapes(t, dataflow.SVG(dataflow.Flow{})); counts["path.arrow"] != 0 || counts["rect.scope"] != 1 {
		t.Errorf("%v", counts)
	}
}
