package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// small are the files of a small release.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"layer.zip", "SHA256SUMS", "policies/index.json", "policies/revoke.json"} {
		writeBelow(t, dir, name, "content of "+name)
	}
	return dir
}

// Everything that is not as it should be is named once, and nothing else is.
func TestCompare_NamesWhatIsAnother(t *testing.T) {
	again := small(t)
	if err := compare(os.DirFS(small(t)), os.DirFS(again)); err != nil {
		t.Fatalf("of two that are the same: %v", err)
	}
	remove := func(dir, name string) error { return os.RemoveAll(filepath.Join(dir, name)) }
	for name, tt := range map[string]struct {
		change func(dir string) error
		want   []string
	}{
		"a byte": {func(dir string) error {
			name := filepath.Join(dir, "policies", "index.json")
			return os.WriteFile(name, []byte("content of policies/index.jsoN"), 0o600)
		}, []string{"policies/index.json differs: its SHA-256 is "}},
		"a file that is missing": {func(dir string) error {
			return remove(dir, "SHA256SUMS")
		}, []string{"SHA256SUMS is missing"}},
		"all files that are missing": {func(dir string) error {
			return errors.Join(remove(dir, "SHA256SUMS"), remove(dir, "layer.zip"), remove(dir, "policies"))
		}, []string{"SHA256SUMS is missing", "layer.zip is missing", "policies/index.json is missing",
			"policies/revoke.json is missing"}},
		"a file more": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "policies", ".hidden"), nil, 0o600)
		}, []string{"policies/.hidden is no part of the release"}},
		"a name that a terminal obeys": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "\x1b[2J"), nil, 0o600)
		}, []string{`"\x1b[2J" is no part of the release`}},
		"a directory more, which is not walked through": {func(dir string) error {
			return os.CopyFS(filepath.Join(dir, "more"), os.DirFS(again))
		}, []string{"more is no part of the release"}},
		"an empty directory more": {func(dir string) error {
			return os.Mkdir(filepath.Join(dir, "empty"), 0o700)
		}, []string{"empty is no part of the release"}},
		"a directory in place of a file": {func(dir string) error {
			return errors.Join(remove(dir, "layer.zip"), os.Mkdir(filepath.Join(dir, "layer.zip"), 0o700))
		}, []string{"layer.zip is a directory, and should be a file"}},
		"a file in place of a directory": {func(dir string) error {
			return errors.Join(remove(dir, "policies"), os.WriteFile(filepath.Join(dir, "policies"), nil, 0o600))
		}, []string{"policies is no directory, and should be one", "policies/index.json is missing",
			"policies/revoke.json is missing"}},
		"a link to the same content": {func(dir string) error {
			return errors.Join(remove(dir, "layer.zip"),
				os.Symlink(filepath.Join(again, "layer.zip"), filepath.Join(dir, "layer.zip")))
		}, []string{"layer.zip is no ordinary file but a symbolic link"}},
		"a link to nothing": {func(dir string) error {
			return os.Symlink("nothing", filepath.Join(dir, "link"))
		}, []string{"link is no part of the release"}},
		"a link in place of a directory": {func(dir string) error {
			return errors.Join(remove(dir, "policies"),
				os.Symlink(filepath.Join(again, "policies"), filepath.Join(dir, "policies")))
		}, []string{"policies is no directory, and should be one", "policies/index.json is missing",
			"policies/revoke.json is missing"}},
		"a pipe, which nobody writes to": {func(dir string) error {
			return errors.Join(remove(dir, "layer.zip"), syscall.Mkfifo(filepath.Join(dir, "layer.zip"), 0o600))
		}, []string{"layer.zip is no ordinary file but a device, a pipe or a socket"}},
	} {
		t.Run(name, func(t *testing.T) {
			release := small(t)
			if err := tt.change(release); err != nil {
				t.Fatal(err)
			}
			checkProblems(t, compare(os.DirFS(release), os.DirFS(again)), tt.want)
		})
	}
}

// endless is a tree whose files have no end.
type endless struct{ fs.FS }

func (e endless) Open(name string) (fs.File, error) {
	file, err := e.FS.Open(name)
	if info, failed := fs.Stat(e.FS, name); err != nil || failed != nil || info.IsDir() {
		return file, err
	}
	return &endlessFile{File: file}, nil
}

// endlessFile fails if it is read to no end.
type endlessFile struct {
	fs.File
	read int
}

func (e *endlessFile) Read(b []byte) (int, error) {
	if e.read += len(b); e.read > 1<<20 {
		return 0, errors.New("read without a bound")
	}
	clear(b)
	return len(b), nil
}

// A file that has another size is not read, and one that grows is read no further than it should be long.
func TestCompare_ReadsNoMoreThanItNeeds(t *testing.T) {
	release := small(t)
	if err := os.Truncate(filepath.Join(release, "layer.zip"), 1<<40); err != nil {
		t.Fatal(err)
	}
	checkProblems(t, compare(os.DirFS(release), os.DirFS(small(t))),
		[]string{"layer.zip differs: it has 1099511627776 bytes, but the source gives 20"})
	checkProblems(t, compare(endless{os.DirFS(small(t))}, os.DirFS(small(t))), []string{
		"SHA256SUMS differs: its SHA-256 is ", "layer.zip differs: ", "policies/index.json differs: ",
		"policies/revoke.json differs: ",
	})
}

func TestCompare_NamesNoMoreThanAPersonReads(t *testing.T) {
	release := small(t)
	for i := range 500 {
		if err := os.WriteFile(filepath.Join(release, fmt.Sprint("x", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(compare(os.DirFS(release), os.DirFS(small(t))).Error(), "\n")
	if last := lines[len(lines)-1]; len(lines) != maxProblems+1 || last != "and 400 more" {
		t.Errorf("%d lines, the last is %s", len(lines), last)
	}
}

// checkProblems compares the lines of an error with how they begin.
func checkProblems(t *testing.T, err error, want []string) {
	t.Helper()
	if err == nil {
		t.Fatal("nothing was found")
	}
	got := strings.Split(err.Error(), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("problems are\n%s\nwant\n%s", err, strings.Join(want, "\n"))
		}
	}
}

// locked is a tree with a name that cannot be opened. A superuser can read every file of a real one.
type locked struct {
	fs.FS
	name string
}

func (u locked) Open(name string) (fs.File, error) {
	if name == u.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.FS.Open(name)
}

func TestCompare_NamesWhatCannotBeRead(t *testing.T) {
	for name, want := range map[string][]string{
		"layer.zip": {"layer.zip cannot be read: permission denied"},
		"policies": {
			"policies cannot be read: ", "policies/index.json is missing", "policies/revoke.json is missing",
		},
		".": {
			". cannot be read: ", "SHA256SUMS is missing", "layer.zip is missing", "policies/index.json is missing",
			"policies/revoke.json is missing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			checkProblems(t, compare(locked{os.DirFS(small(t)), name}, os.DirFS(small(t))), want)
		})
	}
	if err := compare(os.DirFS(small(t)), locked{os.DirFS(small(t)), "layer.zip"}); err == nil {
		t.Error("what was built again cannot be read, and nothing is said")
	}
}
