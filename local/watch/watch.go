// Package watch tells when the source of an app has changed, so that the app can be synthesized again.
//
//	w, err := watch.New("my-app", watch.OfApp)
//	defer w.Close()
//	err = w.During(synthesize)
//	for {
//		changed, err := w.Next(ctx)
//		err = w.During(synthesize)
//	}
//
// A file has changed if its content has. What the synthesis itself writes does not lead to another one: a compiler that
// writes the same again changes nothing, and a file that is different after each synthesis counts only at first.
package watch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pause is how long nothing must change for Next to return, and longest is when it returns even so.
	pause   = 100 * time.Millisecond
	longest = 2 * time.Second

	maxDirs   = 20_000   // that are watched
	maxKnown  = 50_000   // files whose content is remembered
	maxHashed = 16 << 20 // bytes of a file that is compared by its content
	maxOwn    = 2        // how many times in a row a synthesis may change a file and thereby lead to another one
)

// Watcher watches a directory and those in it. One goroutine may call Next and During.
type Watcher struct {
	dir     string // absolute
	ignored func(path string) bool
	files   *fsnotify.Watcher
	markers string // a directory in which a new file says that the watcher has come so far
	passed  chan string
	wake    chan struct{} // gets an element when something is pending, if there is room
	done    chan struct{} // closed when nothing is watched any more
	number  int           // of markers

	known map[string]string // what the files were like, by path
	own   map[string]int    // how many times in a row During has changed a file
	found map[string]bool   // what During has changed and Next has not returned
	taken []string          // see Taken

	dirs   map[string]bool // that are watched
	failed error           // why the watch has ended, once done is closed

	mu      sync.Mutex
	pending map[string]bool // paths with events, and whether they were new with the first of these
	during  map[string]bool // likewise, in During; nil outside of it
}

// New watches dir, but for what [OfApp] or [OfAssembly] ignores.
func New(dir string, ignores func(dir string) (ignored func(path string) bool)) (_ *Watcher, err error) {
	if dir, err = filepath.Abs(dir); err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, err
	}
	files, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	w := &Watcher{
		dir: dir, ignored: ignores(dir), files: files, passed: make(chan string, 1), wake: make(chan struct{}, 1),
		done: make(chan struct{}), known: map[string]string{}, own: map[string]int{}, found: map[string]bool{},
		dirs: map[string]bool{}, pending: map[string]bool{},
	}
	if w.markers, err = os.MkdirTemp("", "lambda-tokenizer-watch-"); err == nil {
		err = errors.Join(files.Add(w.markers), w.add(dir, false))
	}
	go w.collect()
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Close ends the watch.
func (w *Watcher) Close() error {
	err := w.files.Close()
	<-w.done
	return errors.Join(err, os.RemoveAll(w.markers))
}

// Next waits for changes, and for their end. It returns the paths of the changed files within the directory, or the
// error that has ended the watch, or ctx's.
func (w *Watcher) Next(ctx context.Context) (changed []string, err error) {
	for {
		if err := w.await(ctx); err != nil {
			return nil, err
		}
		for path, isNew := range w.take(false) {
			if w.look(path, isNew) {
				w.found[path] = true
			}
		}
		if len(w.found) > 0 {
			for _, path := range slices.Sorted(maps.Keys(w.found)) {
				changed = append(changed, w.relative(path))
			}
			clear(w.found)
			return changed, nil
		}
	}
}

// await returns when something is pending, and then nothing new for a while.
func (w *Watcher) await(ctx context.Context) error {
	var quiet, end <-chan time.Time
	for {
		select {
		case <-w.wake:
			quiet = time.After(pause)
			if end == nil {
				end = time.After(longest)
			}
		case <-quiet:
			return nil
		case <-end:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-w.done:
			return cmp.Or(w.failed, fs.ErrClosed)
		}
	}
}

// During calls synthesize. What that changes is for Next only if it changes it for the first or the second time in a
// row.
func (w *Watcher) During(synthesize func() error) error {
	w.catchUp()
	w.mu.Lock()
	w.during = map[string]bool{}
	w.mu.Unlock()
	err := synthesize()
	w.catchUp()
	own := map[string]int{}
	w.taken = nil
	for path, isNew := range w.take(true) {
		if !w.look(path, isNew) {
			continue
		}
		own[path] = w.own[path] + 1
		switch {
		case own[path] <= maxOwn:
			w.found[path] = true
			continue
		case own[path] == maxOwn+1:
			w.taken = append(w.taken, w.relative(path))
		}
		delete(w.known, path) // so that the file counts if a person saves it again
	}
	slices.Sort(w.taken)
	if w.own = own; len(w.found) > 0 {
		w.notify()
	}
	return err
}

// Taken are the paths of the files that the last During has changed for the third time in a row. From then on they are
// taken for something that the synthesis writes. A person who has edited one of them has to save it again.
func (w *Watcher) Taken() []string { return w.taken }

// take returns the paths that are pending, or if During has ended, those that have changed in it.
func (w *Watcher) take(ofDuring bool) map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.pending
	if ofDuring {
		taken, w.during = w.during, nil
	} else {
		w.pending = map[string]bool{}
	}
	return taken
}

// manyFiles stands for changes that the system has not told one by one.
const manyFiles = "many files"

// look tells whether a file's content is another one than when this was asked last. A new file that is gone already, as
// editors make them, is none.
func (w *Watcher) look(path string, isNew bool) bool {
	if len(w.known) >= maxKnown {
		clear(w.known)
	}
	now := content(path)
	before, looked := w.known[path]
	w.known[path] = now
	return path == manyFiles || looked && before != now || !looked && !(isNew && now == gone)
}

// gone is the content of a file that does not exist.
const gone = "gone"

// content is a text that is the same as long as a file is.
func content(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return gone
	case !info.Mode().IsRegular():
		return info.Mode().Type().String()
	case info.Size() > maxHashed:
		return fmt.Sprint(info.Size(), info.ModTime())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// catchUp returns when everything that happened before is known. The system tells of changes in their order, so a
// marker is the last of them.
func (w *Watcher) catchUp() {
	w.number++
	name := filepath.Join(w.markers, strconv.Itoa(w.number))
	if os.WriteFile(name, nil, 0o600) != nil {
		return // as much as can be known
	}
	for {
		select {
		case passed := <-w.passed:
			if passed == name || passed == "" {
				_ = os.Remove(name)
				return
			}
		case <-w.done:
			return
		}
	}
}

// collect gathers events until the watch is closed.
func (w *Watcher) collect() {
	defer close(w.done)
	for {
		select {
		case event, ok := <-w.files.Events:
			if !ok {
				return
			}
			w.handle(event)
		case err, ok := <-w.files.Errors:
			if !ok {
				return
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				w.fail(w.addAgain())
				w.mark(manyFiles, false)
				w.pass("")
			}
		}
	}
}

func (w *Watcher) handle(event fsnotify.Event) {
	switch {
	case filepath.Dir(event.Name) == w.markers:
		if event.Has(fsnotify.Create) {
			w.pass(event.Name)
		}
		return
	case event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename):
		w.forget(event.Name)
	}
	parent := filepath.Dir(w.dir)
	switch {
	case !w.dirs[w.dir] && (event.Name == w.dir || event.Name == parent):
		w.fail(w.awaitDir(parent))
		w.mark(w.dir, false)
	case filepath.Dir(event.Name) == parent:
	case w.ignored(w.relative(event.Name)):
	case event.Has(fsnotify.Create) && isDir(event.Name): // of which only the files count
		w.fail(w.add(event.Name, true))
	default:
		w.mark(event.Name, event.Has(fsnotify.Create))
	}
}

// forget ends the watch of a directory that is gone, or has another name. The system goes on to watch what has another
// name, but tells of it by the old one.
func (w *Watcher) forget(dir string) {
	if !w.dirs[dir] {
		return
	}
	for path := range w.dirs {
		if path == dir || strings.HasPrefix(path, dir+string(filepath.Separator)) {
			_ = w.files.Remove(path) // which the system may have done already
			delete(w.dirs, path)
		}
	}
}

// awaitDir watches the parent of the directory until that exists again: a script may remove it and make it anew.
func (w *Watcher) awaitDir(parent string) error {
	if err := w.files.Add(parent); err != nil {
		return fmt.Errorf("%s was removed or has another name (%w)", w.dir, err)
	}
	if !isDir(w.dir) {
		return nil
	}
	_ = w.files.Remove(parent)
	return w.add(w.dir, true)
}

// addAgain watches the directories that exist now. It is not known which of them are new.
func (w *Watcher) addAgain() error {
	w.forget(w.dir)
	if !isDir(w.dir) {
		return w.awaitDir(filepath.Dir(w.dir))
	}
	return w.add(w.dir, false)
}

// fail ends the watch if there is an error.
func (w *Watcher) fail(err error) {
	if err != nil {
		w.failed = err
		_ = w.files.Close()
	}
}

// pass tells catchUp which marker was reached.
func (w *Watcher) pass(name string) {
	select {
	case <-w.passed: // one that nobody waits for any more
	default:
	}
	w.passed <- name
}

func (w *Watcher) mark(path string, isNew bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	set := w.pending
	if w.during != nil {
		set = w.during
	} else {
		w.notify()
	}
	if _, marked := set[path]; !marked {
		set[path] = isNew
	}
}

func (w *Watcher) notify() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// add watches a directory and those in it. The files of a new one count as changed.
func (w *Watcher) add(dir string, isNew bool) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path != w.dir: // it is gone already, or nobody may read it
			return nil
		case err != nil:
			return err
		case path != w.dir && w.ignored(w.relative(path)):
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case !entry.IsDir():
			if isNew {
				w.mark(path, true)
			}
			return nil
		}
		if w.dirs[path] = true; len(w.dirs) > maxDirs {
			return fmt.Errorf("watch %s: it has more than %d directories: move what is not source out of it", w.dir, maxDirs)
		}
		return explain(path, w.files.Add(path))
	})
}

func explain(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it is gone already
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("watch %s: the system lets you watch no more directories: raise fs.inotify.max_user_watches (%w)",
			path, err)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("watch %s: the system lets this program open no more files: raise the limit with ulimit -n (%w)",
			path, err)
	case err != nil:
		return fmt.Errorf("watch %s: %w", path, err)
	}
	return nil
}

// relative is a path within the directory.
func (w *Watcher) relative(path string) string {
	if relative, err := filepath.Rel(w.dir, path); err == nil {
		return relative
	}
	return path
}
