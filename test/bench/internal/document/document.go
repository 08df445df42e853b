// Package document makes docs/performance.md and its plots from the JSON of a run, and from nothing else: the same run
// gives the same bytes.
package document

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
)

// Name is the document's file name.
const Name = "performance.md"

// busy is the load average above which the document warns.
const busy = 1.5

// Write writes the document to dir and its plots to images, which is dir or below it.
func Write(r *record.Run, dir, images string) error {
	relative, err := filepath.Rel(dir, images)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(images, 0o755); err != nil {
		return err
	}
	for name, svg := range Plots(r) {
		if err := os.WriteFile(filepath.Join(images, name), svg, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, Name), Markdown(r, filepath.ToSlash(relative)), 0o644)
}

// page is a document that is being written.
type page struct {
	bytes.Buffer
	run    *record.Run
	images string
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// Markdown is the document. Images is the plots' directory, relative to it.
func Markdown(r *record.Run, images string) []byte {
	p := &page{run: r, images: images}
	p.say("<!-- Made by `go run ./test/bench -write` from performance.json. Do not edit it: a test compares the " +
		"two. -->\n")
	p.say("# Performance\n")
	p.introduction()
	p.targets()
	for _, section := range figures.Sections() {
		p.section(section)
	}
	p.prices()
	p.field()
	p.again()
	return p.Bytes()
}

func (p *page) introduction() {
	r := p.run
	p.say(
		"This page shows what the tokenizer costs: time, CPU, memory and money. All figures come from one run of `go run ./test/bench` on one machine, with\n" +
			"fakes of KMS and DynamoDB on its loopback network. An absolute time says as much about that machine as about the tokenizer, so nearly every\n" +
			"figure has a *floor* beside it: the same work done with the AWS SDK alone, or the least that a program can cost. Subject and floor are\n" +
			"measured in turns, slice by slice. A figure is the median of its slices, with their range in brackets. A ratio compares neighbouring\n" +
			"slices.\n\n" +
			"To *tokenize* is to seal a card number under a data key of KMS and to put the row into DynamoDB; to " +
			"*detokenize* is to read the row, have KMS\n" +
			"decrypt its data key, and open it.\n")
	p.say("- **Run**: %s, of commit `%s`%s.", r.Date.Format("2 January 2006"), r.Commit,
		map[bool]string{true: " with uncommitted changes"}[r.Modified])
	p.say("- **Machine**: %s, %d cores, %s, %s. Load, fakes and extension share the cores.", orUnknown(r.Machine.CPU),
		r.Machine.Cores, r.Machine.System, r.Machine.Go)
	p.say("- **Measured**: %s.", r.Subject)
	if r.Baseline != "" {
		p.say("- **Compared with**: an older extension, `%s`, in the column *before*.", path.Base(r.Baseline))
	}
	if r.Previous != nil {
		p.say("- **Previous run**: %s, of commit `%s`, in the column *run before*.",
			r.Previous.Date.Format("2 January 2006"), r.Previous.Commit)
	}
	for _, note := range r.Notes {
		p.say("- **Note**: %s.", strings.TrimSuffix(note, "."))
	}
	for _, failure := range r.Failures {
		p.say("- **Failed**: %s while it was measured, so its time is missing.", failure)
	}
	if r.Machine.Load > busy {
		p.say("- **The machine was busy** when the run began: its load average was %.2f. The ranges are wide for "+
			"that reason.", r.Machine.Load)
	}
	p.say(
		"- **Not measured**: the latency of the real services and its spread, TLS, and the smaller share of a CPU that a function with little memory has.")
	p.say("  The extension's log is thrown away here, while on Lambda the platform reads it.\n")
}

func orUnknown(s string) string {
	if s == "" {
		return "an unknown CPU"
	}
	return s
}

// targets is the list of what has to be reached.
func (p *page) targets() {
	p.say("## Targets\n")
	p.say("| figure | target | this run | |\n|---|---|---|---|")
	for _, f := range figures.All() {
		row := p.run.Row(f.ID)
		verdict := record.Verdict(f, row)
		if verdict == "" {
			continue
		}
		is := record.Number(f, row.Subject) + " " + f.Unit
		if f.Target.Ratio {
			is = record.Ratio(row.Ratio) + " x"
		}
		p.say("| %s | %s | %s | %s |", f.Name, record.Target(f), strings.TrimSpace(is),
			map[string]string{"met": "met", "missed": "**missed**"}[verdict])
	}
	p.say("")
}

func (p *page) section(section figures.Section) {
	var list []figures.Figure
	for _, f := range figures.All() {
		if f.Section == section && p.run.Row(f.ID) != nil {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return
	}
	p.say("## %s\n", section)
	for _, plot := range plots {
		if plot.section == section && plot.draw(p.run) != nil {
			p.say("![%s](%s)\n", plot.title, path.Join(p.images, plot.file))
		}
	}
	p.table(list)
	p.say("")
	p.meanings(list)
}

// table has the columns that the rows have something for.
func (p *page) table(list []figures.Figure) {
	columns := []struct {
		head string
		cell func(figures.Figure, *record.Row) string
	}{
		{"figure", func(f figures.Figure, _ *record.Row) string { return f.Name }},
		{"unit", func(f figures.Figure, _ *record.Row) string { return f.Unit }},
		{"this run", func(f figures.Figure, row *record.Row) string {
			return ranged(record.Number(f, row.Subject), record.Range(f, row.Subject))
		}},
		{"floor", func(f figures.Figure, row *record.Row) string { return record.Number(f, row.Floor) }},
		{"ratio", func(_ figures.Figure, row *record.Row) string {
			return ranged(record.Ratio(row.Ratio), record.RatioRange(row.Ratio))
		}},
		{"target", func(f figures.Figure, _ *record.Row) string { return record.Target(f) }},
		{"before", func(f figures.Figure, row *record.Row) string {
			return withRatio(record.Number(f, row.Baseline), record.Ratio(row.BaselineRatio))
		}},
		{"HashiCorp's", func(f figures.Figure, row *record.Row) string { return record.Number(f, row.Peer) }},
		{"run before", func(f figures.Figure, _ *record.Row) string {
			before := p.run.Previous.Row(f.ID)
			if before == nil {
				return ""
			}
			return withRatio(record.Number(f, before.Subject), record.Ratio(before.Ratio))
		}},
	}
	head, rule := "|", "|"
	rows := make([]string, len(list))
	for _, column := range columns {
		cells, filled := make([]string, len(list)), false
		for i, f := range list {
			cells[i] = column.cell(f, p.run.Row(f.ID))
			filled = filled || cells[i] != ""
		}
		if !filled {
			continue
		}
		head, rule = head+" "+column.head+" |", rule+"---|"
		for i := range rows {
			rows[i] += " " + cells[i] + " |"
		}
	}
	p.say("%s\n%s", head, rule)
	for _, row := range rows {
		p.say("|%s", row)
	}
}

func ranged(value, between string) string {
	if between == "" {
		return value
	}
	return value + " (" + between + ")"
}

func withRatio(value, ratio string) string {
	if ratio == "" {
		return value
	}
	return value + " (" + ratio + " x)"
}

// meanings says of each figure how it is measured and what limits it. Neighbours with the same texts share a line.
func (p *page) meanings(list []figures.Figure) {
	for i := 0; i < len(list); {
		f, names := list[i], []string{}
		for ; i < len(list) && list[i].How == f.How && list[i].Limits == f.Limits && list[i].Floor == f.Floor; i++ {
			names = append(names, list[i].Name)
		}
		if strings.Contains(f.Name, ": ") && f.Group == figures.Units { // four rows of each operation, explained once
			continue
		}
		floor := ""
		if f.Floor != "" {
			floor = " Floor: " + f.Floor + "."
		}
		p.say("- **%s**: %s%s *What limits it:* %s", strings.Join(names, "; "), f.How, floor, f.Limits)
	}
	for i, f := range list {
		if f.Group != figures.Units {
			continue
		}
		for _, of := range list[i : i+4] {
			_, name, _ := strings.Cut(of.Name, ": ")
			p.say("- **%s**: %s *What limits it:* %s", name, of.How, of.Limits)
		}
		break
	}
	p.say("")
}
