package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// runPatches applies each patch to a copy of the tree, one after the other: they change files that are no Go, which an
// overlay does not reach.
func runPatches(ctx context.Context, root string, o options, out io.Writer) (results []result, err error) {
	patches, err := readPatches(filepath.Join(root, "test", "mutate", "patches"))
	if err != nil {
		return nil, err
	}
	if o.list {
		for _, p := range patches {
			fmt.Fprintln(out, p.id)
		}
		return nil, nil
	}
	tree, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tree)
	if err := copyTree(ctx, root, tree); err != nil {
		return nil, err
	}
	passed := map[string]bool{} // tests that pass without a fault
	for _, p := range patches {
		if key := p.pkg + " " + p.tests; !passed[key] {
			if output, err := test(ctx, tree, patchLimit, "-v", "-run", p.tests, p.pkg); err != nil ||
				strings.Contains(string(output), "no tests to run") {
				return nil, fmt.Errorf("%s fails without a fault, or does not exist: %w\n%s", key, err, output)
			}
			passed[key] = true
		}
		r := result{ID: p.id}
		if r.Outcome, err = tryPatch(ctx, tree, p); err != nil {
			return nil, err
		}
		if r.Outcome == invalid {
			return nil, fmt.Errorf("%s does not compile: correct the patch", p.id)
		}
		results = append(results, r)
	}
	return results, nil
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
	return outcome(ctx, output, err)
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
