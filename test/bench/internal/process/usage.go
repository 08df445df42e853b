package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ErrUnmeasurable is the error of what only Linux tells about another process.
var ErrUnmeasurable = errors.New("only Linux tells CPU time and memory of another process, in /proc")

// CPU is the CPU time that all threads of a process have used, in nanoseconds' resolution: /proc/PID/stat counts in
// ticks of 10 ms. A thread that ended takes its time with it; the threads of a Go program stay.
func CPU(pid int) (time.Duration, error) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is well formed
	var sum time.Duration
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil { // a thread that has just ended
			continue
		}
		ran, _, _ := bytes.Cut(b, []byte(" "))
		n, err := strconv.ParseInt(string(ran), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		sum += time.Duration(n)
	}
	if sum == 0 {
		return ticks(pid)
	}
	return sum, nil
}

// ticks is the CPU time in ticks of 10 ms, for kernels without schedstat.
func ticks(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, ErrUnmeasurable
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // the name before it may hold spaces
	if len(fields) < 13 {
		return 0, ErrUnmeasurable
	}
	user, err := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err, err2)
}

// RSS is a process's resident memory, in MiB.
func RSS(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, ErrUnmeasurable
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib / 1024, err
		}
	}
	return 0, ErrUnmeasurable
}

// Size is a file's size, in MB.
func Size(path string) (float64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6, nil
}
