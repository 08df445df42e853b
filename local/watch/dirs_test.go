package watch

import (
	"os"
	"path/filepath"
	"testing"
)

// Generators remove directories and make them again, each time. Only those that exist count against the limit.
func TestWatcher_CountsDirectoriesThatExist(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	w, err := New(dir, OfApp)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	during := func(change func() error) {
		t.Helper()
		if err := w.During(change); err != nil {
			t.Fatal(err)
		}
	}
	build, deep := filepath.Join(dir, "build"), filepath.Join(dir, "build", "deep")
	for range 3 {
		during(func() error { return os.MkdirAll(deep, 0o700) })
		if len(w.dirs) != 3 {
			t.Errorf("watches %v", w.dirs)
		}
		during(func() error { return os.RemoveAll(build) })
		if len(w.dirs) != 1 {
			t.Errorf("of one directory, watches %v", w.dirs)
		}
	}
}
