package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

// checkXML fails for what is no well-formed document, and for coordinates that are no numbers.
func checkXML(t *testing.T, svg []byte) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, svg)
		}
		if element, ok := token.(xml.StartElement); ok {
			for _, a := range element.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s has %s=%q", element.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestPlots_AreWellFormed(t *testing.T) {
	some := stat.Of(1, 2, 3)
	for name, svg := range map[string][]byte{
		"lines": Lines("a < b & c", "d", "ms", "clients", []string{"1", "8"},
			[]Series{{"x", []*stat.Stat{some, nil}}, {"y", []*stat.Stat{nil, stat.Exact(0)}}}),
		"strips": Strips("a", "b", "ms", []Strip{{"x", []float64{1, 2, 3}}, {"none", nil}}),
		"bars":   Bars("a", "b", "µs", []Bar{{"x", some, true}, {"y", nil, false}, {"z", stat.Exact(7), false}}),
		"empty":  Lines("a", "b", "ms", "clients", nil, nil),
	} {
		t.Run(name, func(t *testing.T) {
			checkXML(t, svg)
			for _, want := range []string{"prefers-color-scheme: dark", "<title"} {
				if !bytes.Contains(svg, []byte(want)) {
					t.Errorf("lacks %s", want)
				}
			}
		})
	}
}

func TestAxis_EndsAtARoundNumber(t *testing.T) {
	for most, want := range map[float64]float64{
		0.9: 1, 1: 1, 7.2: 8, 23: 25, 99: 100, 1234: 1400, 0: 1, math.NaN(): 1,
	} {
		a := newAxis(0, 100, most)
		if a.most < want-1e-9 || a.most > 1.5*want || len(a.ticks()) > 8 || math.Abs(a.at(a.most)-100) > 1e-9 {
			t.Errorf("%v: to %v, %v", most, a.most, a.ticks())
		}
	}
}
