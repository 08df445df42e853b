package lambdahost

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Lambda's limits, from gettingstarted-limits.html and runtimes-extensions-api.html.
const (
	maxEvent      = 6 << 20     // bytes
	maxResponse   = 6<<20 + 100 // bytes; the 100 are part of Lambda's limit
	maxExtensions = 10
	initLimit     = 10 * time.Second
	shutdownLimit = 2 * time.Second
)

// version is the version of a function that has not been published.
const version = "$LATEST"

// Config describes a function. Name, ARN, Region and TaskDir must be set.
type Config struct {
	Name, ARN, Handler string
	AccountID, Region  string

	TaskDir string // absolute path of the unpacked function asset
	OptDir  string // absolute path of the unpacked layers; "" means no layers

	// Command is the program that runs the function, with its arguments. Nil means the executable bootstrap in TaskDir.
	Command []string

	// Variables are the environment variables of all processes. PerEnvironment and then the variables that Lambda
	// itself sets override them. Processes see nothing of the host's own environment.
	Variables map[string]string

	// PerEnvironment, if set, is called once for each new execution environment and returns further variables. It must
	// be safe for concurrent use.
	PerEnvironment func() (map[string]string, error)

	Timeout        time.Duration // of one invocation, without init; 0 means 3 s
	MemoryMB       int           // processes are told this, but not limited to it; 0 means 128
	MaxConcurrency int           // the highest number of environments at once; 0 means 2

	// Log gets what the processes print, in one Write for each line, after the function's name. It must be safe for
	// concurrent use. Nil discards it.
	Log io.Writer

	initTimeout time.Duration // 0 means initLimit; tests shorten it
	extensions  []string      // paths, found by complete
}

// complete checks c, replaces zero values by what they mean, and finds the extensions.
func (c Config) complete() (Config, error) {
	if c.Name == "" || c.ARN == "" || c.Region == "" {
		return c, errors.New("Name, ARN and Region must be set")
	}
	if c.Timeout < 0 || c.MemoryMB < 0 || c.MaxConcurrency < 0 {
		return c, errors.New("Timeout, MemoryMB and MaxConcurrency must not be negative")
	}
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	c.MemoryMB = cmp.Or(c.MemoryMB, 128)
	c.MaxConcurrency = cmp.Or(c.MaxConcurrency, 2)
	c.initTimeout = cmp.Or(c.initTimeout, initLimit)
	if c.Log == nil {
		c.Log = io.Discard
	}
	if !filepath.IsAbs(c.TaskDir) || c.OptDir != "" && !filepath.IsAbs(c.OptDir) {
		return c, fmt.Errorf("TaskDir %q and OptDir %q must be absolute paths", c.TaskDir, c.OptDir)
	}
	if _, err := os.Stat(c.command()[0]); err != nil {
		return c,
			fmt.Errorf("the function's code has no program %s: build it with this name", filepath.Base(c.command()[0]))
	}
	if c.OptDir == "" {
		return c, nil
	}
	if _, err := os.Stat(c.OptDir); err != nil {
		return c, fmt.Errorf("OptDir: %w", err)
	}
	files, _ := os.ReadDir(filepath.Join(c.OptDir, "extensions")) // layers need not have any
	for _, file := range files {
		if !file.IsDir() {
			c.extensions = append(c.extensions, filepath.Join(c.OptDir, "extensions", file.Name()))
		}
	}
	if len(c.extensions) > maxExtensions {
		return c, fmt.Errorf("OptDir holds %d extensions: Lambda starts at most %d", len(c.extensions), maxExtensions)
	}
	return c, nil
}

// bootstrap is the name of the process that runs the function.
const bootstrap = "bootstrap"

func (c *Config) command() []string {
	if c.Command != nil {
		return c.Command
	}
	return []string{filepath.Join(c.TaskDir, bootstrap)}
}
