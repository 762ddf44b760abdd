package tail

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Skip says why a file in a log folder is not read. The values are fixed words, fit to be labels of metrics.
type Skip string

// The values of Skip.
const (
	SkipSymlink   Skip = "symlink"   // a link, or below one, and links are not followed
	SkipPipe      Skip = "fifo"      // a named pipe
	SkipSocket    Skip = "socket"    // a socket
	SkipDevice    Skip = "device"    // a device
	SkipDirectory Skip = "directory" // a folder with the name of a log
	SkipHardLink  Skip = "hard_link" // it has other names too, so it may be somebody else's file
	SkipOutside   Skip = "outside"   // a link that leads out of the trusted folders
)

// Skips are all values of Skip.
func Skips() []Skip {
	return []Skip{SkipSymlink, SkipPipe, SkipSocket, SkipDevice, SkipDirectory, SkipHardLink, SkipOutside}
}

// refusal is the error for what has the name of a log and must not be read.
type refusal struct {
	path   string
	why    Skip
	target string // of a link that leads outside
}

// Error says what is there and what to do.
func (r *refusal) Error() string {
	kind, cure := string(r.why), "let Nginx write its log to a file"
	switch r.why {
	case SkipOutside:
		if r.target == "" {
			return fmt.Sprintf("%s lies outside of the folders that logs are read from: name it, or allow its folder", r.path)
		}
		return fmt.Sprintf("%s leads to %s, outside of the log's folder: allow that folder, or name the file itself", r.path, r.target)
	case SkipHardLink:
		return fmt.Sprintf("%s has other names too (hard links), so it may be somebody else's file: remove those, or allow hard links", r.path)
	case SkipSymlink:
		kind, cure = "symbolic link", "name its target, or allow links to be followed"
	case SkipPipe:
		kind = "named pipe"
	}
	return fmt.Sprintf("%s is not a regular file but a %s: %s", r.path, kind, cure)
}

// judge refuses what could block, is no log, or may be somebody else's file: whoever can write the folder can give a second
// name there to a file that he must not read. A file that is known is read on, for backups make hard links too.
func (t *Tailer) judge(path string, st *fileStat) error {
	var why Skip
	switch st.mode & unix.S_IFMT {
	case unix.S_IFREG:
		if g, _ := t.owner(st.key); st.nlink <= 1 || t.cfg.AllowHardLinks || g != nil {
			return nil
		}
		why = SkipHardLink
	case unix.S_IFLNK:
		why = SkipSymlink
	case unix.S_IFDIR:
		why = SkipDirectory
	case unix.S_IFIFO:
		why = SkipPipe
	case unix.S_IFSOCK:
		why = SkipSocket
	default:
		why = SkipDevice
	}
	return &refusal{path: path, why: why}
}

const (
	sayAgain = time.Hour // how soon the same may be said again of the same file
	saidMax  = 1000      // files of which it is remembered what was said; of more nothing is said, but they are counted
)

// remark is a file and what was said of it.
type remark struct {
	path string
	why  Skip
}

// Skipped is a file in a log folder that has the name of a log and is not read.
type Skipped struct {
	Path string
	Why  Skip
	Err  error // what is there and what to do, for people
}

// skipped notes what err refuses, if it refuses something, and says so once.
func (t *Tailer) skipped(err error) bool {
	r := (*refusal)(nil)
	if !errors.As(err, &r) {
		return false
	}
	t.skips[r.path] = r
	key := remark{r.path, r.why}
	if at, ok := t.said[key]; ok && t.tick.Sub(at) < sayAgain || !ok && len(t.said) >= saidMax {
		return true
	}
	t.said[key] = t.tick
	t.log.Warn("skipped: "+r.Error(), "path", r.path, "reason", string(r.why))
	return true
}

// lookAnew forgets what the last look saw.
func (t *Tailer) lookAnew() {
	clear(t.dirs)
	clear(t.skips)
	t.folders = t.cfg.trusted()
	if len(t.said) >= saidMax {
		for key, at := range t.said {
			if t.tick.Sub(at) >= sayAgain {
				delete(t.said, key)
			}
		}
	}
}

// Skipped returns the files that the last look refused, by path. Any goroutine may call it.
func (t *Tailer) Skipped() []Skipped {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Skipped, 0, len(t.skips))
	for _, path := range slices.Sorted(maps.Keys(t.skips)) {
		all = append(all, Skipped{Path: path, Why: t.skips[path].why, Err: t.skips[path]})
	}
	return all
}
