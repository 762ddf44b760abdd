package tail

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// nap is how long a wake waits for more, so that a burst of lines becomes one block instead of one wake per line.
const nap = 5 * time.Millisecond

// waker ends waits early. It is a hint: nothing depends on it but the delay.
type waker interface {
	// watch asks for wakes by changes in dir. It is called at every poll, so that a new directory of that name is watched too.
	watch(dir string) error
	// wait returns after d, when ctx is done, or when a log may have changed; names then says that it may have been more than
	// its content.
	wait(ctx context.Context, d time.Duration) (names bool)
	close() error
}

// newWaker returns inotify, or a plain timer where it can't be had.
func newWaker(concerns func(name string) bool, log *slog.Logger) waker {
	w, err := newInotify(concerns)
	if err != nil {
		log.Warn("inotify is not available: log files are polled. Raise fs.inotify.max_user_instances to be woken instead", "error", err)
		return timer{}
	}
	return w
}

// errNoInotify is what a timer answers to watch.
var errNoInotify = errors.New("there is no inotify")

// timer wakes nobody early.
type timer struct{}

func (timer) watch(string) error { return errNoInotify }

func (timer) wait(ctx context.Context, d time.Duration) bool {
	c := time.NewTimer(d)
	defer c.Stop()
	select {
	case <-c.C:
	case <-ctx.Done():
	}
	return false
}

func (timer) close() error { return nil }

const (
	nameEvents = unix.IN_CREATE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_ATTRIB |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	lostEvents = unix.IN_Q_OVERFLOW | unix.IN_IGNORED | unix.IN_UNMOUNT // these come unasked
)

// inotify watches directories. While there is something to read nobody reads its queue; the kernel joins equal events and
// throws away what is too much, which costs nothing but a poll.
type inotify struct {
	f        *os.File
	fd       int // of f, for a read that does not wait; f owns it
	concerns func(name string) bool
	dirs     map[string]int // watch descriptors
	buf      [16 << 10]byte
}

func newInotify(concerns func(string) bool) (*inotify, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("open inotify: %w", err)
	}
	return &inotify{f: os.NewFile(uintptr(fd), "inotify"), fd: fd, concerns: concerns, dirs: make(map[string]int)}, nil
}

// watch is cheap for a directory that is watched already: the kernel returns the same descriptor.
func (w *inotify) watch(dir string) error {
	wd, err := unix.InotifyAddWatch(w.fd, dir, unix.IN_MODIFY|nameEvents|unix.IN_ONLYDIR)
	if err != nil {
		return &fs.PathError{Op: "watch", Path: dir, Err: err}
	}
	if old, ok := w.dirs[dir]; ok && old != wd && !w.uses(old, dir) {
		// The directory was replaced. It fails if the old one is gone, which is just as well.
		_, _ = unix.InotifyRmWatch(w.fd, uint32(old))
	}
	w.dirs[dir] = wd
	return nil
}

// uses says whether a directory other than dir has the watch descriptor.
func (w *inotify) uses(wd int, dir string) bool {
	for d, n := range w.dirs {
		if n == wd && d != dir {
			return true
		}
	}
	return false
}

func (w *inotify) wait(ctx context.Context, d time.Duration) (names bool) {
	end := time.Now().Add(d)
	if w.f.SetReadDeadline(end) != nil {
		return timer{}.wait(ctx, d)
	}
	if ctx.Done() != nil {
		ended := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(ended)
			_ = w.f.SetReadDeadline(time.Unix(1, 0))
		})
		defer func() {
			if !stop() {
				<-ended
			}
		}()
	}
	for {
		n, err := w.f.Read(w.buf[:])
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				timer{}.wait(ctx, time.Until(end)) // never spin
			}
			return names
		}
		mine := false
		if mine, names = w.parse(w.buf[:n]); !mine {
			continue
		}
		timer{}.wait(ctx, min(nap, time.Until(end)))
		if n, err := unix.Read(w.fd, w.buf[:]); err == nil {
			_, more := w.parse(w.buf[:n])
			names = names || more
		}
		return names
	}
}

// parse looks through events. mine says that one may concern a log of ours, names that it is about more than content.
func (w *inotify) parse(b []byte) (mine, names bool) {
	for len(b) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(b[4:])
		n := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if n > len(b) {
			return true, true
		}
		name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:n]), "\x00")
		b = b[n:]
		if name != "" && !w.concerns(name) {
			continue
		}
		mine = true
		names = names || mask&(nameEvents|lostEvents) != 0
	}
	return mine, names
}

func (w *inotify) close() error { return w.f.Close() }
