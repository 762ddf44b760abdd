package pipeline

import (
	"cmp"
	"context"
	"sync"
	"time"

	"ngxtap/pkg/tail"
)

// How late a site is.
//
// In bytes: what the files hold beyond the committed position, by the sizes that the kernel gives at the moment of the question. In time:
// how old the oldest line is that is not committed yet. Nobody wants to read that line for it, so it is bounded from above, for each file
// that has such bytes, by what is known anyway: it was written after the last moment at which all of the file was committed (Caught), and after
// the last event of the file that was committed (by its event_time). The later of the two counts. Where neither is known, in a file of
// which this process has committed nothing yet, it is at least as old as the file's last write and as the moment when we first saw it.

// waterline is how far a file is committed, and what is known of the time of the next byte.
type waterline struct {
	offset int64     // committed
	caught time.Time // all that was written before is committed; zero: not known
	event  time.Time // event_time of the last event committed; zero: not known
	first  time.Time // when the file was first seen
	round  uint64    // of the last renewal that saw the file
}

// progress holds the marks of a site's files.
type progress struct {
	mu    sync.Mutex
	marks map[string]waterline // guarded by mu; by markKey
	round uint64               // guarded by mu

	looking chan struct{} // guarded by mu; closed when the survey under way is done; nil: there is none
	survey  tail.Survey   // guarded by mu; the last one; its slices and maps are never changed
	taken   time.Time     // guarded by mu; when it was asked for
}

// markKey identifies a file: by its generation, or by its path while it has no whole line.
func markKey(f *tail.FileStatus) string { return cmp.Or(f.ID, f.Path) }

// renew notes that everything before the offsets of files is committed, and the event times of the last of it; files that are not among them are
// forgotten. With restart the offsets are those of a position that was looked up, and nothing is known of when the ends were seen.
func (p *progress) renew(files []tail.FileStatus, events map[string]time.Time, restart bool) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.round++
	if p.marks == nil {
		p.marks = make(map[string]waterline, len(files))
	}
	for i := range files {
		f := &files[i]
		m, known := p.marks[markKey(f)]
		if !known {
			m.first = now
		}
		if !restart && f.Caught.After(m.caught) {
			m.caught = f.Caught
		}
		if at, ok := events[f.ID]; ok {
			m.event = at
		}
		m.offset, m.round = f.Offset, p.round
		p.marks[markKey(f)] = m
	}
	for key, m := range p.marks {
		if m.round != p.round {
			delete(p.marks, key)
		}
	}
}

// observe notes which files have nothing beyond what is committed, while nothing is read. at is when their sizes were asked for.
func (p *progress) observe(files []tail.FileStatus, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range files {
		f := &files[i]
		m, known := p.marks[markKey(f)]
		switch {
		case !known:
			m = waterline{first: at}
			if f.Size == 0 {
				m.caught = at
			}
		case f.Size <= m.offset && at.After(m.caught):
			m.caught = at
		default:
			continue
		}
		if p.marks == nil {
			p.marks = map[string]waterline{}
		}
		p.marks[markKey(f)] = m
	}
}

// lag returns how many bytes of files are not committed, and how old the oldest of them may be. 0 if all is committed.
func (p *progress) lag(files []tail.FileStatus, now time.Time) (bytes int64, age time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range files {
		f := &files[i]
		m := p.marks[markKey(f)]
		if n := f.Size - m.offset; n > 0 {
			bytes += n
			age = max(age, m.age(f, now))
		}
	}
	return bytes, age
}

// age returns how old the next byte of f may be.
func (m *waterline) age(f *tail.FileStatus, now time.Time) time.Duration {
	if m.caught.IsZero() && m.event.IsZero() {
		since := cmp.Or(m.first, now)
		age := now.Sub(since)
		if !f.Modified.IsZero() {
			age = max(age, now.Sub(f.Modified))
		}
		return max(age, 0)
	}
	age := time.Duration(1<<63 - 1)
	if !m.caught.IsZero() {
		age = now.Sub(m.caught)
	}
	if !m.event.IsZero() {
		age = min(age, now.Sub(m.event))
	}
	return max(age, 0)
}

// View is what a site's files look like at one moment, for metrics and for people.
type View struct {
	tail.Survey
	Since    time.Time     // when the files were looked at; long ago if the file system does not answer. Zero: never yet
	LagBytes int64         // what the files hold beyond the committed position
	Lag      time.Duration // the oldest line that is not committed is not older than this; 0: all is committed
}

// Unreadable says of each log file that can't be read at the moment why, and what to do.
func (v *View) Unreadable() (why []string) {
	for _, f := range v.Files {
		if f.State == tail.Failing {
			why = append(why, cmp.Or(f.Err, f.Path))
		}
	}
	return why
}

// HeldLimit returns how many bytes of deleted files the site holds open at most.
func (s *Site) HeldLimit() int64 { return cmp.Or(s.cfg.Tail.HeldBytes, tail.DefaultHeldBytes) }

// View looks at the files of a site. It never waits longer than ctx lets it, for one file system that hangs may not take the metrics of
// all sites with it: then it tells of the look before, and Lag grows on. Any goroutine may call it.
func (s *Stats) View(ctx context.Context) View {
	p := &s.progress
	if in := s.files.Load(); in != nil {
		select {
		case <-p.look(in):
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	v := View{Survey: p.survey, Since: p.taken}
	p.mu.Unlock()
	v.LagBytes, v.Lag = p.lag(v.Files, time.Now())
	return v
}

// Patience is how long who looks at sites waits for file systems that do not answer.
const Patience = 250 * time.Millisecond

// Unreadable is that of View, for whoever wants nothing else; it waits no longer than Patience.
func (s *Stats) Unreadable() (why []string) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	v := s.View(ctx)
	return v.Unreadable()
}

// look looks at the files while nothing is read. It is called by who follows them.
func (s *Stats) look(in *tail.Tailer) {
	began := time.Now()
	files := in.Survey().Files
	s.progress.observe(files, began)
	pending, _ := s.progress.lag(files, began)
	s.setLag(pending)
}

// look asks for a survey, unless one is under way, and returns what is closed when it is done.
func (p *progress) look(in *tail.Tailer) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.looking != nil {
		return p.looking
	}
	done := make(chan struct{})
	p.looking = done
	go func() {
		began := time.Now()
		survey := in.Survey()
		p.observe(survey.Files, began)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.survey, p.taken, p.looking = survey, began, nil
		close(done)
	}()
	return done
}
