package pipeline

// Shows that no traffic makes drift keep, save or tell more than its bounds, that the hot path allocates nothing, and that a storm of
// header names ends in one event an hour which still tells what else changed.

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// checkBounds checks what drift holds and what it told in one window.
func checkBounds(t interface{ Fatalf(string, ...any) }, d *drift, told []schema.ChangeEvent) {
	if n := len(d.save(nil)); n >= 2048 {
		t.Fatalf("%d bytes are saved", n)
	}
	if len(d.misfits) > maxMisfits || cap(d.misfits) > maxMisfits {
		t.Fatalf("%d columns, room for %d", len(d.misfits), cap(d.misfits))
	}
	total := 0
	for i := range d.headers.sides {
		s := &d.headers.sides[i]
		room := 0
		for name := range s.known {
			room += savedCost(name)
			if name != oddName && !canBeTold([]byte(name)) {
				t.Fatalf("%q is known", name)
			}
		}
		if room != s.room || room > maxSideRoom {
			t.Fatalf("side %d: the names take %d bytes, noted are %d", i, room, s.room)
		}
		if s.newcomer != nil && s.newcomer.used > maxFrequent {
			t.Fatalf("%d frequentNames", s.newcomer.used)
		}
		total += room
	}
	if total > maxRoom {
		t.Fatalf("the names take %d bytes", total)
	}
	if len(told) > 2 {
		t.Fatalf("%d events in one window", len(told))
	}
	for _, e := range told {
		if len(e.Diffs) > maxDiffs || len(e.Text) > 4096 || e.Text == "" {
			t.Fatalf("an event with %d differences and %d bytes of text", len(e.Diffs), len(e.Text))
		}
		if strings.ContainsFunc(e.Text, func(r rune) bool { return r < 0x20 || r > 0x7E }) {
			t.Fatalf("text %q", e.Text)
		}
	}
}

func TestDriftBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64Min(1).Draw(t, "seed")
		random := func(n int) int {
			seed ^= seed << 13
			seed ^= seed >> 7
			seed ^= seed << 17
			return int(seed % uint64(n))
		}
		names := rapid.SampledFrom([]int{3, 30, 300, 1 << 20}).Draw(t, "names")
		length := rapid.SampledFrom([]int{3, 16, maxName, 2 * maxName}).Draw(t, "length")
		d := newDrift(driftConfig{MinLines: rapid.SampledFrom([]int{10, 500}).Draw(t, "lines"), SampleEvery: rapid.IntRange(1, 8).Draw(t, "every")}, nil)
		now := time.Unix(1_800_000_000, 0)
		for window := range 12 {
			base := random(names) // so that names come and go from window to window
			for line := range 300 {
				switch r := random(100); {
				case r < 3:
					d.rejected(reasons[random(len(reasons))], strings.Repeat("v", random(80))+fmt.Sprint(random(100)), "g", int64(line))
				case d.event():
					d.sampled("g", int64(line))
					for range random(12) {
						name := fmt.Appendf(nil, "%0*x", length, (base+random(60))%names)
						if random(50) == 0 {
							name[random(len(name))] = byte(random(256))
						}
						d.header(logformat.Family(random(6)), name)
					}
				}
			}
			now = now.Add(time.Duration(random(5)) * time.Minute)
			if random(20) == 0 {
				now = now.Add(-time.Duration(random(100)) * time.Minute)
			}
			checkBounds(t, d, d.due(now))
			if random(5) == 0 {
				saved := d.save(nil)
				d = newDrift(d.cfg, saved)
				if again := d.save(nil); !bytes.Equal(saved, again) {
					t.Fatalf("window %d: saved %x, after a restart %x", window, saved, again)
				}
			}
		}
	})
}

// A client sends in 2 % of all requests a header that has another name each minute.
func TestDriftStorm(t *testing.T) {
	s := newTraffic(driftConfig{})
	s.pass(30, minute{lines: 2000, headers: usual})
	s.expect(t, "before")
	storm := func(i int64) string {
		if i%50 == 0 {
			return fmt.Sprintf("x-minute-%d", s.now.Unix()/60)
		}
		return ""
	}
	with := map[string]float64{"host": 1, "user-agent": 1, "accept": 1, "cookie": 0.5, "range": 0.04}
	var since []string // the 13th hour
	for hour := range 24 {
		if hour == 12 {
			with["x-new"] = 0.3
			delete(with, "cookie")
		}
		s.pass(60, minute{lines: 2000, headers: with, invent: storm})
		limit := 1
		if hour == 0 {
			limit = eventsPerHour
		}
		if len(s.told) > limit {
			t.Errorf("hour %d of the storm: %d events", hour+1, len(s.told))
		}
		text := fmt.Sprint(s.told)
		if got := s.take(); hour >= 12 {
			since = append(since, got...)
		}
		if hour == 13 && (!slices.Contains(since, "request_headers.x-new added") || !slices.Contains(since, "request_headers.cookie removed")) {
			t.Errorf("two hours with a true change: told %q", since)
		}
		if hour > 1 && !strings.Contains(text, "came and went") {
			t.Errorf("hour %d: %s", hour+1, text)
		}
	}
	s.pass(240, minute{lines: 2000, headers: with})
	s.take()
	s.pass(20, minute{lines: 2000, headers: usual})
	s.expect(t, "after the storm", "request_headers.cookie added", "request_headers.x-new removed")
}

// Many long names fill the room for them. That is told, the response's headers have theirs, and it is over when the names are.
func TestDriftFull(t *testing.T) {
	s := newTraffic(driftConfig{})
	s.pass(30, minute{lines: 2000, headers: usual})
	many := func(i int64) string { return strings.Repeat("x", maxName-3) + fmt.Sprintf("-%02d", i%60) }
	s.pass(30, minute{lines: 2000, headers: usual, invent: many})
	text := fmt.Sprint(s.told)
	if got := s.take(); len(got) != maxDiffs || !strings.Contains(text, "and 1 more") {
		t.Errorf("told %d: %s", len(got), text)
	}
	if !s.d.headers.sides[logformat.RequestHeader].full.told {
		t.Error("that there is no more room is not told")
	}
	s.pass(30, minute{lines: 2000, headers: usual, invent: many, response: map[string]float64{"etag": 1}})
	s.expect(t, "the response's", "response_headers.etag added")
	s.pass(90, minute{lines: 2000, headers: usual, response: map[string]float64{"etag": 1}})
	s.take()
	with := map[string]float64{"host": 1, "user-agent": 1, "accept": 1, "cookie": 0.5, "range": 0.04, "x-new": 0.3}
	s.pass(10, minute{lines: 2000, headers: with, response: map[string]float64{"etag": 1}})
	s.expect(t, "after it", "request_headers.x-new added")
}

func TestDriftHotPathAllocatesNothing(t *testing.T) {
	d := newDrift(driftConfig{SampleEvery: 1}, nil)
	now := time.Unix(1_800_000_000, 0)
	d.due(now)
	var names [][]byte
	for i := range 5000 {
		names = append(names, fmt.Appendf(nil, "x-%d", i*i), fmt.Appendf(nil, "odd %d", i))
	}
	at := 0
	work := func() {
		for range 200 {
			if d.event() {
				d.sampled("g1", 1)
				for range 100 {
					at++
					d.header(logformat.RequestHeader, names[at%len(names)])
				}
			}
			d.rejected(ReasonMisfit, "status", "g1", 2)
			d.rejected(ReasonOversize, "", "g1", 2)
			d.due(now.Add(time.Second))
		}
	}
	work()
	if n := testing.AllocsPerRun(20, work); n != 0 {
		t.Errorf("%g allocations", n)
	}
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(20, func() { d.save(dst) }); n != 0 {
		t.Errorf("%g allocations for a commit", n)
	}
}

// Counts of frequent names are never too high, nor too low by more than the names counted divided by the table's size.
func TestDriftCandidates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SampledFrom([]int{10, 255, 256, 257, 1000, 100_000}).Draw(t, "names")
		seed := rapid.Uint64Min(1).Draw(t, "seed")
		d := newDrift(driftConfig{}, nil)
		d.headers.begin(place{})
		exact := map[string]int{}
		total := 0
		for range 5000 {
			seed = seed*6364136223846793005 + 1442695040888963407
			n := int(seed>>33) % names
			if n%3 == 0 {
				n = n / 3 % 7
			}
			name := fmt.Sprint("n", n)
			exact[name]++
			total++
			d.headers.line.offset = int64(total)
			d.headers.sides[1].unknown = 0
			d.header(logformat.RequestHeader, []byte(name))
		}
		table := d.headers.sides[1].newcomer
		found := map[string]int{}
		for i := range table.used {
			c := &table.slots[i]
			found[string(c.name[:c.size])] = int(c.count)
			if table.index[table.find(c.name[:c.size])] != uint16(i+1) {
				t.Fatalf("slot %d is not found", i)
			}
		}
		for name, n := range exact {
			if found[name] > n || found[name] < n-total/(maxFrequent+1) {
				t.Fatalf("%s was counted %d times, the table says %d of %d", name, n, found[name], total)
			}
		}
		if len(found) > len(exact) {
			t.Fatal("names that were never counted")
		}
	})
}

// The samples of a window: all events of a quiet site, and one in SampleEvery of a busy one.
func TestDriftSamples(t *testing.T) {
	for _, c := range []struct{ lines, least, most int }{
		{1000, 1000, 1000}, {10_000, 900, 1300}, {60_000, 850, 1300}, {1_000_000, 15_000, 16_300},
	} {
		s := newTraffic(driftConfig{})
		s.pass(1, minute{lines: c.lines})
		if s.d.headers.samples != 0 {
			t.Fatalf("%d lines: a window of that many did not end", c.lines)
		}
		for range c.lines {
			s.one(&minute{})
		}
		if n := int(s.d.headers.samples); n < c.least || n > c.most {
			t.Errorf("%d lines a minute: %d samples, want %d to %d", c.lines, n, c.least, c.most)
		}
	}
	s := newTraffic(driftConfig{})
	for range 1_000_000 { // the first window of a busy site knows nothing of the one before
		s.one(&minute{})
	}
	if n := s.d.headers.samples; n > 40_000 {
		t.Errorf("%d samples of the first million", n)
	}
}

func BenchmarkDriftEvent(b *testing.B) {
	d := newDrift(driftConfig{}, nil)
	now := time.Unix(1_800_000_000, 0)
	names := [][]byte{[]byte("host"), []byte("user-agent"), []byte("accept"), []byte("accept-encoding"), []byte("cookie"),
		[]byte("x-forwarded-for"), []byte("x-request-id"), []byte("referer"), []byte("content-type"), []byte("etag")}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if d.event() {
			d.sampled("g1", 1)
			for _, name := range names {
				d.header(logformat.RequestHeader, name)
			}
		}
		if n++; n%500 == 0 {
			now = now.Add(time.Second)
			d.due(now)
		}
	}
}
