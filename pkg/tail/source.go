package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// keepFinished is how many finished generations of a path are remembered, to recognise their files and their copies; keepAtMost
// bounds those that are remembered longer because their archives can't be told from newer ones by their times.
const (
	keepFinished = 8
	keepAtMost   = 64
)

// source is one path and the generations that were written under it. It belongs to the Tailer and owns their files.
type source struct {
	path string        // as configured, or as a glob found it
	real string        // path with a symbolic link at its end resolved, if that is allowed; else path
	gens []*generation // oldest first; the last one is, or was, the file at path

	// What the current poll saw.
	hasLive  bool
	live     fileStat // the file at path
	files    []candidate
	listed   bool
	old      *generation // the anchor before this poll changed anything,
	oldMtime int64       // its last write,
	oldBlank bool        // and whether no line of it was ever seen
	turned   bool        // the newest generation is no longer at path

	skipKey fileKey   // the file that was there at the first start with StartAt End,
	skip    int64     // and its size then
	absent  time.Time // since when there is no file at path
	problem string    // why path can't be read; said once
}

// sourceAt returns the source of path, a new one if there is none.
func (t *Tailer) sourceAt(path string) *source {
	for _, s := range t.sources {
		if s.path == path {
			return s
		}
	}
	s := &source{path: path, real: path}
	t.sources = append(t.sources, s)
	return s
}

// meet makes a source of a path that has none yet. Where it begins is as StartAt says only if no position knew the path.
func (t *Tailer) meet(path string) {
	n := len(t.sources)
	s := t.sourceAt(path)
	if n == len(t.sources) {
		return
	}
	firstStart := t.opening && !t.covers(t.known, path)
	t.look(s)
	s.gens = append(s.gens, t.tombstone(s, firstStart))
	if !firstStart {
		return
	}
	if t.cfg.StartAt == End {
		if s.hasLive {
			s.skipKey, s.skip = s.live.key, s.live.size
		}
		return
	}
	// Rotated files are read only if a glob names them.
	for _, c := range s.oldestFirst(s.files) {
		if !c.gz && c.st.size > 0 && t.covers(t.cfg.Paths, c.path) {
			t.takeNew(s, &c, false)
		}
	}
}

// owner returns the generation that holds key and its source, or nil.
func (t *Tailer) owner(key fileKey) (*generation, *source) {
	for _, s := range t.sources {
		for _, g := range s.gens {
			if g.key.is(key) {
				return g, s
			}
		}
	}
	return nil, nil
}

// taken says whether nothing new is in the file with that key.
func (t *Tailer) taken(key fileKey) bool {
	for _, s := range t.sources {
		for _, g := range s.gens {
			if g.key.is(key) || g.copy.is(key) {
				return true
			}
		}
	}
	return false
}

// poll looks at all paths. It is the truth about names; content is looked at by every pass.
func (t *Tailer) poll() {
	t.pollDue = false
	t.lookAnew()
	// Watch before looking, or what happens in between is noticed only by the next poll.
	t.watch()
	t.discover()
	for _, s := range t.sources {
		t.look(s)
		if s.old = s.anchor(); s.old != nil {
			s.oldMtime, s.oldBlank = s.old.mtime, s.old.headLen == 0
		}
		last := s.last()
		s.turned = last != nil && !(s.hasLive && last.key.is(s.live.key))
	}
	for _, s := range t.sources {
		t.refresh(s)
		// A truncated file is dealt with before unread ones are looked for, or its own copy would be taken for one.
		for _, g := range slices.Clone(s.gens) {
			if g.cut {
				t.truncate(s, g)
				t.resume(s, g, nil)
			}
		}
	}
	for _, s := range t.sources {
		t.takeLive(s)
		t.takeUnread(s)
	}
	for _, s := range t.sources {
		t.retire(s)
	}
	t.relieve()
	t.sources = slices.DeleteFunc(t.sources, t.forgettable)
	every := t.cfg.PollInterval
	if t.blind {
		every = min(every, blindPoll)
	}
	t.next = t.tick.Add(every)
}

// watch asks to be woken for every directory concerned.
func (t *Tailer) watch() {
	t.blind = false
	see := func(path string) {
		err := t.wake.watch(filepath.Dir(path))
		if err == nil {
			return
		}
		t.blind = true
		if !t.blindOn && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNoInotify) {
			t.blindOn = true
			t.log.Warn("a log directory can't be watched: it is polled. Raise fs.inotify.max_user_watches if that is the cause", "error", err)
		}
	}
	for _, p := range t.cfg.Paths {
		if !hasMeta(filepath.Dir(p)) {
			see(p)
		}
	}
	for _, s := range t.sources {
		see(s.real)
	}
}

// concerns says whether a name in a watched directory may be a log of ours.
func (t *Tailer) concerns(name string) bool {
	for _, p := range t.cfg.Paths {
		if ok, _ := filepath.Match(filepath.Base(p), name); ok {
			return true
		}
	}
	for _, s := range t.sources {
		base := filepath.Base(s.real)
		if strings.HasPrefix(name, strings.TrimSuffix(base, filepath.Ext(base))) || name == filepath.Base(s.path) {
			return true
		}
	}
	return false
}

// discover makes sources for the configured paths and for what the globs match now.
func (t *Tailer) discover() {
	for _, p := range t.cfg.Paths {
		if !hasMeta(p) {
			t.meet(p)
			continue
		}
		for _, f := range t.glob(p) {
			if base := t.liveName(p, f); base != "" {
				t.meet(base)
			}
		}
	}
}

// liveName returns the path under which a file that matches a glob was written: itself, or the name before rotation if the glob
// matches that too. Archives are not tailed by themselves: "" for them.
func (t *Tailer) liveName(glob, path string) string {
	dir, name := filepath.Split(path)
	for i := len(name) - 1; i > 0; i-- {
		if name[i] != '.' && name[i] != '-' {
			continue
		}
		base := name[:i]
		if r, _ := rotation(base, name); r.kind == noRank {
			continue
		}
		if ok, _ := filepath.Match(glob, dir+base); ok {
			return t.liveName(glob, dir+base)
		}
	}
	if _, packed := unpacked(name); packed {
		return ""
	}
	return path
}

// look finds out what is at the path of s and around it.
func (t *Tailer) look(s *source) {
	var err error
	s.hasLive = false
	if s.real, err = t.resolve(s.path); err == nil {
		s.live, err = t.stat(s.real)
	}
	if err == nil {
		err = t.judge(s.real, &s.live)
	}
	s.hasLive = err == nil
	t.family(s)
	switch {
	case s.hasLive:
		s.absent = time.Time{}
	case errors.Is(err, fs.ErrNotExist):
		t.awaits(s)
	case t.skipped(err):
		s.problem = err.Error()
	default:
		s.listed = false // it may be there
		s.report(t, fmt.Errorf("%w: its lines are not read until then", err))
	}
}

// awaits notes that there is no file at the path. Between a rename and Nginx's reopening that is normal, so it is said only
// where nothing was ever read, or after the grace.
func (t *Tailer) awaits(s *source) {
	if s.absent.IsZero() {
		s.absent = t.tick
	}
	if a := s.anchor(); a == nil || a.file.ID == "" || t.tick.Sub(s.absent) >= t.cfg.RotateGrace {
		s.report(t, fmt.Errorf("%s does not exist: waiting for it", s.path))
	}
}

// report says once why a path can't be read, and once that it can again (nil).
func (s *source) report(t *Tailer, err error) {
	if err == nil {
		if s.problem != "" {
			t.log.Info("the log can be read", "path", s.path)
		}
		s.problem = ""
		return
	}
	if msg := err.Error(); msg != s.problem {
		s.problem = msg
		if errors.Is(err, fs.ErrPermission) {
			t.log.Warn(msg+": let the user that ngxtap runs as read the file and search its directory, e.g. by the group adm", "path", s.path)
			return
		}
		t.log.Warn(msg, "path", s.path)
	}
}

// fail notes why g can't be read now. The next poll tries again; nothing is given up.
func (s *source) fail(t *Tailer, g *generation, err error) {
	g.err = err
	s.report(t, err)
}

// retire finishes the generations that nobody writes any more. What is left in them leaves by the next reads.
func (t *Tailer) retire(s *source) {
	for i, g := range s.gens {
		quiet := t.tick.Sub(g.quiet)
		superseded := i < len(s.gens)-1
		if g.src != nil && (superseded && quiet >= t.cfg.RotateGrace || g.nlink == 0 && quiet >= deletedFactor*t.cfg.RotateGrace) {
			g.final = true
		}
	}
	finished := 0
	for _, g := range s.gens {
		if g.done {
			finished++
		}
	}
	for finished > keepFinished && s.gens[0].done && s.gens[0].lost == nil && (finished > keepAtMost || s.surelyOld(s.gens[0])) {
		s.gens = s.gens[1:]
		finished--
	}
}

// surelyOld says whether an archive of g, the oldest, would be taken for older than any generation that is remembered, for each of
// them may be what is being read, once more, if it is found in another file. Archives keep whole seconds.
func (s *source) surelyOld(g *generation) bool {
	return !slices.ContainsFunc(s.gens[1:], func(o *generation) bool { return o.mtime < g.mtime+2*second })
}

// forgettable says whether nothing is left of a path that only a glob had found.
func (t *Tailer) forgettable(s *source) bool {
	if s.hasLive || !s.listed || len(s.files) > 0 || slices.Contains(t.cfg.Paths, s.path) {
		return false
	}
	return !slices.ContainsFunc(s.gens, func(g *generation) bool { return !g.done || g.lost != nil })
}
