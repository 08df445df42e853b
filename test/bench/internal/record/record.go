// Package record has what is kept of a run of the benchmark, as JSON: the machine, the rows, and the single
// measurements that plots show.
package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

// Run is one run.
type Run struct {
	Date     time.Time `json:"date"`
	Commit   string    `json:"commit"`
	Modified bool      `json:"modified,omitempty"` // the tree had changes that are not in Commit
	Extent   string    `json:"extent"`
	Subject  string    `json:"subject"`            // what was measured
	Baseline string    `json:"baseline,omitempty"` // what was measured beside it
	Peer     string    `json:"peer,omitempty"`
	Machine  Machine   `json:"machine"`
	Notes    []string  `json:"notes,omitempty"` // what is missing or needs to be known, and why
	// Failures are programs of the project that failed while they were measured, such as its tests. The time of such a
	// program is missing, and the other figures may be those of a tree that does not work.
	Failures []string `json:"failures,omitempty"`
	Rows     []Row    `json:"rows"`
	Samples  []Sample `json:"samples,omitempty"`
	// Previous is the run that was committed before, without samples and its own previous one.
	Previous *Run `json:"previous,omitempty"`
}

// Machine is where a run was made.
type Machine struct {
	CPU    string  `json:"cpu"`
	Cores  int     `json:"cores"`
	Go     string  `json:"go"`
	System string  `json:"system"` // operating system, architecture and kernel
	Load   float64 `json:"load"`   // of the last minute before the run
}

// Row is what was measured for one figure. What is nil was not measured.
type Row struct {
	ID            string     `json:"id"`
	Subject       *stat.Stat `json:"subject"`
	Floor         *stat.Stat `json:"floor,omitempty"`
	Ratio         *stat.Stat `json:"ratio,omitempty"` // of neighbouring measurements of subject and floor
	Baseline      *stat.Stat `json:"baseline,omitempty"`
	BaselineRatio *stat.Stat `json:"baseline_ratio,omitempty"`
	Peer          *stat.Stat `json:"peer,omitempty"`
}

// Sample is a list of single measurements under a name.
type Sample struct {
	Name   string    `json:"name"`
	Values []float64 `json:"values"`
}

// Row returns the row of a figure, or nil.
func (r *Run) Row(id string) *Row {
	if r == nil {
		return nil
	}
	for i := range r.Rows {
		if r.Rows[i].ID == id {
			return &r.Rows[i]
		}
	}
	return nil
}

// Sample returns the values of a sample, or nil.
func (r *Run) Sample(name string) []float64 {
	for _, s := range r.Samples {
		if s.Name == name {
			return s.Values
		}
	}
	return nil
}

// Slim returns what of a run is kept beside the one after it.
func (r *Run) Slim() *Run {
	if r == nil {
		return nil
	}
	slim := *r
	slim.Previous, slim.Samples = nil, nil
	return &slim
}

// Encode returns the run's JSON. Each statistic is one line, so that a difference between two runs can be read.
func (r *Run) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", " ")
	b = innermost.ReplaceAllFunc(b, func(value []byte) []byte { return lineBreak.ReplaceAll(value, []byte(" ")) })
	return append(b, '\n'), err
}

// Strings hold no line breaks in JSON, so nothing else is replaced.
var (
	innermost = regexp.MustCompile(`[\[{]\n[^\[\]{}]*[\]}]`)
	lineBreak = regexp.MustCompile(`\n *`)
)

// Read reads a run from a file.
func Read(file string) (*Run, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(Run)
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(r); err != nil {
		return nil, fmt.Errorf("%s is no run of this benchmark: %w", file, err)
	}
	return r, nil
}

// Write writes the run to a file, whole or not at all.
func (r *Run) Write(file string) error {
	b, err := r.Encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	temporary := file + ".new"
	if err := os.WriteFile(temporary, b, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}
