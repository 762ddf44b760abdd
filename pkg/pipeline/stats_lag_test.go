// Shows what is said of how late a site is: by rule, for each thing that may be known of a file, and for sites that commit, wait and are held.
package pipeline

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
	"ngxtap/pkg/tail"
)

func TestLagByWhatIsKnown(t *testing.T) {
	now := time.Now()
	ago := func(seconds int) time.Time { return now.Add(-time.Duration(seconds) * time.Second) }
	for _, tt := range []struct {
		name    string
		mark    waterline
		file    tail.FileStatus
		bytes   int64
		seconds float64
	}{
		{"all is committed", waterline{offset: 10, caught: ago(99), event: ago(99)}, tail.FileStatus{Size: 10}, 0, 0},
		{"written since the end was seen", waterline{offset: 10, caught: ago(3), event: ago(900)}, tail.FileStatus{Size: 30}, 20, 3},
		{"catching up: the last event counts", waterline{offset: 10, caught: ago(900), event: ago(60)}, tail.FileStatus{Size: 30}, 20, 60},
		{"no event was committed yet", waterline{offset: 0, caught: ago(7), first: ago(90)}, tail.FileStatus{Size: 5}, 5, 7},
		{"the end was never seen", waterline{offset: 1, event: ago(8), first: ago(1)}, tail.FileStatus{Size: 5}, 4, 8},
		{"nothing is known but the first sight", waterline{first: ago(5)}, tail.FileStatus{Size: 5}, 5, 5},
		{"nothing but its last write", waterline{first: ago(5)}, tail.FileStatus{Size: 5, Modified: ago(4000)}, 5, 4000},
		{"written after the first sight", waterline{first: ago(5)}, tail.FileStatus{Size: 5, Modified: ago(1)}, 5, 5},
		{"times to come are none", waterline{offset: 1, caught: now.Add(time.Hour)}, tail.FileStatus{Size: 5}, 4, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.file.ID = "g"
			p := progress{marks: map[string]waterline{"g": tt.mark}}
			// A file that is done must not hide the one that is late.
			bytes, age := p.lag([]tail.FileStatus{tt.file, {ID: "done"}}, now)
			if bytes != tt.bytes || math.Abs(age.Seconds()-tt.seconds) > .001 {
				t.Errorf("%d bytes, %v; want %d, %gs", bytes, age, tt.bytes, tt.seconds)
			}
		})
	}
}

func TestMarksFollowTheFiles(t *testing.T) {
	var p progress
	at := time.Now()
	p.renew([]tail.FileStatus{{ID: "a", Offset: 10, Size: 10, Caught: at}, {Path: "/b"}}, map[string]time.Time{"a": at}, false)
	p.renew([]tail.FileStatus{{ID: "a", Offset: 20, Size: 20}}, nil, false) // an older look does not undo a newer one
	if m := p.marks["a"]; len(p.marks) != 1 || m.offset != 20 || !m.caught.Equal(at) || !m.event.Equal(at) || m.first.IsZero() {
		t.Errorf("%+v", p.marks)
	}
	later := at.Add(time.Minute)
	p.observe([]tail.FileStatus{{ID: "a", Size: 20}, {ID: "new", Size: 5}, {Path: "/empty"}}, later)
	if !p.marks["a"].caught.Equal(later) || !p.marks["new"].caught.IsZero() || !p.marks["new"].first.Equal(later) || !p.marks["/empty"].caught.Equal(later) {
		t.Errorf("%+v", p.marks)
	}
	p.observe([]tail.FileStatus{{ID: "a", Size: 21}}, later.Add(time.Minute))
	if !p.marks["a"].caught.Equal(later) {
		t.Errorf("more is there, and it counts as caught up: %+v", p.marks["a"])
	}
	p.renew([]tail.FileStatus{{ID: "a", Offset: 20, Size: 21, Caught: later.Add(time.Hour)}}, nil, true)
	if !p.marks["a"].caught.Equal(later) {
		t.Errorf("a position that was looked up says nothing of the present: %+v", p.marks["a"])
	}
}

// view looks at a site's files; in tests they are quick.
func view(t *testing.T, s *Site) View {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return s.Stats().View(ctx)
}

// until waits for what a site that runs beside the test comes to.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a minute passed without: %s", what)
		}
	}
}

// away is a sink whose far side never answers.
type away struct{ sink.Sink }

func (away) Recover(ctx context.Context) (sink.Position, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (away) Close() error { return nil }

// run runs a site until the test ends.
func run(t *testing.T, s *Site) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("the site ended: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

// While the far side is away nothing is read, and what is written meanwhile counts, also in files that are rotated.
func TestLagGrowsWhileTheFarSideIsAway(t *testing.T) {
	far := sinktest.NewMemory()
	path := logFile(t, linesOf(0, 10))
	first := once(t, config(t, far, path))
	if v := view(t, first); v.LagBytes != 0 || v.Lag != 0 {
		t.Fatalf("all is committed: %+v", v)
	}
	for name, seen := range map[string]func() sink.Position{
		"where the last commit is known": func() sink.Position { pos, _ := far.Open(sinktest.Process{}).Recover(t.Context()); return pos },
		"where it is not":                nil,
		"where it can't be read":         func() sink.Position { return sink.Position("nonsense") },
	} {
		t.Run(name, func(t *testing.T) {
			committed := int64(len(linesOf(0, 10)))
			if !strings.Contains(name, "last commit is known") {
				committed = 0 // any of it may be missing
			}
			cfg := config(t, far, path)
			cfg.Once, cfg.Seen = false, seen
			cfg.Open = func() (sink.Sink, error) { return away{}, nil }
			s, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			s.watchAfter = 0
			run(t, s)
			size := func() int64 {
				st, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				return st.Size()
			}
			until(t, "the files are watched", func() bool { return !view(t, s).Since.IsZero() && len(view(t, s).Files) > 0 })
			if v := view(t, s); v.LagBytes != size()-committed {
				t.Errorf("%d bytes are late, want %d", v.LagBytes, size()-committed)
			}
			appendTo(t, path, linesOf(10, 5))
			v := view(t, s)
			if v.LagBytes != size()-committed || v.LagBytes == 0 {
				t.Errorf("%d bytes are late, want %d", v.LagBytes, size()-committed)
			}
			if more := view(t, s); more.Lag <= v.Lag {
				t.Errorf("the lag does not grow: %v, then %v", v.Lag, more.Lag)
			}
			until(t, "Lag of who shows progress", func() bool { return s.Stats().Lag() == size()-committed })
			until(t, "recovering", func() bool { return s.Stats().Standing() == StandingRecovering })
		})
	}
}

func TestLagOfASiteThatIsHeld(t *testing.T) {
	l := newLiving(t, `$status`)
	l.answer = func(uint64) error { return schema.ErrRefused }
	l.cfg.OnChange = Policy{Refused: schema.Hold}
	var err error
	if l.site, err = New(l.cfg); err != nil {
		t.Fatal(err)
	}
	run(t, l.site)
	appendTo(t, l.path, "200\n404\n")
	st := l.site.Stats()
	until(t, "held", func() bool { return st.Standing() == StandingHeld })
	if st.HeldReason() != ReasonRefused {
		t.Errorf("held for %q", st.HeldReason())
	}
	v := view(t, l.site)
	if v.LagBytes != 8 || v.Lag <= 0 || view(t, l.site).Lag <= v.Lag {
		t.Errorf("%d bytes, %v", v.LagBytes, v.Lag)
	}
	appendTo(t, l.path, "200\n")
	if v := view(t, l.site); v.LagBytes != 12 {
		t.Errorf("%d bytes", v.LagBytes)
	}
	l.mu.Lock()
	l.answer = nil
	l.mu.Unlock()
	until(t, "all is committed", func() bool { v := view(t, l.site); return v.LagBytes == 0 && v.Lag == 0 && st.Events.Load() == 3 })
	if st.HeldReason() != "" || st.Standing() != StandingRunning {
		t.Errorf("%q, %s", st.HeldReason(), st.Standing())
	}
}

// A file system that hangs stops the site, but not who looks at it.
func TestViewDoesNotWaitForFileSystems(t *testing.T) {
	far := sinktest.NewMemory()
	s := once(t, config(t, far, logFile(t, linesOf(0, 3))))
	before := view(t, s)
	s.stats.progress.looking = make(chan struct{}) // a look that never ends
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v := s.Stats().View(ctx)
	if !v.Since.Equal(before.Since) || len(v.Files) != len(before.Files) {
		t.Errorf("%+v, want the look before: %+v", v, before)
	}
}

// A site that is configured anew goes on counting.
func TestStatsAreHandedOn(t *testing.T) {
	far := sinktest.NewMemory()
	path := logFile(t, linesOf(0, 10))
	cfg := config(t, far, path)
	cfg.Stats = NewStats()
	once(t, cfg)
	appendTo(t, path, linesOf(10, 5))
	s := once(t, cfg)
	st := s.Stats()
	if st != cfg.Stats || st.Events.Load() != 15 || st.Bytes().Read != int64(len(linesOf(0, 15))) {
		t.Errorf("%d events, %+v", st.Events.Load(), st.Bytes())
	}
	if n := st.CommitDurations.Snapshot().Count; n != uint64(st.Commits.Load()) {
		t.Errorf("%d commits were timed, of %d", n, st.Commits.Load())
	}
	if n := st.EventDelays.Snapshot().Count; n != 0 {
		t.Errorf("%d events have a time, where the format has none", n)
	}
	// What the far side refuses at the start of the second site ends it, as it would end the first.
	far.Fail(sinktest.OpRecover, 0, false, sink.ErrConfig)
	cfg.Once = false
	again, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if again.Run(t.Context()) == nil || st.Standing() != StandingFailed {
		t.Errorf("it goes on with what it may not do: %s", st.Standing())
	}
}

func TestDelaysByEventTime(t *testing.T) {
	far := sinktest.NewMemory()
	old := time.Now().Add(-2 * time.Hour).Unix()
	path := filepath.Join(t.TempDir(), "a.log")
	var text strings.Builder
	for i := range 100 {
		text.WriteString(time.Unix(old+int64(i), 0).UTC().Format("02/Jan/2006:15:04:05 -0700") + "\n")
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	s := once(t, config(t, far, path, newFormat(t, "$time_local")))
	b := s.Stats().EventDelays.Snapshot()
	if b.Count != 1 || math.Abs(b.Sum-7200) > 60 {
		t.Errorf("%+v; want one commit, whose oldest event is two hours old", b)
	}
}

func TestHistogram(t *testing.T) {
	h := newHistogram([]float64{.1, 1, 10})
	for _, d := range []time.Duration{-time.Second, 50 * time.Millisecond, 100 * time.Millisecond, 101 * time.Millisecond, 5 * time.Second, time.Minute} {
		h.observe(d)
	}
	b := h.Snapshot()
	if b.Count != 6 || b.Cumulative[0] != 3 || b.Cumulative[1] != 4 || b.Cumulative[2] != 5 || math.Abs(b.Sum-65.251) > 1e-9 {
		t.Errorf("%+v", b)
	}
	for q, want := range map[float64]float64{0: 0, .5: .1, 4. / 6: 1, 1: 10, -1: 0, 2: 10} {
		if got := b.Quantile(q); math.Abs(got-want) > 1e-9 {
			t.Errorf("quantile %g: %g, want %g", q, got, want)
		}
	}
	if (Buckets{}).Quantile(.5) != 0 || newHistogram(commitBounds).Snapshot().Quantile(.9) != 0 {
		t.Error("the quantile of nothing is 0")
	}
	if n := testing.AllocsPerRun(100, func() { h.observe(time.Second) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestStandings(t *testing.T) {
	known := map[Standing]bool{}
	for _, p := range Standings() {
		known[p] = true
	}
	for state, want := range map[string]Standing{
		"starting": StandingStarting, "getting schema ids": StandingStarting, "recovering the position": StandingRecovering, "recovering: x": StandingRecovering,
		StateRunning: StandingRunning, stateHeld + "running": StandingHeld, "failed: held": StandingFailed, "stopped": StandingStopped, "": StandingStarting,
	} {
		if got := standingOf(state); got != want || !known[got] {
			t.Errorf("%q is %s, want %s", state, got, want)
		}
	}
	var s Stats
	s.setState("recovering: no right")
	s.setBlocked(true)
	if s.Standing() != StandingBlocked {
		t.Errorf("blocked: %s", s.Standing())
	}
	s.setState("recovering the position")
	if s.Standing() != StandingBlocked {
		t.Errorf("it tries again, and is no longer blocked: %s", s.Standing())
	}
	s.setClass([]knownFormat{{Class: "full"}, {Class: "backward"}, {Class: "breaking", Retired: 1}, {Class: "of the future"}, {}})
	if s.SchemaClass() != schema.ClassBackward {
		t.Errorf("class %s", s.SchemaClass())
	}
}
