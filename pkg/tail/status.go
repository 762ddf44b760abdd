package tail

import (
	"math"
	"time"
)

// FileStatus is what Status tells of one generation, or of a path without one.
type FileStatus struct {
	Path   string // last known name
	Base   string // the path it was written under
	ID     string // generation id; empty until the first line is complete
	State  State
	Size   int64  // bytes, last seen; of an archive, those read so far
	Offset int64  // bytes returned; Size - Offset are not read yet
	Lines  int64  // returned
	Err    string // what is wrong, and what to do

	Caught   time.Time // when a read last came to its end: what was written before has been returned; zero: never since Open
	Modified time.Time // its last write, as last seen; zero: not known
}

// State is what a Tailer does with a file.
type State string

// The states of a file.
const (
	Reading   State = "reading"   // the file at the path
	Draining  State = "draining"  // renamed or deleted, perhaps still written
	Searching State = "searching" // its file is being looked for
	Finished  State = "finished"  // read to its end and closed
	Waiting   State = "waiting"   // there is no such file
	Failing   State = "failing"   // it can't be read; see Err
)

// States returns all values of State.
func States() []State { return []State{Reading, Draining, Searching, Finished, Waiting, Failing} }

// Status returns the state of every generation and of every path without a file. Any goroutine may call it.
func (t *Tailer) Status() []FileStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status(false)
}

// Survey is what a Tailer tells of its files at one moment.
type Survey struct {
	Files     []FileStatus // as Status returns them, but with the sizes that the kernel gives at this moment
	Skipped   map[Skip]int // files that have the name of a log but are not read; every reason is there
	HeldFiles int          // deleted files that are held open
	HeldBytes int64        // what they take on the disk
}

// Survey looks at all files at once, for whoever watches: one system call for each open file. Any goroutine may call it. It waits while a
// block is read, which on a disk that hangs is for ever.
func (t *Tailer) Survey() Survey {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Survey{Files: t.status(true), Skipped: make(map[Skip]int, len(Skips()))}
	for _, why := range Skips() {
		s.Skipped[why] = 0
	}
	for _, r := range t.skips {
		s.Skipped[r.why]++
	}
	s.HeldFiles, s.HeldBytes = t.held()
	return s
}

// status is Status. With fresh it asks the kernel for the sizes.
func (t *Tailer) status(fresh bool) []FileStatus {
	n := 0
	for _, s := range t.sources {
		n += len(s.gens) + 1
	}
	all := make([]FileStatus, 0, n)
	for _, s := range t.sources {
		for i, g := range s.gens {
			if g.file.ID == "" && g.done && g.size == 0 {
				continue // a tombstone
			}
			f := FileStatus{Path: g.file.Path, Base: s.path, ID: g.file.ID, Size: max(g.size, g.offset), Offset: g.offset, Lines: g.lines, Caught: g.caught}
			if g.mtime != 0 {
				f.Modified = time.Unix(0, g.mtime)
			}
			if fresh && g.src != nil && !g.gz {
				if st, err := g.src.stat(); err == nil {
					f.Size, f.Modified = max(f.Size, st.size), time.Unix(0, st.mtime)
				}
			}
			f.State = g.stateNow(i == len(s.gens)-1 && s.hasLive)
			if f.State == Failing {
				f.Err = s.problem
			}
			all = append(all, f)
		}
		if s.hasLive && s.last() != nil && s.last().key.is(s.live.key) {
			continue
		}
		f := FileStatus{Path: s.path, Base: s.path, State: Waiting, Err: s.problem}
		if s.absent.IsZero() {
			f.State = Failing // something is there, but no log
		}
		all = append(all, f)
	}
	return all
}

func (g *generation) stateNow(live bool) State {
	switch {
	case g.done:
		return Finished
	case g.err != nil || !g.failing.IsZero():
		return Failing
	case g.src == nil:
		return Searching
	case live:
		return Reading
	}
	return Draining
}

// Ends returns where the files end that are not read to their end, by generation id: as the kernel says at this moment, not as they were
// last seen. Nothing is written into an archive, so whatever it holds, it ends at math.MaxInt64. Any goroutine may call it.
func (t *Tailer) Ends() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	ends := map[string]int64{}
	for _, s := range t.sources {
		for _, g := range s.gens {
			if g.file.ID == "" || g.done {
				continue
			}
			end := max(g.size, g.offset)
			if g.gz {
				end = math.MaxInt64
			} else if g.src != nil {
				if st, err := g.src.stat(); err == nil {
					end = max(end, st.size)
				}
			}
			ends[g.file.ID] = end
		}
	}
	return ends
}
