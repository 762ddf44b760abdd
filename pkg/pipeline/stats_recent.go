package pipeline

import (
	"slices"
	"strings"
	"sync"
	"time"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/tail"
)

// How much of the recent past a site remembers for people who look at it. All of it is in memory, of a bounded size, and gone with the process:
// the topics of changes and of quarantine have everything.
const (
	keepRejects = 20
	keepLosses  = 20
	keepChanges = 20
	keepDiffs   = 24   // of one change
	keepCommits = 512  // commits whose times are known
	keepText    = 2048 // the longest text of a change, in bytes
	keepValue   = 256  // the longest text of a difference
)

// Reject is a refused line as people are told of it. It holds no byte of the line.
type Reject struct {
	Time     int64  // Unix microseconds
	File     string // generation id
	Path     string // the file's name when it was read
	Offset   int64  // of the line
	Column   int    // bytes from the start of the line, -1 where that says nothing
	Reason   string // one of the Reason constants
	Text     string // in words
	Variable string // of the log_format, that did not fit; may be empty
	Format   string // that came furthest
}

// Loss is a stretch of a log file that was declared lost.
type Loss struct {
	Time   int64 // Unix microseconds
	File   string
	Path   string
	Offset int64
	Bytes  int64 // tail.UnknownBytes where nobody can say how many
	Why    string
}

// RecentChange is a change of the schema or of the data, with as much of it as is kept.
type RecentChange struct {
	schema.ChangeEvent     // without schemas; long texts are cut
	LeftOut            int // differences that are not in Diffs
}

// Recent is what happened lately at a site and was committed, newest first.
type Recent struct {
	Rejects []Reject
	Losses  []Loss
	Changes []RecentChange
}

// FormatStatus is what becomes of the lines of one format.
type FormatStatus struct {
	Name        string
	Where       string // file:line of its definition; may be empty
	Record      string // full name of the schema's record
	Fingerprint string // of the schema, 16 hexadecimal digits
	Use         string // FormatToEvents, FormatToQuarantine or FormatHeld
	Why         string // in words, where Use is not FormatToEvents
	Retired     bool   // it is not in the configuration any more
	Frame       *Frame // nil while there is none; not to be modified
}

// What becomes of the lines of a format.
const (
	FormatToEvents     = "events"
	FormatToQuarantine = "quarantine"
	FormatHeld         = "hold"
)

// ring keeps the last n values that were added.
type ring[T any] struct {
	items []T
	added int
}

func (r *ring[T]) add(n int, v T) {
	if len(r.items) < n {
		r.items = append(r.items, v)
	} else {
		r.items[r.added%n] = v
	}
	r.added++
}

// newest returns the values, the newest first.
func (r *ring[T]) newest() []T {
	out := make([]T, 0, len(r.items))
	for i := range r.items {
		out = append(out, r.items[(r.added-1-i)%len(r.items)])
	}
	return out
}

// moveTo adds the values to dst, in their order.
func (r *ring[T]) moveTo(dst *ring[T], n int) {
	for i := range r.items {
		dst.add(n, r.items[(r.added-len(r.items)+i)%len(r.items)])
	}
}

// lately is what happened since the last commit. It is made when there is something, so that a line which becomes an event costs nothing, and
// a refused one a copy of a few words.
type lately struct {
	rejects ring[Reject]
	losses  ring[Loss]
}

func (t *tally) lately() *lately {
	if t.last == nil {
		t.last = &lately{}
		t.last.rejects.items = make([]Reject, 0, keepRejects)
	}
	return t.last
}

// noteReject remembers a refused line until the commit.
func (l *line) noteReject(off, now int64, f *Format, r *rejection) {
	l.tally.lately().rejects.add(keepRejects, Reject{Time: now, File: l.fileID, Path: l.path, Offset: off, Column: r.column,
		Reason: r.reason, Text: r.text, Variable: r.variable, Format: f.Name()})
}

// noteLoss remembers a loss until the commit.
func (l *line) noteLoss(c *tail.Chunk) {
	l.tally.lately().losses.add(keepLosses, Loss{Time: time.Now().UnixMicro(), File: c.File.ID, Path: c.File.Path, Offset: c.Offset,
		Bytes: c.Lost.Bytes, Why: c.Lost.Reason})
}

// recent is the part of Stats that people look at. Safe for concurrent use.
type recent struct {
	mu      sync.Mutex // guards the following
	rejects ring[Reject]
	losses  ring[Loss]
	changes ring[RecentChange]
	formats []FormatStatus      // never modified, only replaced
	times   [keepCommits]uint32 // of the last commits, microseconds
	commits int64               // since the start
}

// commit takes over what a commit has made true.
func (r *recent) commit(t *tally, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times[r.commits%keepCommits] = uint32(min(took.Microseconds(), 1<<32-1))
	r.commits++
	if t.last != nil {
		t.last.rejects.moveTo(&r.rejects, keepRejects)
		t.last.losses.moveTo(&r.losses, keepLosses)
	}
	for i := range t.changes {
		r.changes.add(keepChanges, abridged(&t.changes[i]))
	}
}

// abridged returns what is kept of a change.
func abridged(e *schema.ChangeEvent) RecentChange {
	c := RecentChange{ChangeEvent: *e}
	c.Text, c.Where = short(e.Text, keepText), short(e.Where, keepValue)
	for _, w := range []**schema.Writer{&c.Old, &c.New} {
		if *w != nil {
			*w = &schema.Writer{LogFormat: short((*w).LogFormat, keepText), Escape: (*w).Escape, Fingerprint: (*w).Fingerprint}
		}
	}
	n := min(len(e.Diffs), keepDiffs)
	c.LeftOut = len(e.Diffs) - n
	c.Diffs = slices.Clone(e.Diffs[:n])
	for i := range c.Diffs {
		d := &c.Diffs[i]
		d.Path, d.Old, d.New, d.Text = short(d.Path, keepValue), short(d.Old, keepValue), short(d.New, keepValue), short(d.Text, 2*keepValue)
	}
	return c
}

// short returns s, or its first n bytes with an ellipsis in memory of their own.
func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// Recent returns what happened lately and was committed.
func (s *Stats) Recent() Recent {
	r := &s.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	return Recent{Rejects: r.rejects.newest(), Losses: r.losses.newest(), Changes: r.changes.newest()}
}

// CommitTimes returns how long the last commits took, oldest first, at most keepCommits.
func (s *Stats) CommitTimes() []time.Duration {
	r := &s.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(r.commits, keepCommits)
	out := make([]time.Duration, 0, n)
	for i := r.commits - n; i < r.commits; i++ {
		out = append(out, time.Duration(r.times[i%keepCommits])*time.Microsecond)
	}
	return out
}

// SlowestCommit returns the longest time of the commits after the first n since the start, as far as they are known, and how many there
// were by now.
func (s *Stats) SlowestCommit(n int64) (slowest time.Duration, now int64) {
	r := &s.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	var most uint32
	for i := max(n, r.commits-keepCommits); i < r.commits; i++ {
		most = max(most, r.times[i%keepCommits])
	}
	return time.Duration(most) * time.Microsecond, r.commits
}

// Formats returns what becomes of the lines of each format, as the running session has it, current ones first; nil before the first session. The
// slice is not to be modified.
func (s *Stats) Formats() []FormatStatus {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	return s.recent.formats
}

// publish shows what becomes of the lines of each format. It is called whenever that is looked at, so it allocates only for news.
func (l *line) publish() {
	r := &l.site.stats.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	same := len(r.formats) == len(l.formats)
	for i := 0; same && i < len(l.formats); i++ {
		same = r.formats[i] == l.status(l.formats[i])
	}
	if same {
		return
	}
	r.formats = make([]FormatStatus, 0, len(l.formats))
	for _, c := range l.formats {
		r.formats = append(r.formats, l.status(c))
	}
}

func (l *line) status(c *candidate) FormatStatus {
	f := FormatStatus{Name: c.id.Name, Where: c.id.Where, Record: c.event.FullName(), Fingerprint: c.id.Fingerprint, Use: FormatToEvents, Frame: c.frame}
	switch c.verdict {
	case toQuarantine:
		f.Use, f.Why = FormatToQuarantine, c.text
	case toHold:
		f.Use, f.Why = FormatHeld, c.text
	}
	at := slices.IndexFunc(l.st.Formats, func(k knownFormat) bool { return c.id.is(&k) })
	f.Retired = at >= 0 && l.st.Formats[at].Retired != 0
	return f
}
