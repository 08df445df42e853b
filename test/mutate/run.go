package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// What becomes of a fault.
const (
	killed   = "killed"
	survived = "survived"
	listed   = "listed"  // it survived, as survivors.txt says
	invalid  = "invalid" // it does not compile
)

// result is a fault's outcome, as the file of outcomes has it, one a line.
type result struct {
	ID      string
	Outcome string
	// Source and Package are digests of the changed file and of the package with its tests: an outcome holds for these.
	// A fault that was killed stays killed by more tests.
	Source, Package string
}

// outcomes is the file of outcomes.
type outcomes struct {
	mu    sync.Mutex
	known map[string]result
	file  *os.File // nil if none is kept
}

func openOutcomes(name string) (*outcomes, error) {
	o := &outcomes{known: map[string]result{}}
	if name == "" {
		return o, nil
	}
	content, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for line := range bytes.Lines(content) {
		var r result
		if json.Unmarshal(line, &r) == nil { // a line that was cut off is run again
			o.known[r.ID] = r
		}
	}
	o.file, err = os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return o, err
}

func (o *outcomes) find(id, source, pkg string) (result, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.known[id]
	return r, ok && r.Source == source && (r.Package == pkg || r.Outcome != survived)
}

func (o *outcomes) add(r result) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = o.file.Write(append(line, '\n'))
	return err
}

func (o *outcomes) close() {
	if o.file != nil {
		_ = o.file.Close()
	}
}

// runPackage puts faults into a package and runs its tests with each.
func runPackage(ctx context.Context, root, dir string, race bool, o options, known *outcomes,
	out io.Writer) ([]result, error) {
	all, sources, digest, err := readPackage(root, dir)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(m mutant) bool { return !strings.Contains(m.id, o.match) })
	chosen := choose(all, o.sample, o.seed)
	if o.list {
		for _, m := range chosen {
			fmt.Fprintln(out, m.id)
		}
		return nil, nil
	}
	start := time.Now()
	args := []string{"./" + dir}
	if race {
		args = []string{"-race", "./" + dir}
	}
	if output, err := test(ctx, root, 10*time.Minute, args...); err != nil {
		return nil, fmt.Errorf("the tests of %s fail without a fault: %w\n%s", dir, err, output)
	}
	limit := 3*time.Since(start) + 10*time.Second
	results := make([]result, len(chosen))
	errs := make([]error, len(chosen))
	var wg sync.WaitGroup
	places := make(chan struct{}, o.parallel)
	for i, m := range chosen {
		source := hexDigest([]byte(sources[m.file]))
		if r, ok := known.find(m.id, source, digest); ok {
			results[i] = r
			continue
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			r := result{ID: m.id, Source: source, Package: digest}
			if r.Outcome, errs[i] = tryMutant(ctx, root, m, sources[m.file], limit, args); errs[i] == nil {
				results[i], errs[i] = r, known.add(r)
			}
		})
	}
	wg.Wait()
	return results, errors.Join(errs...)
}

// readPackage reads a package: its faults, its files by their names below root, and a digest of it all.
func readPackage(root, dir string) (all []mutant, sources map[string]string, digest string, err error) {
	files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		return nil, nil, "", err
	}
	sources = map[string]string{}
	h := sha256.New()
	for _, file := range files { // sorted
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, "", err
		}
		fmt.Fprintln(h, filepath.Base(file), len(content))
		h.Write(content)
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		name := dir + "/" + filepath.Base(file)
		sources[name] = string(content)
		more, err := mutantsOf(name, string(content))
		if err != nil {
			return nil, nil, "", err
		}
		all = append(all, more...)
	}
	return all, sources, hex.EncodeToString(h.Sum(nil))[:16], nil
}

func hexDigest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b))[:16] }

// choose is a sample of mutants, the same for the same seed, in their order.
func choose(all []mutant, n int, seed uint64) []mutant {
	if n <= 0 || n >= len(all) {
		return all
	}
	picked := rand.New(rand.NewPCG(seed, seed)).Perm(len(all))[:n]
	slices.Sort(picked)
	out := make([]mutant, n)
	for i, p := range picked {
		out[i] = all[p]
	}
	return out
}

func tryMutant(ctx context.Context, root string, m mutant, source string, limit time.Duration,
	args []string) (string, error) {
	temp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	changed, overlay := filepath.Join(temp, filepath.Base(m.file)), filepath.Join(temp, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, m.file): changed}})
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.WriteFile(changed, []byte(m.apply(source)), 0o600),
		os.WriteFile(overlay, list, 0o600)); err != nil {
		return "", err
	}
	args = append([]string{"-overlay=" + overlay}, args...)
	output, err := test(ctx, root, limit, args...)
	if bytes.Contains(output, []byte("panic: test timed out after ")) { // or only the machine is busy
		output, err = test(ctx, root, 4*limit, args...)
	}
	return outcome(ctx, output, err)
}

// outcome is what the output of go test says. ctx is the whole run's.
func outcome(ctx context.Context, output []byte, err error) (string, error) {
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil:
		return survived, nil
	case bytes.Contains(output, []byte("[build failed]")), bytes.Contains(output, []byte("[setup failed]")):
		return invalid, nil
	}
	return killed, nil
}

// test runs go test in a directory. Tests that hang fail at the limit.
func test(ctx context.Context, root string, limit time.Duration, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go",
		append([]string{"test", "-count=1", "-failfast", "-vet=off", "-timeout=" + limit.String()}, args...)...)
	command.Dir, command.WaitDelay = root, time.Second
	return command.CombinedOutput()
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
