package dataflow

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// Measures are in pixels. Boxes are wide enough for names of 38 characters in any font.
const (
	margin     = 20
	gap        = 18 // between boxes of a column
	line       = 17 // height of a line of text
	portHeight = 26 // between arrows that end at one box
	captions   = 66 // what is above the boxes

	callerX, callerWidth = margin, 170
	routeX, routeWidth   = 250, 170
	actorX, actorWidth   = 490, 290
	storeX, storeWidth   = 1090, 290
	labels               = 190 // width of the arrows' straight ends, where their labels are
	width                = storeX + storeWidth + margin
)

// colours tell apart the arrows of actors, also for people who do not see all colours: on a light page and on a dark
// one.
var colours = []struct{ light, dark string }{
	{"#6f42c1", "#b794f4"}, {"#00776b", "#4fd1b8"}, {"#8a5a00", "#e0b060"}, {"#9c4f80", "#e39ac6"},
	{"#0072b2", "#6cb6ff"}, {"#4a4a4a", "#b8c0c8"},
}

// box is a box of the drawing. Arrows start at its right side and end at its left side.
type box struct {
	name                string
	x, y, width, height int
	out, in             int // arrows so far
	outs, ins           int // arrows in all
}

// start returns where the next arrow starts that leaves the box.
func (b *box) start() (x, y int) {
	b.out++
	return b.x + b.width, b.y + b.height*b.out/(b.outs+1)
}

// end returns where the next arrow ends that comes to the box.
func (b *box) end() (x, y int) {
	b.in++
	return b.x, b.y + b.height*b.in/(b.ins+1)
}

// drawing is the SVG while it is written.
type drawing struct {
	boxes, arrows strings.Builder
	callers       []*box
	routes        []*box
	actors        []*box
	stores        []*box
	height        int
}

// SVG draws a flow.
func SVG(f Flow) []byte {
	d := &drawing{}
	d.placeStores(f)
	d.placeActors(f)
	d.placeRoutes(f)
	d.placeCallers(f)
	d.connect(f)
	return d.document()
}

// find returns the box with a name; nil if there is none.
func find(boxes []*box, name string) *box {
	i := slices.IndexFunc(boxes, func(b *box) bool { return b.name == name })
	if i < 0 {
		return nil
	}
	return boxes[i]
}

// text is a line of text in a box. One in a frame is a box within the box.
type text struct {
	class, content string
	framed         bool
}

// texts are a name and notes.
func texts(name string, notes ...string) []text {
	all := []text{{"name", name, false}}
	for _, note := range notes {
		all = append(all, text{"note", note, false})
	}
	return all
}

// add draws a box at the end of a column.
func (d *drawing) add(column *[]*box, b *box, inScope bool, texts []text) {
	b.y = captions
	if n := len(*column); n > 0 {
		last := (*column)[n-1]
		b.y = last.y + last.height + gap
	}
	b.height = max(b.height, line*len(texts)+14)
	*column = append(*column, b)
	d.height = max(d.height, b.y+b.height)
	class := "connected"
	if inScope {
		class = "scope"
	}
	fmt.Fprintf(&d.boxes, "<rect class=%q x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\"/>\n", class, b.x, b.y,
		b.width, b.height)
	top := b.y + (b.height-line*len(texts))/2 + 13
	for i, t := range texts {
		if t.framed {
			fmt.Fprintf(&d.boxes, "<rect class=\"layer\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\"/>\n",
				b.x+6, top+line*i-12, b.width-12, line)
		}
		write(&d.boxes, t.class, b.x+10, top+line*i, t.content)
	}
}

func write(to *strings.Builder, class string, x, y int, text string) {
	fmt.Fprintf(to, "<text class=%q x=\"%d\" y=\"%d\">%s</text>\n", class, x, y, escape(text))
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	return b.String()
}

func (d *drawing) placeStores(f Flow) {
	for _, s := range f.Stores {
		uses := count(f.Uses, func(u Use) bool { return u.Store == s.Name })
		d.add(&d.stores, &box{name: s.Name, x: storeX, width: storeWidth, height: portHeight*uses + 12, ins: uses},
			s.InScope, texts(s.Name, s.Note))
	}
}

func (d *drawing) placeActors(f Flow) {
	for _, a := range f.Actors {
		uses := count(f.Uses, func(u Use) bool { return u.Actor == a.Name })
		routes := count(f.Routes, func(r Route) bool { return r.Actor == a.Name })
		lines := texts(a.Name, a.Notes...)
		for _, layer := range a.Layers {
			lines = append(lines, text{"note", "layer " + layer, true})
		}
		d.add(&d.actors, &box{
			name: a.Name, x: actorX, width: actorWidth, height: portHeight*uses + 12, outs: uses, ins: routes,
		}, a.InScope, lines)
	}
}

func (d *drawing) placeRoutes(f Flow) {
	for _, r := range f.Routes {
		outs := 1
		if r.Actor == "" {
			outs = 0
		}
		d.add(&d.routes, &box{name: r.API + " " + r.Name, x: routeX, width: routeWidth, outs: outs, ins: 1}, r.InScope,
			texts(r.Name, r.API))
	}
}

func (d *drawing) placeCallers(f Flow) {
	for _, c := range f.Callers {
		routes := count(f.Routes, func(r Route) bool { return r.Caller == c.Name })
		d.add(&d.callers, &box{name: c.Name, x: callerX, width: callerWidth, outs: routes}, false,
			texts(c.Name, c.Note))
	}
}

func count[T any](list []T, is func(T) bool) (n int) {
	for _, element := range list {
		if is(element) {
			n++
		}
	}
	return n
}

// connect draws all arrows.
func (d *drawing) connect(f Flow) {
	for _, r := range f.Routes {
		from := find(d.routes, r.API+" "+r.Name)
		d.arrow(find(d.callers, r.Caller), from, len(colours)-1, 0, "")
		d.arrow(from, find(d.actors, r.Actor), len(colours)-1, 0, "")
	}
	for i, a := range f.Actors {
		for _, s := range f.Stores {
			for _, u := range f.Uses {
				if u.Actor == a.Name && u.Store == s.Name {
					d.arrow(find(d.actors, a.Name), find(d.stores, s.Name), i%(len(colours)-1), labels, u.What)
				}
			}
		}
	}
}

// arrow draws an arrow whose last part is straight and has the label. It draws none from or to a box that there is not.
func (d *drawing) arrow(from, to *box, colour, straight int, label string) {
	if from == nil || to == nil {
		return
	}
	x1, y1 := from.start()
	x2, y2 := to.end()
	x2 -= 2 // the head needs room
	turn := x2 - max(straight, 10)
	middle := (x1 + turn) / 2
	fmt.Fprintf(&d.arrows,
		"<path class=\"arrow\" data-colour=\"%d\" marker-end=\"url(#head%d)\" d=\"M%d %d C%d %d %d %d %d %d L%d %d\"/>\n",
		colour, colour, x1, y1, middle, y1, middle, y2, turn, y2, x2, y2)
	if label != "" {
		fmt.Fprintf(&d.arrows, "<text class=\"use\" data-colour=\"%d\" x=\"%d\" y=\"%d\">%s</text>\n", colour,
			turn+6, y2-4, escape(label))
	}
}
