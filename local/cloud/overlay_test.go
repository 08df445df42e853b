package cloud

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Virtual environments of Python and packages of Node have links to directories and to files.
func TestOverlay_FollowsSymbolicLinks(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	if err := errors.Join(
		os.MkdirAll(filepath.Join(src, "lib", "pkg"), 0o700),
		os.WriteFile(filepath.Join(src, "lib", "pkg", "m.py"), []byte("content"), 0o600),
		os.Symlink("lib", filepath.Join(src, "lib64")),
		os.Symlink(filepath.Join("lib", "pkg", "m.py"), filepath.Join(src, "m.py")),
	); err != nil {
		t.Fatal(err)
	}
	if err := overlay(dst, src); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lib/pkg/m.py", "lib64/pkg/m.py", "m.py"} {
		info, err := os.Lstat(filepath.Join(dst, name))
		if err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if info, err := os.Lstat(filepath.Join(dst, "lib64")); err != nil || !info.IsDir() {
		t.Errorf("lib64 is %v, %v: a layer that comes later could write through a link", info, err)
	}
}

func TestOverlay_RefusesWhatHasNoEnd(t *testing.T) {
	for want, add := range map[string]func(dir string) error{
		"leads to itself":     func(dir string) error { return os.Symlink("..", filepath.Join(dir, "a", "link")) },
		"is no ordinary file": func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "a", "pipe"), 0o600) },
	} {
		src := t.TempDir()
		if err := errors.Join(os.Mkdir(filepath.Join(src, "a"), 0o700), add(src)); err != nil {
			t.Fatal(err)
		}
		if err := overlay(t.TempDir(), src); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}
