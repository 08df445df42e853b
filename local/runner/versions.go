package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/lambdahost"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/watch"
)

// versions are those of an app: the one that runs, and perhaps the one before, whose invocations have not ended. They
// share what is in the services.
type versions struct {
	*application
	dir    string // for the assemblies
	number int    // of versions that were synthesized
	state  *cloud.State
	before *retired // nil if there was none

	mu      sync.Mutex
	current *version
}

// version is an app as it was synthesized at a moment.
type version struct {
	system    *cloud.Cloud
	dir       string            // of the assembly, which is removed with the version; "" if it is not ours
	content   string            // of the templates, which name assets by their content
	functions map[string]string // what the templates say about each, by its path
}

// retired is a version that another one has replaced.
type retired struct {
	interrupt context.CancelFunc
	ended     chan struct{}
}

// start synthesizes the app, if it is not an assembly yet, and runs the result in place of the version before. If that
// is not possible, the version before stays.
func (v *versions) start(ctx context.Context) (err error) {
	next := &version{}
	v.number++
	out := filepath.Join(v.dir, strconv.Itoa(v.number), "cdk.out")
	defer func() {
		if v.now() != next.system || next.system == nil {
			_ = os.RemoveAll(filepath.Dir(out))
		}
	}()
	var dir string
	if err := v.step("synthesize", func() (string, error) {
		dir, err = synth.Locate(ctx, v.app, out, v.log.of("synthesis"))
		return v.app, err
	}); err != nil {
		return err
	}
	if dir == out {
		next.dir = filepath.Dir(out)
	}
	return v.step("create resources", func() (string, error) {
		read, err := assembly.LoadApp(dir, v.only)
		if err != nil {
			return "", err
		}
		if next.describe(read); v.current != nil && dir == out && next.content == v.current.content {
			return "nothing has changed", nil
		}
		if err := v.deploy(ctx, read, next); err != nil {
			if v.current != nil {
				v.current.content = "" // so that it is deployed again: it may lack what was replaced by then
			}
			return "", err
		}
		result := fmt.Sprintf("%d stacks, %d functions", len(read.Stacks), len(next.system.Functions()))
		if before := v.replace(next); before != nil {
			result += next.changes(before)
		}
		return result, nil
	})
}

func (v *versions) deploy(ctx context.Context, read *assembly.Assembly, next *version) (err error) {
	options := cloud.Options{
		Assembly: read, AnyApp: true, Log: v.log, Extension: v.extension,
	}
	options.Account, options.Region = place(read)
	if v.state == nil {
		if v.state, err = cloud.NewState(options); err != nil {
			return err
		}
	}
	options.State = v.state
	next.system, err = cloud.Deploy(ctx, options)
	return err
}

// describe keeps what tells a version from another one.
func (v *version) describe(read *assembly.Assembly) {
	v.functions = map[string]string{}
	hash := sha256.New()
	for _, stack := range read.All() {
		_ = json.NewEncoder(hash).Encode([]any{stack.Path, stack.Name, stack.Template}) // a hash takes everything
		for id, resource := range stack.Template.Resources {
			if resource.Type == "AWS::Lambda::Function" {
				text, _ := json.Marshal(resource) // it was JSON
				v.functions[strings.TrimSuffix(stack.ConstructPath(id), "/Resource")] = string(text)
			}
		}
	}
	v.content = string(hash.Sum(nil))
}

// changes says what is new in a version.
func (v *version) changes(before *version) (text string) {
	lists := map[string][]string{}
	for _, path := range slices.Sorted(maps.Keys(v.functions)) {
		old, found := before.functions[path]
		if !found {
			lists["new"] = append(lists["new"], path)
		} else if old != v.functions[path] {
			lists["changed"] = append(lists["changed"], path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(before.functions)) {
		if _, found := v.functions[path]; !found {
			lists["gone"] = append(lists["gone"], path)
		}
	}
	for _, kind := range []string{"changed", "new", "gone"} {
		if len(lists[kind]) > 0 {
			text += "; " + kind + ": " + strings.Join(lists[kind], ", ")
		}
	}
	for _, what := range v.system.Replaced {
		text += "; " + what
	}
	for _, line := range v.system.NotSimulated {
		if !slices.Contains(before.system.NotSimulated, line) {
			text += "\n  Not as on AWS: " + line
		}
	}
	return text
}

// now is the version that runs.
func (v *versions) now() *cloud.Cloud {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.current == nil {
		return nil
	}
	return v.current.system
}

// replace lets the next version run, and the version before end when its invocations have. It returns the version
// before, if there is one. The version before that is interrupted, so that there are never more than two.
func (v *versions) replace(next *version) *version {
	v.mu.Lock()
	before := v.current
	v.current = next
	v.mu.Unlock()
	if before == nil {
		return nil
	}
	v.interrupt()
	ctx, cancel := context.WithCancel(context.Background())
	v.before = &retired{cancel, make(chan struct{})}
	go func(ended chan struct{}) {
		defer close(ended)
		_ = errors.Join(before.system.Retire(ctx), removeAll(before.dir))
	}(v.before.ended)
	return before
}

// interrupt ends the version before, if there is one.
func (v *versions) interrupt() {
	if v.before != nil {
		v.before.interrupt()
		<-v.before.ended
	}
}

func removeAll(dir string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}

// close ends everything.
func (v *versions) close() (err error) {
	v.interrupt()
	if system := v.now(); system != nil {
		err = system.Close()
	}
	if v.state != nil {
		v.state.Close()
	}
	return err
}

// follow starts a new version after each change, until ctx ends.
func (v *versions) follow(ctx context.Context, watcher *watch.Watcher) {
	for {
		changed, err := watcher.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			v.printer.Printf("Changes are not noticed any more, so start again after one: %v", err)
			return
		}
		v.printer.Printf("\nChanged: %s", few(changed))
		if watcher.During(func() error { return v.start(ctx) }) != nil && ctx.Err() == nil {
			v.printer.Printf("The version before still runs. It is replaced when a change works.")
		}
		if taken := watcher.Taken(); len(taken) > 0 {
			v.printer.Printf("The last three syntheses have each changed %s, so this is taken for what the app writes. If "+
				"you have edited it, save it again.", few(taken))
		}
	}
}

// few is a list of at most three names, in which a terminal finds nothing but text.
func few(names []string) string {
	const most = 3
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	return mask.Visible(strings.ReplaceAll(strings.Join(names, ", "), "\n", `\n`)) + more
}

// Function finds a function of the version that runs.
func (v *versions) Function(called string) (*cloud.Function, error) { return v.now().Function(called) }

// Invoke runs a function of the version that runs, even if it was found in the one before.
func (v *versions) Invoke(ctx context.Context, f *cloud.Function, payload []byte) ([]byte, bool, error) {
	for {
		system := v.now()
		function, err := system.Function(f.Path)
		if err != nil {
			return nil, false, err
		}
		answer, failed, err := system.Invoke(ctx, function, payload)
		switch {
		case errors.Is(err, cloud.ErrReplaced) && v.now() != system:
			continue
		case errors.Is(err, lambdahost.ErrClosed):
			err = errors.New("the app has changed or ended while the function ran: invoke it again")
		}
		return answer, failed, err
	}
}
