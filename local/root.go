package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// isModule tells whether a directory has this module.
func isModule(dir string) bool {
	content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && bytes.HasPrefix(content, []byte("module github.com/lambda-tokenizer/lambda-tokenizer\n"))
}

// sourceRoot is the directory of the module that this program was compiled from. The working directory may be that of
// another app.
func sourceRoot() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	if root := filepath.Dir(filepath.Dir(file)); isModule(root) {
		return root, nil
	}
	if root, err := workingRoot(); err == nil { // it was compiled with -trimpath
		return root, nil
	}
	return "", errors.New("the source of this program is not where it was compiled: build it again, without -trimpath, " +
		"in a clone that stays on the disk")
}

// workingRoot is the directory of the sample's app: the module must be at or above the working directory.
func workingRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; !isModule(dir); dir = filepath.Dir(dir) {
		if dir == filepath.Dir(dir) {
			return "", errors.New("without -app and -layer, this runs the sample of the repository: run it there, as " +
				"go run ./local, or write -app DIR for an app of your own")
		}
	}
	return dir, nil
}

// startedByGo tells whether a program was started by `go run`, which keeps programs in its cache or in a temporary
// directory, and does not hand a signal over to them.
func startedByGo(program, cache string) bool {
	return strings.Contains(program, fmt.Sprintf("%cgo-build", filepath.Separator)) ||
		cache != "" && strings.HasPrefix(program, filepath.Clean(cache)+string(filepath.Separator))
}

// starter is the process with which this one has to end; 0 for none.
func starter() int {
	program, err := os.Executable()
	if err != nil || !startedByGo(program, os.Getenv("GOCACHE")) {
		return 0
	}
	return os.Getppid()
}
