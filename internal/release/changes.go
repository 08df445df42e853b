package main

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// built are the directories whose files become a part of the layer, or of this program, which has the layer's files
// inside. A file there counts although git ignores it.
var built = []string{"tokenizerlayer", "internal", "local"}

// notBuilt matches what is in none of them all the same: what Python leaves behind, and what only tests read.
var notBuilt = regexp.MustCompile(`/(__pycache__|testdata)/`)

// changesOf lists how the files of a tree differ from its commit, a line for each one. It does not depend on what git
// is told to overlook, or to convert, on this machine.
func changesOf(ctx context.Context, dir string) (string, error) {
	changes, err := git(ctx, dir, "status", "--porcelain", "--untracked-files=normal")
	if err != nil {
		return "", err
	}
	hidden, err := hiddenChanges(ctx, dir, changes)
	if err != nil {
		return "", err
	}
	ignored, err := git(ctx, dir, append([]string{"-c", "core.quotePath=false", "ls-files", "--others", "--ignored",
		"--exclude-standard", "--"}, built...)...)
	if err != nil {
		return "", err
	}
	for name := range strings.Lines(ignored) {
		if !notBuilt.MatchString(name) {
			hidden += "!! " + name
		}
	}
	return changes + hidden, nil
}

// hiddenChanges are the files whose bytes are not those of the commit, although git does not say so.
func hiddenChanges(ctx context.Context, dir, known string) (changes string, err error) {
	tree, err := git(ctx, dir, "ls-tree", "-r", "-z", "HEAD")
	if err != nil {
		return "", err
	}
	for entry := range strings.SplitSeq(strings.TrimSuffix(tree, "\x00"), "\x00") {
		about, name, _ := strings.Cut(entry, "\t")
		fields := strings.Fields(about) // mode, type, object
		if len(fields) != 3 || fields[1] != "blob" {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if same, err := isBlob(path, fields[0] == "120000", fields[2]); err == nil && same {
			continue
		}
		if !strings.Contains(known, name) {
			changes += "?M " + printable(name) + "\n"
		}
	}
	return changes, nil
}

// isBlob tells whether a file, or the target of a symbolic link, has the content of an object of git.
func isBlob(path string, link bool, object string) (bool, error) {
	var content []byte
	var err error
	if link {
		var target string
		target, err = os.Readlink(path)
		content = []byte(target)
	} else {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return false, err
	}
	var sum hash.Hash = sha1.New() // git's own, of the repository's format
	if len(object) == hex.EncodedLen(sha256.Size) {
		sum = sha256.New()
	}
	fmt.Fprintf(sum, "blob %d\x00", len(content))
	sum.Write(content)
	return hex.EncodeToString(sum.Sum(nil)) == object, nil
}
