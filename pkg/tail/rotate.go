package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// takeLive makes the file at the path of s its last generation.
func (t *Tailer) takeLive(s *source) {
	if !s.hasLive {
		return
	}
	c := &candidate{path: s.real, st: s.live}
	g, from := t.owner(s.live.key)
	if g != nil && g.done { // it was renamed back, or the inode is used again
		same, err := t.tryAttach(g, c)
		if err != nil {
			if !moving(err) {
				s.report(t, err)
			}
			return
		}
		if !same {
			g.key, g = fileKey{}, nil
		}
	}
	switch {
	case g == nil:
		t.takeNew(s, c, true)
	case from != s && from.hasLive && from.live.key.is(s.live.key):
		s.report(t, fmt.Errorf("%s is the same file as %s: it is read once, under that name", s.path, from.path))
		return
	default:
		s.append(t, g, from)
	}
	if !slices.ContainsFunc(s.gens, func(g *generation) bool { return g.err != nil || !g.failing.IsZero() }) {
		s.report(t, nil)
	}
}

// last returns the newest generation, or nil.
func (s *source) last() *generation {
	if len(s.gens) == 0 {
		return nil
	}
	return s.gens[len(s.gens)-1]
}

// append moves g from another place, or another source (nil: none), to the end of s. The one before it is superseded from now on.
func (s *source) append(t *Tailer, g *generation, from *source) {
	last := s.last()
	if last == g {
		return
	}
	if from != nil {
		from.gens = slices.DeleteFunc(from.gens, func(o *generation) bool { return o == g })
		g.file = &File{ID: g.file.ID, Path: g.file.Path, Base: s.path}
	}
	if last != nil {
		last.quiet = t.tick
	}
	s.gens = append(s.gens, g)
}

// takeUnread makes generations of the rotated files that nobody has read, in front of the file at the path.
func (t *Tailer) takeUnread(s *source) {
	for _, c := range t.unread(s, s.old) {
		t.takeNew(s, &c, false)
	}
}

// takeNew makes a generation of a file nobody owns, unless it is a copy of one that is known. If it can't be opened now it is
// a generation all the same, so that its loss would not go unnoticed.
func (t *Tailer) takeNew(s *source, c *candidate, live bool) {
	if c.alien() && s.familiar(c) {
		return
	}
	src, _, err := t.open(c)
	if moving(err) {
		return
	}
	if err == nil && !live && t.undecided(s, src) {
		src.close()
		return // the next poll finds it again
	}
	if err == nil && t.recognise(s, src, c, live) {
		return
	}
	if i := slices.IndexFunc(s.gens, func(g *generation) bool { return s.blank(g, c) }); i >= 0 && !live && err == nil {
		t.attach(s.gens[i], src, c) // the copy of a file that was truncated before anything was read
		return
	}
	prev := s.old
	if live || prev == nil {
		prev = s.last()
	}
	g := newGeneration(s.path, c, prev)
	if live && c.st.key.is(s.skipKey) {
		g.skipTo = s.skip
	}
	if err == nil {
		if err = t.skip(g, src); err == nil {
			t.attach(g, src, c)
		} else {
			src.close()
		}
	}
	if err != nil {
		s.fail(t, g, err)
	}
	if live || s.last() == nil || !s.hasLive || !s.last().key.is(s.live.key) {
		s.append(t, g, nil)
	} else {
		s.gens = slices.Insert(s.gens, len(s.gens)-1, g)
	}
	t.log.Info("reading a log file", "path", c.path, "bytes", c.st.size)
}

// blank says whether g had no line when it was last seen, and its file has gone but perhaps lives on in c: in a copy if it was
// truncated, else in an archive. Only the age can tell.
func (s *source) blank(g *generation, c *candidate) bool {
	return !g.done && g.headLen == 0 && !s.present(g) && (c.gz || g.key == fileKey{})
}

// recognise deals with an open file that is that of a known generation, or a copy of one, if it is.
func (t *Tailer) recognise(s *source, src content, c *candidate, live bool) bool {
	old, damaged := t.copyOf(s, src, c)
	if damaged != nil {
		src.close() // the loss is declared where old is looked for
		return true
	}
	if old == nil {
		return false
	}
	if short, _ := t.outgrew(s, old, src, c); short {
		src.close()
		old.copy = c.st.key
		if !old.done {
			t.lose(old, "the file was truncated before it was read, and its copy ends before that")
		}
		return true
	}
	return t.same(s, old, src, c, live)
}

// same deals with a file that begins with all that was read of g. If g has no file any more, this is it: moved to another disk,
// edited in place, copied and truncated. Otherwise it is a copy, which says nothing new; but the file at the path is always read.
func (t *Tailer) same(s *source, g *generation, src content, c *candidate, live bool) bool {
	if !s.present(g) || live && g.nlink == 0 {
		t.attach(g, src, c)
		if live {
			s.append(t, g, s)
		}
		return true
	}
	if !live {
		src.close()
	}
	return !live
}

// newGeneration makes a generation of a file that was not read yet. prev is the one before it: a file that is older than that
// can only have been truncated or copied, so its birth says nothing.
func newGeneration(base string, c *candidate, prev *generation) *generation {
	g := &generation{
		file: &File{Path: c.path, Base: base}, key: c.st.key, gz: c.gz,
		size: c.st.size, mtime: c.st.mtime, born: c.st.born, nlink: c.st.nlink, markAt: -1,
	}
	if c.gz {
		g.size = 0
	}
	if prev != nil && g.born <= prev.born {
		g.born = max(g.mtime, prev.born+1)
	}
	return g
}

// truncate ends a generation whose bytes before the offset are no longer there, and begins another in its file. What was not read
// of it may be in a copy (copytruncate): the poll that follows looks for one.
func (t *Tailer) truncate(s *source, g *generation) {
	t.log.Warn("a log file was truncated", "path", g.file.Path, "id", g.file.ID, "offset", g.offset, "unread", g.size-g.offset)
	c := candidate{path: g.file.Path, st: fileStat{key: g.key}}
	if st, err := g.src.stat(); err == nil {
		c.st = st
	}
	next := newGeneration(s.path, &c, g)
	next.src, next.quiet, next.seen = g.src, t.tick, t.tick
	g.src, g.key, g.over, g.half, g.final, g.cut = nil, fileKey{}, nil, 0, false, false
	// Its size is exact only if it was looked at a moment ago.
	g.truncated, g.ended, g.missing = true, t.tick.Sub(g.seen) <= 2*t.cfg.PollInterval, t.tick
	s.gens = slices.Insert(s.gens, slices.Index(s.gens, g)+1, next)
	t.lookAt(next)
	t.pollDue = true
}

// skip moves the offset of a new generation behind the last complete line of its first skipTo bytes.
func (t *Tailer) skip(g *generation, src content) error {
	if g.skipTo == 0 || g.offset > 0 {
		return nil
	}
	fill := func(p []byte, off int64) error {
		n, err := src.readAt(p, off)
		t.cfg.Alive()
		if err == nil && n < len(p) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	var offset int64
	for end := g.skipTo; end > 0 && offset == 0; {
		from := max(0, end-int64(t.cfg.BlockSize))
		block := t.buf[:end-from]
		if err := fill(block, from); err != nil {
			return skipError(g, err)
		}
		offset = from + int64(bytes.LastIndexByte(block, '\n')) + 1
		if offset == from {
			offset = 0
		}
		end = from
	}
	m := min(offset, markMax)
	head := t.buf[:min(offset, headMax)]
	if err := errors.Join(fill(g.tail[:m], offset-m), fill(head, 0)); err != nil {
		return skipError(g, err)
	}
	if offset > 0 {
		t.learn(g, head)
	}
	g.offset, g.tailLen, g.skipTo = offset, int(m), 0
	return nil
}

// skipError says that the end could not be found; a file that shrank has none to be found.
func skipError(g *generation, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		g.skipTo = 0
		return nil
	}
	return fmt.Errorf("look for the end of %s: %w", g.file.Path, err)
}
