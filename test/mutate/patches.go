package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const patchLimit = 5 * time.Minute // of a test, the constructs' among them

// patch is a fault that is written down: in a file, some lines in place of others, and the test that must fail.
//
//	# a comment
//	in tokenizerlayer/layer/python/lambda_tokenizer.py
//	test ./test TestThinClients
//	- lines that stand in the file once
//	+ lines in their place
type patch struct {
	id            string // the file of patches, and the number in it
	file          string
	pkg, tests    string
	before, after string
}

func readPatches(dir string) (patches []patch, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	for _, file := range files { // sorted
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		more, err := parsePatches(strings.TrimSuffix(filepath.Base(file), ".txt"), string(content))
		if err != nil {
			return nil, err
		}
		patches = append(patches, more...)
	}
	return patches, nil
}

func parsePatches(name, content string) (patches []patch, err error) {
	for block := range strings.SplitSeq(content, "\n\n") {
		p := patch{}
		for line := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
			kind, rest, _ := strings.Cut(line, " ")
			switch kind {
			case "", "#":
			case "in":
				p.file = rest
			case "test":
				p.pkg, p.tests, _ = strings.Cut(rest, " ")
			case "-":
				p.before += rest + "\n"
			case "+":
				p.after += rest + "\n"
			default:
				return nil, fmt.Errorf("%s.txt: %q: a line begins with #, in, test, - or +", name, line)
			}
		}
		if p == (patch{}) {
			continue
		}
		if p.file == "" || p.pkg == "" || p.tests == "" || p.before == "" {
			return nil, fmt.Errorf("%s.txt: a patch needs in, test and -:\n%s", name, block)
		}
		p.id = fmt.Sprintf("%s: %s => %s", name, oneLine(p.before), cmp.Or(oneLine(p.after), "nothing"))
		patches = append(patches, p)
	}
	return patches, nil
}

// apply is the source with the fault in it.
func (p patch) apply(source string) (string, error) {
	if n := strings.Count(source, p.before); n != 1 {
		return "", fmt.Errorf("%s: the lines stand %d times in %s: correct the patch", p.id, n, p.file)
	}
	return strings.Replace(source, p.before, p.after, 1), nil
}

// runPatches applies each patch to a copy of the tree: they change files that are no Go, which an overlay does not
// reach. There are as many copies as tests run at a time.
func runPatches(ctx context.Context, root string, o options, known *outcomes, out io.Writer) ([]result, error) {
	patches, err := readPatches(filepath.Join(root, patchesDir))
	if err != nil {
		return nil, err
	}
	patches = slices.DeleteFunc(patches, func(p patch) bool { return !strings.Contains(p.id, o.match) })
	if o.list {
		for _, p := range patches {
			fmt.Fprintln(out, p.id)
		}
		return nil, nil
	}
	temp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	trees := make(chan string, o.parallel)
	for i := range o.parallel {
		tree := filepath.Join(temp, strconv.Itoa(i))
		if err := copyTree(ctx, root, tree); err != nil {
			return nil, err
		}
		trees <- tree
	}
	passes := map[string]func() error{} // tests without a fault, by their names
	results, errs := make([]result, len(patches)), make([]error, len(patches))
	var wg sync.WaitGroup
	for i, p := range patches {
		source, err := os.ReadFile(filepath.Join(root, p.file))
		if err != nil {
			return nil, err
		}
		r := result{ID: p.id, Source: hexDigest(source)} // one that survived is tried again: its tests are anywhere
		if of, ok := known.find(r.ID, r.Source, "unknown"); ok {
			results[i] = of
			continue
		}
		key := p.pkg + " " + p.tests
		if passes[key] == nil {
			passes[key] = sync.OnceValue(func() error { return passesWithoutFault(ctx, root, p) })
		}
		pass, tree := passes[key], <-trees
		wg.Go(func() {
			defer func() { trees <- tree }()
			if errs[i] = pass(); errs[i] != nil {
				return
			}
			if r.Outcome, errs[i] = tryPatch(ctx, tree, p); errs[i] == nil {
				results[i], errs[i] = r, known.add(r)
			}
		})
	}
	wg.Wait()
	return results, errors.Join(errs...)
}

func passesWithoutFault(ctx context.Context, root string, p patch) error {
	output, err := test(ctx, root, patchLimit, "-v", "-run", p.tests, p.pkg)
	if err != nil {
		return fmt.Errorf("%s %s fails without a fault: %w\n%s", p.pkg, p.tests, err, output)
	}
	if bytes.Contains(output, []byte("no tests to run")) {
		return fmt.Errorf("%s has no tests %s: correct the patch", p.pkg, p.tests)
	}
	return nil
}

func tryPatch(ctx context.Context, tree string, p patch) (what string, err error) {
	file := filepath.Join(tree, p.file)
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	changed, err := p.apply(string(source))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(file, source, 0o600)) }()
	output, err := test(ctx, tree, patchLimit, "-run", p.tests, p.pkg)
	if what, err = outcome(ctx, output, err); what == invalid {
		err = fmt.Errorf("%s does not compile: correct the patch\n%s", p.id, output)
	}
	return what, err
}

// copyTree copies the files that Git knows, as they are in the working tree, and links what npm has installed.
func copyTree(ctx context.Context, root, tree string) error {
	list := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	names, err := list.Output()
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.Trim(string(names), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			return err
		}
		to := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, content, 0o600)); err != nil {
			return err
		}
	}
	modules := filepath.Join(root, "node_modules")
	if _, err := os.Stat(modules); err != nil {
		return nil
	}
	return os.Symlink(modules, filepath.Join(tree, "node_modules"))
}
