package main

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
)

// blocks are the blocks of code of a page below docs, in a language and for the file that they say.
func blocks(t *testing.T, name, language string) (found []string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(page),
		-1) {
		found = append(found, match[1])
	}
	return found
}

// project is a directory with files of somebody who tests functions.
type project struct {
	t     *testing.T
	dir   string
	layer string // the layer's clients
}

func newProject(t *testing.T, files map[string]string) project {
	t.Helper()
	layer, err := filepath.Abs("../layer")
	if err != nil {
		t.Fatal(err)
	}
	dependOn(t, layer, "../../local")
	p := project{t, t.TempDir(), layer}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// dependOn makes a cached result depend on the files below directories, which other programs read.
func dependOn(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a program in the project, and fails the test if it fails. The output is returned.
func (p project) run(dir, program string, args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = dir
	python := []string{filepath.Join(p.layer, "python"), p.dir, os.Getenv("PYTHONPATH")}
	command.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"),
		"PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+strings.Join(python, ":"), "AWS_SESSION_TOKEN=", "TOKENIZER_PORT=")
	out, err := command.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

// block is the only such block.
func block(t *testing.T, name, language string) string {
	t.Helper()
	found := blocks(t, name, language)
	if len(found) != 1 {
		t.Fatalf("docs/%s has %d blocks %s, want 1", name, len(found), language)
	}
	return found[0]
}

func pythonBlocks(t *testing.T) (module, fixture, unittest string) {
	t.Helper()
	const page = "clients/python.md"
	return block(t, page, "python tokenizer_dev.py"), block(t, page, "python conftest.py"),
		block(t, page, "python test_checkout.py")
}

func TestDocument_UnittestRunsATokenizer(t *testing.T) {
	needed.Program(t, "python3")
	module, _, unittest := pythonBlocks(t)
	p := newProject(t, map[string]string{"tokenizer_dev.py": module, "test_checkout.py": unittest})
	if out := p.run(p.dir, "python3", "-m", "unittest"); !strings.Contains(out, "Ran 1 test") {
		t.Errorf("printed:\n%s", out)
	}
}

func TestDocument_UnittestRunsATokenizerOfThisProject(t *testing.T) {
	needed.Program(t, "python3")
	module, _, unittest := pythonBlocks(t)
	const command = `["tokenizer-dev", `
	if !strings.Contains(module, command) {
		t.Fatalf("the module has no %s", command)
	}
	module = strings.Replace(module, command, `["go", "run", "./local", "-layer", `, 1)
	p := newProject(t, map[string]string{"tokenizer_dev.py": module, "test_checkout.py": unittest})
	if out := p.run("../..", "python3", "-m", "unittest", "discover", "-s", p.dir); !strings.Contains(out,
		"Ran 1 test") {
		t.Errorf("printed:\n%s", out)
	}
}

// withPytest is a Python that has pytest. Debian's package is for its own Python, which may not be the first one.
func withPytest(t *testing.T) string {
	t.Helper()
	const system = "/usr/bin/python3"
	if exec.CommandContext(t.Context(), system, "-c", "import pytest").Run() == nil {
		return system
	}
	needed.PythonModule(t, "pytest")
	return "python3"
}

func TestDocument_PytestRunsATokenizer(t *testing.T) {
	python := withPytest(t)
	module, fixture, _ := pythonBlocks(t)
	p := newProject(t, map[string]string{"tokenizer_dev.py": module, "conftest.py": fixture, "test_checkout.py": `
from lambda_tokenizer import detokenize, tokenize

def test_a_token_shows_the_last_four_digits(tokenizer):
    assert detokenize(tokenize("4111 1111 1111 1111").token).data == "************1111"
`})
	if out := p.run(p.dir, python, "-m", "pytest", "-p", "no:cacheprovider"); !strings.Contains(out, "1 passed") {
		t.Errorf("printed:\n%s", out)
	}
}

func TestDocument_NodeRunsATokenizer(t *testing.T) {
	needed.Program(t, "node")
	p := newProject(t, map[string]string{
		"tokenizer-dev.mjs": block(t, "clients/node.md", "js tokenizer-dev.mjs"),
		"checkout.test.mjs": `
import "./tokenizer-dev.mjs";
import assert from "node:assert";
import { test } from "node:test";
import { detokenize, tokenize } from "@lambda-tokenizer/client";

test("a token shows the last four digits", async () => {
  const { token } = await tokenize("4111 1111 1111 1111");
  assert.equal((await detokenize(token)).data, "************1111");
});
`,
	})
	packages := filepath.Join(p.layer, "nodejs", "node_modules")
	if err := os.Symlink(packages, filepath.Join(p.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	if out := p.run(p.dir, "node", "--test", "--test-reporter=tap"); !strings.Contains(out, "# pass 1\n") {
		t.Errorf("printed:\n%s", out)
	}
}

func TestDocument_AShellRunsATokenizer(t *testing.T) {
	needed.Program(t, "bash")
	needed.Program(t, "python3")
	bash := blocks(t, "development-server.md", "bash")
	i := slices.IndexFunc(bash, func(block string) bool { return strings.Contains(block, "read -r environment") })
	if i < 0 {
		t.Fatal("the page does not say how a shell starts the server")
	}
	p := newProject(t, map[string]string{"test_checkout.py": `
import unittest
from lambda_tokenizer import detokenize, tokenize

class Checkout(unittest.TestCase):
    def test_a_token_shows_the_last_four_digits(self):
        self.assertEqual(detokenize(tokenize("4111 1111 1111 1111").token).data, "************1111")
`})
	out := p.run(p.dir, "bash", "-euc", bash[i]+`
while kill -0 "$server" 2>kill.log; do wait "$server" || true; done; echo the server has ended`)
	if !strings.Contains(out, "Ran 1 test") || !strings.Contains(out, "the server has ended") {
		t.Errorf("printed:\n%s", out)
	}
}
