package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/figures"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/measure"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
)

// laboratory measures groups for a run.
type laboratory struct {
	*measure.Lab
	print     *progress.Printer
	temporary string // directory of what was built
}

// build builds what is measured. The caller removes the laboratory's directory.
func build(ctx context.Context, o options, root string, r *record.Run,
	notes *progress.Printer) (_ *laboratory, err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := measure.Config{
		Root:     root,
		Subject:  o.ext,
		Baseline: o.baseline,
		Bare:     filepath.Join(dir, "bare"),
		Worker:   []string{own, workerCommand},
		Extra:    o.env, Extent: o.extent(), Print: notes,
	}
	r.Subject, r.Baseline = "the extension of this tree", o.baseline
	if o.ext != "" {
		r.Subject = o.ext
	}
	err = notes.Step("build", func() (string, error) {
		return "extension and floor", buildPrograms(ctx, root, dir, &c)
	})
	if err != nil {
		return nil, err
	}
	l := &laboratory{print: notes, temporary: dir}
	if err := l.addPeer(ctx, o, r, &c); err != nil {
		return nil, err
	}
	l.Lab = measure.New(c)
	return l, nil
}

func buildPrograms(ctx context.Context, root, dir string, c *measure.Config) error {
	const extension, bare = "./tokenizerlayer/extension", "./test/bench/bare"
	if err := process.Build(ctx, root, bare, c.Bare, ""); err != nil {
		return err
	}
	given := c.Subject != ""
	if !given {
		c.Subject = filepath.Join(dir, "tokenizer")
		if err := process.Build(ctx, root, extension, c.Subject, ""); err != nil {
			return err
		}
	}
	if runtime.GOOS+"/"+runtime.GOARCH == "linux/amd64" {
		c.SubjectAMD64, c.BareAMD64 = c.Subject, c.Bare
		return nil
	}
	c.BareAMD64 = c.Bare + "-amd64"
	if err := process.Build(ctx, root, bare, c.BareAMD64, "amd64"); err != nil || given {
		return err
	}
	c.SubjectAMD64 = c.Subject + "-amd64"
	return process.Build(ctx, root, extension, c.SubjectAMD64, "amd64")
}

// addPeer finds or builds the peer. Without it its column is absent, and a note says why.
func (l *laboratory) addPeer(ctx context.Context, o options, r *record.Run, c *measure.Config) error {
	switch {
	case o.peer == noPeer || o.peer == "" && (o.quick || len(o.only) > 0):
		return nil
	case o.peer != "":
		c.Peer, r.Peer = o.peer, o.peer
		return nil
	}
	path := filepath.Join(l.temporary, "vault-lambda-extension")
	return l.print.Step("build the peer", func() (string, error) {
		err := process.BuildPeer(ctx, path)
		if err == nil {
			c.Peer, r.Peer = path, process.PeerName
			return process.PeerName, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		r.Notes = append(r.Notes, fmt.Sprintf("HashiCorp's extension is absent: %v", err))
		return "absent: " + err.Error(), nil
	})
}

// all measures groups.
func (l *laboratory) all(ctx context.Context, r *record.Run, groups []figures.Group) error {
	for _, group := range groups {
		got, err := l.Measure(ctx, group)
		if err != nil {
			return err
		}
		collect(r, got)
	}
	return nil
}

// collect adds what a group has given to the run.
func collect(r *record.Run, got measure.Result) {
	r.Rows, r.Samples = append(r.Rows, got.Rows...), append(r.Samples, got.Samples...)
	r.Failures = append(r.Failures, got.Failures...)
	for _, note := range got.Notes {
		if !slices.Contains(r.Notes, note) {
			r.Notes = append(r.Notes, note)
		}
	}
}

// again is how often a figure that is worse is measured once more. The best measurement counts.
const again = 2

// compare compares the run with the committed one, and returns what is worse however often it is measured.
func (l *laboratory) compare(ctx context.Context, r, committed *record.Run) ([]record.Worse, error) {
	worse := record.Compare(r, committed)
	for range again {
		groups := map[figures.Group]bool{}
		for _, w := range worse {
			l.print.Printf("worse than committed, is measured again: %s", w)
			groups[w.Figure.Group] = true
		}
		for _, group := range figures.Groups(figures.Full) {
			if !groups[group] {
				continue
			}
			got, err := l.Measure(ctx, group)
			if err != nil {
				return nil, err
			}
			for _, row := range got.Rows {
				if known := r.Row(row.ID); known != nil {
					*known = record.Better(*known, row)
				}
			}
		}
		worse = record.Compare(r, committed)
	}
	return worse, nil
}
