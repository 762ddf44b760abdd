package pipeline

// Shows which rare names are told and which are not, in simulated days of traffic: those that come again and again, once, in few events, whatever
// clients invent, and over restarts and crashes.

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// rareTraffic is a site with a census, whose time passes minute by minute.
type rareTraffic struct {
	traffic
	c        *census
	saved    []byte // the position
	invented int
}

func newRareTraffic() *rareTraffic {
	s := &rareTraffic{traffic: *newTraffic(driftConfig{}), c: newCensus("shop", "", nil)}
	s.c.began = s.now.UnixMicro()
	s.d.census = s.c
	s.saved = s.d.save(nil)
	return s
}

// rareMinute is what a minute's lines hold beside the usual headers: names by how many of its lines have them.
type rareMinute struct {
	lines  int
	names  map[string]int
	invent func(i int) string
}

// pass lets n minutes pass, each with a commit.
func (s *rareTraffic) pass(n int, m rareMinute) {
	for range n {
		left := map[string]int{}
		for name, n := range m.names {
			left[name] = n
		}
		for range m.lines {
			names := []string{"host", "user-agent"}
			for name := range left {
				if left[name]--; left[name] == 0 {
					delete(left, name)
				}
				names = append(names, name)
			}
			if m.invent != nil {
				s.invented++
				if name := m.invent(s.invented); name != "" {
					names = append(names, name)
				}
			}
			s.line++
			s.c.sight(s.now.UnixMicro(), logformat.RequestHeader, names...)
			if s.d.event() {
				s.d.sampled("g1", s.line)
				for _, name := range names {
					s.d.header(logformat.RequestHeader, []byte(name))
				}
			}
		}
		s.c.commit() // the last block but one
		s.now = s.now.Add(time.Minute)
		s.told = append(s.told, s.d.due(s.now)...)
		s.commit()
	}
}

func (s *rareTraffic) commit() {
	s.saved = s.d.save(s.saved[:0])
	s.c.commit()
}

// learn lets the day pass in which names are learned.
func (s *rareTraffic) learn(m rareMinute) {
	s.pass(60, m)
	s.now = s.now.Add(rareLearn)
	s.pass(1, m)
}

// A new name in 0.2 % of the events is told once, with how often it came; one that came once is in the census and is not told.
func TestRareNameIsTold(t *testing.T) {
	s := newRareTraffic()
	s.learn(rareMinute{lines: 2000, names: map[string]int{"x-old": 2}})
	s.expect(t, "learning")
	s.pass(1, rareMinute{lines: 2000, names: map[string]int{"x-old": 2, "x-new": 4}})
	s.pass(1, rareMinute{lines: 2000, names: map[string]int{"x-old": 2, "x-new": 4, "x-once": 1}})
	s.expect(t, "two windows")
	s.pass(1, rareMinute{lines: 2000, names: map[string]int{"x-old": 2, "x-new": 4}})
	text := fmt.Sprintf("%+v", s.told)
	if len(s.told) != 1 || s.told[0].File != "g1" || s.told[0].Class != schema.ClassNone || s.told[0].Action != schema.Notice ||
		!strings.Contains(text, "request_headers.x-new is new: 12 lines had it since 2026-09-02T09:0") || s.told[0].Diffs[0].New != "rare" {
		t.Error(text)
	}
	s.expect(t, "three windows", "request_headers.x-new added")
	s.pass(3000, rareMinute{lines: 1000, names: map[string]int{"x-old": 1, "x-new": 2}})
	s.expect(t, "two days later")
	if got := s.c.copy().counts("request"); got["x-once"] != 1 || got["x-old"] == 0 || got["x-new"] != 12+2*3000 {
		t.Errorf("%v", got)
	}
	s.pass(4, rareMinute{lines: 2000, names: map[string]int{"x-four": 1}})
	s.expect(t, "four events")
	s.pass(1, rareMinute{lines: 2000, names: map[string]int{"x-four": 1}})
	s.expect(t, "five events", "request_headers.x-four added")
	// When it gets frequent that is told, as that of any header.
	s.pass(1, rareMinute{lines: 2000, names: map[string]int{"x-new": 100}})
	s.expect(t, "frequent", "request_headers.x-new added")
}

// A name that is frequent from the beginning is told as such, and not again as a rare one.
func TestRareNamesAreNotFrequentOnes(t *testing.T) {
	s := newRareTraffic()
	s.learn(rareMinute{lines: 2000})
	s.pass(20, rareMinute{lines: 2000, names: map[string]int{"x-new": 300}})
	s.expect(t, "frequent", "request_headers.x-new added")
}

// Names that no two requests share are never told; nor does the flood hide one that comes again and again.
func TestRareNamesFlood(t *testing.T) {
	s := newRareTraffic()
	s.learn(rareMinute{lines: 2000})
	invent := func(i int) string { return fmt.Sprintf("x-%x", uint64(i)*0x9E3779B97F4A7C15) }
	s.pass(300, rareMinute{lines: 1500, invent: invent})
	s.expect(t, "a name for each request")
	s.pass(60, rareMinute{lines: 1500, invent: invent, names: map[string]int{"x-new": 3}})
	s.expect(t, "0.2 % in the flood", "request_headers.x-new added")
}

// Who sends thousands of names again and again is told of in one event an hour, of few names; a true one among them has its turn, and when he is
// gone there is silence.
func TestRareNamesAgainAndAgain(t *testing.T) {
	s := newRareTraffic()
	s.learn(rareMinute{lines: 2000})
	again := func(i int) string { return strings.Repeat("j", maxName-4) + fmt.Sprintf("-%03d", i%500) }
	names := map[string]bool{}
	for hour := range 12 {
		s.pass(60, rareMinute{lines: 2000, invent: again, names: map[string]int{"x-new": 8}})
		if len(s.told) > 2 {
			t.Errorf("hour %d: %d events", hour, len(s.told))
		}
		checkBounds(t, s.d, s.told[:min(len(s.told), 2)])
		for _, name := range s.take() {
			if names[name] {
				t.Errorf("%s is told again", name)
			}
			names[name] = true
		}
	}
	if len(names) > 13*maxDiffs || !names["request_headers.x-new added"] {
		t.Errorf("%d names are told: %v", len(names), names)
	}
	s.pass(1, rareMinute{lines: 2000})
	s.take()
	s.pass(600, rareMinute{lines: 2000})
	s.expect(t, "afterwards")
}

// What was told stays told: after a restart that finds the file of the census, or an old one; and after the loss of it all is learned in silence.
func TestRareNamesRestart(t *testing.T) {
	s := newRareTraffic()
	usual := rareMinute{lines: 2000, names: map[string]int{"x-old": 2}}
	s.learn(usual)
	old := s.c.copy()
	with := rareMinute{lines: 2000, names: map[string]int{"x-old": 2, "x-new": 4}}
	s.pass(4, with)
	s.expect(t, "new", "request_headers.x-new added")
	for what, list := range map[string]*Census{"the file": s.c.copy(), "an old file": old, "no file": nil} {
		after := newRareTraffic()
		after.now = s.now
		after.c.began = s.now.UnixMicro()
		if list != nil {
			after.c.use(list)
		}
		after.d = newDrift(driftConfig{}, s.saved)
		after.d.census = after.c
		after.pass(100, with)
		after.expect(t, what)
		if list != nil {
			after.pass(5, rareMinute{lines: 2000, names: map[string]int{"x-old": 2, "x-other": 4}})
			after.expect(t, what, "request_headers.x-other added")
		}
	}
}

// A crash before the commit of what is told forgets that it was told: it is told again, and once in all.
func TestRareNamesCrash(t *testing.T) {
	s := newRareTraffic()
	s.learn(rareMinute{lines: 2000})
	s.pass(2, rareMinute{lines: 2000, names: map[string]int{"x-new": 4}})
	s.expect(t, "two windows")
	crash := func() {
		s.c.rollback()
		s.d = newDrift(driftConfig{}, s.saved)
		s.d.census = s.c
		s.d.due(s.now)
	}
	var committed []schema.ChangeEvent
	for i := range 10 {
		for range 2000 {
			s.line++
			s.c.sight(s.now.UnixMicro(), logformat.RequestHeader, "host", "x-new")
			s.d.event()
		}
		s.c.commit()
		s.now = s.now.Add(time.Minute)
		told := s.d.due(s.now)
		if i < 3 {
			if len(told) != 1 {
				t.Fatalf("%d events", len(told))
			}
			crash()
			continue
		}
		committed = append(committed, told...)
		s.commit()
	}
	if len(committed) != 1 || !slices.ContainsFunc(committed[0].Diffs, func(d schema.Diff) bool { return d.Path == "request_headers.x-new" }) {
		t.Errorf("%+v", committed)
	}
}

// Names that come while nobody is told are not new when somebody is.
func TestRareNamesSilence(t *testing.T) {
	s := newRareTraffic()
	s.learn(rareMinute{lines: 2000})
	with := rareMinute{lines: 2000, names: map[string]int{"x-new": 4}}
	s.c.silent, s.d.census = true, nil
	s.pass(10, with)
	s.expect(t, "silence")
	s.c.silent, s.d.census = false, s.c
	s.pass(10, with)
	s.expect(t, "no news")
	s.pass(3, rareMinute{lines: 2000, names: map[string]int{"x-other": 4}})
	s.expect(t, "news", "request_headers.x-other added")
}

// What an ngxtap saved that knew no rare names is read, so that an update tells nothing again.
func TestRareNamesOldPosition(t *testing.T) {
	saved, err := hex.DecodeString("0104030100000003000000010300067374617475730000430004686f73740000830304657461670000")
	if err != nil {
		t.Fatal(err)
	}
	d := newDrift(driftConfig{}, saved)
	h := &d.headers
	if !h.learned || h.sides[logformat.RequestHeader].known["host"] == nil || h.sides[logformat.ResponseHeader].known["etag"] == nil ||
		!d.rejects[0].told || len(d.misfits) != 1 || d.misfits[0].variable != "status" || d.rare.told != 0 {
		t.Errorf("%+v", d)
	}
}
