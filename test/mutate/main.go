// Command mutate puts small faults into the code, one at a time, and tells which of them no test notices.
//
//	go run ./test/mutate                                  # 40 faults of each package, and the list of patches
//	go run ./test/mutate -packages vault,server -sample 0  # every fault of two packages
//	go run ./test/mutate -packages vault -match seal.go    # those of a file, or of whatever else their names have
//	go run ./test/mutate -packages patches                # the list only
//
// A fault is a comparison whose edge or sense is another, a condition turned around, a statement left out, a number
// larger or smaller by one, an error that is not returned, a time limit or a UTC that is not set. The tests of the
// package run with the changed file in place of the file (go test -overlay), so the tree stays as it is. A fault that a
// test notices, or that makes the tests hang, is killed; one that does not compile does not count. The score of a
// package is how many of its faults are killed.
//
// The directory patches lists faults of what is not Go, such as the clients for other languages, and of what takes too
// long for every fault, such as the constructs. Each is tried in a copy of the tree.
//
// survivors.txt lists the faults that may survive, each with the reason. The run fails if another one does, or if the
// list has a fault that the code does not. If a fault that is listed is killed, which may depend on the machine, it
// says so and does not fail.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// packages are those that are covered, by their names on the command line. Those that are raced run under the race
// detector.
var packages = map[string]struct {
	dir  string
	race bool
}{
	"vault": {"tokenizerlayer/internal/vault", false}, "envelope": {"tokenizerlayer/internal/envelope", false},
	"keypool": {"tokenizerlayer/internal/keypool", true}, "server": {"tokenizerlayer/internal/server", false},
	"audit": {"tokenizerlayer/internal/audit", true}, "pan": {"tokenizerlayer/internal/pan", false},
	"token": {"tokenizerlayer/internal/token", false}, "strictjson": {"tokenizerlayer/internal/strictjson", false},
	"form": {"tokenizerlayer/internal/form", false}, "awsjson": {"tokenizerlayer/internal/awsjson", false},
	"client": {"tokenizerlayer/client", false}, "wirejson": {"tokenizerlayer/internal/wirejson", false},
	"kmsapi": {"tokenizerlayer/internal/kmsapi", false}, "dynamoapi": {"tokenizerlayer/internal/dynamoapi", false},
	"attribute": {"tokenizerlayer/internal/attribute", false}, "settings": {"tokenizerlayer/internal/settings", false},
	"problem":       {"tokenizerlayer/internal/problem", false},
	"extensionsapi": {"tokenizerlayer/internal/extensionsapi", false},
	"sensitive":     {"tokenizerlayer/internal/sensitive", false},
	"failure":       {"tokenizerlayer/internal/failure", false},
	"brand":         {"tokenizerlayer/internal/brand", false},
}

const (
	patchList     = "patches" // on the command line, beside the packages
	survivorsFile = "test/mutate/survivors.txt"
	patchesDir    = "test/mutate/patches"
)

type options struct {
	packages []string
	sample   int
	seed     uint64
	parallel int
	match    string
	resume   string
	list     bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		stop()
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	names := append(sortedKeys(packages), patchList)
	only := flags.String("packages", strings.Join(names, ","), "what to put faults into, separated by commas")
	flags.IntVar(&o.sample, "sample", 40, "how many faults of each package; 0 means all")
	flags.StringVar(&o.match, "match", "", "only faults whose names have this `text`, such as a function's name")
	flags.Uint64Var(&o.seed, "seed", 1, "which sample")
	flags.IntVar(&o.parallel, "parallel", 2, "how many tests run at a time")
	flags.StringVar(&o.resume, "resume", "", "a `file` of outcomes, to go on where an earlier run ended")
	flags.BoolVar(&o.list, "list", false, "print the faults, and run nothing")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	o.packages = strings.Split(*only, ",")
	for _, name := range o.packages {
		if !slices.Contains(names, name) {
			return options{}, fmt.Errorf("-packages names %q: choose from %s", name, strings.Join(names, ", "))
		}
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	accepted, err := readSurvivors(filepath.Join(root, survivorsFile))
	if err != nil {
		return err
	}
	known, err := openOutcomes(o.resume)
	if err != nil {
		return err
	}
	defer known.close()
	stale, err := staleEntries(root, accepted)
	if err != nil {
		return err
	}
	for _, id := range stale {
		fmt.Fprintf(out, "%s lists a fault that the code does not have: %s\n", survivorsFile, id)
	}
	all, unlisted := score{}, 0
	for _, name := range o.packages {
		start := time.Now()
		var results []result
		if name == patchList {
			results, err = runPatches(ctx, root, o, known, out)
		} else {
			results, err = runPackage(ctx, root, packages[name].dir, packages[name].race, o, known, out)
		}
		if err != nil {
			return err
		}
		if o.list {
			continue
		}
		s := score{}
		for _, r := range results {
			s.add(r, accepted, out)
		}
		fmt.Fprintf(out, "%-13s %s, in %v\n", name, s, time.Since(start).Round(time.Second))
		for outcome, n := range s {
			all[outcome] += n
		}
		unlisted += s[survived]
	}
	if !o.list {
		fmt.Fprintf(out, "%-13s %s\n", "all", all)
	}
	if unlisted > 0 || len(stale) > 0 {
		return fmt.Errorf("%d faults survive that %s does not list, and it lists %d that the code does not have: "+
			"add tests, or correct the list", unlisted, survivorsFile, len(stale))
	}
	return nil
}

// staleEntries are the faults of the list that can be put into none of the packages and are no patch, in order.
func staleEntries(root string, accepted map[string]string) (stale []string, err error) {
	known := map[string]bool{}
	patches, err := readPatches(filepath.Join(root, patchesDir))
	if err != nil {
		return nil, err
	}
	for _, p := range patches {
		known[p.id] = true
	}
	for _, p := range packages {
		all, _, _, err := readPackage(root, p.dir)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			known[m.id] = true
		}
	}
	for _, id := range sortedKeys(accepted) {
		if !known[id] {
			stale = append(stale, id)
		}
	}
	return stale, nil
}

// score counts outcomes.
type score map[string]int

// add counts an outcome, and prints it if somebody has to look at it.
func (s score) add(r result, accepted map[string]string, out io.Writer) {
	reason, isListed := accepted[r.ID]
	switch {
	case r.Outcome == survived && isListed:
		s[listed]++
		fmt.Fprintf(out, "  listed   %s | %s\n", r.ID, reason)
		return
	case r.Outcome == survived:
		fmt.Fprintf(out, "  SURVIVED %s\n", r.ID)
	case isListed:
		fmt.Fprintf(out, "  %s here, though it is listed: %s\n", r.Outcome, r.ID)
	}
	s[r.Outcome]++
}

func (s score) String() string {
	counted := s[killed] + s[listed] + s[survived]
	if counted == 0 {
		return "no faults"
	}
	return fmt.Sprintf("%d faults: %d killed (%.0f %%), %d listed, %d survived; %d more did not compile",
		counted, s[killed], 100*float64(s[killed])/float64(counted), s[listed], s[survived], s[invalid])
}

// moduleRoot is the directory of the module that this is run in.
func moduleRoot(ctx context.Context) (string, error) {
	file, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	return filepath.Dir(strings.TrimSpace(string(file))), err
}

// readSurvivors reads lines of the form "fault | reason"; lines that begin with # are comments.
func readSurvivors(file string) (map[string]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	accepted := map[string]string{}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndex(line, " | ")
		if i < 0 || strings.TrimSpace(line[i+3:]) == "" {
			return nil, fmt.Errorf("%s: %q has no reason: write it after \" | \"", file, line)
		}
		accepted[line[:i]] = line[i+3:]
	}
	return accepted, nil
}
