package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// pattern is how the directory of a launcher is named.
const pattern = "lambda-tokenizer-local-*"

// lockFile is in the directory of a launcher, which locks it as long as it lives.
const lockFile = "lock"

// newDirectory makes the launcher's directory, in which it and the program that it starts have all their temporary
// files. Whichever of the two ends last removes it. If both were killed, the next launcher does.
func newDirectory() (dir string, unlock func(), err error) {
	removeLeftBehind()
	if dir, err = os.MkdirTemp("", pattern); err != nil {
		return "", nil, err
	}
	// It gets its name when it is locked, so that no other launcher finds it before.
	unnamed := filepath.Join(dir, lockFile+".new")
	lock, err := os.Create(unnamed)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := errors.Join(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB),
		os.Rename(unnamed, filepath.Join(dir, lockFile))); err != nil {
		return "", nil, errors.Join(err, lock.Close(), os.RemoveAll(dir))
	}
	return dir, func() { _ = lock.Close() }, nil
}

// removeLeftBehind removes the directories of launchers that were killed. What cannot be removed stays.
func removeLeftBehind() {
	locks, _ := filepath.Glob(filepath.Join(os.TempDir(), pattern, lockFile)) // the pattern is right
	for _, name := range locks {
		lock, err := os.Open(name)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(name))
		}
		_ = lock.Close()
	}
}
