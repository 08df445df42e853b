package main

import "path/filepath"

const (
	runnerPackage    = "github.com/lambda-tokenizer/lambda-tokenizer/local/runner"
	extensionPackage = "github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/extension"
)

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
	return l.runUntilEnd(dir, runner.binary, append([]string{"-extension", extension.binary}, args...))
}
