// Package localtest has code that tests of the whole system share.
package localtest

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
)

// ReadSources makes a test's cached result depend on the sources that a synthesis builds. Without it the cache would
// not know them, because a child process reads them.
func ReadSources() error {
	root, err := synth.ModuleRoot("")
	if err != nil {
		return err
	}
	for _, name := range []string{"go.mod", "app.go", "cdk.json", "stacks", "lambdas", "tokenizerlayer"} {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Synthesize reads the sources, and writes the app's cloud assembly, built for this machine, to dir.
func Synthesize(ctx context.Context, dir string, log io.Writer) (*assembly.Assembly, error) {
	if err := ReadSources(); err != nil {
		return nil, err
	}
	settings, err := synth.HostContext()
	if err != nil {
		return nil, err
	}
	if err := synth.Run(ctx, synth.Options{Out: dir, Context: settings, Log: log}); err != nil {
		return nil, err
	}
	return assembly.Load(dir)
}

// Buffer is a buffer for concurrent writers.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns what was written so far.
func (l *Buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
