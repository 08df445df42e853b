// Package report makes the page docs/who-can-read.md. It computes from a cloud assembly who can read the data behind
// tokens, put data behind tokens, end tokens or bring them back, and who can change this.
//
//	a, err := assembly.Load("cdk.out")
//	inv, err := inventory.Read(a)
//	page, err := report.Page(inv)
//
// The page shows a statement as the templates have it. The policy evaluator decides whether it has an effect: it tries
// the statement with every request that the policies can tell apart. If the package does not know something that could
// matter, it returns an error.
package report

import (
	"fmt"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/inventory"
)

// Page returns the report as Markdown.
func Page(inv *inventory.Inventory) (string, error) {
	a, err := analyse(inv)
	if err != nil {
		return "", err
	}
	w := &writer{analysis: a}
	w.WriteString(introduction)
	for _, section := range []func() error{w.summary, w.abilities, w.refusals, w.room, w.entrances, w.limits} {
		if err := section(); err != nil {
			return "", err
		}
	}
	return a.withPlaceholders(w.String()), nil
}

// writer writes the page.
type writer struct {
	strings.Builder
	*analysis
}

func (w *writer) section(title, intro string) {
	fmt.Fprintf(w, "\n## %s\n\n", title)
	if intro != "" {
		fmt.Fprintf(w, "%s\n\n", intro)
	}
}

// summary says for each principal what it can do.
func (w *writer) summary() error {
	w.section("Summary", "")
	t := &table{heads: []string{"principal", "functions", "boundary"}}
	for _, of := range abilities {
		if of.column != "" {
			t.heads = append(t.heads, of.column)
		}
	}
	for _, p := range w.principals {
		line := []string{p.label, w.through(p), capped(p)}
		for i, of := range abilities {
			if of.column == "" {
				continue
			}
			verdict, err := w.verdict(p, i)
			if err != nil {
				return err
			}
			line = append(line, verdict)
		}
		t.add(line...)
	}
	t.write(&w.Builder)
	return nil
}

// through names the functions that run as a principal.
func (w *writer) through(p *principal) string {
	if p.role == nil {
		return "none"
	}
	return w.functions(p.role)
}

// capped names the permissions boundary of a role. Without one, the role may do whatever a policy allows it.
func capped(p *principal) string {
	if p.role == nil || p.role.Boundary == nil {
		return "none"
	}
	return code(p.role.Boundary.Name)
}

// abilities says what gives each ability to whom.
func (w *writer) abilities() error {
	for i, of := range abilities {
		w.section(of.title, of.intro)
		t := &table{heads: []string{"principal", "what", "on", "only if", "through which function"}}
		for _, r := range w.given[i] {
			t.add(r.principal.label, strings.TrimPrefix(r.gives+": ", ": ")+codes(r.actions), codes(r.on), r.onlyIf,
				w.through(r.principal))
		}
		t.write(&w.Builder)
	}
	return nil
}

// refusals lists the statements that allow one of these things, to no effect.
func (w *writer) refusals() error {
	w.section("Statements without effect",
		"A policy allows what is listed here, but something else refuses every request. Such a statement is a mistake, or a change that is not "+
			"complete.")
	t := &table{heads: []string{"principal", "what", "on", "only if", "refused, because"}}
	for _, r := range mergeActions(w.refused) {
		t.add(r.principal.label, codes(r.actions), codes(r.on), r.onlyIf, r.refusal)
	}
	t.write(&w.Builder)
	return nil
}

// room lists what the policies of keys and tables leave to IAM.
func (w *writer) room() error {
	w.section("What the keys and tables leave to IAM", roomIntroduction)
	r, err := newRoom(w.analysis)
	if err != nil {
		return err
	}
	spaces, err := r.spaces()
	if err != nil {
		return err
	}
	t := &table{heads: []string{"on", "what", "IAM can let in", "and through an AWS service", "statements that decide"}}
	for _, s := range spaces {
		service := s.service
		if service == s.direct {
			service = "the same"
		}
		t.add(codes(s.on), s.what(), s.direct, service, s.decides)
	}
	t.write(&w.Builder)
	fmt.Fprintf(w, "\nThe policies were tried with: %s.\n", r.tried())
	return nil
}

// entrances lists who gets into roles, functions and layers.
func (w *writer) entrances() error {
	w.section("Who gets into roles, functions and layers",
		"Whoever can assume a role can do what the tables above say about it. Whoever can invoke a "+
			"function gets its answers. Whoever chooses a function's layer or its variables chooses what runs with its role.")
	w.analysis.entrances().write(&w.Builder)
	w.WriteString("\n")
	w.software().write(&w.Builder)
	w.WriteString("\n")
	w.parameters().write(&w.Builder)
	return nil
}

// limits lists what limits principals, and the policies that are for nobody in the templates.
func (w *writer) limits() error {
	w.section("Permissions boundaries",
		"A role that has a boundary may do nothing beyond it, whatever its policies allow. The sections above take this into account.")
	w.boundaries().write(&w.Builder)
	w.section("Policies for somebody else",
		"These are managed policies that no role of the templates has. Whoever gets one as a policy may do what it allows. "+
			"Whoever gets it as a permissions boundary may do nothing else.")
	t, err := w.loose()
	if err != nil {
		return err
	}
	t.write(&w.Builder)
	return nil
}
