package pipeline

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
)

// census is the list of all header names that the committed events of a site have had, with how often, when first and when last. A client can
// invent names, so each side holds a bounded number of them, see admit.
//
// The goroutine that runs the site counts an event by its set of names (avro.HeaderSums): most requests have one of a few sets, so that is one
// look-up for each side, and the names are looked at only when a set is new. What is counted is pending until the events are committed, and
// is forgotten with the session if they are not. It allocates nothing for an event whose sets are known.
type census struct {
	site string
	file string // where it is kept over restarts; "": nowhere
	log  *slog.Logger

	mu     sync.Mutex
	began  int64 // guarded by mu: when counting began, Unix microseconds
	events int64 // guarded by mu: committed since then
	// What is committed in the sides is guarded by mu for others than the site's goroutine, which alone writes it.
	sides [logformat.UpstreamHeader + 1]censusSide

	// The following belong to the site's goroutine.
	pending int64         // events that are not committed
	window  uint64        // the number of the window of drift
	silent  bool          // nobody is told of new names: all that come are known
	telling []*censusName // names that are told in the transaction that is open
	find    finder

	// The following are about the file.
	changed bool      // since it was last written
	saved   time.Time // when that was
	saving  atomic.Bool
	problem string // why it could not be written, which was said; belongs to who set saving
}

// censusSide is the headers of one family.
type censusSide struct {
	names map[string]*censusName
	lost  sightings // committed: of names that are not in names. One event may have many

	// The following are of the events that are not committed.
	fresh   map[string]*censusName // names that are not in names
	dirty   []*censusName          // names that were seen
	gone    sightings              // of names for which fresh had no room
	sets    []nameSet
	members []*censusName // what the sets' names are part of
	index   []uint16      // open addressing: the number of a set plus one, 0 where there is none; a power of two long
	touched []uint16      // the sets that were seen
}

// censusName is a header name.
type censusName struct {
	name    string
	at      place // the line that brought it
	total   sightings
	windows uint8  // of drift in which it was seen, up to rareWindows
	window  uint64 // the number of the last of them
	known   bool   // it was told, or learned in silence: not new any more
	kept    bool   // it is in censusSide.names
	seen    sightings
}

// nameSet is a set of names that events have had.
type nameSet struct {
	sum   uint64 // identifies it
	names []*censusName
	gone  int64 // how many more names are in it, for which there is no room
	seen  sightings
}

// sightings is how often something was seen, and when, in Unix microseconds by the time of the events.
type sightings struct{ count, first, last int64 }

func (s *sightings) add(o sightings) {
	switch {
	case o.count == 0:
	case s.count == 0:
		*s = o
	default:
		s.count += o.count
		s.first, s.last = min(s.first, o.first), max(s.last, o.last)
	}
}

// one is add for one event.
func (s *sightings) one(t int64) {
	if s.count == 0 {
		s.first, s.last = t, t
	}
	s.count++
	s.first, s.last = min(s.first, t), max(s.last, t)
}

// times returns the sightings of n names that were seen together.
func (s sightings) times(n int64) sightings {
	s.count *= n // 0 times is no sighting
	return s
}

// Bounds of a census, for each side. What is pending takes less than 1 MiB, what is committed about as much when it is full.
const (
	censusNames   = 2000    // names in the list, oddName among them
	censusFresh   = 1024    // new names between two commits
	censusSets    = 1024    // sets that are remembered
	censusMembers = 1 << 15 // names in all of these sets
	censusIndex   = 64      // length of the index in the beginning
	censusLargest = 256     // names in one of them; a larger set is counted name by name
)

// finder is what is needed to look at the names of one line.
type finder struct {
	yield func([]byte) // census.name
	side  *censusSide
	at    place
	odd   bool // the line has a name that can't be kept
	found []*censusName
	gone  int64
}

func newCensus(site, file string, log *slog.Logger) *census {
	c := &census{site: site, file: file, log: log, window: 1}
	c.find.yield = c.name
	c.clear()
	return c
}

// clear makes it empty, as of now.
func (c *census) clear() {
	c.began, c.events = time.Now().UnixMicro(), 0
	for i := range c.sides {
		c.sides[i] = censusSide{names: map[string]*censusName{oddName: {name: oddName, kept: true, known: true}}, fresh: map[string]*censusName{},
			index: make([]uint16, censusIndex)}
	}
}

// event counts the header names of an event that enc has just encoded from line at time. o is its origin.
func (c *census) event(enc *avro.Encoder, line []byte, spans []logformat.Span, o *avro.Origin, time int64) {
	c.pending++
	for side, sum := range enc.HeaderSums() {
		if sum == 0 {
			continue
		}
		s := &c.sides[side]
		n := s.index[s.slot(sum)]
		if n == 0 {
			f := &c.find
			f.side, f.at, f.odd, f.found, f.gone = s, place{o.File, o.Offset}, false, f.found[:0], 0
			enc.EachHeader(logformat.Family(side), line, spans, f.yield)
			if n = s.learn(f, sum, time); n == 0 {
				continue
			}
		}
		set := &s.sets[n-1]
		if set.seen.count == 0 {
			s.touched = append(s.touched, n-1)
		}
		set.seen.one(time)
	}
}

// name finds one name of the line in hand.
func (c *census) name(name []byte) {
	f := &c.find
	if !canBeTold(name) {
		if f.odd {
			return
		}
		f.odd = true
		name = oddBytes
	}
	n := f.side.names[string(name)]
	if n == nil {
		n = f.side.fresh[string(name)]
	}
	if n == nil {
		if len(f.side.fresh) >= censusFresh {
			f.gone++
			return
		}
		n = &censusName{name: string(name), at: f.at}
		f.side.fresh[n.name] = n
	}
	f.found = append(f.found, n)
}

// learn remembers the set of names that were found, and returns its number plus one. If it is too large it is counted at once, and 0 is
// returned.
func (s *censusSide) learn(f *finder, sum uint64, time int64) uint16 {
	if len(f.found) > censusLargest {
		one := sightings{1, time, time}
		for _, n := range f.found {
			s.see(n, one)
		}
		s.gone.add(one.times(f.gone))
		return 0
	}
	if len(s.sets) == censusSets || len(s.members)+len(f.found) > censusMembers {
		s.forgetSets()
	}
	start := len(s.members)
	s.members = append(s.members, f.found...)
	s.sets = append(s.sets, nameSet{sum: sum, names: s.members[start:len(s.members):len(s.members)], gone: f.gone})
	if 2*len(s.sets) > len(s.index) {
		s.index = make([]uint16, 2*len(s.index))
		for i := range s.sets {
			s.index[s.slot(s.sets[i].sum)] = uint16(i + 1)
		}
	}
	n := uint16(len(s.sets))
	s.index[s.slot(sum)] = n
	return n
}

// slot returns where in the index a set is, or belongs.
func (s *censusSide) slot(sum uint64) int {
	mask := len(s.index) - 1
	at := int(sum) & mask
	for s.index[at] != 0 && s.sets[s.index[at]-1].sum != sum {
		at = (at + 1) & mask
	}
	return at
}

// see counts a name, to be committed.
func (s *censusSide) see(n *censusName, seen sightings) {
	if n.seen.count == 0 {
		s.dirty = append(s.dirty, n)
	}
	n.seen.add(seen)
}

// fold counts the names of the sets that were seen.
func (s *censusSide) fold() {
	for _, i := range s.touched {
		set := &s.sets[i]
		for _, n := range set.names {
			s.see(n, set.seen)
		}
		if set.gone > 0 {
			s.gone.add(set.seen.times(set.gone))
		}
		set.seen = sightings{}
	}
	s.touched = s.touched[:0]
}

// forgetSets empties the table of sets, after what was seen of them is counted.
func (s *censusSide) forgetSets() {
	s.fold()
	s.sets, s.members = s.sets[:0], s.members[:0]
	clear(s.index)
}

// rollback forgets what is not committed: its lines will come again.
func (c *census) rollback() {
	for i := range c.sides {
		s := &c.sides[i]
		s.forgetSets()
		for _, n := range s.dirty {
			n.seen = sightings{}
		}
		s.dirty, s.gone = s.dirty[:0], sightings{}
		clear(s.fresh)
	}
	c.telling, c.pending = c.telling[:0], 0
}

// commit makes what was counted part of the census: its events are committed.
func (c *census) commit() {
	if c.pending == 0 && len(c.telling) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.sides {
		c.sides[i].commit(moment{c.window, c.silent})
	}
	for _, n := range c.telling {
		n.known = true
	}
	c.telling = c.telling[:0]
	c.events += c.pending
	c.pending, c.changed = 0, true
}

// moment is when names are committed.
type moment struct {
	window uint64 // of census
	silent bool   // likewise
}

func (s *censusSide) commit(m moment) {
	s.fold()
	stale := s.gone.count > 0 // sets hold names without room, for which there may be some now
	s.lost.add(s.gone)
	s.gone = sightings{}
	newcomers := s.dirty[:0:0]
	for _, n := range s.dirty {
		if n.kept {
			n.take(m)
		} else {
			newcomers = append(newcomers, n)
		}
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
	if len(newcomers) > 0 {
		stale = s.admit(newcomers, m) || stale
		clear(s.fresh)
	}
	if stale {
		s.forgetSets()
	}
}

// take makes what was seen of a name part of its total.
func (n *censusName) take(m moment) {
	n.total.add(n.seen)
	n.seen = sightings{}
	n.known = n.known || m.silent
	if n.window != m.window {
		n.window = m.window
		n.windows = min(n.windows+1, rareWindows)
	}
}

// sorted returns the names that were seen, in their order. The caller holds mu, or is the site's goroutine.
func (s *censusSide) sorted() []*censusName {
	var all []*censusName
	for _, n := range s.names {
		if n.total.count > 0 {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, byName)
	return all
}
