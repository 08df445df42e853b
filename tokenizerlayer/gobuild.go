package tokenizerlayer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// goBuild compiles one Go program, reproducibly: the same sources give the same bytes in any directory, under any
// umask and for every user, because an asset's hash decides what CloudFormation deploys.
type goBuild struct {
	moduleDir string // where the go command runs; it resolves pkg
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
	// lambda.norpc leaves the pre-2018 RPC mode out of functions; -s -w and an empty build id leave out what would
	// differ between machines or only serve debuggers.
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc",
		"-ldflags", "-s -w -buildid=", "-o", binary, b.pkg)
	cmd.Dir = b.moduleDir
	cmd.Env = append(os.Environ(), settings...)
	cmd.Env = append(cmd.Env,
		"GOOS="+b.goos, "GOARCH="+b.goarch, "GOARM64=v8.0", "GOAMD64=v1", "CGO_ENABLED=0",
		"GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off", "GOENV=off")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s for %s/%s: %w\n%s", b.pkg, b.goos, b.goarch, err, lastLines(output.String()))
	}
	return nil
}

// downloadSettings are the user's settings for where modules come from. GOENV=off, needed because an empty
// environment variable does not override the file that `go env -w` writes, would lose them.
func downloadSettings(dir string) ([]string, error) {
	names := []string{"GOAUTH", "GOCACHE", "GOINSECURE", "GOMODCACHE", "GONOPROXY", "GONOSUMDB", "GOPRIVATE", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN"}
	cmd := exec.Command("go", append([]string{"env", "-json"}, names...)...)
	cmd.Dir = dir
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ask the go command for its settings (is Go installed and on the PATH?): %w", err)
	}
	values := map[string]string{}
	if err := json.Unmarshal(output, &values); err != nil {
		return nil, fmt.Errorf("read the answer of `go env -json`: %w", err)
	}
	var settings []string
	for _, name := range names {
		settings = append(settings, name+"="+values[name])
	}
	return settings, nil
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

// moduleRoot is dir or, if that is empty, the nearest directory with a go.mod at or above the working directory.
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
			return "", fmt.Errorf("no go.mod at or above %s: run the app inside its module", start)
		}
	}
}
