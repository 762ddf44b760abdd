package pipeline

import (
	"cmp"
	"hash/maphash"
	"slices"
	"time"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// headerWatch knows which headers a site's events usually have. A client can invent names, so it remembers only those that are in a fair
// share of a window's events, and counts the others in a table of fixed size.
type headerWatch struct {
	sides   [logformat.UpstreamHeader + 1]headerSide // by family; the first is not used
	line    place                                    // the sampled event in hand
	samples int64                                    // in this window

	learned bool // the names of the first windows were learned, in silence
	windows int  // of learning
	calm    int  // windows in a row that taught nothing

	// The following limit what is told, so that a client can't make an event each minute. See mayTell.
	hour   int64  // when the hour in hand began, in Unix seconds
	spent  uint8  // events told in it
	held   bool   // something was not told in it
	storm  bool   // something was not told in the hour before
	passed uint32 // names that came and went without being told
}

// headerSide is the headers of one family.
type headerSide struct {
	known    map[string]*knownHeader
	room     int    // bytes that the names in known take in what is saved
	full     signal // a name was not learned for want of room
	turned   int    // names of this window for which there was no room
	unknown  int    // names of the line in hand that are not known
	odd      bool   // the line in hand has a name that can't be told
	newcomer *frequentNames
}

// knownHeader is a name that is, or was, in a fair share of the events.
type knownHeader struct {
	signal
	count   int64   // in this window
	share   float64 // in the last window in which it was above the threshold; 0 if that was before a restart
	example place   // where it was first seen, until it is told
}

// Bounds and rules of headerWatch.
const (
	minSamples    = 256       // samples from which on a window says something about headers
	maxUnknown    = 128       // names of one event that are frequentNames
	maxSideRoom   = 1200      // of one side: no client can take the room of the response's headers
	maxRoom       = 1600      // of all sides
	oddName       = "(other)" // stands for all names that can't be told; no header can have it
	learnWindows  = 60        // learning ends after so many windows,
	calmWindows   = 3         // or after so many in a row without a new name
	eventsPerHour = 6         // events about headers; beyond that there is a storm, and one for each hour
)

var oddBytes = []byte(oddName) // never modified

// savedCost is the most that a name takes in what is saved, in bytes.
func savedCost(name string) int { return len(name) + 4 }

// begin starts a sampled event.
func (h *headerWatch) begin(line place) {
	h.samples++
	h.line = line
	for i := range h.sides {
		h.sides[i].unknown, h.sides[i].odd = 0, false
	}
}

// count counts a name of the event that begin started.
func (h *headerWatch) count(side logformat.Family, name []byte) {
	if int(side) >= len(h.sides) {
		return
	}
	s := &h.sides[side]
	if k := s.known[string(name)]; k != nil {
		k.count++
		return
	}
	if !canBeTold(name) {
		if s.odd {
			return
		}
		s.odd = true
		if k := s.known[oddName]; k != nil {
			k.count++
			return
		}
		name = oddBytes
	}
	if s.unknown++; s.unknown > maxUnknown {
		return
	}
	if s.newcomer == nil {
		s.newcomer = &frequentNames{seed: maphash.MakeSeed()} // once: few sites have all three sides
	}
	s.newcomer.add(name, h.line)
}

// canBeTold reports whether name is one that a header can have (RFC 9110, section 5.6.2), in lower case and not too long.
func canBeTold(name []byte) bool {
	if len(name) == 0 || len(name) > maxName {
		return false
	}
	for _, c := range name {
		if !tokenByte[c] {
			return false
		}
	}
	return true
}

// tokenByte are the bytes of a header's name in lower case. It is never modified.
var tokenByte = func() (is [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
		is[c] = true
	}
	return is
}()

// end judges a window, if it has enough samples; otherwise they are kept for the next. It returns what is to be told, or nil.
func (h *headerWatch) end(now time.Time, share float64) *schema.ChangeEvent {
	if h.samples < minSamples {
		return nil
	}
	taught := false
	for i := range h.sides {
		if h.sides[i].end(h, share) {
			taught = true
		}
	}
	if !h.learned {
		h.learn(taught)
	}
	e := h.tell(now)
	for i := range h.sides {
		for _, k := range h.sides[i].known {
			k.count = 0
			if k.on == k.told {
				k.example = place{}
			}
		}
		h.sides[i].turned = 0
	}
	h.samples = 0
	return e
}

// learn ends a window of learning: nothing of it is told.
func (h *headerWatch) learn(taught bool) {
	for i := range h.sides {
		for _, k := range h.sides[i].known {
			k.told = k.on
		}
	}
	h.windows++
	if h.calm++; taught {
		h.calm = 0
	}
	h.learned = h.calm >= calmWindows || h.windows >= learnWindows
}

// end judges the names of a window, and reports whether there was a new one.
func (s *headerSide) end(h *headerWatch, share float64) (taught bool) {
	for name, k := range s.known {
		k.judge(k.count, h.samples, share, true, headerPatience)
		if k.on && k.away == 0 {
			k.share = float64(k.count) / float64(h.samples)
		}
		if !k.on && !k.told && k.away > 0 && k.away <= headerPatience.base<<k.exp {
			// It has just gone, and nobody was told that it came.
			if h.learned {
				h.passed++
			}
			s.forget(name)
		}
	}
	if s.newcomer != nil {
		if !h.learned {
			share /= 2 // so that one that is near the threshold is not new soon after
		}
		for _, c := range s.newcomer.above(share * float64(h.samples)) {
			name := string(c.name[:c.size])
			if !h.makeRoom(s, savedCost(name)) {
				s.turned++
				continue
			}
			s.known[name] = &knownHeader{signal: signal{on: true}, share: float64(c.count) / float64(h.samples), example: c.example}
			s.room += savedCost(name)
			taught = true
		}
		s.newcomer.reset()
	}
	// One name without room is enough: the share of a side that is full is all or nothing.
	s.full.judge(int64(min(s.turned, 1)*atLeast), atLeast, 0.5, true, rejectPatience)
	return taught
}

func (s *headerSide) forget(name string) {
	s.room -= savedCost(name)
	delete(s.known, name)
}

// makeRoom reports whether a name of this cost can be remembered at a side. For that it forgets headers that are gone, the longest gone
// first.
func (h *headerWatch) makeRoom(s *headerSide, cost int) bool {
	for {
		total := 0
		for i := range h.sides {
			total += h.sides[i].room
		}
		fits := s.room+cost <= maxSideRoom
		if fits && total+cost <= maxRoom {
			return true
		}
		var from *headerSide
		oldest, away := "", uint16(0)
		for i := range h.sides {
			side := &h.sides[i]
			if !fits && side != s {
				continue
			}
			for name, k := range side.known {
				if gone := !k.on && !k.told; gone && (k.away > away || k.away == away && name < oldest) {
					from, oldest, away = side, name, k.away
				}
			}
		}
		if from == nil {
			return false
		}
		from.forget(oldest)
	}
}

// mayTell reports whether an event about headers may be told now. There are a few for each hour. Is that not enough there is a storm: what
// was not told waits until the hour is over, and as long as an hour has more to tell than its first event, there is but that one for each.
// What came and went in between is only counted.
func (h *headerWatch) mayTell(now time.Time) bool {
	if at := now.Unix(); at < h.hour || at >= h.hour+int64(time.Hour/time.Second) {
		h.storm = h.held && at < h.hour+2*int64(time.Hour/time.Second)
		h.hour, h.spent, h.held = at, 0, false
	}
	if h.spent >= eventsPerHour || h.storm && h.spent > 0 {
		h.held = true
		return false
	}
	h.spent++
	return true
}

// tell returns the event about all headers that are not as they were last told, or nil.
func (h *headerWatch) tell(now time.Time) *schema.ChangeEvent {
	var news []headerNews
	for i := range h.sides {
		s := &h.sides[i]
		for name, k := range s.known {
			if k.on != k.told {
				news = append(news, headerNews{side: logformat.Family(i), name: name, header: k})
			}
		}
		if s.full.on != s.full.told {
			news = append(news, headerNews{side: logformat.Family(i), names: len(s.known)})
		}
	}
	if len(news) == 0 && h.passed == 0 || !h.mayTell(now) {
		return nil
	}
	slices.SortFunc(news, func(a, b headerNews) int {
		return cmp.Or(cmp.Compare(b.rank(), a.rank()), cmp.Compare(a.side, b.side), cmp.Compare(a.name, b.name))
	})
	var diffs []schema.Diff
	for _, n := range news {
		diffs = append(diffs, h.diff(n))
	}
	e := changeEvent(now, diffs, h.also())
	if len(news) > 0 && news[0].header != nil && news[0].header.on {
		e.File, e.Offset = news[0].header.example.orNone()
	}
	for _, n := range news {
		if n.header == nil {
			h.sides[n.side].full.told = h.sides[n.side].full.on
		} else {
			n.header.told = n.header.on
		}
	}
	h.passed = 0
	return e
}

// headerNews is something to tell: a header, or, where that is nil, whether a side has room.
type headerNews struct {
	side   logformat.Family
	name   string
	header *knownHeader
	names  int // how many names a side knows
}

// rank orders news by weight: whether there is room, then what came, then what went, both by their share.
func (n *headerNews) rank() float64 {
	switch {
	case n.header == nil:
		return 3
	case n.header.on:
		return 1 + n.header.share
	}
	return n.header.share
}
