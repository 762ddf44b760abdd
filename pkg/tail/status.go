package tail

import "math"

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

// Status returns the state of every generation and of every path without a file. Any goroutine may call it.
func (t *Tailer) Status() []FileStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []FileStatus
	for _, s := range t.sources {
		for i, g := range s.gens {
			if g.file.ID == "" && g.done && g.size == 0 {
				continue // a tombstone
			}
			f := FileStatus{Path: g.file.Path, Base: s.path, ID: g.file.ID, Size: max(g.size, g.offset), Offset: g.offset, Lines: g.lines}
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
