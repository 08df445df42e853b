package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
)

// busy is the load average above which other programs disturb the measurements.
const busy = 1.5

func machine() record.Machine {
	return record.Machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), Go: runtime.Version(),
		System: strings.TrimSpace(runtime.GOOS + "/" + runtime.GOARCH + " " + firstLine("/proc/sys/kernel/osrelease")),
		Load:   loadAverage(firstLine("/proc/loadavg")),
	}
}

// cpuModel is "" where nobody says it.
func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// loadAverage is that of the last minute; 0 where nobody says it.
func loadAverage(line string) float64 {
	first, _, _ := strings.Cut(line, " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

func firstLine(file string) string {
	b, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// commit is the commit that is checked out, and whether the tree has other changes besides the benchmark's own results.
func commit(ctx context.Context, root string) (hash string, modified bool) {
	git := func(arguments ...string) string {
		cmd := exec.CommandContext(ctx, "git", arguments...)
		cmd.Dir = root
		output, _ := cmd.Output()
		return strings.TrimSpace(string(output))
	}
	hash = git("rev-parse", "--short=12", "HEAD")
	return hash, git("status", "--porcelain", "--", ".", ":!docs/performance.json", ":!docs/performance.md",
		":!docs/images") != ""
}
