package report

import (
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// table is a Markdown table. Without lines, the page says so in its place.
type table struct {
	heads []string
	lines [][]string
}

func (t *table) add(cells ...string) { t.lines = append(t.lines, cells) }

func (t *table) write(b *strings.Builder) {
	if len(t.lines) == 0 {
		b.WriteString("None.\n")
		return
	}
	writeLine(b, t.heads)
	b.WriteString("|" + strings.Repeat("---|", len(t.heads)) + "\n")
	for _, cells := range t.lines {
		writeLine(b, cells)
	}
}

func writeLine(b *strings.Builder, cells []string) {
	for _, cell := range cells {
		b.WriteString("| " + strings.NewReplacer("|", `\|`, "\n", " ").Replace(cell) + " ")
	}
	b.WriteString("|\n")
}

// code is a text that is shown as it is.
func code(text string) string { return "`" + text + "`" }

// codes is a list of such texts.
func codes(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return code(strings.Join(texts, "`, `"))
}

// conditions are the conditions of a statement, as it has them.
func conditions(all []policy.Condition) string {
	if len(all) == 0 {
		return "always"
	}
	var parts []string
	for _, c := range all {
		parts = append(parts, code(strings.TrimSpace(c.Operator+" "+c.Key)+" = "+strings.Join(c.Values, ", ")))
	}
	return strings.Join(parts, " and ")
}
