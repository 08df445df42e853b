package plot

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

// Series is a line of a plot, with a point for each place of the axis; nil for none.
type Series struct {
	Name   string
	Points []*stat.Stat
}

// Lines draws values over places, such as latency over numbers of clients, with bars for their ranges.
func Lines(title, description, unit, places string, labels []string, series []Series) []byte {
	c := newCanvas(title, description, height)
	most := 0.0
	for _, s := range series {
		for _, p := range s.Points {
			if p != nil {
				most = math.Max(most, p.Max)
			}
		}
	}
	y := newAxis(height-bottom, top, most)
	for _, tick := range y.ticks() {
		c.line("grid", left, y.at(tick), width-right, y.at(tick))
		c.text("note", left-8, y.at(tick)+4, "end", label(tick))
	}
	c.text("note", 20, top-10, "start", unit)
	x := func(i, s int) float64 { // the series stand a little apart
		return left + (width-left-right)*(float64(i)+0.5)/float64(len(labels)) + 9*(float64(s)-float64(len(series)-1)/2)
	}
	for i, l := range labels {
		c.text("note", left+(width-left-right)*(float64(i)+0.5)/float64(len(labels)), height-bottom+20, "middle", l)
	}
	c.text("note", (left+width-right)/2, height-12, "middle", places)
	legend(c, series)
	for s, each := range series {
		c.series(s, each.Points, func(i int) float64 { return x(i, s) }, y)
	}
	return c.end()
}

// series draws one series.
func (c *canvas) series(s int, points []*stat.Stat, x func(i int) float64, y axis) {
	class := "s" + strconv.Itoa(s%4)
	path := ""
	for i, p := range points {
		if p == nil {
			continue
		}
		command := " L"
		if path == "" {
			command = "M"
		}
		path += command + n(x(i)) + " " + n(y.at(p.Value))
	}
	if path != "" {
		fmt.Fprintf(c, `<path class="%s line" d="%s"/>`+"\n", class, path)
	}
	for i, p := range points {
		if p == nil {
			continue
		}
		c.line(class, x(i), y.at(p.Min), x(i), y.at(p.Max))
		c.mark(s, x(i), y.at(p.Value), 5)
	}
}

// legend names the series in one line above the frame.
func legend(c *canvas, series []Series) {
	x := left
	for s, each := range series {
		c.mark(s, x+6, top-26, 5)
		c.text("t"+strconv.Itoa(s%4), x+18, top-22, "start", each.Name)
		x += 34 + 7.2*float64(len(each.Name))
	}
}

// Strip is a line of single values.
type Strip struct {
	Name   string
	Values []float64
}

// Strips draws distributions: each value is a mark, the median a line.
func Strips(title, description, unit string, strips []Strip) []byte {
	const row, name = 64.0, 190.0
	h := top + row*float64(len(strips)) + bottom
	c := newCanvas(title, description, h)
	most := 0.0
	for _, s := range strips {
		if len(s.Values) > 0 { // one start in twenty may be off the scale: it would hide the others
			most = math.Max(most, 1.05*stat.Quantile(s.Values, 0.95))
		}
	}
	x := newAxis(name, width-right-10, most)
	for _, tick := range x.ticks() {
		c.line("grid", x.at(tick), top-16, x.at(tick), h-bottom)
		c.text("note", x.at(tick), h-bottom+20, "middle", label(tick))
	}
	c.text("note", (name+width-right)/2, h-12, "middle", unit)
	for i, s := range strips {
		y := top + row*(float64(i)+0.5) - 8
		c.text("t"+strconv.Itoa(i%4), 20, y-4, "start", s.Name)
		if len(s.Values) == 0 {
			continue
		}
		median, beyond := stat.Median(s.Values), 0
		c.text("note", 20, y+13, "start", fmt.Sprintf("median %.1f", median))
		for j, value := range slices.Sorted(slices.Values(s.Values)) {
			if value > x.most {
				beyond++
				continue
			}
			c.mark(i, x.at(value), y+float64(j%5-2)*6, 3)
		}
		if beyond > 0 {
			c.text("note", width-right, y-14, "end", fmt.Sprintf("%d beyond →", beyond))
		}
		c.line("median", x.at(median), y-22, x.at(median), y+22)
	}
	return c.end()
}

// Bar is a bar of a plot.
type Bar struct {
	Name  string
	Value *stat.Stat
	Own   bool // a part of this project; the others are what it is compared with
}

// Bars draws bars with their values.
func Bars(title, description, unit string, bars []Bar) []byte {
	const row, name = 34.0, 270.0
	h := 68 + row*float64(len(bars)) + bottom
	c := newCanvas(title, description, h)
	most := 0.0
	for _, b := range bars {
		if b.Value != nil {
			most = math.Max(most, b.Value.Max)
		}
	}
	x := newAxis(name, width-right-70, most)
	for _, tick := range x.ticks() {
		c.line("grid", x.at(tick), 64, x.at(tick), h-bottom)
		c.text("note", x.at(tick), h-bottom+20, "middle", label(tick))
	}
	c.text("note", (name+width-right-70)/2, h-12, "middle", unit)
	for i, b := range bars {
		y, class := 72+row*float64(i), 1
		if b.Own {
			class = 0
		}
		c.text("", name-10, y+16, "end", b.Name)
		if b.Value == nil {
			continue
		}
		c.rect("s"+strconv.Itoa(class), name, y, x.at(b.Value.Value)-name, row-12)
		c.line("median", x.at(b.Value.Min), y+(row-12)/2, x.at(b.Value.Max), y+(row-12)/2)
		c.text("note", x.at(b.Value.Max)+8, y+16, "start", fmt.Sprintf("%.3g", b.Value.Value))
	}
	return c.end()
}
