package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
	"ngxtap/pkg/testkit"
)

// TestEveryFaultEndsInEveryLineOnce is the fault matrix of the straight line: each step of the sink fails, done or not done, at several
// moments; afterwards every line is there once, in order.
func TestEveryFaultEndsInEveryLineOnce(t *testing.T) {
	text := linesOf(0, 120_000) // more than one batch, several commits
	for _, c := range []struct {
		name    string
		op      sinktest.Op
		persist bool
	}{
		{"recover fails", sinktest.OpRecover, false},
		{"write fails", sinktest.OpWrite, false},
		{"commit fails, not done", sinktest.OpCommit, false},
		{"commit fails, but done", sinktest.OpCommit, true},
	} {
		for after := range 3 {
			if c.op == sinktest.OpRecover && after > 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s after %d", c.name, after), func(t *testing.T) {
				far := sinktest.NewMemory()
				cfg := config(t, far, logFile(t, text))
				far.Fail(c.op, after, c.persist, nil)
				s := once(t, cfg)
				got := read(t, far, cfg.Formats[0])
				checkCovers(t, got, map[string]string{ids(got)[0]: text})
				if n := s.Stats().Sessions.Load(); n < 2 {
					t.Errorf("%d sessions: the fault was not met", n)
				}
				// What was committed although the reply was lost is not counted by this process: only what it knows of is.
				if !c.persist && s.Stats().Bytes().Read != int64(len(text)) {
					t.Errorf("bytes %+v of %d", s.Stats().Bytes(), len(text))
				}
			})
		}
	}
}

// TestCommittedCountsCoverTheFile: the counts inside the committed position balance and reach the end of the file, whatever
// happened on the way.
func TestCommittedCountsCoverTheFile(t *testing.T) {
	far := sinktest.NewMemory()
	text := linesOf(0, 50_000) + "junk\n\n" + linesOf(0, 50_000)
	cfg := config(t, far, logFile(t, text))
	for i := range 4 {
		far.Fail(sinktest.OpCommit, i, i%2 == 0, nil)
	}
	once(t, cfg)
	st, err := decodeState(far.Position())
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Counts) != 1 {
		t.Fatalf("counts of %d files, want 1", len(st.Counts))
	}
	for id, c := range st.Counts {
		if !c.Balanced() || c.Read != int64(len(text)) || c.Quarantined != 5 || c.Blank != 1 {
			t.Errorf("file %s: %+v of %d bytes", id, c, len(text))
		}
	}
}

func TestSecondRunSendsNothingTwice(t *testing.T) {
	far := sinktest.NewMemory()
	text := linesOf(0, 1000)
	cfg := config(t, far, logFile(t, text))
	once(t, cfg)
	s := once(t, cfg)
	got := read(t, far, cfg.Formats[0])
	checkCovers(t, got, map[string]string{ids(got)[0]: text})
	if n := s.Stats().Events.Load(); n != 0 {
		t.Errorf("the second run sent %d events", n)
	}
}

// TestStopsOnlyForWhatRetryingCantCure: ownership and, before the first commit, configuration end a site; all else is tried again.
func TestStopsOnlyForWhatRetryingCantCure(t *testing.T) {
	for _, want := range []error{sink.ErrNotOwner, sink.ErrConfig} {
		far := sinktest.NewMemory()
		far.Fail(sinktest.OpRecover, 0, false, want)
		s, err := New(config(t, far, logFile(t, linesOf(0, 3))))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); !errors.Is(err, want) {
			t.Errorf("err = %v, want %v", err, want)
		}
	}
}

// TestNewerStateIsRefused: guessing at a position that a newer program wrote would lose or double lines.
func TestNewerStateIsRefused(t *testing.T) {
	for _, p := range []string{`{"v":2}`, `not json`, `{"v":1,"tail":{"v":99}}`} {
		if _, err := decodeState(sink.Position(p)); !errors.Is(err, sink.ErrConfig) {
			t.Errorf("%s: err = %v", p, err)
		}
	}
}

// TestStopCommitsWhatWasRead: after a stop the next run has nothing to repeat, and the stop does not wait for the interval.
func TestStopCommitsWhatWasRead(t *testing.T) {
	far := sinktest.NewMemory()
	text := linesOf(0, 10)
	cfg := config(t, far, logFile(t, text))
	cfg.Once, cfg.CommitInterval = false, time.Hour
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for {
		if st, _ := s.Stats().State(); st == StateRunning {
			break
		}
		time.Sleep(time.Millisecond) // poll; bounded by the test's own timeout
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	n := len(read(t, far, cfg.Formats[0]))
	if n != 0 && n != 10 {
		t.Errorf("%d records committed at the stop", n)
	}
	cfg.Once = true
	once(t, cfg)
	got := read(t, far, cfg.Formats[0])
	checkCovers(t, got, map[string]string{ids(got)[0]: text})
}

// TestRandomRunsKeepEveryLineOnce drives a site through random rotations, restarts and faults. The seed reproduces a run.
func TestRandomRunsKeepEveryLineOnce(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 7))
			far := sinktest.NewMemory()
			path := t.TempDir() + "/access.log"
			w := testkit.NewRotatingWriter(t, path, 2)
			cfg := config(t, far, path)
			once(t, cfg) // what is rotated away before the very first start is not ours
			var want []string
			for range 12 {
				switch rng.IntN(4) {
				case 0:
					w.Shift(8)
					w.Reopen(0) // worker 1 is late, as in Nginx
					line := fmt.Sprintf("200 \"late-%d\"\n", len(want))
					w.Write(1, line)
					want = append(want, line)
					w.Reopen(1)
				case 1:
					far.Fail(sinktest.Op(1+rng.IntN(2)), 0, rng.IntN(2) == 0, nil)
				}
				for range 1 + rng.IntN(50) {
					line := fmt.Sprintf("200 \"id-%d\"\n", len(want))
					w.Write(rng.IntN(2), line)
					want = append(want, line)
				}
				if rng.IntN(3) > 0 {
					once(t, cfg)
				}
			}
			once(t, cfg)
			checkSet(t, read(t, far, cfg.Formats[0]), want)
		})
	}
}

// checkSet compares lines regardless of order among files, and each file's offsets in order without gap.
func checkSet(t *testing.T, got []arrived, want []string) {
	t.Helper()
	next := map[string]int64{}
	seen := map[string]int{}
	for _, a := range got {
		if a.Origin.Offset != next[a.Origin.File] {
			t.Fatalf("file %s: a record at %d, want %d", a.Origin.File, a.Origin.Offset, next[a.Origin.File])
		}
		next[a.Origin.File] += a.Origin.Length + 1
		seen[strings.Join(a.Headers["x-id"], ",")]++
	}
	for _, line := range want {
		id := strings.TrimSuffix(strings.TrimPrefix(line, `200 "`), "\"\n")
		if seen[id] != 1 {
			t.Errorf("line %s arrived %d times", id, seen[id])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d records, %d lines", len(got), len(want))
	}
}

// TestMissingFileIsWaitedFor: the log appears after the start.
func TestMissingFileIsWaitedFor(t *testing.T) {
	far := sinktest.NewMemory()
	path := t.TempDir() + "/access.log"
	cfg := config(t, far, path)
	cfg.Once = false
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if err := os.WriteFile(path, []byte(linesOf(0, 3)), 0o644); err != nil {
		t.Fatal(err)
	}
	for s.Stats().Events.Load() != 3 {
		time.Sleep(time.Millisecond) // poll; bounded by the test's own timeout
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestOnceSaysWhatItCouldNotRead: a run that has an end does not pass over in silence what is no file, or not there.
func TestOnceSaysWhatItCouldNotRead(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: dir, dir + "/nothere.log": "nothere.log does not exist", dir + "/*.log": "no file matches " + dir + "/*.log"} {
		s, err := New(config(t, sinktest.NewMemory(), path))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); !errors.Is(err, errUnreadable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: err = %v", path, err)
		}
	}
}

// TestOnceIsContentWithARotatedLog: the log was rotated and not made anew yet.
func TestOnceIsContentWithARotatedLog(t *testing.T) {
	far := sinktest.NewMemory()
	path := logFile(t, linesOf(0, 5))
	cfg := config(t, far, path)
	once(t, cfg)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	once(t, cfg)
	if got := read(t, far, cfg.Formats[0]); len(got) != 5 {
		t.Errorf("%d records, want 5", len(got))
	}
}
