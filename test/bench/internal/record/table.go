package record

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

// Verdict is whether a row meets its target: "met", "missed", or "" without a target or without what the target is
// about.
func Verdict(f figures.Figure, row *Row) string {
	if f.Target == nil || row == nil {
		return ""
	}
	s := row.Subject
	if f.Target.Ratio {
		s = row.Ratio
	}
	switch {
	case s == nil:
		return ""
	case f.Target.Met(s.Value):
		return "met"
	}
	return "missed"
}

// Target writes a target, such as "≤ 1.10 x" for a ratio.
func Target(f figures.Figure) string {
	t := f.Target
	if t == nil {
		return ""
	}
	sign, times, unit := "≤", "", ""
	if t.AtLeast {
		sign = "≥"
	}
	if t.Ratio {
		times = " x"
	} else if f.Unit != "" {
		unit = " " + f.Unit
	}
	return sign + " " + thousands(strconv.FormatFloat(t.Limit, 'f', -1, 64)) + times + unit
}

// Number writes the value of a statistic with its figure's digits; "" for none.
func Number(f figures.Figure, s *stat.Stat) string {
	if s == nil {
		return ""
	}
	return thousands(strconv.FormatFloat(s.Value, 'f', f.Digits, 64))
}

// Range writes the range of a statistic; "" for one that was counted, or measured once.
func Range(f figures.Figure, s *stat.Stat) string {
	if s == nil || s.N < 2 {
		return ""
	}
	return thousands(strconv.FormatFloat(s.Min, 'f', f.Digits, 64)) + "…" + thousands(strconv.FormatFloat(s.Max, 'f',
		f.Digits, 64))
}

// Ratio writes a ratio; "" for none.
func Ratio(s *stat.Stat) string {
	if s == nil {
		return ""
	}
	return strconv.FormatFloat(s.Value, 'f', 2, 64)
}

// RatioRange writes the range of a ratio.
func RatioRange(s *stat.Stat) string {
	return Range(figures.Figure{Digits: 2}, s)
}

// thousands puts commas into the digits before the point.
func thousands(number string) string {
	end := len(number)
	for i := range len(number) {
		if number[i] == '.' {
			end = i
			break
		}
	}
	for i := end - 3; i > 0 && number[i-1] != '-'; i -= 3 {
		number = number[:i] + "," + number[i:]
	}
	return number
}

// Table writes the run as a table.
func (r *Run) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	baseline, peer := r.Baseline != "", r.Peer != ""
	fmt.Fprint(w, "figure\tunit\tvalue\trange\tfloor\tratio\trange\ttarget\t")
	if baseline {
		fmt.Fprint(w, "\tbefore\tratio")
	}
	if peer {
		fmt.Fprint(w, "\tpeer")
	}
	fmt.Fprintln(w)
	for _, f := range figures.All() {
		row := r.Row(f.ID)
		if row == nil {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", f.Name, f.Unit, Number(f, row.Subject),
			Range(f, row.Subject), Number(f, row.Floor),
			Ratio(row.Ratio), RatioRange(row.Ratio), Target(f), Verdict(f, row))
		if baseline {
			fmt.Fprintf(w, "\t%s\t%s", Number(f, row.Baseline), Ratio(row.BaselineRatio))
		}
		if peer {
			fmt.Fprintf(w, "\t%s", Number(f, row.Peer))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}
