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

// Lambda's limits: gettingstarted-limits.html, runtimes-extensions-api.html.
const (
	maxEvent      = 6 << 20     // bytes
	maxResponse   = 6<<20 + 100 // bytes; the odd 100 are Lambda's
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

	TaskDir string // absolute; the unpacked function asset, with an executable bootstrap
	OptDir  string // absolute; the unpacked layers, merged; empty means no layers

	// Variables are the template's environment variables together with the credentials and
	// endpoints that the caller supplies. Processes see these, what PerEnvironment adds, and
	// what Lambda itself sets (which wins): nothing of the host's own environment.
	Variables map[string]string

	// PerEnvironment, if set, is called once for each new execution environment; its result
	// overrides Variables. It must be safe for concurrent use.
	PerEnvironment func() (map[string]string, error)

	Timeout        time.Duration // for one invocation, init not included; zero means 3 s
	MemoryMB       int           // only told to the processes; zero means 128
	MaxConcurrency int           // environments at most at once; zero means 2

	// Log receives what the processes print, one Write a line, with the function's name in
	// front. It must be safe for concurrent use. Nil discards.
	Log io.Writer

	initTimeout time.Duration // zero means initLimit; tests shorten it
	extensions  []string      // paths, found by complete
}

// complete checks c, fills in what zero values mean, and looks for extensions.
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
	if _, err := os.Stat(c.bootstrap()); err != nil {
		return c, fmt.Errorf("TaskDir must hold the function's executable: %w", err)
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

func (c *Config) bootstrap() string { return filepath.Join(c.TaskDir, "bootstrap") }
