package synth

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
)

// TestMain is also a program that synthesizes an app.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SYNTHESIZE"); dir != "" {
		_, err := Locate(context.Background(), dir, filepath.Join(dir, "cdk.out"), io.Discard)
		panic(err) // the app never ends
	}
	os.Exit(m.Run())
}

func TestLocate_EndsTheAppIfItIsKilled(t *testing.T) {
	needed.Program(t, "node")
	dir := t.TempDir()
	alive := filepath.Join(dir, "alive")
	if err := syscall.Mkfifo(alive, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := `{"app": "exec sleep 1000 > alive"}`
	if err := os.WriteFile(filepath.Join(dir, "cdk.json"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "SYNTHESIZE="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	app, err := os.Open(alive) // when the app has opened it, too
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := io.Copy(io.Discard, app); err != nil { // until the app has ended
		t.Error(err)
	}
}

// A command can ignore the signal that asks it to end, and what it has started can outlive it.
func TestLocate_KillsWhatDoesNotEndWithTheContext(t *testing.T) {
	needed.Program(t, "node")
	dir := t.TempDir()
	alive := filepath.Join(dir, "alive")
	if err := syscall.Mkfifo(alive, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := `{"app": "trap '' TERM; sleep 1000 > alive & sleep 1000"}`
	if err := os.WriteFile(filepath.Join(dir, "cdk.json"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := Locate(ctx, dir, filepath.Join(dir, "cdk.out"), io.Discard)
		ended <- err
	}()
	app, err := os.Open(alive) // when the app has opened it, too
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	if _, err := io.Copy(io.Discard, app); err != nil { // until the last process has ended
		t.Error(err)
	}
}
