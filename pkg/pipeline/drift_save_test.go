package pipeline

// Shows that a restart at any moment changes nothing of what is told: nothing twice, nothing left out. And that no bytes, saved by whomever,
// can do more harm than to let it learn afresh.

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// events renders what was told, without what a restart in a storm may leave out: the shares and the lines of what had to wait.
func events(told []schema.ChangeEvent) (out []string) {
	for _, e := range told {
		var diffs []string
		for _, d := range e.Diffs {
			diffs = append(diffs, brief(d))
		}
		slices.Sort(diffs)
		out = append(out, fmt.Sprint(time.UnixMicro(e.Time).UTC().Format(time.TimeOnly), diffs))
	}
	return out
}

// Two sites have the same traffic. One is restarted when windows have ended, and tells the same things in the same minutes.
func TestDriftRestartBetweenWindows(t *testing.T) {
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"host", "accept", "x-a", "x-b", "x-c", "x-d", "two words"}
		one, other := newTraffic(driftConfig{SampleEvery: 1, Window: time.Minute}), newTraffic(driftConfig{SampleEvery: 1})
		for range rapid.IntRange(1, 12).Draw(t, "phases") {
			m := minute{lines: 1200, rejects: rapid.SampledFrom([]float64{0, 0, 0.006, 0.02, 0.5, 1}).Draw(t, "rejects"),
				variable: rapid.SampledFrom([]string{"", "status", "http_a"}).Draw(t, "variable")}
			has := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 7, rapid.ID[string]).Draw(t, "names")
			m.invent = func(i int64) string { // each name in its share of the events, without a map's order
				if n := int(i) % 10; n < len(has) {
					return has[n]
				}
				return ""
			}
			for range rapid.SampledFrom([]int{1, 2, 5, 15, 40}).Draw(t, "minutes") {
				one.pass(1, m)
				other.pass(1, m)
				if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
					other.d = newDrift(driftConfig{SampleEvery: 1}, other.d.save(nil))
					other.d.headers.samples, other.d.start = one.d.headers.samples, one.d.start
					carry(one.d, other.d)
				}
			}
		}
		if a, b := events(one.told), events(other.told); !slices.Equal(a, b) {
			t.Fatalf("without a restart\n%q\nwith\n%q", a, b)
		}
		told += len(one.told)
	})
	if told < 50 {
		t.Errorf("only %d events in all: the scenarios show too little", told)
	}
}

// carry gives the window in hand to the drift after a restart: few samples are kept for the next window, and those are not saved.
func carry(from, to *drift) {
	for i := range from.headers.sides {
		a, b := &from.headers.sides[i], &to.headers.sides[i]
		for name, k := range a.known {
			b.known[name].count = k.count
		}
		if a.newcomer != nil {
			copied := *a.newcomer
			b.newcomer = &copied
		}
	}
	to.events, to.refused, to.byReason, to.example = from.events, from.refused, from.byReason, from.example
	for i := range from.misfits { // those that are not to be remembered are at the end
		if i < len(to.misfits) {
			to.misfits[i].count, to.misfits[i].example = from.misfits[i].count, from.misfits[i].example
		} else {
			to.misfits = append(to.misfits, from.misfits[i])
		}
	}
}

// A site that crashes every few minutes, in the middle of windows, and goes back to its last commit each time, tells each change once.
func TestDriftCrashes(t *testing.T) {
	phases := []struct {
		minute
		want []string
	}{
		{minute{lines: 1200, headers: usual}, nil},
		{minute{lines: 1200, headers: usual, rejects: 0.05, variable: "status", response: map[string]float64{"x-new": 0.4}},
			[]string{". rejects", "response_headers.x-new added", "status misfit"}},
		{minute{lines: 1200, headers: usual}, []string{". rejects over", "response_headers.x-new removed", "status misfit over"}},
		{minute{lines: 1200, headers: usual, response: map[string]float64{"x-new": 0.4}}, []string{"response_headers.x-new added"}},
		{minute{lines: 1200, headers: usual, response: map[string]float64{"x-new": 0.4}, rejects: 0.5}, []string{". rejects"}},
	}
	for seed := range uint64(4) {
		s := newTraffic(driftConfig{})
		saved := s.d.save(nil)
		var committed []schema.ChangeEvent
		dice := seed
		for i, phase := range phases {
			for range 150 * 6 { // two hours and a half, a block each ten seconds
				for range phase.lines / 6 {
					s.one(&phase.minute)
				}
				s.now = s.now.Add(10 * time.Second)
				s.told = append(s.told, s.d.due(s.now)...)
				dice = dice*6364136223846793005 + 1442695040888963407
				switch r := dice >> 33 % 12; {
				case r < 6:
					committed = append(committed, s.told...)
					s.told, saved = nil, s.d.save(nil)
				case r == 6:
					s.told, s.d = nil, newDrift(driftConfig{}, saved)
				}
			}
			var got []string
			for _, e := range committed {
				for _, d := range e.Diffs {
					got = append(got, brief(d))
				}
			}
			if slices.Sort(got); !slices.Equal(got, phase.want) {
				t.Fatalf("seed %d, phase %d: told %q, want %q", seed, i, got, phase.want)
			}
			committed = nil
		}
	}
}

// What is saved is the same until a window has ended, so that a commit costs a copy.
func TestDriftSavesOnceAWindow(t *testing.T) {
	s := newTraffic(driftConfig{})
	s.pass(20, minute{lines: 2000, headers: usual, rejects: 0.02, variable: "status"})
	before := s.d.save(nil)
	for range 1999 {
		s.one(&minute{headers: usual, rejects: 0.5, variable: "request"})
	}
	if after := s.d.save([]byte("x")); !bytes.Equal(after[1:], before) || after[0] != 'x' {
		t.Error("the window in hand changes what is saved, or dst is lost")
	}
	if len(before) > 200 {
		t.Errorf("%d bytes for five headers and a column", len(before))
	}
}

func FuzzDriftSaved(f *testing.F) {
	s := newTraffic(driftConfig{})
	s.pass(10, minute{lines: 2000, headers: usual})
	s.pass(20, minute{lines: 2000, rejects: 0.2, variable: "status", headers: map[string]float64{"host": 1, "x-new": 0.5, "a b": 0.5}})
	f.Add(s.d.save(nil))
	f.Add(newDrift(driftConfig{}, nil).save(nil))
	f.Add([]byte{driftVersion})
	f.Add([]byte{driftVersion + 1, 0, 0})
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, saved []byte) {
		d := newDrift(driftConfig{}, saved)
		again := newDrift(driftConfig{}, d.save(nil))
		if a, b := d.save(nil), again.save(nil); !bytes.Equal(a, b) {
			t.Fatalf("restored from its own bytes %x it saves %x", a, b)
		}
		now := time.Unix(1_800_000_000, 0)
		checkBounds(t, d, d.due(now))
		for range 3 {
			for i := range 1000 {
				if d.event() {
					d.sampled("g", int64(i))
					d.header(logformat.RequestHeader, []byte("host"))
				}
			}
			d.rejected(ReasonMisfit, "status", "g", 1)
			now = now.Add(time.Minute)
			checkBounds(t, d, d.due(now))
		}
	})
}

// What can't be read is learned afresh, and not told.
func TestDriftUnreadableIsLearnedAfresh(t *testing.T) {
	s := newTraffic(driftConfig{})
	s.pass(30, minute{lines: 2000, headers: usual})
	saved := s.d.save(nil)
	for cut := range saved {
		if d := newDrift(driftConfig{}, saved[:cut]); d.headers.learned || len(d.headers.sides[1].known) > 0 {
			t.Fatalf("%d of %d bytes: restored", cut, len(saved))
		}
	}
	if d := newDrift(driftConfig{}, saved); !d.headers.learned || len(d.headers.sides[1].known) != len(usual) {
		t.Fatal("not restored")
	}
	s.d = newDrift(driftConfig{}, append(slices.Clone(saved), 0))
	s.pass(30, minute{lines: 2000, headers: usual})
	s.expect(t, "learned afresh")
}
