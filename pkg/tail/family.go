package tail

import (
	"cmp"
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// rank is the place that a rotated name gives a file among its siblings: a number (.1 is newer than .2) or a date.
type rank struct {
	kind rankKind
	n    int64
}

type rankKind uint8

const (
	noRank  rankKind = iota // not a name that a rotation gives
	ordinal                 // access.log.1
	dated                   // access.log-20260131, access.log.2026-01-31_23
)

// newer says whether r was rotated after o. Both must be of one kind.
func (r rank) newer(o rank) bool {
	if r.kind == ordinal {
		return r.n < o.n
	}
	return r.n > o.n
}

// rotation says whether name is what a rotation makes of base: base, a dot or dash, then a number or a date. With logrotate's
// "extension" these stand before the extension: access.log becomes access-20260131.log. A .gz may follow, or what
// another archive is named by.
func rotation(base, name string) (r rank, gz bool) {
	name, gz = unpacked(name)
	rest, ok := strings.CutPrefix(name, base)
	if !ok {
		ext := filepath.Ext(base)
		stem := strings.TrimSuffix(base, ext)
		if ext == "" || stem == "" || len(name) < len(base) || !strings.HasPrefix(name, stem) || !strings.HasSuffix(name, ext) {
			return rank{}, gz
		}
		rest = name[len(stem) : len(name)-len(ext)]
	}
	if rest == "" && gz {
		return rank{kind: ordinal}, gz // compressed in place: newer than .1
	}
	if len(rest) < 2 || rest[0] != '.' && rest[0] != '-' {
		return rank{}, gz
	}
	return parseRank(rest[1:]), gz
}

// parseRank reads a number of up to three digits, or a date of any form whose parts go from large to small.
func parseRank(s string) rank {
	digits := make([]byte, 0, 18)
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			if len(digits) < cap(digits) {
				digits = append(digits, c)
			}
		case i > 0 && strings.IndexByte("-_.:TZ", c) >= 0:
		default:
			return rank{}
		}
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return rank{}
	}
	if len(digits) == len(s) && len(s) <= 3 {
		return rank{ordinal, n}
	}
	return rank{dated, n}
}

// candidate is a file that may hold a generation of a source.
type candidate struct {
	path string
	st   fileStat
	gz   bool
	rank rank
	twin bool // its archive is beside it: it is being compressed, or was unpacked
}

// second is the resolution of the times in archives, in nanoseconds.
const second = 1e9

// listing is one reading of a directory.
type listing struct {
	names []string // sorted
	err   error
}

// list reads a directory once per poll.
func (t *Tailer) list(dir string) listing {
	l, ok := t.dirs[dir]
	if !ok {
		var real string
		if real, l.err = t.resolve(dir); l.err == nil {
			l.names, l.err = t.folders.names(real)
		}
		t.skipped(l.err)
		t.dirs[dir] = l
	}
	return l
}

// family finds the files that may be rotated generations of s, and those of its generations that lie elsewhere. s.listed says
// whether the directory could be read: if not, nothing may be concluded from what is missing.
func (t *Tailer) family(s *source) {
	s.files, s.listed = s.files[:0], true
	dir := filepath.Dir(s.real)
	t.relatives(s, dir)
	for _, d := range t.cfg.RotatedDirs {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		if d != dir {
			t.relatives(s, d)
		}
	}
	for _, g := range s.gens {
		p := g.file.Path
		if p != s.real && p != s.path && !slices.ContainsFunc(s.files, func(c candidate) bool { return c.path == p }) {
			_, packed := unpacked(p)
			s.add(t, candidate{path: p, gz: packed})
		}
	}
}

// relatives finds the files in dir whose names a rotation may have made of that of s.
func (t *Tailer) relatives(s *source, dir string) {
	base := filepath.Base(s.real)
	l := t.list(dir)
	// A folder for rotated files is made by the first rotation. That the log's own is missing says nothing about what was in it.
	if l.err != nil && (dir == filepath.Dir(s.real) || !errors.Is(l.err, fs.ErrNotExist)) {
		s.listed = false
	}
	stem := strings.TrimSuffix(base, filepath.Ext(base))
	from, _ := slices.BinarySearch(l.names, stem)
	for _, name := range l.names[from:] {
		if !strings.HasPrefix(name, stem) {
			break
		}
		r, gz := rotation(base, name)
		if r.kind == noRank {
			continue
		}
		plain, _ := unpacked(name)
		if _, making := slices.BinarySearch(l.names, plain); gz && making {
			continue // what is in it is in the file beside it
		}
		_, twin := slices.BinarySearch(l.names, name+".gz")
		s.add(t, candidate{path: filepath.Join(dir, name), gz: gz, rank: r, twin: twin})
	}
}

// add takes c if it is a file that may be read.
func (s *source) add(t *Tailer, c candidate) {
	st, err := t.stat(c.path)
	if err == nil {
		err = t.judge(c.path, &st)
	}
	if t.skipped(err) {
		return
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.listed = false // it may be the one we look for
		}
		return
	}
	c.st = st
	s.files = append(s.files, c)
}

// find returns the file with that key, under its live name or the oldest rotated one; nil if there is none.
func (s *source) find(key fileKey) *candidate {
	if s.hasLive && s.live.key.is(key) {
		return &candidate{path: s.real, st: s.live}
	}
	var found *candidate
	for i := range s.files {
		c := &s.files[i]
		if c.st.key.is(key) && (found == nil || c.rank.kind == found.rank.kind && found.rank.newer(c.rank)) {
			found = c
		}
	}
	return found
}

// anchor returns the generation that unread ones are newer than: the oldest unfinished one, else the newest known. What is
// older was read, or never ours.
func (s *source) anchor() *generation {
	for _, g := range s.gens {
		if !g.done {
			return g
		}
	}
	if len(s.gens) == 0 {
		return nil
	}
	return s.gens[len(s.gens)-1]
}

// natural says whether the birth of c is that of its generation: not for an archive, nor for a copy that kept its times or that
// was unpacked.
func (c *candidate) natural() bool {
	return !c.gz && !c.twin && c.st.born != 0 && c.st.born <= c.st.mtime+second
}

// newer says whether c was rotated after a. Where the file of a is at hand, names of one kind tell, which needs no clock, and so
// does a later birth, for some number the other way round. Otherwise the birth of a must do, or the time of its last write.
func (s *source) newer(c *candidate, a *generation) bool {
	if at := s.find(a.key); at != nil && at.rank.kind != noRank && at.rank.kind == c.rank.kind {
		return c.rank.newer(at.rank) || c.natural() && at.natural() && c.st.born > max(a.born, at.st.born)
	}
	mtime := a.mtime
	if a == s.old {
		mtime = s.oldMtime // what was written to a since may be younger than c
	}
	switch {
	case c.gz:
		return c.st.mtime+second > mtime
	case c.natural():
		return c.st.born >= a.born // the clock of births ticks only every few milliseconds
	}
	return c.st.mtime > mtime
}

// unread returns the files of s that are generations nobody has read, oldest first. a is the anchor before this poll.
func (t *Tailer) unread(s *source, a *generation) []candidate {
	if a == nil || !s.listed {
		return nil
	}
	// While the anchor is at the path nothing was renamed since. But as long as no line of it was seen, a truncation could not be
	// noticed: what it had is then in a copy that is younger than it.
	live := s.hasLive && a.key.is(s.live.key)
	if live && !s.oldBlank {
		return nil
	}
	var found []candidate
	for i := range s.files {
		c := &s.files[i]
		if c.rank.kind == noRank || t.taken(c.st.key) {
			continue
		}
		// An empty file may still be written by a slow worker; but if nothing was renamed it is a copy that has just begun.
		if c.st.size == 0 && !s.turned {
			continue
		}
		if live && s.copied(c, a) || !live && s.newer(c, a) {
			found = append(found, *c)
		}
	}
	return s.oldestFirst(found)
}

// copied says whether c was made since a began, which is at the path and of which no line was ever seen.
func (s *source) copied(c *candidate, a *generation) bool {
	if !c.gz {
		return c.st.born > a.born
	}
	i := slices.Index(s.gens, a)
	return c.st.mtime+second > s.oldMtime && (i <= 0 || s.newer(c, s.gens[i-1]))
}

// oldestFirst sorts a copy of files by their births, their names, or the times of their last writes.
func (s *source) oldestFirst(files []candidate) []candidate {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b candidate) int {
		switch {
		case a.natural() && b.natural() && a.st.born != b.st.born:
			return cmp.Compare(a.st.born, b.st.born)
		case a.rank.kind != b.rank.kind || a.rank == b.rank:
			return cmp.Compare(a.st.mtime, b.st.mtime)
		case a.rank.newer(b.rank):
			return 1
		}
		return -1
	})
	return files
}

// tombstone makes a finished generation without an id that stands for everything older than the source: on the first start what
// is beside it, later what is not newer than all we know. What was rotated afterwards is thus told from what is none of ours.
func (t *Tailer) tombstone(s *source, firstStart bool) *generation {
	g := &generation{file: &File{Path: s.path, Base: s.path}, done: true, markAt: -1, born: math.MinInt64}
	if firstStart {
		for i := range s.files {
			g.born = max(g.born, s.files[i].st.born)
			g.mtime = max(g.mtime, s.files[i].st.mtime+second)
		}
		g.born++
		return g
	}
	for _, o := range t.sources {
		for _, known := range o.gens {
			g.born = max(g.born, known.born)
			g.mtime = max(g.mtime, known.mtime)
		}
	}
	return g
}
