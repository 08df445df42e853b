package tokenizerlayer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	// ownModule is the module that these constructs and the extension are part of.
	ownModule = "github.com/lambda-tokenizer/lambda-tokenizer"
	// toolchain is the exact Go release that compiles the extension, whichever one runs the CDK app. go.mod's toolchain
	// line names the same release.
	toolchain = "go1.26.8"
)

// goBuild compiles one Go program reproducibly: the same sources give the same bytes in any directory, under any umask
// and for every user, because an asset's hash decides what CloudFormation deploys.
type goBuild struct {
	moduleDir string // root of the module whose go.mod the go command reads
	module    string // if not "", build in this module's own directory, wherever moduleDir's go.mod finds it
	toolchain string // if not "", compile with exactly this Go release; otherwise with the one that moduleDir selects
	pkg       string // import path of a main package
	goos      string
	goarch    string
	output    string // slash-separated path of the binary below the asset's root
	files     fs.FS  // further files of the asset, nil for none
	digest    bool   // also write digestFile
}

// run writes the asset into dir, which exists.
func (b *goBuild) run(dir string) error {
	binary := filepath.Join(dir, filepath.FromSlash(b.output))
	if err := b.compile(binary); err != nil {
		return err
	}
	if b.files != nil {
		if err := os.CopyFS(dir, b.files); err != nil {
			return fmt.Errorf("copy files into the asset: %w", err)
		}
	}
	if b.digest {
		if err := writeDigest(dir); err != nil {
			return err
		}
	}
	return normalizeModes(dir, binary)
}

func (b *goBuild) compile(binary string) error {
	settings, err := downloadSettings(b.moduleDir)
	if err != nil {
		return err
	}
	dir, flags := b.moduleDir, []string{}
	if b.module != "" {
		if dir, err = moduleDir(b.moduleDir, b.module); err != nil {
			return err
		}
		// its go.mod and go.sum decide, and the module cache cannot be written to
		flags = append(flags, "-mod=readonly")
	}
	environment := append(settings,
		"GOOS="+b.goos, "GOARCH="+b.goarch, "GOARM64=v8.0", "GOAMD64=v1", "CGO_ENABLED=0",
		"GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off", "GOENV=off")
	if b.toolchain != "" {
		environment = append(environment, "GOTOOLCHAIN="+b.toolchain)
	}
	// lambda.norpc leaves the pre-2018 RPC mode out of functions; -s -w and an empty build id leave out what would
	// differ between machines or only serve debuggers.
	arguments := slices.Concat([]string{"build"}, flags,
		[]string{"-trimpath", "-buildvcs=false", "-tags", "lambda.norpc",
			"-ldflags", "-s -w -buildid=", "-o", binary, b.pkg})
	if _, err := runGo(dir, environment, arguments...); err != nil {
		return fmt.Errorf("go build %s for %s/%s: %w%s", b.pkg, b.goos, b.goarch, err, b.advice(err))
	}
	return nil
}

// toolchainTrouble matches what the go command says if it cannot switch to another release, and what releases before
// 1.21, which know no GOTOOLCHAIN, say about a newer go.mod.
var toolchainTrouble = regexp.MustCompile(
	`(?m)^go: (cannot find|download go|toolchain|errors parsing go\.mod)|golang\.org/toolchain|module requires Go`)

// advice is what to do about an error whose own message does not say so.
func (b *goBuild) advice(err error) string {
	if b.toolchain == "" || !toolchainTrouble.MatchString(err.Error()) {
		return ""
	}
	return fmt.Sprintf("\nThe extension is compiled with exactly %s, so that every app gets the same binary. Let the "+
		"go command (1.21 or later) "+
		"download that release, as GOPROXY allows, or put it on the PATH as %[1]s: go install "+
		"golang.org/dl/%[1]s@latest && %[1]s download", b.toolchain)
}

// moduleDir is the directory of a module's source, as the go.mod in consumer resolves it: a directory of the module
// cache, the target of a replace directive, or consumer itself.
func moduleDir(consumer, module string) (string, error) {
	list := func() (string, error) {
		output, err := runGo(consumer, []string{"GOWORK=off"}, "list", "-m", "-f", "{{.Dir}}", module)
		return strings.TrimSpace(output), err
	}
	dir, err := list()
	vendored := vendors(consumer)
	if err != nil && !vendored {
		return "", fmt.Errorf(
			"module %s is not found from %s: run `go get %[1]s` there, or set ModuleDir to a directory of the module "+
				"whose go.mod requires it: %[3]w", module, consumer, err)
	}
	if dir == "" && vendored {
		return "", fmt.Errorf("%s has a vendor directory, which holds no source of the layer: "+
			"synthesize with GOFLAGS=-mod=readonly, which uses the module cache, or remove the vendor directory",
			consumer)
	}
	if dir == "" { // required, but not in the module cache: the app was compiled elsewhere
		if _, err := runGo(consumer, []string{"GOWORK=off"}, "mod", "download", module); err != nil {
			return "", fmt.Errorf("download module %s for %s: %w", module, consumer, err)
		}
		dir, err = list()
	}
	if err == nil && dir == "" {
		err = errors.New("the go command names no directory")
	}
	if err != nil {
		return "", fmt.Errorf("find module %s from %s: %w", module, consumer, err)
	}
	return dir, nil
}

// vendors tells whether the go command uses the vendor directory of the module whose root is dir.
func vendors(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, "vendor", "modules.txt")); err != nil {
		return false
	}
	flags, err := runGo(dir, nil, "env", "GOFLAGS")
	return err == nil && !strings.Contains(flags, "-mod=mod") && !strings.Contains(flags, "-mod=readonly")
}

// downloadSettings are the user's settings for where modules and Go itself come from. GOENV=off, needed because an
// empty environment variable does not override the file that `go env -w` writes, would lose them.
func downloadSettings(dir string) ([]string, error) {
	names := []string{
		"GOAUTH", "GOCACHE", "GOINSECURE", "GOMODCACHE", "GONOPROXY", "GONOSUMDB", "GOPRIVATE", "GOPROXY", "GOSUMDB",
		"GOTOOLCHAIN", "GOVCS",
	}
	output, err := runGo(dir, nil, append([]string{"env", "-json"}, names...)...)
	if err != nil {
		return nil, fmt.Errorf("ask the go command for its settings: %w", err)
	}
	values := map[string]string{}
	if err := json.Unmarshal([]byte(output), &values); err != nil {
		return nil, fmt.Errorf("read the answer of `go env -json`: %w", err)
	}
	var settings []string
	for _, name := range names {
		settings = append(settings, name+"="+values[name])
	}
	return settings, nil
}

// runGo runs the go command in dir and returns what it prints. An error carries the command's own message.
func runGo(dir string, environment []string, arguments ...string) (string, error) {
	cmd := exec.Command("go", arguments...)
	cmd.Dir = dir
	// `go run` and `go test` set GOROOT for their children to their own release, which may not be the one that these
	// select.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOROOT=") })
	cmd.Env = append(cmd.Env, environment...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("the go command is not on the PATH: install Go 1.21 or later from https://go.dev/dl/, " +
			"which compiles what is deployed while the app is synthesized")
	case err != nil:
		return "", fmt.Errorf("%w\n%s", err, lastLines(stderr.String()))
	}
	return stdout.String(), nil
}

// lastLines bounds a compiler's message; Go prints at most ten errors a package, so little is ever cut.
func lastLines(s string) string {
	const limit = 8 << 10
	s = strings.TrimSpace(s)
	if len(s) > limit {
		s = "..." + s[len(s)-limit:]
	}
	return s
}

// normalizeModes makes the asset readable for Lambda's user and independent of the umask. CDK's asset hash ignores
// modes, but Lambda refuses to start an extension that it may not execute.
func normalizeModes(dir, executable string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if entry.IsDir() || path == executable {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
}

// moduleRoot is the nearest directory with a go.mod at or above dir, where "" means the working directory.
func moduleRoot(dir string) (string, error) {
	start, err := filepath.Abs(cmp.Or(dir, "."))
	if err != nil {
		return "", fmt.Errorf("find the module root: %w", err)
	}
	for at := start; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find the module root: %w", err)
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod at or above %s: run the app inside its module, or set ModuleDir", start)
		}
	}
}
