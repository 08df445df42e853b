// Package synth runs the project's CDK app and leaves its cloud assembly in a directory, as `cdk synth` does.
//
// The app is a process of its own: compiling the CDK takes minutes the first time, and a program that does not import
// it can show progress meanwhile.
//
// The CDK's check of the templates against its default rules is left out. It changes no template and takes three
// quarters of the time of a synthesis. `cdk synth`, `cdk deploy` and the tests in test/ do it.
package synth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The account and region that a local run pretends to be in.
const (
	Account = "123456789012"
	Region  = "us-east-1"
)

// goRun compiles the app and runs it, as cdk.json's "app" says.
const goRun = "go run ."

// BuildOSKey is the context key that says which operating system functions and extension are compiled for; linux if it
// is not set.
const BuildOSKey = "tokenizer:localBuildOS"

// Options say what to synthesize.
type Options struct {
	// Dir is a directory inside the module; "" means the working directory.
	Dir string
	// Out is where the assembly goes.
	Out string
	// Context overrides cdk.json's context, as `-c key=value` does.
	Context map[string]string
	// TemplatesOnly leaves layer and functions unbuilt. The templates are those of a build, but for the hashes of what
	// is not there.
	TemplatesOnly bool
	// App is the app's compiled program; "" means to compile it, as cdk.json's "app" does.
	App string
	// Log gets what the app and the compilers print.
	Log io.Writer
}

// HostContext is the context under which functions and extension run on this machine.
func HostContext() (map[string]string, error) {
	architectures := map[string]string{"amd64": "x86_64", "arm64": "arm64"}
	arch, ok := architectures[runtime.GOARCH]
	if !ok || runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		return nil, fmt.Errorf("%s/%s cannot run the functions; use Linux or macOS on amd64 or arm64", runtime.GOOS,
			runtime.GOARCH)
	}
	// Of the layer, the version for another architecture would be built and never run.
	c := map[string]string{"stage": "dev", "tokenizer:architecture": arch, "tokenizer:layerArchitectures": arch}
	if runtime.GOOS != "linux" {
		c[BuildOSKey] = runtime.GOOS
	}
	return c, nil
}

// quietNode is for jsii, which prints a banner for a release of Node that is old, or newer than jsii itself.
var quietNode = []string{
	"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20,21,23", "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION=1",
	"JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION=1",
}

// Run synthesizes the app. ctx ends it, with everything it started.
func Run(ctx context.Context, o Options) error {
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("node is not on the PATH: install Node.js 22 or 24, which the CDK runs on")
	}
	root, err := ModuleRoot(o.Dir)
	if err != nil {
		return err
	}
	merged, err := mergeContext(filepath.Join(root, "cdk.json"), o)
	if err != nil {
		return err
	}
	command := strings.Fields(goRun)
	if o.App != "" {
		command = []string{o.App}
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = root
	cmd.Env = append(withoutAWS(os.Environ()),
		"CDK_OUTDIR="+o.Out, "CDK_CONTEXT_JSON="+merged, "CDK_VALIDATION=false")
	cmd.Env = append(cmd.Env, quietNode...)
	var last bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(o.Log, &last), io.MultiWriter(o.Log, &last)
	if err := runInGroup(cmd); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the CDK app failed (%w):\n%s", err, tail(last.String(), 30))
	}
	return nil
}

// ModuleRoot is the app's directory: dir ("" means the working directory), or the nearest above it that has a cdk.json.
func ModuleRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cdk.json")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no cdk.json here or above: run this inside the project, as go run ./local")
		}
		dir = filepath.Dir(dir)
	}
}

// mergeContext does what the CDK CLI does for the app: it hands over cdk.json's context, feature flags included.
func mergeContext(file string, o Options) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var settings struct {
		Context map[string]any `json:"context"`
	}
	if err := json.Unmarshal(b, &settings); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	if settings.Context == nil {
		settings.Context = map[string]any{}
	}
	for k, v := range o.Context {
		settings.Context[k] = v
	}
	if o.TemplatesOnly {
		settings.Context["aws:cdk:bundling-stacks"] = []string{} // as for `cdk list`
	}
	merged, err := json.Marshal(settings.Context)
	return string(merged), err
}

// withoutAWS keeps the caller's credentials, profiles and endpoints from the app.
func withoutAWS(env []string) []string {
	var out []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, "AWS_") && !strings.HasPrefix(kv, "CDK_") {
			out = append(out, kv)
		}
	}
	return out
}

// tail returns the last lines. Those of a program that was made by another one can be very long.
func tail(s string, lines int) string {
	const longest = 400
	all := strings.Split(strings.TrimSpace(s), "\n")
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		if line = strings.TrimRight(line, " "); len(line) > longest {
			line = strings.ToValidUTF8(line[:longest], "") + "…"
		}
		all[i] = line
	}
	return strings.Join(all, "\n")
}
