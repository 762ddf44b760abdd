package logformat

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Watch notices that nginx.conf, or anything that it includes, is edited: it reads the configuration and remembers of every file
// and folder that it looked at how it was before it was read. It is used by one goroutine at a time.
type Watch struct {
	path string
	opts ConfOptions
	seen map[string]stamp // by path
	racy time.Time        // what was read may have been written on within the same tick of the file system's clock: look again then
	now  func() time.Time // tests only: replaces time.Now
}

// NewWatch returns a Watch of the nginx.conf at path. It reads nothing yet.
func NewWatch(path string, o ConfOptions) *Watch { return &Watch{path: path, opts: o, now: time.Now} }

// Read is ReadConf, after which Changed tells of edits. It may be called again at any time, also after an error: a configuration
// that is broken is watched like any other, as far as it could be read.
func (w *Watch) Read() (*Conf, error) {
	abs, err := filepath.Abs(w.path)
	if err != nil {
		return ReadConf(w.path, w.opts) // says why
	}
	w.seen, w.racy = map[string]stamp{}, time.Time{}
	return confRead(watchFS{w}, abs, w.opts)
}

// clockTick is more than the time between two ticks of the clock that file systems take their times from.
const clockTick = 50 * time.Millisecond

// Changed tells whether the configuration may have changed since the last Read: content, name, place, owner or mode of a file, what
// is in a folder that a pattern lists. It costs one stat for each of them.
func (w *Watch) Changed() bool {
	if !w.racy.IsZero() && w.now().After(w.racy) {
		return true
	}
	for path, was := range w.seen {
		if stampOf(path) != was {
			return true
		}
	}
	return false
}

// note remembers how a path is before it is read.
func (w *Watch) note(path string) {
	if _, ok := w.seen[path]; ok {
		return // the first look counts: what changed since then is a change
	}
	s := stampOf(path)
	w.seen[path] = s
	if now := w.now(); s.err == 0 && now.Sub(time.Unix(s.ctime.Unix())) < clockTick {
		w.racy = now.Add(clockTick)
	}
}

// stamp is what tells two states of a file or folder apart.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
	err          syscall.Errno // why there is nothing else
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		var no syscall.Errno
		if !errors.As(err, &no) {
			no = syscall.EIO
		}
		return stamp{err: no}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{size: info.Size()}
	}
	return stamp{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
}

// watchFS is the machine's file system with a Watch at the door.
type watchFS struct{ w *Watch }

func (f watchFS) readFile(name string) ([]byte, error) {
	f.w.note(name)
	return confOS{}.readFile(name)
}

func (f watchFS) readDir(name string) ([]string, error) {
	f.w.note(name)
	return confOS{}.readDir(name)
}

func (f watchFS) exists(name string) (bool, error) {
	f.w.note(name)
	return confOS{}.exists(name)
}
