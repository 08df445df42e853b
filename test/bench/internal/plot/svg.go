// Package plot draws the benchmark's plots as SVG. They can be read on a light and on a dark page: colours are chosen
// by the reader's colour scheme, and lines differ in their marks too.
package plot

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The size of a plot, and of its frame.
const (
	width, height            = 760.0, 420.0
	left, right, top, bottom = 70.0, 24.0, 96.0, 52.0
)

// style has the colours of both schemes. Series have classes s0, s1, ...
const style = `text { font-family: sans-serif; font-size: 13px; fill: #1f2328 }
.title { font-size: 16px; font-weight: bold }
.note { font-size: 12px; fill: #59636e }
.page { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.line { fill: none; stroke-width: 2 }
.median { stroke: #1f2328; stroke-width: 2 }
.s0 { stroke: #0b62a8; fill: #0b62a8 }
.s1 { stroke: #b45309; fill: #b45309 }
.s2 { stroke: #147a55; fill: #147a55 }
.s3 { stroke: #8e3a80; fill: #8e3a80 }
.t0 { fill: #0b62a8 } .t1 { fill: #b45309 } .t2 { fill: #147a55 } .t3 { fill: #8e3a80 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.note { fill: #9198a1 }
.page { fill: #0d1117 }
.grid { stroke: #3d444d }
.median { stroke: #e6edf3 }
.s0 { stroke: #6cb6ff; fill: #6cb6ff }
.s1 { stroke: #f0a35e; fill: #f0a35e }
.s2 { stroke: #57c99a; fill: #57c99a }
.s3 { stroke: #d59ccb; fill: #d59ccb }
.t0 { fill: #6cb6ff } .t1 { fill: #f0a35e } .t2 { fill: #57c99a } .t3 { fill: #d59ccb }
}
.line { fill: none }
`

// canvas is an SVG document that is being written.
type canvas struct{ strings.Builder }

func newCanvas(title, description string, h float64) *canvas {
	c := &canvas{}
	fmt.Fprintf(c,
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%[1]s" height="%[2]s" role="img" aria-labelledby="t d">`+"\n", n(width), n(h))
	fmt.Fprintf(c, "<title id=\"t\">%s</title>\n<desc id=\"d\">%s</desc>\n<style>\n%s</style>\n", escape(title),
		escape(description), style)
	fmt.Fprintf(c, `<rect class="page" width="%s" height="%s"/>`+"\n", n(width), n(h))
	c.text("title", 20, 28, "start", title)
	c.text("note", 20, 48, "start", description)
	return c
}

func (c *canvas) text(class string, x, y float64, anchor, s string) {
	fmt.Fprintf(c, `<text class="%s" x="%s" y="%s" text-anchor="%s">%s</text>`+"\n", class, n(x), n(y), anchor,
		escape(s))
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(c, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", class, n(x1), n(y1), n(x2), n(y2))
}

func (c *canvas) rect(class string, x, y, w, h float64) {
	fmt.Fprintf(c, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`+"\n", class, n(x), n(y), n(w), n(h))
}

// mark draws the mark of a series: a circle, a square, a triangle, a diamond.
func (c *canvas) mark(series int, x, y, r float64) {
	class := "s" + strconv.Itoa(series%4)
	switch series % 4 {
	case 0:
		fmt.Fprintf(c, `<circle class="%s" cx="%s" cy="%s" r="%s"/>`+"\n", class, n(x), n(y), n(r))
	case 1:
		c.rect(class, x-r, y-r, 2*r, 2*r)
	case 2:
		fmt.Fprintf(c, `<path class="%s" d="M%s %s L%s %s L%s %s z"/>`+"\n", class, n(x), n(y-r), n(x+r), n(y+r),
			n(x-r), n(y+r))
	default:
		fmt.Fprintf(c, `<path class="%s" d="M%s %s L%s %s L%s %s L%s %s z"/>`+"\n", class, n(x), n(y-r), n(x+r), n(y),
			n(x), n(y+r), n(x-r), n(y))
	}
}

func (c *canvas) end() []byte {
	c.WriteString("</svg>\n")
	return []byte(c.String())
}

// n writes a coordinate with at most one digit after the point.
func n(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}

// axis maps values to places.
type axis struct {
	from, to float64 // places
	most     float64 // the value at to; 0 is at from
	step     float64
}

// newAxis makes an axis from 0 to a round number that is at least most, with at most about six steps.
func newAxis(from, to, most float64) axis {
	if most <= 0 || math.IsNaN(most) || math.IsInf(most, 0) {
		most = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most/5)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if most/(step*factor) <= 6 {
			step *= factor
			break
		}
	}
	return axis{from, to, step * math.Ceil(most/step-1e-9), step}
}

func (a axis) at(value float64) float64 { return a.from + (a.to-a.from)*value/a.most }

// ticks are the values with a label.
func (a axis) ticks() (ticks []float64) {
	for i := 0; float64(i)*a.step <= a.most*(1+1e-9); i++ {
		ticks = append(ticks, float64(i)*a.step)
	}
	return ticks
}

// label writes a value of an axis.
func label(value float64) string {
	return strconv.FormatFloat(math.Round(value*1000)/1000, 'f', -1, 64)
}
