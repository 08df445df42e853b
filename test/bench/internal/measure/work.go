package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

// goBench runs the benchmarks of the envelope.
func (l *Lab) goBench(ctx context.Context) error {
	const pkg = "./tokenizerlayer/internal/envelope"
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(Seal|Open)$", "-benchtime",
		"200ms", "-count", "5", pkg)
	cmd.Dir = l.Root
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("the benchmarks of %s: %w\n%s", pkg, err, output)
	}
	found := benchmarks(output)
	for id, name := range map[string]string{"seal": "Seal", "open": "Open"} {
		if len(found[name]) == 0 {
			l.note("%s has no Benchmark%s", pkg, name)
			continue
		}
		l.put(record.Row{ID: id, Subject: stat.Of(found[name]...)})
	}
	return nil
}

var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\w+?)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op`)

// benchmarks reads what `go test -bench` prints: times in µs, by the benchmark's name.
func benchmarks(output []byte) map[string][]float64 {
	found := map[string][]float64{}
	for _, match := range benchmarkLine.FindAllSubmatch(output, -1) {
		if ns, err := strconv.ParseFloat(string(match[2]), 64); err == nil {
			found[string(match[1])] = append(found[string(match[1])], ns/1000)
		}
	}
	return found
}

// work measures what a developer waits for.
func (l *Lab) work(ctx context.Context) error {
	out, err := os.MkdirTemp("", "bench-synth-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	if err := l.timed(ctx, "synth", "npx", "cdk", "synth", "--quiet", "--output", out); err != nil {
		return err
	}
	return l.timed(ctx, "tests", "go", "test", "-count=1", "./...")
}

// timed measures how long a program takes. Without the program there is a note. If it fails, its time says nothing, and
// that is a failure of the run.
func (l *Lab) timed(ctx context.Context, id, program string, arguments ...string) error {
	f, _ := figures.ByID(id)
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Dir = l.Root
	start := time.Now()
	output, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		l.put(record.Row{ID: id, Subject: stat.Of(time.Since(start).Seconds())})
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		l.note("%s is not measured: %s is not on the PATH", f.Name, program)
	default:
		l.failures = append(l.failures, "`"+f.Name+"` failed"+where(output))
	}
	return nil
}

// The lines of `go test` that name what has failed: tests first, and then their package.
var failedLine = regexp.MustCompile(`(?m)^(?:--- FAIL: (\S+) \(|FAIL\t(\S+))`)

// mostFailed bounds how many packages, and tests of one package, are named.
const mostFailed = 10

// where names the packages and tests that have failed, by what `go test` prints, and repeats nothing else of it. It is
// "" for other output.
func where(output []byte) string {
	var packages, tests []string
	for _, match := range failedLine.FindAllSubmatch(output, -1) {
		if test := string(match[1]); test != "" {
			tests = append(tests, test)
			continue
		}
		name := strings.TrimPrefix(string(match[2]), module)
		if len(tests) > 0 {
			name += " (" + someOf(tests) + ")"
		}
		packages, tests = append(packages, name), nil
	}
	if len(packages) == 0 {
		return ""
	}
	return " in " + someOf(packages)
}

// module begins the names of packages, which are shorter without it.
const module = "github.com/lambda-tokenizer/lambda-tokenizer/"

func someOf(names []string) string {
	if more := len(names) - mostFailed; more > 0 {
		names = append(names[:mostFailed:mostFailed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
