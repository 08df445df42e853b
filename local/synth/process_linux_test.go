package synth

import (
	"context"
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
