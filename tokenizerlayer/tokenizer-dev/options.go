package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/inmemory"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
)

// options are the command line's.
type options struct {
	functions      []function
	port           int
	readRate       int
	untilStdinEnds bool
}

// function is one that uses the vault.
type function struct {
	name   string // "" for one without a name
	rights inmemory.Rights
}

// actor is the function's name in the log.
func (f function) actor() string {
	if f.name == "" {
		return "your-function"
	}
	return f.name
}

// variable is the environment variable with the function's port.
func (f function) variable() string {
	if f.name == "" {
		return settings.Port
	}
	return strings.ToUpper(strings.ReplaceAll(f.name, "-", "_")) + "_" + settings.Port
}

// String lists the function's rights.
func (f function) String() string {
	var may []string
	for _, right := range rights {
		if *right.of(&f.rights) {
			may = append(may, right.name)
		}
	}
	if !f.rights.Tokenize && !f.rights.Detokenize { // which alone are for a purpose
		return strings.Join(may, ", ")
	}
	if len(f.rights.Purposes) == 0 {
		return strings.Join(may, ", ") + " (tokens without a purpose)"
	}
	return strings.Join(may, ", ") + " (tokens for " + strings.Join(f.rights.Purposes, ", ") + ")"
}

// right is one that -as takes.
type right struct {
	name string
	of   func(*inmemory.Rights) *bool
}

var rights = []right{
	{"tokenize", func(r *inmemory.Rights) *bool { return &r.Tokenize }},
	{"index", func(r *inmemory.Rights) *bool { return &r.Index }},
	{"detokenize", func(r *inmemory.Rights) *bool { return &r.Detokenize }},
	{"revoke", func(r *inmemory.Rights) *bool { return &r.Revoke }},
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	as, purposes := lists{}, lists{}
	set := flag.NewFlagSet("tokenizer-dev", flag.ContinueOnError)
	set.SetOutput(out)
	set.Var(&as, "as", "what the function may do, as in AWS: `rights` of tokenize, index, detokenize and revoke, "+
		"separated by commas.\nindex allows deterministic tokens and an Idempotency-Key. Without this flag, "+
		"the function may do everything.\n"+
		"For several functions of one vault: -as order=tokenize -as paybill=detokenize")
	set.Var(&purposes, "purposes", "the `purposes` that tokenize and detokenize are granted for, separated by "+
		"commas.\nWithout this flag, they are granted for tokens that are bound to no purpose.\n"+
		"For one of several functions: -purposes paybill=refund")
	set.IntVar(&o.port, "port", api.DefaultPort, "the `port`, on 127.0.0.1; several functions have this one and those "+
		"after it. 0 means any free port")
	set.IntVar(&o.readRate, "read-rate", api.DefaultReadRate, "how many requests a second may read")
	set.BoolVar(&o.untilStdinEnds, "until-stdin-ends", false, "end when standard input ends, "+
		"which it does if the program that holds it ends")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if set.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: there are flags only, see -help", set.Arg(0))
	}
	if o.readRate < 1 || o.readRate > api.MaxReadRate {
		return o, fmt.Errorf("-read-rate must be from 1 to %d", api.MaxReadRate)
	}
	if err := o.setFunctions(as); err != nil {
		return o, err
	}
	if err := o.setPurposes(purposes); err != nil {
		return o, err
	}
	last := o.port + len(o.functions) - 1
	if o.port != 0 && (o.port < api.MinPort || last > api.MaxPort) {
		return o, fmt.Errorf("-port must be 0, or such that each function has a port from %d to %d", api.MinPort,
			api.MaxPort)
	}
	return o, nil
}

// list is one value of a flag: words, of a function if it has a name.
type list struct {
	function string
	words    []string
}

// lists are all values of a flag.
type lists []list

func (l *lists) String() string { return "" }

func (l *lists) Set(value string) error {
	name, words, named := strings.Cut(value, "=")
	if !named {
		name, words = "", value
	}
	if named && !functionName.MatchString(name) {
		return errors.New("the name of a function has 1 to 64 of A-Z a-z 0-9 _ -, the first a letter")
	}
	if slices.ContainsFunc(*l, func(other list) bool { return variableOf(other.function) == variableOf(name) }) {
		return errors.New("each function can be named once: separate the others by commas, " +
			"or give each function a name, as in order=tokenize")
	}
	*l = append(*l, list{name, strings.Split(words, ",")})
	return nil
}

var functionName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

func variableOf(name string) string { return function{name: name}.variable() }

// setFunctions makes the functions that -as names.
func (o *options) setFunctions(as lists) error {
	if len(as) == 0 {
		all := inmemory.Rights{Tokenize: true, Index: true, Detokenize: true, Revoke: true}
		o.functions = []function{{rights: all}}
		return nil
	}
	for _, a := range as {
		if a.function == "" && len(as) > 1 {
			return errors.New("-as: of several functions each needs a name, as in -as order=tokenize")
		}
		f := function{name: a.function}
		for _, word := range a.words {
			i := slices.IndexFunc(rights, func(r right) bool { return r.name == word })
			if i < 0 {
				return fmt.Errorf("-as: %q is no right: use tokenize, index, detokenize or revoke, separated by commas",
					word)
			}
			*rights[i].of(&f.rights) = true
		}
		if f.rights.Index && !f.rights.Tokenize {
			return errors.New("-as: index is granted beside tokenize only: write tokenize,index")
		}
		o.functions = append(o.functions, f)
	}
	return nil
}

// setPurposes gives the functions the purposes that -purposes names: one function, or all of them.
func (o *options) setPurposes(purposes lists) error {
	for _, p := range purposes {
		if i := slices.IndexFunc(p.words, func(word string) bool { return !api.IsPurpose(word) }); i >= 0 {
			return fmt.Errorf("-purposes: %q is no purpose: it has 1 to 64 of a-z 0-9 _ -, the first a letter or digit",
				p.words[i])
		}
		if p.function == "" && len(purposes) > 1 {
			return errors.New("-purposes: of several functions name each, as in -purposes order=refund")
		}
		found := false
		for i := range o.functions {
			if f := &o.functions[i]; p.function == "" || f.name == p.function {
				f.rights.Purposes, found = p.words, true
			}
		}
		if !found {
			return fmt.Errorf("-purposes: -as names no function %q", p.function)
		}
	}
	return nil
}
