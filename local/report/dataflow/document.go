package dataflow

import (
	"fmt"
	"strings"
)

const style = `<style>
text { font-family: sans-serif; font-size: 12px; fill: #1a1a1a }
.page { fill: #ffffff }
.title { font-size: 16px; font-weight: bold }
.column { font-weight: bold; fill: #4a4a4a }
.name { font-weight: bold }
.note { font-size: 11px }
.use { font-size: 11px }
.scope { fill: #fff1d6; stroke: #b36b00; stroke-width: 2 }
.connected { fill: #f4f4f4; stroke: #8a8a8a; stroke-dasharray: 5 3 }
.layer { fill: #ffe0a6; stroke: #b36b00 }
.arrow { fill: none; stroke-width: 1.5 }
`

const darkStyle = `text { fill: #e6edf3 }
.page { fill: #0d1117 }
.column { fill: #b8c0c8 }
.scope { fill: #3a2a10; stroke: #f0a35e }
.connected { fill: #1c2330; stroke: #8a939c }
.layer { fill: #5a3d12; stroke: #f0a35e }
`

// styles returns the styles for a light page and for a dark one.
func styles() string {
	var light, dark strings.Builder
	rule := func(to *strings.Builder, i int, colour string) {
		fmt.Fprintf(to, ".arrow[data-colour=\"%d\"] { stroke: %s } ", i, colour)
		fmt.Fprintf(to, ".use[data-colour=\"%d\"], .head[data-colour=\"%d\"] { fill: %s }\n", i, i, colour)
	}
	for i, colour := range colours {
		rule(&light, i, colour.light)
		rule(&dark, i, colour.dark)
	}
	return style + light.String() + "@media (prefers-color-scheme: dark) {\n" + darkStyle + dark.String() +
		"}\n</style>\n"
}

// document returns the whole SVG.
func (d *drawing) document() []byte {
	var b strings.Builder
	height := d.height + 70
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "+
		"role=\"img\" aria-labelledby=\"t\">\n",
		width, height, width, height)
	b.WriteString("<title id=\"t\">Data flow: who sends what to whom, and what is in PCI scope</title>\n" + styles() +
		"<defs>\n")
	for i := range colours {
		fmt.Fprintf(&b,
			"<marker id=\"head%d\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" "+
				"markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"head\" data-colour=\"%d\" "+
				"d=\"M0 0 L8 4 L0 8 z\"/></marker>\n", i, i)
	}
	b.WriteString("</defs>\n")
	fmt.Fprintf(&b, "<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n", width, height)
	write(&b, "title", margin, 28, "Data flow, and what is in PCI scope")
	for _, column := range []struct {
		x     int
		title string
	}{{callerX, "Callers"}, {routeX, "API"}, {actorX, "Functions, and others who act"}, {storeX, "Keys and tables"}} {
		write(&b, "column", column.x, captions-12, column.title)
	}
	b.WriteString(d.arrows.String() + d.boxes.String())
	d.legend(&b, d.height+30)
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// legend explains the boxes and the arrows.
func (d *drawing) legend(b *strings.Builder, y int) {
	fmt.Fprintf(b, "<rect class=\"scope\" x=\"%d\" y=\"%d\" width=\"26\" height=\"16\" rx=\"4\"/>\n", margin, y)
	write(b, "note", margin+34, y+12, "in PCI scope: handles cards, or what opens, makes or finds them")
	fmt.Fprintf(b, "<rect class=\"connected\" x=\"%d\" y=\"%d\" width=\"26\" height=\"16\" rx=\"4\"/>\n", actorX-40, y)
	write(b, "note", actorX-6, y+12, "connected: holds tokens at most, and cannot use them to read cards")
	write(b, "note", storeX-labels, y+12,
		"arrows to keys and tables: what policies allow, with a colour for each actor")
}
