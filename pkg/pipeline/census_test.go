package pipeline

// Shows that the census counts what was committed, each event once, whatever fails; that it is bounded whatever clients send, and that a flood
// of invented names neither pushes out known ones nor keeps new ones out for ever.

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
)

// sight counts an event at t with these names of one side, as event does it.
func (c *census) sight(t int64, side logformat.Family, names ...string) {
	c.pending++
	if len(names) == 0 {
		return
	}
	s, sum := &c.sides[side], uint64(0)
	for _, n := range names {
		sum += maphash.String(testSeed, n) // a weaker hash will not do: with FNV the sums of n13, n20 and n10, n23 are equal
	}
	n := s.index[s.slot(sum)]
	if n == 0 {
		f := &c.find
		f.side, f.at, f.odd, f.found, f.gone = s, place{"g1", c.pending}, false, f.found[:0], 0
		for _, name := range names {
			c.name([]byte(name))
		}
		if n = s.learn(f, sum, t); n == 0 {
			return
		}
	}
	set := &s.sets[n-1]
	if set.seen.count == 0 {
		s.touched = append(s.touched, n-1)
	}
	set.seen.one(t)
}

var testSeed = maphash.MakeSeed()

// counts returns how often each name of a side was seen.
func (c *Census) counts(side string) map[string]int64 {
	out := map[string]int64{}
	for _, s := range c.Sides {
		if s.Side == side {
			for _, n := range s.Names {
				out[n.Name] = n.Count
			}
		}
	}
	return out
}

// checkCensus checks the bounds, and that no sighting is lost: those of names that are kept, and of those that are not, are all there were.
func checkCensus(t interface{ Fatalf(string, ...any) }, c *census, sightings int64) {
	list := c.copy()
	sum := int64(0)
	for i, s := range list.Sides {
		if err := s.check(); err != nil {
			t.Fatalf("side %d: %v", i, err)
		}
		sum += s.NotKept.Count
		for _, n := range s.Names {
			sum += n.Count
		}
	}
	if sum != sightings {
		t.Fatalf("%d sightings are counted, there were %d", sum, sightings)
	}
	for i := range c.sides {
		s := &c.sides[i]
		if len(s.names) > censusNames || len(s.fresh) > censusFresh || len(s.sets) > censusSets || len(s.members) > censusMembers {
			t.Fatalf("side %d: %d names, %d new, %d sets of %d names", i, len(s.names), len(s.fresh), len(s.sets), len(s.members))
		}
	}
}

// The census agrees with counting by hand, for any events and any commits and failures between them, as long as there is room for all.
func TestCensusOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCensus("shop", "", nil)
		known := rapid.SampledFrom([]int{3, 40, 900}).Draw(t, "names")
		seed := rapid.Uint64Min(1).Draw(t, "seed")
		random := func(n int) int {
			seed = seed*6364136223846793005 + 1442695040888963407
			return int(seed>>33) % n
		}
		committed, pending := map[string]sightings{}, map[string]sightings{}
		events, total, now := int64(0), int64(0), int64(1000)
		open, openTotal := int64(0), int64(0)
		for range 3000 {
			now += int64(random(5)) - 1
			names := map[string]bool{}
			many := 12
			if random(200) == 0 {
				many = 600 // more than a set may have
			}
			for range random(many) {
				names[fmt.Sprint("n", random(known)*random(known)%known)] = true
			}
			side := logformat.Family(1 + random(3))
			c.sight(now, side, slices.Collect(maps.Keys(names))...)
			open++
			for name := range names {
				key := sideNames[side] + "." + name
				s := pending[key]
				s.one(now)
				pending[key] = s
				openTotal++
			}
			switch r := random(100); {
			case r < 3:
				c.commit()
				for key, s := range pending {
					sum := committed[key]
					sum.add(s)
					committed[key] = sum
				}
				events, total, open, openTotal = events+open, total+openTotal, 0, 0
				clear(pending)
				checkCensus(t, c, total)
			case r < 5:
				c.rollback()
				open, openTotal = 0, 0
				clear(pending)
			}
		}
		list := c.copy()
		got := map[string]sightings{}
		for _, s := range list.Sides {
			for _, n := range s.Names {
				got[s.Side+"."+n.Name] = sightings{n.Count, n.First, n.Last}
			}
		}
		if list.Events != events || len(got) != len(committed) {
			t.Fatalf("%d events and %d names, want %d and %d", list.Events, len(got), events, len(committed))
		}
		for key, want := range committed {
			if got[key] != want {
				t.Fatalf("%s: %v, want %v", key, got[key], want)
			}
		}
	})
}

// What committed events hold and what the census says are the same, with sinks that fail at any step, and over restarts. Denied headers are
// in the census all the same, and one odd name stands for all.
func TestCensusAgreesWithEvents(t *testing.T) {
	const format = `$status "$ngxtap_request_headers" "$sent_http_etag"`
	var b strings.Builder
	for i := range 20_000 {
		name := fmt.Sprintf("&X-%d=1&X-%d=2", i%7, i%7)
		if i%1000 == 0 {
			name += fmt.Sprintf("&Once-%d=1&Two%%20words=1&Three%%20more%%20words=1", i)
		}
		fmt.Fprintf(&b, "200 \"Host=a%s\" \"%s\"\n", name, []string{"-", "e"}[i%2])
	}
	text := b.String()
	for _, op := range []sinktest.Op{sinktest.OpRecover, sinktest.OpWrite, sinktest.OpCommit} {
		far := sinktest.NewMemory()
		path := logFile(t, text)
		cfg := config(t, far, path, newFormat(t, format))
		cfg.CensusFile = path + ".census"
		cfg.Headers = avro.HeaderRules{Deny: []string{"x-3"}}
		for after := range 3 {
			far.Fail(op, after, false, nil)
		}
		once(t, cfg)
		s := once(t, cfg) // nothing is left to read: what it knows is of the file
		want := map[string]int64{}
		var dec avro.Decoder
		for _, r := range far.Records() {
			if r.Stream != sink.Events {
				continue
			}
			js, err := dec.AppendJSON(nil, cfg.Formats[0].Schema(), r.Value)
			if err != nil {
				t.Fatal(err)
			}
			var event struct {
				Headers map[string][]string `json:"request_headers"`
			}
			if err := json.Unmarshal(js, &event); err != nil {
				t.Fatal(err)
			}
			odd := false
			for name := range event.Headers {
				if strings.Contains(name, " ") {
					odd = true
				} else {
					want[name]++
				}
			}
			if odd {
				want[oddName]++
			}
		}
		want["x-3"] = 20_000 / 7
		list := s.Stats().Census()
		if got := list.counts("request"); !maps.Equal(got, want) || list.Events != 20_000 {
			t.Errorf("%v: %d events, %v\nwant %v", op, list.Events, got, want)
		}
		if got := list.counts("response"); !maps.Equal(got, map[string]int64{"etag": 10_000}) {
			t.Errorf("%v: response %v", op, got)
		}
		for _, n := range list.Sides[0].Names {
			if n.Name == "once-1000" && (n.Count != 1 || n.First != n.Last || n.File == "" || int(n.Offset) != strings.LastIndex(text[:strings.Index(text, "Once-1000")], "\n")+1) {
				t.Errorf("%v: %+v", op, n)
			}
		}
	}
}

// flood is a census of a site whose time passes in seconds, each with a commit.
type flood struct {
	c     *census
	now   int64 // microseconds
	total int64
	n     int // of invented names
}

func (f *flood) sight(names ...string) {
	f.c.sight(f.now, logformat.RequestHeader, names...)
	f.total += int64(len(names))
}

// second lets a second pass, with events that have the usual names, and others with an invented one.
func (f *flood) second(usual, invented int) {
	for range usual {
		f.sight("host", "accept", "cookie")
	}
	for range invented {
		f.n++
		f.sight("host", fmt.Sprintf("x-%x", uint64(f.n)*0x9E3779B97F4A7C15))
	}
	f.c.commit()
	f.now += int64(time.Second / time.Microsecond)
}

func TestCensusFlood(t *testing.T) {
	f := &flood{c: newCensus("shop", "", nil), now: 1_800_000_000_000_000}
	var rare []string
	for i := range 300 { // each came once, long ago
		rare = append(rare, fmt.Sprint("rare-", i))
		f.sight(rare[i])
	}
	f.second(5, 0)
	f.now += 3 * censusYoung
	for range 200 {
		f.second(10, 1500) // more than fresh takes between two commits
	}
	checkCensus(t, f.c, f.total)
	got := f.c.copy()
	counts := got.counts("request")
	left := 0
	for _, name := range rare {
		left += int(counts[name])
	}
	if counts["host"] != 200*1510+5 || counts["accept"] != 200*10+5 || len(counts) < censusNames-1 {
		t.Errorf("host %d, accept %d of %d names", counts["host"], counts["accept"], len(counts))
	}
	if left < len(rare)-youngRoom {
		t.Errorf("only %d of %d rare names are left", left, len(rare))
	}
	if lost := got.Sides[0].NotKept; lost.Count < 200*1500-censusNames || lost.Last <= lost.First {
		t.Errorf("not kept: %+v", lost)
	}
	// In the flood, a name that is in one of 750 events gets in, and stays.
	for i := range 200 {
		for range 2 {
			f.sight("x-real", "host")
		}
		f.second(10, 1500)
		if i > 100 && f.c.copy().counts("request")["x-real"] == 0 {
			t.Fatalf("after %d seconds a true name is not in the list", i)
		}
	}
	// After it, any does, also once.
	f.second(5, 0)
	f.sight("x-once")
	f.second(5, 0)
	if f.c.copy().counts("request")["x-once"] != 1 {
		t.Error("after the flood a new name is not in the list")
	}
	checkCensus(t, f.c, f.total)
}

// Whoever sends each of his names often fills the list with them. Names in use stay; new ones get in again when his were away for a week.
func TestCensusFullOfFrequentNames(t *testing.T) {
	f := &flood{c: newCensus("shop", "", nil), now: 1_800_000_000_000_000}
	f.second(10, 0)
	for range 3 {
		for i := range 2 * censusNames {
			for range censusRare {
				f.sight("host", fmt.Sprint("junk-", i))
			}
			if i%500 == 0 {
				f.second(1, 0)
			}
		}
	}
	f.second(1, 0)
	f.sight("x-new")
	f.second(1, 0)
	counts := f.c.copy().counts("request")
	if counts["x-new"] != 0 || counts["cookie"] == 0 || len(counts) != censusNames-1 {
		t.Errorf("x-new %d, cookie %d of %d names: the list was to be full", counts["x-new"], counts["cookie"], len(counts))
	}
	f.now += censusAway + 2*censusYoung
	f.second(1, 0)
	f.sight("x-new")
	f.second(1, 0)
	if counts = f.c.copy().counts("request"); counts["x-new"] != 1 || counts["cookie"] == 0 {
		t.Errorf("a week later: x-new %d, cookie %d", counts["x-new"], counts["cookie"])
	}
	checkCensus(t, f.c, f.total)
}

// No bytes of a line can make it keep more than its bounds, or a name that no header can have.
func TestCensusBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCensus("shop", "", nil)
		total := int64(0)
		odds := []string{"", "A", "é", "a b", "x\x00", strings.Repeat("n", maxName+1)}
		length := rapid.SampledFrom([]int{1, 2, 8, maxName, 3 * maxName}).Draw(t, "length")
		each := rapid.SampledFrom([]int{1, 30, 600}).Draw(t, "names of an event")
		for i := range 60 {
			var names []string
			odd := 0
			for j := range each {
				name := fmt.Sprintf("%0*x", length, i*each+j)
				if j%40 == 1 {
					name = odds[j/40%len(odds)]
				}
				if !canBeTold([]byte(name)) {
					odd++
				}
				names = append(names, name)
			}
			c.sight(int64(i), logformat.Family(1+i%3), names...)
			total += int64(len(names) - odd + min(odd, 1))
			if i%7 == 0 {
				c.commit()
				checkCensus(t, c, total)
			}
		}
	})
}

// The position does not grow by the census.
func TestCensusIsNotInThePosition(t *testing.T) {
	var sizes [2]int
	for i := range sizes {
		far := sinktest.NewMemory()
		var text strings.Builder
		for j := range 3000 {
			fmt.Fprintf(&text, "200 \"Host=a&X-%d=1\"\n", j*i)
		}
		cfg := config(t, far, logFile(t, text.String()), newFormat(t, `$status "$ngxtap_request_headers"`))
		cfg.Drift = &Drift{}
		if n := once(t, cfg).Stats().CensusSizes()[0].Names; n < []int{2, 1000}[i] {
			t.Errorf("%d names", n)
		}
		sizes[i] = len(far.Position())
	}
	if sizes[1] > sizes[0]+200 {
		t.Errorf("%d bytes with few names, %d with many", sizes[0], sizes[1])
	}
}
