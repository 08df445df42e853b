package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

const (
	runnerPackage    = "github.com/lambda-tokenizer/lambda-tokenizer/local/runner"
	extensionPackage = "github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/extension"
)

// sourceRoot is the directory of the module that this program was compiled from. The working directory is that of
// another app.
func sourceRoot() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(file))
	content, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil || !bytes.HasPrefix(content, []byte("module github.com/lambda-tokenizer/lambda-tokenizer\n")) {
		return "", errors.New("the source of this program is not where it was compiled: build it again, without -trimpath, " +
			"in a clone that stays on the disk")
	}
	return root, nil
}

// launchRunner compiles the program that runs other apps, and runs it. The extension is compiled for this machine,
// because the layers of an app have one for the machines of Lambda.
func (l launcher) launchRunner(root, dir string, args []string) (code int, err error) {
	runner := newBuild("runner", runnerPackage, root, filepath.Join(dir, "runner"))
	runner.deployed = true
	extension := newBuild("extension", extensionPackage, root, filepath.Join(dir, "extension"))
	extension.deployed = true
	jobs := []job{{runner, runner.run}}
	if !asksForHelp(args) {
		jobs = append(jobs, job{extension, extension.run})
	}
	if err := l.compile(jobs); err != nil {
		return l.explain(err)
	}
	return l.runBeside(runner.binary, []string{"-extension", extension.binary}, args)
}
