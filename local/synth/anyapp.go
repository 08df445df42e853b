package synth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// CheckDir returns an error if an app's directory is none.
func CheckDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("%w: -app takes the directory of a CDK app, or of a cloud assembly such as cdk.out", err)
	case !info.IsDir():
		return fmt.Errorf("%s is a file: -app takes the directory of a CDK app, which has a cdk.json, or of a cloud assembly "+
			"such as cdk.out", dir)
	}
	return nil
}

// IsAssembly tells whether a directory is a cloud assembly, which need not be synthesized.
func IsAssembly(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "manifest.json"))
	return err == nil
}

// Locate returns the cloud assembly of an app's directory. That is the directory itself if it has a manifest.json. If
// it has a cdk.json instead, Locate runs the app as the CDK CLI does, and the assembly goes into out. The log gets what
// the app prints.
func Locate(ctx context.Context, dir, out string, log io.Writer) (assembly string, err error) {
	if err := CheckDir(dir); err != nil {
		return "", err
	}
	if IsAssembly(dir) {
		return dir, nil
	}
	b, err := os.ReadFile(filepath.Join(dir, "cdk.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s has neither a cdk.json, as a CDK app has, nor a manifest.json, as cdk.out has", dir)
	}
	if err != nil {
		return "", err
	}
	var settings struct {
		App     string         `json:"app"`
		Context map[string]any `json:"context"`
	}
	if err := json.Unmarshal(b, &settings); err != nil {
		return "", fmt.Errorf("%s/cdk.json: %w", dir, err)
	}
	if settings.App == "" {
		return "", fmt.Errorf(`%s/cdk.json has no "app", which is the command that runs the app`, dir)
	}
	merged, err := withLookups(dir, settings.Context)
	if err != nil {
		return "", err
	}
	return out, runApp(ctx, dir, settings.App, merged, out, log)
}

// withLookups adds what earlier lookups of the CDK CLI have found, which wins over cdk.json.
func withLookups(dir string, settings map[string]any) (string, error) {
	all := map[string]any{}
	maps.Copy(all, settings)
	b, err := os.ReadFile(filepath.Join(dir, "cdk.context.json"))
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s/cdk.context.json: %w", dir, err)
	}
	merged, err := json.Marshal(all)
	return string(merged), err
}

// runApp runs the command in a shell, as the CDK CLI does.
func runApp(ctx context.Context, dir, command, settings, out string, log io.Writer) error {
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("node is not on the PATH: install Node.js 22 or 24, which the CDK runs on")
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(withoutAWS(os.Environ()),
		"CDK_OUTDIR="+out, "CDK_CONTEXT_JSON="+settings, "CDK_VALIDATION=false")
	cmd.Env = append(cmd.Env, quietNode...)
	var last bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(log, &last), io.MultiWriter(log, &last)
	if err := runInGroup(cmd); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the app's command %q failed (%w):\n%s", command, err, tail(last.String(), 30))
	}
	if _, err := os.Stat(filepath.Join(out, "manifest.json")); err != nil {
		return fmt.Errorf("the app's command %q has written no cloud assembly: it must synthesize into the directory that "+
			"CDK_OUTDIR names, as an app of aws-cdk-lib does.\n%s", command, strings.TrimSpace(tail(last.String(), 30)))
	}
	return nil
}
