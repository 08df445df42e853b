package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// digests are the SHA-256 of all files below a directory, by their slash-separated path.
func digests(dir string) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if err != nil {
			return err
		}
		digest := sha256.Sum256(content)
		all[path] = digest[:]
		return nil
	})
	return all, err
}

// compare is an error that names every file of a release that is not what was built again.
func compare(release, again string) error {
	got, err := digests(release)
	if err != nil {
		return err
	}
	want, err := digests(again)
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch digest, exists := got[name]; {
		case !exists:
			problems = append(problems, fmt.Errorf("%s is missing", name))
		case !bytes.Equal(digest, want[name]):
			problems = append(problems, fmt.Errorf("%s differs: its SHA-256 is %x, but the source gives %x", name,
				digest, want[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if want[name] == nil {
			problems = append(problems, fmt.Errorf("%s is no part of the release", name))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s is not what the source gives:\n%w", release, errors.Join(problems...))
	}
	return nil
}
