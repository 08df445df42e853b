package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the launcher has compiled, and what the program has written, is gone with the last of the two. The development
// server's is gone when that has started, see TestLayer_ServesUntilItsLauncherIsKilled.
func TestLauncher_IsCleanedUpAfterBeingKilled(t *testing.T) {
	for program, args := range map[string][]string{"simulator": {"-serve"}, "runner": {"-app", "."}} {
		t.Run(program, func(t *testing.T) {
			s := startLauncher(t, fakes(t, []string{"FAKE_EXIT=signal"}, args...))
			s.line(t)
			if err := s.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if got := s.rest(t); got != "the launcher has ended <nil>\n" {
				t.Errorf("the %s printed %q", program, got)
			}
			_ = s.Wait()
			if left, err := os.ReadDir(temporary(t, s.Env)); err != nil || len(left) > 0 {
				t.Errorf("left in the temporary directory: %v, %v", left, err)
			}
		})
	}
}

// If both were killed, the next launcher cleans up.
func TestNewDirectory_RemovesThoseOfLaunchersThatWereKilled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	made := func(name, file string) string {
		dir := filepath.Join(os.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	running, unlock, err := newDirectory()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	made("lambda-tokenizer-local-killed", lockFile)
	starting := made("lambda-tokenizer-local-starting", lockFile+".new")
	other := made("other", lockFile)
	second, unlock, err := newDirectory()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	got, err := filepath.Glob(filepath.Join(os.TempDir(), "*"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{running: true, starting: true, other: true, second: true}
	left := map[string]bool{}
	for _, dir := range got {
		left[dir] = true
	}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Others of a machine can write to its temporary directory, too.
func TestNewDirectory_LeavesWhatIsOfNoLauncher(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, lockFile), []byte("of a program of yours"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(os.TempDir(), "lambda-tokenizer-local-link")
	linked := filepath.Join(os.TempDir(), "lambda-tokenizer-local-lock")
	pipe := filepath.Join(os.TempDir(), "lambda-tokenizer-local-pipe") // which nobody writes to
	foreign := filepath.Join(os.TempDir(), "lambda-tokenizer-local-foreign")
	if err := errors.Join(os.Symlink(other, link), os.Mkdir(linked, 0o700), os.Mkdir(pipe, 0o700),
		os.Mkdir(foreign, 0o700), os.Symlink(filepath.Join(other, lockFile), filepath.Join(linked, lockFile)),
		syscall.Mkfifo(filepath.Join(pipe, lockFile), 0o600),
		os.WriteFile(filepath.Join(foreign, lockFile), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	want := []string{link, linked, pipe}
	if os.Geteuid() == 0 { // only a superuser can make what is another user's
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		want = append(want, foreign)
	}
	_, unlock, err := newDirectory()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for _, name := range append(want, filepath.Join(other, lockFile)) {
		if _, err := os.Lstat(name); err != nil {
			t.Error(err)
		}
	}
}

// A relative TMPDIR is one of the working directory, and the programs have others.
func TestNewDirectory_IsAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", ".")
	dir, unlock, err := newDirectory()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if !filepath.IsAbs(dir) || !filepath.IsAbs(os.Getenv("TMPDIR")) {
		t.Errorf("got %s, the programs get %s", dir, os.Getenv("TMPDIR"))
	}
}

func TestNewDirectory_SaysWhatToDoWithoutOne(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	if _, _, err := newDirectory(); err == nil || !strings.Contains(err.Error(), "set TMPDIR to a directory") {
		t.Errorf("error = %v", err)
	}
}

// As on a file system that is mounted with noexec.
func TestStart_SaysWhatToDoIfNoProgramMayRun(t *testing.T) {
	program := filepath.Join(t.TempDir(), "runner")
	if err := os.WriteFile(program, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"start": start(exec.Command(program)), "check": check(t.Context(), program, nil),
	} {
		if err == nil || !strings.Contains(err.Error(), "set TMPDIR to a directory") {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

// A program that was started cannot hold the lock of a launcher that has ended.
func TestNewDirectory_IsLockedByTheLauncherAlone(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir, unlock, err := newDirectory()
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		t.Error("the lock is free while the launcher lives")
	}
	unlock()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Errorf("the lock is not free: %v", err)
	}
}
