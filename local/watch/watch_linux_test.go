package watch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Linux drops what is not read in time.
func TestNext_GoesOnAfterMoreChangesThanTheSystemTells(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	var held sync.Mutex
	a := watchApp(t, func(string) func(string) bool {
		return func(string) bool {
			held.Lock()
			defer held.Unlock()
			return false
		}
	}, "code/0", "code/1")
	held.Lock()
	for i := range most + most/4 {
		if err := os.Chmod(filepath.Join(a.dir, fmt.Sprint("code/", i%2)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.write("new/index.py", "")
	held.Unlock()
	if got, err := a.Next(t.Context()); err != nil || !slices.Contains(got, "many files") {
		t.Fatalf("%v, got %v", err, got)
	}
	a.write("new/index.py", "after")
	if got, err := a.Next(t.Context()); err != nil || !slices.Contains(got, "new/index.py") {
		t.Errorf("%v, got %v", err, got)
	}
}
