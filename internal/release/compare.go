package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
)

// digests are the SHA-256 of all files of a tree, by their slash-separated path.
func digests(tree fs.FS) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		all[name], err = digest(tree, name)
		return err
	})
	return all, err
}

func digest(tree fs.FS, name string) ([]byte, error) {
	file, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}

// compare is an error that names everything in a release that is not what was built again, and what it lacks. It opens
// no file that the release should not have, and follows no symbolic link.
func compare(release, again fs.FS) error {
	want, err := digests(again)
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
	return errors.Join(append(problems, err)...)
}

// problemOf says what is wrong with an entry of a release: trouble is that of reading it, want is the digest of a file,
// and dir tells whether a directory belongs there.
func problemOf(release fs.FS, name string, entry fs.DirEntry, trouble error, want []byte, dir bool) error {
	switch {
	case trouble != nil:
		return fmt.Errorf("cannot be read: %w", trouble)
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
	got, err := digest(release, name)
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("differs: its SHA-256 is %x, but the source gives %x", got, want)
	}
	return nil
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
