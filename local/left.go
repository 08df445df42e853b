package main

import (
	"cmp"
	"errors"
	"fmt"
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
	parent, err := filepath.Abs(os.TempDir())
	if err == nil && parent != os.TempDir() {
		err = os.Setenv("TMPDIR", parent) // the programs have other working directories
	}
	if err == nil {
		dir, err = os.MkdirTemp(parent, pattern)
	}
	if err != nil {
		return "", nil, fmt.Errorf("%w: %s", err, chooseTMPDIR)
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

const chooseTMPDIR = "set TMPDIR to a directory in which you may write files and run programs"

// removeLeftBehind removes the directories of this user's launchers that were killed. What cannot be removed stays.
func removeLeftBehind() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), pattern)) // the pattern is right
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || !isOwn(info) {
			continue
		}
		if lock, err := openLock(filepath.Join(dir, lockFile)); err == nil {
			if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
				_ = os.RemoveAll(dir)
			}
			_ = lock.Close()
		}
	}
}

// isOwn tells whether a file is this user's. Everybody may write to a temporary directory.
func isOwn(info os.FileInfo) bool {
	about, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(about.Uid) == os.Geteuid()
}

// openLock opens an ordinary file. It follows no symbolic link, and does not wait for who writes into a pipe.
func openLock(name string) (*os.File, error) {
	lock, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := lock.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(errors.Join(err, lock.Close()), os.ErrInvalid)
	}
	return lock, nil
}
