package document

import (
	"math"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/plot"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

func (p *page) prices() {
	p.say("## Prices\n")
	p.say("| | list price | of | source |\n|---|---|---|---|")
	for _, price := range figures.Prices() {
		p.say("| %s | %s | %s | <%s> |", price.What, price.Text, price.Date, price.Source)
	}
	p.say("\nThe cost of an operation leaves out what does not depend on the number of operations (keys cost 1 USD a " +
		"month each), storage, Lambda itself, and\n" +
		"DynamoDB's own calls of KMS for its encrypted tables, of which it makes few.\n")
}

func (p *page) field() {
	p.say("## Other products\n")
	p.say(
		"These are published figures of other products. Those that are not marked *own* are claims of their vendors, made on other machines with other\n" +
			"loads. They show magnitudes, and cannot be compared with the figures above.\n")
	p.say("| product | figure | source | of |\n|---|---|---|---|")
	for _, f := range figures.Field() {
		source := f.Source
		if f.Own {
			source = "*own*, " + source
		} else {
			source = "vendor: " + source
		}
		p.say("| %s | %s | %s | %s |", f.Who, f.Figure, source, f.Date)
	}
	p.say("")
}

func (p *page) again() {
	p.say("## How to measure again\n")
	p.say(
		"    go run ./test/bench                              prints the table, writes JSON, this page and its plots to bench.out")
	p.say("    go run ./test/bench -baseline PATH               also measures an older binary of the extension")
	p.say("    go run ./test/bench -ext PATH                    measures another binary")
	p.say("    go run ./test/bench -quick -compare docs/performance.json    what CI runs")
	p.say("    go run ./test/bench -full -write                 replaces the run and this page\n")
	p.say(
		"Run it on a machine that does nothing else; it warns if the load average is above 1.5. With -full it also runs the tests and `cdk synth` to see how\n" +
			"long they take. If they fail, -write leaves the run in bench.out and says what failed. CI fails if a ratio or a count is\n" +
			"worse by half than on this page in three runs out of three. It compares medians but no other percentiles, nothing with 64 clients, and no absolute\n" +
			"times.")
}

// plots are the document's plots. draw returns nil if the run has nothing to show.
var plots = []struct {
	file, title string
	section     figures.Section
	draw        func(*record.Run) []byte
}{
	{"performance-latency.svg", "Latency against the number of clients", figures.Latency, drawLatency},
	{"performance-cpu.svg", "CPU time for one operation, by part", figures.CPU, drawCPU},
	{"performance-start.svg", "From the start of the process to its registration", figures.Start, drawStarts},
	{"performance-invocations.svg", "First invocations in the local run", figures.Development, drawInvocations},
}

// Plots are the plots by their file names.
func Plots(r *record.Run) map[string][]byte {
	svgs := map[string][]byte{}
	for _, p := range plots {
		if svg := p.draw(r); svg != nil {
			svgs[p.file] = svg
		}
	}
	return svgs
}

func drawLatency(r *record.Run) []byte {
	var labels []string
	series := []plot.Series{
		{Name: "tokenize"}, {Name: "PutItem (SDK)"}, {Name: "detokenize"}, {Name: "GetItem, then Decrypt (SDK)"},
	}
	measured := false
	for _, id := range []string{"1", "8", "64"} {
		labels = append(labels, id)
		points := [4]*stat.Stat{}
		if row := r.Row("tokenize-p50-" + id); row != nil {
			points[0], points[1], measured = row.Subject, row.Floor, true
		}
		if row := r.Row("detokenize-p50-" + id); row != nil {
			points[2], points[3], measured = row.Subject, row.Floor, true
		}
		for i := range series {
			series[i].Points = append(series[i].Points, points[i])
		}
	}
	if !measured {
		return nil
	}
	return plot.Lines("Latency against the number of clients",
		"Medians; KMS takes 6 ms, DynamoDB 4 ms. Bars are the range of the slices.", "ms", "clients at a time",
		labels, series)
}

func drawStarts(r *record.Run) []byte {
	var strips []plot.Strip
	for _, s := range [][2]string{
		{"start this", "this extension"}, {"start bare", "a bare Go extension"}, {"start before", "before"},
		{"start peer", "HashiCorp's"},
	} {
		if values := r.Sample(s[0]); len(values) > 0 {
			strips = append(strips, plot.Strip{Name: s[1], Values: values})
		}
	}
	if len(strips) == 0 {
		return nil
	}
	return plot.Strips("From the start of the process to its registration",
		"Each mark is one start, the line their median.", "ms", strips)
}

func drawCPU(r *record.Run) []byte {
	var bars []plot.Bar
	for _, part := range []struct {
		id, name   string
		floor, own bool
	}{
		{"cpu-tokenize", "a tokenize, all of it", false, true},
		{"cpu-detokenize", "a detokenize, all of it", false, true},
		{"cpu-tokenize", "of it: a request, refused", true, true}, {"seal", "of it: seal an envelope", false, true},
		{"open", "of it: open an envelope", false, true},
		{"cpu-tokenize-sdk", "for comparison: the SDK's PutItem", true, false},
	} {
		row := r.Row(part.id)
		if row == nil {
			continue
		}
		value := row.Subject
		if part.floor {
			value = row.Floor
		}
		if value != nil && !math.IsNaN(value.Value) {
			bars = append(bars, plot.Bar{Name: part.name, Value: value, Own: part.own})
		}
	}
	if len(bars) == 0 {
		return nil
	}
	return plot.Bars("CPU time for one operation, by part",
		"The services answer at once. Lines are the range of the slices.", "µs", bars)
}

func drawInvocations(r *record.Run) []byte {
	var bars []plot.Bar
	for _, runtime := range figures.Runtimes {
		row := r.Row("invoke-cold-" + runtime.ID)
		if row == nil {
			continue
		}
		bars = append(bars, plot.Bar{Name: runtime.Name, Value: row.Subject, Own: true},
			plot.Bar{Name: "its floor", Value: row.Floor})
	}
	if len(bars) == 0 {
		return nil
	}
	return plot.Bars("First invocations in the local run",
		"The floor is a bare extension and an empty program. Lines are the range of the turns.", "ms", bars)
}
