package measure

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

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
	for _, w := range []struct {
		id      string
		command []string
	}{
		{"synth", []string{"npx", "cdk", "synth", "--quiet", "--output", out}},
		{"tests", []string{"go", "test", "-count=1", "./..."}},
	} {
		cmd := exec.CommandContext(ctx, w.command[0], w.command[1:]...)
		cmd.Dir = l.Root
		start := time.Now()
		output, err := cmd.CombinedOutput()
		if err != nil {
			lines := bytes.Split(bytes.TrimSpace(output), []byte("\n"))
			l.note("%v failed: %s", w.command, lines[len(lines)-1])
			continue
		}
		l.put(record.Row{ID: w.id, Subject: stat.Of(time.Since(start).Seconds())})
	}
	return nil
}
