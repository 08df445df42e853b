package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
)

// content tells a file from another one.
type content struct {
	size   int64
	digest []byte // SHA-256
}

// contents are those of all files of a tree, by their slash-separated path.
func contents(tree fs.FS) (map[string]*content, error) {
	all := map[string]*content{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := read(tree, name, math.MaxInt64-1)
		if err == nil {
			all[name] = file
		}
		return err
	})
	return all, err
}

// digests are the SHA-256 of all files of a tree, by their slash-separated path.
func digests(tree fs.FS) (map[string][]byte, error) {
	files, err := contents(tree)
	all := map[string][]byte{}
	for name, file := range files {
		all[name] = file.digest
	}
	return all, err
}

// read reads a file, but not much more than most bytes.
func read(tree fs.FS, name string, most int64) (*content, error) {
	file, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, io.LimitReader(file, most+1))
	return &content{size, hash.Sum(nil)}, err
}

// compare is an error that names everything in a release that is not what was built again, and what it lacks. It opens
// no file that the release should not have, and follows no symbolic link.
func compare(release, again fs.FS) error {
	want, err := contents(again)
	if err != nil {
		return err
	}
	dirs, seen := map[string]bool{".": true}, map[string]bool{}
	for name := range want {
		for dir := path.Dir(name); !dirs[dir]; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	var problems []error
	err = fs.WalkDir(release, ".", func(name string, entry fs.DirEntry, err error) error {
		seen[name] = true
		problem := problemOf(release, name, entry, err, want[name], dirs[name])
		if problem != nil {
			problems = append(problems, fmt.Errorf("%s %w", printable(name), problem))
		}
		if problem != nil && entry != nil && entry.IsDir() {
			return fs.SkipDir // so that the wrong directory is not walked through
		}
		return nil
	})
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !seen[name] {
			problems = append(problems, fmt.Errorf("%s is missing", name))
		}
	}
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems], fmt.Errorf("and %d more", more))
	}
	return errors.Join(append(problems, err)...)
}

// maxProblems is how many lines are printed at most.
const maxProblems = 100

// problemOf says what is wrong with an entry of a release: trouble is that of reading it, want is what a file should be
// (nil for none), and dir tells whether a directory belongs there.
func problemOf(release fs.FS, name string, entry fs.DirEntry, trouble error, want *content, dir bool) error {
	switch {
	case trouble != nil:
		return unreadable(trouble)
	case entry.IsDir() && dir:
		return nil
	case want == nil && !dir:
		return errors.New("is no part of the release")
	case entry.IsDir():
		return errors.New("is a directory, and should be a file")
	case dir:
		return errors.New("is no directory, and should be one")
	case !entry.Type().IsRegular():
		return fmt.Errorf("is no ordinary file but %s", kindOf(entry.Type()))
	}
	info, err := entry.Info()
	if err != nil {
		return unreadable(err)
	}
	if info.Size() != want.size {
		return fmt.Errorf("differs: it has %d bytes, but the source gives %d", info.Size(), want.size)
	}
	got, err := read(release, name, want.size) // no more, even if the file grows meanwhile
	if err != nil {
		return unreadable(err)
	}
	if !bytes.Equal(got.digest, want.digest) {
		return fmt.Errorf("differs: its SHA-256 is %x, but the source gives %x", got.digest, want.digest)
	}
	return nil
}

// unreadable leaves out the path, which is said already.
func unreadable(err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// printable is a name as it is, or quoted if a terminal might take it for something else.
func printable(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

func kindOf(mode fs.FileMode) string {
	if mode&fs.ModeSymlink != 0 {
		return "a symbolic link"
	}
	return "a device, a pipe or a socket"
}
