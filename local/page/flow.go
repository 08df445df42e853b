package page

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/sequence"
)

// maxRequests is how many requests one can choose from.
const maxRequests = 12

// flowView is what the part about a request shows.
type flowView struct {
	Requests []requestView
	Chosen   string // number of the request that the person chose; "" for the latest
	Title    string
	Drawing  template.HTML
	Steps    []string // the drawing in words
	Shared   bool     // another request of the same function ran at the same time
}

type requestView struct{ Number, Title string }

func (p *Page) flowView(chosen string) flowView {
	requests := p.config.Recorder.Requests()
	requests = requests[:min(len(requests), maxRequests)]
	v := flowView{Chosen: chosen}
	var shown *record.Request
	for i, r := range requests {
		number := strconv.FormatUint(r.Seq, 10)
		v.Requests = append(v.Requests, requestView{number, fmt.Sprintf("%s %s, answered %d in %s",
			r.Started.Format("15:04:05"), r.Route, r.Status, millis(r.Took))})
		if number == chosen || shown == nil && chosen == "" {
			shown, v.Title = &requests[i], v.Requests[i].Title
		}
	}
	if shown == nil {
		return v
	}
	for _, other := range requests {
		if other.Seq != shown.Seq && other.Function == shown.Function && overlap(other, *shown) {
			v.Shared = true
		}
	}
	d := Diagram(*shown, p.config.Recorder.Calls(), p.config.Recorder.Events(), p.resource)
	v.Drawing = template.HTML(d.SVG(false)) // package sequence escapes every text
	v.Steps = d.Words()
	return v
}

func overlap(a, b record.Request) bool {
	return a.Started.Before(b.Started.Add(b.Took)) && b.Started.Before(a.Started.Add(a.Took))
}

// The lifelines of a request.
const (
	laneClient = iota
	laneAPI
	laneFunction
	laneExtension
	laneKMS
	laneDynamoDB
)

// Diagram is the sequence diagram of a request: of all calls and events of its function while it was answered.
func Diagram(r record.Request, calls []record.Call, events []record.Event,
	resource func(arn string) string) sequence.Diagram {
	function := record.Name(r.Function)
	d := sequence.Diagram{
		Title: r.Route,
		Lanes: []string{"Client", "API Gateway", function, "Extension", "KMS", "DynamoDB"},
	}
	end := r.Started.Add(r.Took)
	hasCard := strings.HasSuffix(r.Route, "/order")
	d.Arrows = append(d.Arrows,
		sequence.Arrow{From: laneClient, To: laneAPI, Label: r.Route, Card: hasCard},
		sequence.Arrow{From: laneAPI, To: laneFunction, Label: "invoke", Card: hasCard})
	var within []sequence.Arrow
	for _, c := range calls {
		if record.Name(c.Function) != function || c.By == record.Page ||
			c.Started.Before(r.Started) || c.Started.After(end) {
			continue
		}
		within = append(within, arrowOf(c, r.Started, resource))
	}
	for _, e := range events {
		started := e.At.Add(-e.Took)
		if record.Name(e.Function) != function || started.Before(r.Started) || e.At.After(end) {
			continue
		}
		reads, answer := e.Operation == "detokenize", e.Outcome
		if reads && e.Outcome == "ok" {
			answer += ": the card"
		}
		within = append(within,
			sequence.Arrow{
				From: laneFunction, To: laneExtension, Label: e.Operation, At: started.Sub(r.Started), Card: !reads,
			},
			sequence.Arrow{
				From: laneExtension, To: laneFunction, Label: answer, Took: e.Took, At: e.At.Sub(r.Started),
				Card: reads && e.Outcome == "ok", Denied: e.Outcome != "ok", Back: true,
			})
	}
	slices.SortStableFunc(within, func(a, b sequence.Arrow) int { return int(a.At - b.At) })
	d.Arrows = append(d.Arrows, within...)
	d.Arrows = append(d.Arrows,
		sequence.Arrow{From: laneFunction, To: laneAPI, Label: strconv.Itoa(r.Status), At: r.Took, Back: true},
		sequence.Arrow{
			From: laneAPI, To: laneClient, Label: strconv.Itoa(r.Status), Took: r.Took, At: r.Took, Back: true,
		})
	return d
}

func arrowOf(c record.Call, start time.Time, resource func(string) string) sequence.Arrow {
	a := sequence.Arrow{
		From: laneFunction, To: laneDynamoDB, Label: c.Operation, At: c.Started.Sub(start), Took: c.Took,
		Denied: c.Denied,
	}
	if c.By == record.Extension {
		a.From = laneExtension
	}
	if c.Service == "kms" {
		a.To = laneKMS
		a.Label += " " + resource(c.Key)
	} else {
		a.Label += " " + strings.Join(c.Tables, " + ")
	}
	return a
}
