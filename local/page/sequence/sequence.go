// Package sequence draws a sequence diagram as an SVG: who calls whom, one line below the other.
//
//	svg := sequence.Diagram{Lanes: []string{"Client", "API"}, Arrows: []sequence.Arrow{{From: 0, To: 1, Label: "POST /order"}}}.SVG(true)
//
// The same diagram always gives the same bytes.
package sequence

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Diagram is what is drawn.
type Diagram struct {
	Title  string
	Lanes  []string
	Arrows []Arrow
	// NoTimes leaves out when each arrow was, which differs each time.
	NoTimes bool
}

// Arrow is one call or answer. From and To are positions in Lanes.
type Arrow struct {
	From, To int
	Label    string
	At       time.Duration // since the first arrow
	Took     time.Duration // 0 if it is not known
	Card     bool          // a card number in clear goes along
	Denied   bool
	Back     bool // an answer
}

// Measures in pixels.
const (
	laneWidth = 160
	top       = 62
	step      = 34
	times     = 64 // width of the column with times
)

// style is for a drawing that stands alone. In a page, the page styles the classes.
const style = `<style>
text { font-family: sans-serif; font-size: 12px; fill: #1f2328 }
.s-page { fill: #ffffff } .s-box { fill: #f4f6f8; stroke: #8a939c } .s-life { stroke: #c3cad1; stroke-dasharray: 4 4 }
.s-name { font-weight: bold } .s-time { fill: #59636e; font-size: 11px }
.s-label { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
.s-arrow { stroke: #0b62a8; stroke-width: 1.6; fill: none } .s-back { stroke-dasharray: 5 3 }
.s-head { fill: #0b62a8 } .s-card .s-arrow { stroke: #a33d00; stroke-width: 2.4 } .s-card .s-head { fill: #a33d00 }
.s-denied .s-arrow { stroke: #b3123a } .s-denied .s-head { fill: #b3123a } .s-denied text { fill: #b3123a }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .s-page { fill: #0d1117 } .s-box { fill: #1c2330; stroke: #6e7781 } .s-life { stroke: #3d444d }
.s-time { fill: #9198a1 } .s-label { stroke: #0d1117 } .s-arrow { stroke: #6cb6ff } .s-head { fill: #6cb6ff }
.s-card .s-arrow { stroke: #f0a35e } .s-card .s-head { fill: #f0a35e }
.s-denied .s-arrow { stroke: #ff7b8e } .s-denied .s-head { fill: #ff7b8e } .s-denied text { fill: #ff7b8e }
}
</style>
`

// SVG draws the diagram, with styles of its own if it stands alone.
func (d Diagram) SVG(alone bool) string {
	var b strings.Builder
	left := times
	if d.NoTimes {
		left = 8
	}
	width, height := left+laneWidth*len(d.Lanes)+40, top+step*len(d.Arrows)+24
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "+
		"role=\"img\" class=\"sequence\" aria-label=\"%s\">\n", width, height, width, height,
		escape("Sequence diagram of "+d.Title+", with "+fmt.Sprint(len(d.Arrows))+" arrows"))
	if alone {
		b.WriteString(style)
	}
	fmt.Fprintf(&b, "<rect class=\"s-page\" width=\"%d\" height=\"%d\"/>\n", width, height)
	x := func(lane int) int { return left + laneWidth*lane + laneWidth/2 }
	for i, name := range d.Lanes {
		fmt.Fprintf(&b, "<path class=\"s-life\" d=\"M%d %d V%d\"/><rect class=\"s-box\" x=\"%d\" y=\"8\" width=\"%d\" "+
			"height=\"30\" rx=\"5\"/><text class=\"s-name\" x=\"%d\" y=\"28\" text-anchor=\"middle\">%s</text>\n",
			x(i), 38, height-8, x(i)-laneWidth/2+10, laneWidth-20, x(i), escape(name))
	}
	for i, a := range d.Arrows {
		d.arrow(&b, a, x(a.From), x(a.To), top+step*i+14, width)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (d Diagram) arrow(b *strings.Builder, a Arrow, from, to, y, width int) {
	class, arrow, head := "s-plain", "s-arrow", -8
	switch {
	case a.Denied:
		class = "s-denied"
	case a.Card:
		class = "s-card"
	}
	if a.Back {
		arrow += " s-back"
	}
	if to < from {
		head = 8
	}
	fmt.Fprintf(b, "<g class=%q>", class)
	if !d.NoTimes {
		fmt.Fprintf(b, "<text class=\"s-time\" x=\"4\" y=\"%d\">+%.1f ms</text>", y+4, millis(a.At))
	}
	fmt.Fprintf(b, "<path class=%q d=\"M%d %d H%d\"/><path class=\"s-head\" d=\"M%d %d l%d -4 v8 z\"/>",
		arrow, from, y, to+head, to, y, head)
	at, anchor := min(from, to)+10, "start"
	if label := []rune(d.label(a)); at+len(label)*6 > width-8 { // no room to its right
		at, anchor = max(from, to)-10, "end"
	}
	fmt.Fprintf(b, "<text class=\"s-label\" x=\"%d\" y=\"%d\" text-anchor=\"%s\">%s</text></g>\n", at, y-6, anchor,
		escape(d.label(a)))
}

func (d Diagram) label(a Arrow) string {
	label := a.Label
	if a.Denied {
		label = "denied: " + label
	}
	if a.Took > 0 && !d.NoTimes {
		label += fmt.Sprintf(", %.1f ms", millis(a.Took))
	}
	return label
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Timeless is the diagram without its times, and with calls that run side by side in the order of their names, so that
// it is the same each time.
func (d Diagram) Timeless() Diagram {
	d.NoTimes, d.Arrows = true, slices.Clone(d.Arrows)
	for i := 1; i < len(d.Arrows); i++ {
		for j := i; j > 0; j-- {
			a, b := d.Arrows[j-1], d.Arrows[j]
			if a.Back || b.Back || a.From != b.From || a.To != b.To || a.Label <= b.Label {
				break
			}
			d.Arrows[j-1], d.Arrows[j] = b, a
		}
	}
	return d
}

// Words tells the diagram, a sentence for each arrow.
func (d Diagram) Words() (lines []string) {
	for _, a := range d.Arrows {
		line := fmt.Sprintf("After %.1f ms, %s to %s: %s.", millis(a.At), d.Lanes[a.From],
			d.Lanes[a.To], d.label(a))
		if a.Card {
			line += " The card number goes along in clear."
		}
		lines = append(lines, line)
	}
	return lines
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	return b.String()
}
