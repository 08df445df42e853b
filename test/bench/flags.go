package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
)

// options are the command line's.
type options struct {
	ext, baseline, peer string
	quick, full         bool
	json, out, compare  string
	write, anyway       bool
	from                string
	only                []figures.Group
	env                 []string
}

// defaultOut is where a run's files go that are not committed. Git ignores it.
const defaultOut = "bench.out"

func parse(args []string, output io.Writer) (options, error) {
	var o options
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(output)
	set.StringVar(&o.ext, "ext", "",
		"measure this `binary`; without it, the extension of this tree, built as the layer builds it")
	set.StringVar(&o.baseline, "baseline", "", "measure this older `binary` beside it")
	set.StringVar(&o.peer, "peer", "", "`binary` of HashiCorp's Vault Lambda extension; without it, it is built if "+
		"its module can be downloaded (\"none\": is left out)")
	set.BoolVar(&o.quick, "quick", false, "measure the robust figures only, with small samples, in less than 90 s")
	set.BoolVar(&o.full, "full", false,
		"also measure what takes minutes: memory over a million operations, cdk synth, the tests")
	set.StringVar(&o.json, "json", "",
		"write the run to this JSON `file`; without it, to performance.json where -out says")
	set.StringVar(&o.out, "out", defaultOut, "write JSON, document and plots to this `directory`")
	set.StringVar(&o.compare, "compare", "", "fail if a ratio is worse by half than in the run of this JSON `file`")
	set.BoolVar(&o.write, "write", false,
		"make the run the committed one: docs/performance.json, docs/performance.md and its plots")
	set.BoolVar(&o.anyway, "anyway", false, "with -write: also on a busy machine, or if the tests or cdk synth "+
		"failed in the run")
	set.StringVar(&o.from, "from", "", "with -write: do not measure, take the run of this JSON `file`; that of "+
		"docs/performance.json writes the document anew")
	set.Func("only", "measure these `groups` only, separated by commas: "+groupNames(), func(s string) error {
		for name := range strings.SplitSeq(s, ",") {
			group := figures.Group(name)
			if !slices.Contains(figures.Groups(figures.Full), group) {
				return fmt.Errorf("there is no group %q: there are %s", name, groupNames())
			}
			o.only = append(o.only, group)
		}
		return nil
	})
	set.Func("env", "set this `NAME=VALUE` in the extensions' environment; may be given several times",
		func(s string) error {
			if name, _, found := strings.Cut(s, "="); !found || name == "" {
				return errors.New("write it as NAME=VALUE")
			}
			o.env = append(o.env, s)
			return nil
		})
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if set.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: there are flags only, see -help", set.Arg(0))
	}
	return o, o.check()
}

func groupNames() string {
	var names []string
	for _, g := range figures.Groups(figures.Full) {
		names = append(names, string(g))
	}
	return strings.Join(names, ", ")
}

func (o *options) check() error {
	switch {
	case o.quick && o.full:
		return errors.New("-quick and -full exclude each other: leave one out")
	case o.write && (o.quick || len(o.only) > 0):
		return errors.New("-write takes a whole run: leave -quick and -only out")
	case o.write && (o.json != "" || o.out != defaultOut):
		return errors.New("-write says where the files go: leave -json and -out out")
	case o.from != "" && !o.write:
		return errors.New("-from can only be used with -write")
	case o.anyway && !o.write:
		return errors.New("-anyway can only be used with -write: without -write, nothing is refused")
	}
	for name, path := range map[string]*string{"-ext": &o.ext, "-baseline": &o.baseline, "-peer": &o.peer} {
		if *path == "" || *path == noPeer && name == "-peer" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("%s %s: %w", name, *path, err)
		}
		info, err := os.Stat(absolute)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return fmt.Errorf("%s %s is not an executable file: build it first", name, *path)
		}
		*path = absolute
	}
	for name, path := range map[string]string{"-compare": o.compare, "-from": o.from} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s %s: there is no such file", name, path)
		}
	}
	return nil
}

// noPeer is the value of -peer that leaves the peer out.
const noPeer = "none"

func (o *options) extent() figures.Extent {
	switch {
	case o.quick:
		return figures.Quick
	case o.full:
		return figures.Full
	}
	return figures.Standard
}

// groups are the groups that are measured.
func (o *options) groups() []figures.Group {
	if len(o.only) > 0 {
		return o.only
	}
	return figures.Groups(o.extent())
}

func (o *options) jsonFile() string {
	if o.json != "" {
		return o.json
	}
	return filepath.Join(o.out, "performance.json")
}
