package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/launched"
)

// flags are the command line's.
type flags struct {
	app, only    string
	invocations  []invocation
	serve, watch bool
	verbose      bool
	addr         string
	extension    string
	launcher     launched.Launcher
}

// invocation is one -invoke with its -payload.
type invocation struct {
	function string
	payload  string // JSON, perhaps with placeholders
}

func parse(args []string, out io.Writer) (flags, error) {
	var f flags
	set := flag.NewFlagSet("local", flag.ContinueOnError)
	set.SetOutput(out)
	set.StringVar(&f.app, "app", "", "the `directory` of a CDK app, or of a cloud assembly such as cdk.out")
	set.StringVar(&f.only, "only", "",
		"run only the stacks of this stage, or only this stack, with those that they depend on; a `path`\n"+
			"such as Prod or Prod/AppStack")
	set.Func("invoke",
		"invoke a `function`, which you name by its logical id, its construct path or a part of these;\n"+
			"write it several times for several invocations, one after the other", func(name string) error {
			f.invocations = append(f.invocations, invocation{function: name, payload: "{}"})
			return nil
		})
	paid := 0 // invocations that have a payload
	set.Func("payload",
		"the `JSON` event of the -invoke before it; the text @answer.NAME in it stands for that member\n"+
			"of the answer before", func(payload string) error {
			if len(f.invocations) == paid {
				return errors.New("write -invoke FUNCTION before it, and one -payload for each -invoke")
			}
			var event json.RawMessage
			if err := json.Unmarshal([]byte(payload), &event); err != nil {
				return fmt.Errorf("it is not JSON, or the shell has changed it: %w", err)
			}
			paid = len(f.invocations)
			f.invocations[paid-1].payload = payload
			return nil
		})
	set.BoolVar(&f.serve, "serve", false, "serve Lambda's Invoke API and the app's REST APIs until Ctrl-C")
	set.BoolVar(&f.watch, "watch", false,
		"with -serve: synthesize again when a file of the app has changed, and serve the new version at the\n"+
			"same address; what is in tables, keys and user pools stays")
	set.StringVar(&f.addr, "addr", "127.0.0.1:0",
		"where -serve has the Invoke API; a loopback `address`, port 0 means any free one")
	set.BoolVar(&f.verbose, "v", false, "also print what extensions log, and how the app is synthesized")
	set.StringVar(&f.extension, "extension", "",
		"the layer's extension compiled for this machine, a `file` that go run ./local names")
	f.launcher.Flags(set)
	launched.Help(set, "go run ./local -app DIR", "extension")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if set.NArg() > 0 {
		return f,
			fmt.Errorf("unexpected argument %q: there are flags only, see go run ./local -app . -help", set.Arg(0))
	}
	if f.app == "" {
		return f,
			errors.New("-app is missing: write the directory of a CDK app, or of a cloud assembly such as cdk.out")
	}
	if f.watch && !f.serve {
		return f, errors.New("-watch is for an app that keeps running: add -serve")
	}
	return f, launched.CheckAddress(f.addr, "127.0.0.1:3001")
}
