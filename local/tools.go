package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The releases of Node that the CDK runs on.
const (
	leastNode   = 20
	adviseNode  = "install Node.js 22 or 24 from https://nodejs.org/"
	supportNode = 22 // the least that its makers still support
)

// checkTools looks at Go and, where it is needed, Node. A note is about what works but is not the best.
func checkTools(root string, needsNode bool) (note string, err error) {
	content, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", err
	}
	node := make(chan error, 1)
	go func() {
		var err error
		if needsNode {
			note, err = checkNode()
		}
		node <- err
	}()
	// Both, because a newcomer may lack both.
	err = errors.Join(checkGo(root, leastGo(string(content))), <-node)
	return note, err
}

// leastGo is the release that go.mod asks for.
func leastGo(goMod string) string {
	for line := range strings.Lines(goMod) {
		if release, found := strings.CutPrefix(line, "go "); found {
			return strings.TrimSpace(release)
		}
	}
	return ""
}

// checkGo asks in the module, where the go command switches to another release if it may.
func checkGo(root, least string) error {
	advice := "install Go " + least + " or later from https://go.dev/dl/"
	answer, err := ask(root, "go", "env", "GOVERSION")
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("go is not on the PATH: " + advice)
	}
	if err != nil {
		return fmt.Errorf("%w\nIf Go is too old: %s", err, advice)
	}
	_, release, found := strings.Cut(answer, "go") // go1.26.8, or: devel go1.27-abcdef
	if found && older(release, least) {
		return fmt.Errorf("go is %s, which is too old: %s", release, advice)
	}
	return nil
}

func checkNode() (note string, err error) {
	answer, err := ask("", "node", "--version")
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("node is not on the PATH, and the CDK runs on it: " + adviseNode)
	}
	if err != nil {
		return "", fmt.Errorf("%w\nThe CDK runs on it: %s", err, adviseNode)
	}
	release := strings.TrimPrefix(answer, "v")
	switch major := numbers(release)[0]; {
	case major < leastNode:
		return "", fmt.Errorf("node is %s, which is too old for the CDK: %s", release, adviseNode)
	case major < supportNode:
		return fmt.Sprintf("Node %s works, but gets no security fixes any more: 22 or 24 are better.", release), nil
	}
	return "", nil
}

// ask runs a command and returns what it answers.
func ask(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	answer, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(answer)), nil
}

// older compares releases such as 1.26.8, 1.26 and 1.27rc1.
func older(release, least string) bool {
	a, b := numbers(release), numbers(least)
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// numbers are the first three of a release; what is not there is 0.
func numbers(release string) (n [3]int) {
	for i, part := range strings.SplitN(release, ".", 3) {
		end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(part)
		}
		n[i], _ = strconv.Atoi(part[:end])
	}
	return n
}
