package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Flags of the go command with which the layer is built. A test compares them with the layer's own.
var (
	buildEnvironment = []string{
		"GOARM64=v8.0", "GOAMD64=v1", "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off",
	}
	buildFlags = []string{
		"-mod=readonly", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=",
	}
)

// Build compiles a main package of the module at root as the layer's extension is compiled. goarch "" means this
// machine's.
func Build(ctx context.Context, root, pkg, output, goarch string) error {
	environment := append(slices.Clone(buildEnvironment), "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	if goarch != "" {
		environment = append(environment, "GOOS=linux", "GOARCH="+goarch)
	}
	arguments := slices.Concat([]string{"build"}, buildFlags, []string{"-o", output, pkg})
	return run(ctx, root, environment, arguments...)
}

// The peer: HashiCorp's Vault Lambda extension (MPL-2.0). It only ever runs as a process of its own.
const (
	peerModule  = "github.com/hashicorp/vault-lambda-extension"
	peerVersion = "v0.10.3"
)

// PeerName names the peer.
const PeerName = "HashiCorp's Vault Lambda extension " + peerVersion

// BuildPeer compiles the peer in a temporary directory, with the module proxy that the go command is set to use.
func BuildPeer(ctx context.Context, output string) error {
	dir, err := os.MkdirTemp("", "bench-peer-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := run(ctx, dir, nil, "mod", "init", "peer"); err != nil {
		return err
	}
	if err := run(ctx, dir, nil, "get", peerModule+"@"+peerVersion); err != nil {
		return fmt.Errorf("%s@%s cannot be downloaded: %w", peerModule, peerVersion, err)
	}
	return run(ctx, dir, append(slices.Clone(buildEnvironment), "GOOS="+runtime.GOOS),
		"build", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", output, peerModule)
}

func run(ctx context.Context, dir string, environment []string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, "go", arguments...)
	cmd.Dir, cmd.Env = dir, append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GOROOT=")
	}), environment...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		return errors.New("go " + strings.Join(arguments, " ") + ": " + strings.TrimSpace(lines[len(lines)-1]))
	}
	return nil
}

// Root is the module's directory: the nearest one at or above the working directory that has the extension.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "tokenizerlayer", "extension", "main.go")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside the project, as go run ./test/bench")
		}
	}
}
