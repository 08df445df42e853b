// Package measure takes the measurements. Each group of figures is one function, which starts what it needs, measures,
// and puts its rows.
//
// Subject and floor take turns in small slices, so that whatever else the machine does hits both. A row has the median
// of its slices and the range of them; a ratio is that of neighbouring slices. Everything is measured from outside,
// through the loopback API.
package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/upstream"
)

// What the services take for an answer, unless a figure says that they answer at once.
const (
	kmsLatency   = 6 * time.Millisecond
	tableLatency = 4 * time.Millisecond
)

// Config says what to measure.
type Config struct {
	Root string // the module's directory
	// Paths of programs. Baseline and Peer are "" if there are none.
	Subject, Baseline, Peer, Bare string
	// SubjectAMD64 and BareAMD64 are the programs whose size counts; "" if they could not be built.
	SubjectAMD64, BareAMD64 string
	// Worker is a command that does puts by the SDK, see [Worker].
	Worker []string
	// Extra are environment variables for the extensions.
	Extra  []string
	Extent figures.Extent
	Print  *progress.Printer
}

// Lab takes measurements.
type Lab struct {
	Config
	services *upstream.Server
	rows     []record.Row
	samples  []record.Sample
	notes    []string
	failures []string
}

// New returns a lab.
func New(c Config) *Lab { return &Lab{Config: c} }

// groups are the measurements.
var groups = map[figures.Group]func(*Lab, context.Context) error{
	figures.Size: (*Lab).sizes, figures.Starts: (*Lab).starts, figures.Waits: (*Lab).waits, figures.Units: (*Lab).units,
	figures.Loaded:   (*Lab).latency,
	figures.Busy:     (*Lab).busy,
	figures.Loopback: (*Lab).loopback,
	figures.Memory:   (*Lab).memory,
	figures.GoBench:  (*Lab).goBench,
	figures.Order:    (*Lab).order,
	figures.Million:  (*Lab).million,
	figures.Work:     (*Lab).work,
	figures.Batches:  (*Lab).batches,
	figures.Import:   (*Lab).importing,
	figures.Invoke:   (*Lab).invocations,
}

// Result is what a group has given.
type Result struct {
	Rows    []record.Row
	Samples []record.Sample
	Notes   []string
	// Failures are the programs of the project that failed while they were measured, see [record.Run].
	Failures []string
}

// Measure measures a group. What this machine cannot measure is left out, with a note.
func (l *Lab) Measure(ctx context.Context, group figures.Group) (Result, error) {
	l.rows, l.samples, l.notes, l.failures = nil, nil, nil, nil
	var err error
	if l.services, err = upstream.Listen(); err != nil {
		return Result{}, err
	}
	defer l.services.Close()
	err = l.Print.Step(string(group), func() (string, error) {
		err := groups[group](l, ctx)
		if errors.Is(err, process.ErrUnmeasurable) {
			l.note("%s: %v", group, err)
			err = nil
		}
		return fmt.Sprintf("%d figures", len(l.rows)), err
	})
	return Result{l.rows, l.samples, l.notes, l.failures}, err
}

func (l *Lab) put(rows ...record.Row) { l.rows = append(l.rows, rows...) }

func (l *Lab) sample(name string, values []float64) {
	if len(values) > 0 {
		l.samples = append(l.samples, record.Sample{Name: name, Values: values})
	}
}

func (l *Lab) note(format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	if !slices.Contains(l.notes, note) {
		l.notes = append(l.notes, note)
	}
}

// times picks a number for the extent: quick, or otherwise.
func (l *Lab) times(quick, otherwise int) int {
	if l.Extent == figures.Quick {
		return quick
	}
	return otherwise
}

// turns are what the participants gave in each turn.
type turns struct{ subject, floor, baseline []float64 }

func (t turns) row(id string) record.Row {
	return record.Row{
		ID: id, Subject: stat.Of(t.subject...), Floor: stat.Of(t.floor...), Baseline: stat.Of(t.baseline...),
		Ratio: stat.Of(stat.Ratios(t.subject, t.floor)...), BaselineRatio: stat.Of(stat.Ratios(t.baseline, t.floor)...),
	}
}

// start starts an extension for the fakes.
func (l *Lab) start(ctx context.Context, path string) (*process.Extension, error) {
	return process.Start(ctx, path, process.Config{Services: l.services.Addr(), Extra: l.Extra})
}

// ready starts an extension and waits until it serves.
func (l *Lab) ready(ctx context.Context, path string) (*process.Extension, error) {
	e, err := l.start(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := e.Ready(ctx); err != nil {
		e.Stop()
		return nil, err
	}
	return e, nil
}

// contestants are the running extensions: the subject, and the baseline if there is one.
type contestants []*tenant

// contest starts subject and baseline.
func (l *Lab) contest(ctx context.Context) (c contestants, err error) {
	for _, path := range []string{l.Subject, l.Baseline} {
		if path == "" {
			continue
		}
		e, err := l.ready(ctx, path)
		if err != nil {
			c.stop()
			return nil, err
		}
		c = append(c, &tenant{ext: e, note: l.note})
	}
	return c, nil
}

func (c contestants) stop() {
	for _, t := range c {
		t.ext.Stop()
	}
}

// into returns where the values of the contestant with an index belong.
func (t *turns) into(contestant int) *[]float64 {
	if contestant == 0 {
		return &t.subject
	}
	return &t.baseline
}

// settle returns when KMS has not been called for a while: data keys that are fetched ahead are there.
func (l *Lab) settle(ctx context.Context) error {
	const quiet, limit = 60 * time.Millisecond, 3 * time.Second
	last, since, begin := l.services.KMSCalls(), time.Now(), time.Now()
	for time.Since(since) < quiet && time.Since(begin) < limit {
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond) // there is nothing to wait on
		if n := l.services.KMSCalls(); n != last {
			last, since = n, time.Now()
		}
	}
	return nil
}
