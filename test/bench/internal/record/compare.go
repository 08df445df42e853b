package record

import (
	"fmt"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

// tolerance is by how much a figure may be worse than in the committed run: by half.
const tolerance = 1.5

// slack keeps a counted value of 0 from failing for less than it says.
const slack = 0.05

// Worse is a row that is worse than in another run.
type Worse struct {
	Figure figures.Figure
	Was    float64
	Is     float64
}

func (w Worse) String() string {
	what := "ratio"
	if w.Figure.Compare == figures.ByValue {
		what = "value"
	}
	return fmt.Sprintf("%s: %s %.3g, was %.3g", w.Figure.Name, what, w.Is, w.Was)
}

// Compare returns the rows of now that are worse by half than those of committed. It compares what does not depend on
// the machine: ratios of figures measured in the same run, and counts. Rows that only one of the runs has are passed
// over.
func Compare(now, committed *Run) (worse []Worse) {
	for _, f := range figures.All() {
		is, was := compared(f, now.Row(f.ID)), compared(f, committed.Row(f.ID))
		if is == nil || was == nil {
			continue
		}
		limit := was.Value*tolerance + slack
		bad := is.Value > limit
		if f.Compare == figures.ByRateRatio {
			bad = is.Value < was.Value/tolerance
		}
		if bad {
			worse = append(worse, Worse{f, was.Value, is.Value})
		}
	}
	return worse
}

func compared(f figures.Figure, row *Row) *stat.Stat {
	switch {
	case row == nil:
		return nil
	case f.Compare == figures.ByRatio, f.Compare == figures.ByRateRatio:
		return row.Ratio
	case f.Compare == figures.ByValue:
		return row.Subject
	}
	return nil
}

// Better keeps, of two measurements of a row, the one that compares better.
func Better(a, b Row) Row {
	f, ok := figures.ByID(a.ID)
	x, y := compared(f, &a), compared(f, &b)
	switch {
	case !ok || y == nil:
		return a
	case x == nil:
		return b
	case (f.Compare == figures.ByRateRatio) == (x.Value > y.Value):
		return a
	}
	return b
}
