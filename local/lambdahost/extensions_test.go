package lambdahost

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newExtensions starts the extensions of a function, which play a part, without the function.
func newExtensions(t *testing.T, ctx context.Context, part string, change func(*Config),
	names ...string) (*Extensions, *host, error) {
	t.Helper()
	cfg := testConfig(t, t.TempDir(), names...)
	h := &host{t: t, trace: cfg.Variables["TRACE"], log: &syncBuffer{}}
	cfg.Log = h.log
	cfg.Variables["FUNCTION"], cfg.Variables["EXTENSION"] = "lambda", part
	if change != nil {
		change(&cfg)
	}
	x, err := StartExtensions(ctx, cfg)
	if err == nil {
		t.Cleanup(x.Stop)
	}
	return x, h, err
}

func TestStartExtensions_RunsThemWithoutTheFunctionUntilStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	x, h, err := newExtensions(t, ctx, "", nil, "alpha", "beta")
	if err != nil {
		t.Fatal(err)
	}
	cancel() // bounds the start only
	for _, name := range []string{"alpha", "beta"} {
		if !slices.Contains(h.lines(), name+" registers") {
			t.Errorf("%s has not registered", name)
		}
		h.await(name + " asks")
	}
	processes := x.environment.started()
	x.Stop()
	x.Stop()
	for _, p := range processes {
		if err := syscall.Kill(p.pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s is still there: %v", p.name, err)
		}
	}
	lines := h.lines()
	for _, name := range []string{"alpha", "beta"} {
		if !slices.Contains(lines, name+" SHUTDOWN spindown in time true") {
			t.Errorf("%s was not told to shut down", name)
		}
	}
	if slices.Contains(lines, "function started") {
		t.Error("the function was started")
	}
	if h.log.String() != "" {
		t.Errorf("the log holds %q", h.log)
	}
}

func TestStartExtensions_ReportsWhatKeepsThemFromStarting(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx        context.Context
		part, want string
		extensions []string
	}{
		{t.Context(), "crash early", "exit status 4 Extension.Crash", []string{"alpha", "beta"}},
		{t.Context(), "mute", "Task timed out after 0.10 seconds", []string{"alpha"}},
		{t.Context(), "", "there are none in OptDir", nil},
		{ended, "", "context canceled", []string{"alpha"}},
	} {
		_, h, err := newExtensions(t, tt.ctx, tt.part, func(c *Config) {
			if tt.part == "mute" {
				c.initTimeout = 100 * time.Millisecond
			}
		}, tt.extensions...)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), `"order"`) {
			t.Errorf("%s: error = %v, want %q\n%s", tt.part, err, tt.want, h.log)
		}
	}
}

func TestStartExtensions_EndsWhenAnExtensionEnds(t *testing.T) {
	x, h, err := newExtensions(t, t.Context(), "", nil, "alpha", "beta")
	if err != nil {
		t.Fatal(err)
	}
	h.await("alpha asks")
	h.await("beta asks")
	x.environment.started()[0].signal(syscall.SIGKILL)
	h.await("beta SHUTDOWN failure in time true")
	x.Stop()
	if want := "order: Error: signal: killed Extension.Crash\n"; h.log.String() != want {
		t.Errorf("the log holds %q, want %q", h.log, want)
	}
}
