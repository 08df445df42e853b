// Package figures has the list of all figures of the benchmark. It is the one place that says what a figure is called,
// in which unit it is, how it is measured, what it is compared with, which target it has, and what limits it. The
// table, the comparison of runs and docs/performance.md are made from it.
//
// To add a figure, add it to the list and have the measurement of its group put a row with its ID.
package figures

// Figure is one line of the table.
type Figure struct {
	ID      string
	Section Section
	Name    string
	Unit    string
	Digits  int    // after the decimal point
	Floor   string // what it is compared with in the same run; "" for nothing
	Target  *Target
	Compare Compare
	Group   Group
	// How says how it is measured, Limits what keeps it from being better.
	How, Limits string
}

// Section is a heading of the document.
type Section string

// The sections, in the document's order.
const (
	Latency     Section = "Latency"
	CPU         Section = "CPU and throughput"
	Start       Section = "Start, memory and size"
	Calls       Section = "Calls to KMS and DynamoDB, and what they cost"
	Development Section = "Development"
)

// Sections are all sections in the document's order.
func Sections() []Section { return []Section{Latency, CPU, Start, Calls, Development} }

// Group is a measurement, which makes one row or several.
type Group string

// The groups, in the order in which they are measured.
const (
	Size     Group = "size"
	Starts   Group = "starts"
	Waits    Group = "waits"
	Units    Group = "units"
	Loaded   Group = "latency"
	Busy     Group = "cpu"
	Loopback Group = "loopback"
	Memory   Group = "memory"
	Batches  Group = "batches"
	Invoke   Group = "invoke"
	GoBench  Group = "gobench"
	Order    Group = "order"
	Million  Group = "million"
	Import   Group = "import"
	Work     Group = "work"
)

// Extent is how much is measured.
type Extent int

// The extents. Each measures what the one before it does, and more.
const (
	Quick    Extent = iota // for CI: the robust rows, with small samples
	Standard               // what is committed
	Full                   // also what takes minutes
)

func (e Extent) String() string { return [...]string{"quick", "standard", "full"}[e] }

// Groups are the groups that an extent measures.
func Groups(e Extent) []Group {
	groups := []Group{Size, Starts, Waits, Units, Loaded, Busy, Memory, Batches, Invoke}
	if e >= Standard {
		groups = append(groups, Loopback, GoBench, Order)
	}
	if e >= Full {
		groups = append(groups, Million, Import, Work)
	}
	return groups
}

// Target is what a figure has to reach.
type Target struct {
	Limit   float64
	Ratio   bool // of the value to the floor; otherwise of the value itself
	AtLeast bool // otherwise at most
}

// Met tells whether a value, or a ratio, reaches the target.
func (t Target) Met(x float64) bool {
	if t.AtLeast {
		return x >= t.Limit
	}
	return x <= t.Limit
}

// Compare says what of a figure is compared between runs.
type Compare int

// What is compared. Absolute times are never compared: they say more about the machine than about the program.
const (
	Nothing     Compare = iota
	ByRatio             // the ratio to the floor, measured in the same run
	ByValue             // the value, which is counted and does not depend on the machine
	ByRateRatio         // the ratio, of which more is better
)

// ByID returns the figure with an ID.
func ByID(id string) (Figure, bool) {
	for _, f := range All() {
		if f.ID == id {
			return f, true
		}
	}
	return Figure{}, false
}

func atMost(limit float64) *Target      { return &Target{Limit: limit} }
func atLeast(limit float64) *Target     { return &Target{Limit: limit, AtLeast: true} }
func atMostTimes(limit float64) *Target { return &Target{Limit: limit, Ratio: true} }
