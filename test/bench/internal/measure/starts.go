package measure

import (
	"context"
	"net/http"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/stat"
)

// settled is how long after its registration an extension's memory is read.
const settled = 60 * time.Millisecond

// startup is what the starts of one program gave.
type startup struct{ registered, rss, first, later, atOnce []float64 }

// starters are the programs that are started.
type starters struct{ bare, subject, baseline, peer startup }

// starts measures starts, one program after the other.
func (l *Lab) starts(ctx context.Context) error {
	c, err := l.contest(ctx)
	if err != nil {
		return err
	}
	s, err := l.sdkFor(c[0])
	c.stop()
	if err != nil {
		return err
	}
	l.services.SetLatency(kmsLatency, tableLatency)
	if _, err := s.puts(ctx, 1, 20); err != nil {
		return err
	}
	var all starters
	var warm []float64
	for range l.times(12, 40) {
		puts, err := s.puts(ctx, 1, 11)
		if err != nil {
			return err
		}
		warm = append(warm, puts.P(0.5))
		for _, program := range []struct {
			path      string
			into      *startup
			tokenizer bool
		}{
			{l.Bare, &all.bare, false}, {l.Subject, &all.subject, true}, {l.Baseline, &all.baseline, true},
			{l.Peer, &all.peer, false},
		} {
			if program.path == "" {
				continue
			}
			if err := l.startOnce(ctx, program.path, program.into, program.tokenizer); err != nil {
				return err
			}
		}
	}
	l.putStarts(all, warm)
	return nil
}

// startOnce starts a program to see how long it takes, and a tokenizer twice more for its first request.
func (l *Lab) startOnce(ctx context.Context, path string, into *startup, tokenizer bool) error {
	e, err := l.start(ctx, path)
	if err != nil {
		return err
	}
	into.registered = append(into.registered, milliseconds(e.Registered))
	time.Sleep(settled)
	rss, err := process.RSS(e.PID())
	e.Stop()
	if err == nil {
		into.rss = append(into.rss, rss)
	} else {
		l.note("resident memory: %v", err)
	}
	if !tokenizer {
		return nil
	}
	for _, function := range []struct {
		starts func(context.Context) (stop func(), err error)
		into   *[]float64
	}{{l.smallestProgram, &into.first}, {after(runtimeStart), &into.later}, {after(0), &into.atOnce}} {
		taken, err := l.firstTokenize(ctx, path, function.starts)
		if err != nil {
			return err
		}
		*function.into = append(*function.into, taken)
	}
	return nil
}

// runtimeStart is how long a function takes to start whose runtime is quick about it.
const runtimeStart = 10 * time.Millisecond

// after is a function that takes a while to start.
func after(d time.Duration) func(context.Context) (func(), error) {
	return func(context.Context) (func(), error) {
		time.Sleep(d)
		return func() {}, nil
	}
}

// smallestProgram starts the bare extension, as the function that starts fastest.
func (l *Lab) smallestProgram(ctx context.Context) (stop func(), err error) {
	f, err := l.start(ctx, l.Bare)
	if err != nil {
		return nil, err
	}
	return func() { f.Stop() }, nil
}

// firstTokenize starts the extension and then a function, and returns how long the function's first tokenize takes, in
// milliseconds. Until an extension has read the answer to its registration it may say 503, and is asked again.
func (l *Lab) firstTokenize(ctx context.Context, path string,
	function func(context.Context) (func(), error)) (float64, error) {
	e, err := l.start(ctx, path)
	if err != nil {
		return 0, err
	}
	defer e.Stop()
	stop, err := function(ctx)
	if err != nil {
		return 0, err
	}
	defer stop()
	begin := time.Now()
	for {
		c, err := load.Dial(e.Addr(), process.SessionToken)
		if err != nil {
			return 0, err
		}
		status, _, err := c.Do("POST", pathTokenize, tokenizeBody)
		taken := milliseconds(time.Since(begin))
		if err == nil && status != http.StatusOK && (status != http.StatusServiceUnavailable || taken > 1000) {
			_, err = c.Post(pathTokenize, tokenizeBody)
		}
		_ = c.Close()
		if err != nil || status == http.StatusOK {
			return taken, err
		}
	}
}

func (l *Lab) putStarts(all starters, warm []float64) {
	bare, subject, baseline, peer := all.bare, all.subject, all.baseline, all.peer
	registered := turns{subject.registered, bare.registered, baseline.registered}.row("start-register")
	registered.Peer = stat.Of(peer.registered...)
	memory := turns{subject.rss, bare.rss, baseline.rss}.row("rss-start")
	memory.Peer = stat.Of(peer.rss...)
	l.put(registered)
	if memory.Subject != nil {
		l.put(memory)
	}
	l.put(turns{subject.first, warm, baseline.first}.row("first-tokenize"),
		turns{subject.later, warm, baseline.later}.row("first-tokenize-10ms"),
		turns{subject.atOnce, warm, baseline.atOnce}.row("first-tokenize-at-once"))
	l.sample("start this", subject.registered)
	l.sample("start bare", bare.registered)
	l.sample("start before", baseline.registered)
	l.sample("start peer", peer.registered)
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// sizes reads the sizes of the binaries.
func (l *Lab) sizes(context.Context) error {
	if l.SubjectAMD64 == "" {
		return nil
	}
	row := record.Row{ID: "size"}
	for _, binary := range []struct {
		path string
		into **stat.Stat
	}{{l.SubjectAMD64, &row.Subject}, {l.BareAMD64, &row.Floor}, {l.Baseline, &row.Baseline}, {l.Peer, &row.Peer}} {
		if binary.path == "" {
			continue
		}
		size, err := process.Size(binary.path)
		if err != nil {
			return err
		}
		*binary.into = stat.Exact(size)
	}
	if row.Floor != nil {
		row.Ratio = stat.Exact(row.Subject.Value / row.Floor.Value)
	}
	l.put(row)
	return nil
}
