package tail

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// errMoved is what a file that was renamed between looking and opening is passed over with. The next poll finds it again.
var errMoved = errors.New("was renamed meanwhile")

// refusedByKernel says whether err is the system's answer and not a fault of what is in the file: it may be another one later.
func refusedByKernel(err error) bool {
	var no unix.Errno
	return errors.As(err, &no)
}

// moving says whether err means that names are changing just now.
func moving(err error) bool { return errors.Is(err, errMoved) || errors.Is(err, fs.ErrNotExist) }

// refresh finds out what became of the generations of s: new names, growth, and files to open again.
func (t *Tailer) refresh(s *source) {
	for _, g := range slices.Clone(s.gens) {
		if !slices.Contains(s.gens, g) {
			continue // another turned out to be its file's
		}
		c := s.find(g.key)
		if c != nil {
			g.rename(c.path)
		}
		switch {
		case g.src != nil:
			t.lookAt(g)
		case !g.done:
			t.resume(s, g, c)
		case g.lost == nil && c != nil && !c.gz && (c.st.size != g.size || c.st.mtime != g.mtime):
			t.recheck(s, g, c)
		}
	}
}

// lookAt notes how large an open generation is, and whether it was cut. Its size is believed only with the mark: a loss is counted
// from it, and the file may be truncated and growing again.
func (t *Tailer) lookAt(g *generation) {
	g.err = nil
	st, err := g.src.stat()
	if err != nil {
		return // the read that follows says so
	}
	g.nlink = st.nlink
	same, err := true, error(nil)
	if !g.gz || g.offset == 0 { // an archive does not change
		same, err = t.marked(g)
	}
	if err != nil {
		return
	}
	if !same || g.headLen == 0 && !g.gz && st.size < g.size {
		g.cut = true
		return
	}
	g.seen, g.mtime = t.tick, st.mtime
	if !g.gz {
		g.size = max(g.size, st.size)
	}
}

// marked says whether the bytes before the offset are still there, and before the first read the head. It learns the head if it has
// not been seen yet: with it a file is found again, and a truncation noticed, even if nothing was read.
func (t *Tailer) marked(g *generation) (bool, error) {
	var b [max(headMax, markMax)]byte
	if g.offset == 0 {
		n, err := g.src.readAt(b[:headMax], 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if g.headLen == 0 && (n == headMax || bytes.IndexByte(b[:n], '\n') >= 0) {
			t.learn(g, b[:n])
		}
		return g.begins(b[:n]), nil
	}
	n, err := g.src.readAt(b[:g.tailLen], g.offset-int64(g.tailLen))
	return bytes.Equal(b[:n], g.tail[:g.tailLen]), err
}

// begins says whether b, the beginning of a file, begins with the head of g.
func (g *generation) begins(b []byte) bool {
	return g.headLen == 0 || len(b) >= g.headLen && sha256.Sum256(b[:g.headLen]) == g.headHash
}

// recheck looks at the file of a finished generation that changed: it has grown, or it is another file by now.
func (t *Tailer) recheck(s *source, g *generation, c *candidate) {
	same, err := t.tryAttach(g, c)
	switch {
	case moving(err):
	case err != nil:
		s.report(t, err)
	case !same:
		g.key = fileKey{}
	case g.size > g.offset:
		t.log.Info("a finished log file has grown: reading on", "path", c.path, "id", g.file.ID, "offset", g.offset)
	}
}

// resume looks for the file of an unfinished generation: where its inode is (c), then wherever its bytes are. If it stays away
// for the grace it is lost.
func (t *Tailer) resume(s *source, g *generation, c *candidate) {
	reason := "the file was deleted, or replaced by another, before it was read, or moved to a folder that rotated_dirs does not name"
	if g.truncated {
		reason = "the file was truncated before it was read, and no copy of it was found beside it"
	}
	if c != nil {
		same, err := t.tryFirst(s, g, c)
		switch {
		case same || moving(err):
			return
		case err == nil:
			g.key = fileKey{}
			if !c.gz && c.path != s.real && c.st.size > 0 {
				defer t.takeNew(s, c, false) // truncated while nobody looked, and then renamed
			}
		case !c.gz || refusedByKernel(err):
			s.fail(t, g, err)
			return
		default: // perhaps it is still being compressed
			reason = fmt.Sprintf("the archive %s can't be read: %v", c.path, err)
		}
	}
	found, err := t.search(s, g)
	if found {
		t.log.Info("found a log file again by its content", "path", g.file.Path, "id", g.file.ID, "offset", g.offset)
		return
	}
	if err != nil || !s.listed {
		if err != nil && !moving(err) {
			s.fail(t, g, err)
		}
		return // it may be there, but can't be looked at: wait
	}
	g.err = nil
	if g.missing.IsZero() {
		g.missing = t.tick
	}
	if t.tick.Sub(g.missing) >= t.cfg.RotateGrace {
		if name := s.suspect(g); name != "" && (c == nil || !c.gz) {
			reason += fmt.Sprintf("; it may be in %s, but %v", name, errUnreadable)
		}
		t.lose(g, reason)
	}
}

// search looks for g by content among the files nobody owns, plain ones first, and opens it there. The error says that a file
// could not be looked at.
func (t *Tailer) search(s *source, g *generation) (bool, error) {
	if g.headLen == 0 {
		return false, nil
	}
	files := slices.Clone(s.files)
	if s.hasLive && g.offset >= markMax {
		files = append(files, candidate{path: s.real, st: s.live})
	}
	var failed error
	for _, gz := range []bool{false, true} {
		for i := range files {
			c := &files[i]
			if c.gz != gz || !gz && c.st.size < g.offset || gz && c.st.mtime < g.mtime-second && c.st.born < g.born {
				continue
			}
			unread := func(o *generation) bool { return o != g && o.unread() && o.key.is(c.st.key) }
			if t.taken(c.st.key) && !slices.ContainsFunc(s.gens, unread) {
				continue
			}
			same, err := t.tryAttach(g, c)
			if same {
				s.gens = slices.DeleteFunc(s.gens, unread)
				return true, nil
			}
			if err != nil && (!gz || refusedByKernel(err)) { // a damaged archive may be anything: it is no reason to wait for ever
				failed = err
			}
		}
	}
	return false, failed
}

// undecided says whether src may be the file of a generation whose own can't be looked at just now: it begins with all that was read
// of it, be that as little as it may.
func (t *Tailer) undecided(s *source, src content) bool {
	return slices.ContainsFunc(s.gens, func(g *generation) bool {
		if g.done || g.src != nil || g.err == nil || g.headLen == 0 {
			return false
		}
		same, err := t.holds(g, src)
		return same && err == nil
	})
}

// unread says whether g has a file that could not be opened yet. Until then nobody knows whether it is a copy of another.
func (g *generation) unread() bool {
	return !g.done && g.src == nil && g.headLen == 0 && g.key != fileKey{}
}

// tryFirst is tryAttach for a generation whose file may never have been open: then it is compared with what is known, as every new
// file is. If it is known g is gone.
func (t *Tailer) tryFirst(s *source, g *generation, c *candidate) (bool, error) {
	if !g.unread() {
		return t.tryAttach(g, c)
	}
	src, _, err := t.open(c)
	if err != nil {
		return false, err
	}
	live := c.path == s.real
	if !live && t.undecided(s, src) {
		src.close()
		return false, fmt.Errorf("open %s: it %w", c.path, errMoved)
	}
	if t.recognise(s, src, c, live) {
		s.gens = slices.DeleteFunc(s.gens, func(o *generation) bool { return o == g })
		return true, nil
	}
	if err := t.skip(g, src); err != nil {
		src.close()
		return false, err
	}
	t.attach(g, src, c)
	return true, nil
}

// open opens the file that c saw.
func (t *Tailer) open(c *candidate) (content, fileStat, error) {
	if c.alien() {
		return nil, fileStat{}, errUnreadable
	}
	src, st, err := t.openContent(c.path, c.gz)
	if t.skipped(err) { // it was a file when we looked
		return nil, st, fmt.Errorf("open %s: it %w", c.path, errMoved)
	}
	if err != nil {
		return nil, st, err
	}
	if !st.key.is(c.st.key) {
		src.close()
		return nil, st, fmt.Errorf("open %s: it %w", c.path, errMoved)
	}
	return src, st, nil
}

// tryAttach opens c and makes it the file of g if it holds g's bytes.
func (t *Tailer) tryAttach(g *generation, c *candidate) (bool, error) {
	src, _, err := t.open(c)
	if err != nil {
		return false, err
	}
	same, err := t.holds(g, src)
	if err == nil && same {
		err = t.skip(g, src)
	}
	if err != nil || !same {
		src.close()
		return false, err
	}
	t.attach(g, src, c)
	return true, nil
}

// attach makes an open file the file of g, to be read from g's offset. g.tail must be that of the offset.
func (t *Tailer) attach(g *generation, src content, c *candidate) {
	g.shut()
	g.src, g.gz, g.key = src, c.gz, c.st.key
	g.done, g.final, g.truncated, g.ended = false, false, false, false
	g.quiet, g.missing = t.tick, time.Time{}
	g.rename(c.path)
	t.lookAt(g)
}

// holds says whether src has the bytes of g that were read: its head, and the mark before its offset, which it leaves in g.tail.
func (t *Tailer) holds(g *generation, src content) (bool, error) {
	n, sum := g.markNow()
	var b [max(headMax, markMax)]byte
	same, err := hasAt(src, b[:g.headLen], 0, g.headHash)
	if same && err == nil {
		same, err = hasAt(src, b[:n], g.offset-int64(n), sum)
	}
	if err != nil {
		return false, fmt.Errorf("read %s at %d: %w", g.file.Path, g.offset, err)
	}
	if same {
		g.tailLen = copy(g.tail[:], b[:n])
	}
	return same, nil
}

// hasAt reads p at off and says whether that is what sum is of.
func hasAt(src content, p []byte, off int64, sum [sha256.Size]byte) (bool, error) {
	if len(p) == 0 {
		return true, nil
	}
	n, err := src.readAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return n == len(p) && sha256.Sum256(p) == sum, nil
}

// copyOf returns the generation of s whose bytes src begins with; nil if it is a file of its own. Little content proves nothing, for
// two files may begin with the same line and both are to be read; but an archive has the time of what is compressed in it. An error
// says that src begins like the generation but is damaged before its offset.
func (t *Tailer) copyOf(s *source, src content, c *candidate) (*generation, error) {
	for _, g := range slices.Backward(s.gens) {
		if g.src != nil && !g.gz {
			if c.gz && (c.sameTime(g) && sameBeginning(g.src, src) || t.wroteOn(g, c) && startsWith(g.src, src)) {
				return g, nil // unlinked by now, and perhaps not read yet
			}
			if !c.gz && c.st.size > 0 && c.st.born >= g.key.born && sameEnd(g.src, src, c.st.size) {
				return g, nil // being copied just now
			}
		}
		if short, err := t.outgrew(s, g, src, c); short || err != nil {
			return g, err
		}
		enough := g.offset >= markMax || c.gz && (g.offset >= markMin && !s.present(g) || g.offset > 0 && c.sameTime(g))
		if !enough || !c.gz && c.st.size < max(markMax, g.offset) {
			continue
		}
		same, err := t.holds(g, src)
		if err != nil && c.gz {
			if same, _ = hasAt(src, make([]byte, g.headLen), 0, g.headHash); same {
				return g, err
			}
		}
		if same {
			return g, nil
		}
	}
	return nil, nil
}

// outgrew says whether src is a copy of g from before its last lines were written and read: nothing holds g any more, src begins
// with its head, and it ends before the offset. If g was not seen to be truncated, it may also be another file that begins with the
// same line; that was not made before the last write to g.
func (t *Tailer) outgrew(s *source, g *generation, src content, c *candidate) (bool, error) {
	made := c.st.born
	if c.gz {
		made = c.st.mtime - second
	}
	if c.path == s.real || s.present(g) || g.offset == 0 || !c.gz && c.st.size >= g.offset {
		return false, nil
	}
	if g.key != (fileKey{}) && made > g.mtime+2*int64(t.cfg.PollInterval) {
		return false, nil
	}
	same, err := hasAt(src, make([]byte, g.headLen), 0, g.headHash)
	if err != nil || !same || !c.gz {
		return same && err == nil, nil
	}
	var b [1]byte
	n, err := src.readAt(b[:], g.offset-1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n == 0 && err == nil, err
}

// sameTime says whether an archive was last written when g was, to the second.
func (c *candidate) sameTime(g *generation) bool {
	return c.st.mtime/second == g.mtime/second
}

// wroteOn says whether c may be the archive of g, which has no name any more and was written to by slow workers after it was compressed: then
// the archive has an earlier second.
func (t *Tailer) wroteOn(g *generation, c *candidate) bool {
	late := g.mtime - c.st.mtime
	return g.nlink == 0 && late >= 0 && late < int64(t.cfg.RotateGrace)+second
}

// sameBeginning says whether one of a and b begins like the whole other one, as far as a mark reaches.
func sameBeginning(a, b content) bool { return startsWith(a, b) || startsWith(b, a) }

// startsWith says whether a begins with all of b, as far as a mark reaches.
func startsWith(a, b content) bool {
	var p, q [markMax]byte
	i, err := a.readAt(p[:], 0)
	j, err2 := b.readAt(q[:], 0)
	return j > 0 && (err == nil || errors.Is(err, io.EOF)) && (err2 == nil || errors.Is(err2, io.EOF)) && i >= j && bytes.Equal(p[:j], q[:j])
}

// sameEnd says whether a and b have the same bytes before size, as far as a mark reaches, and the same head.
func sameEnd(a, b content, size int64) bool {
	n := min(size, markMax)
	for _, off := range []int64{0, size - n} {
		var p, q [markMax]byte
		i, err := a.readAt(p[:n], off)
		j, err2 := b.readAt(q[:n], off)
		if err != nil || err2 != nil || int64(i) != n || !bytes.Equal(p[:i], q[:j]) {
			return false
		}
	}
	return true
}

// present says whether g has a file: open, or where s looks.
func (s *source) present(g *generation) bool { return g.src != nil || s.find(g.key) != nil }
