// operator_test.go shows what a site does where only an operator can help: it goes on without what the far side does not take, waits with an
// alarm for what was taken away, stops where the position is lost, and leaves in time when it is told to.
package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
)

// TestRefusedForItsSize: the far side takes less than we would send. What is longer goes to quarantine, by its head where all of it does not
// fit there either; every byte is accounted for, and the site goes on.
func TestRefusedForItsSize(t *testing.T) {
	long := func(n int) string { return `200 "` + strings.Repeat("x", n) + `"` + "\n" }
	text := linesOf(0, 500) + long(300_000) + linesOf(500, 500) + long(60_000) + "junk " + long(300_000) + linesOf(1000, 500)
	for _, tt := range []struct {
		name             string
		events, refused  int // limits
		quarantined, cut int // lines
	}{
		{"events", 100_000, 0, 2, 0},
		{"quarantine", 0, 100_000, 1, 1},
		{"both", 50_000, 50_000, 3, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			far := sinktest.NewMemory()
			far.Limit(sink.Events, tt.events)
			far.Limit(sink.Quarantine, tt.refused)
			cfg := config(t, far, logFile(t, text))
			s := once(t, cfg)
			got := read(t, far, cfg.Formats[0])
			checkCovers(t, got, map[string]string{ids(got)[0]: text})
			quarantined, cut := 0, 0
			for _, a := range got {
				if a.stream == sink.Quarantine {
					quarantined++
					if a.Truncated {
						cut++
					}
				}
			}
			if quarantined != tt.quarantined || cut != tt.cut {
				t.Errorf("%d lines in quarantine, %d by their head; want %d and %d", quarantined, cut, tt.quarantined, tt.cut)
			}
			if b := s.Stats().Bytes(); !b.Balanced() || b.Read != int64(len(text)) {
				t.Errorf("%+v of %d bytes", b, len(text))
			}
			if n := s.Stats().Sessions.Load(); n > 3 {
				t.Errorf("%d sessions: one refusal for each stream is enough", n)
			}
		})
	}
}

// TestAlarmAndGoOnAlone: once a site works, what only an operator can cure is said once at Error, shown as not running, and waited for.
// A position that is lost ends it at any time.
func TestAlarmAndGoOnAlone(t *testing.T) {
	far := sinktest.NewMemory()
	text := linesOf(0, 60_000)
	path := logFile(t, text)
	once(t, config(t, far, path)) // an earlier run, so that this one has nothing to commit at first

	cfg := config(t, far, path)
	var logged logBuffer
	cfg.Once, cfg.Logger = false, slog.New(slog.NewTextHandler(&logged, nil))
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }()
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); {
			select {
			case err := <-done:
				t.Fatalf("the site ended while it should come to: %s: %v", what, err)
			case <-time.After(time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatalf("a minute passed without: %s\n%s", what, logged.String())
			}
		}
	}
	running := func() bool { st, _ := s.Stats().State(); return st == StateRunning }
	until("running", running)
	far.Fail(sinktest.OpCommit, 0, false, nil) // a broker hangs up
	for range 5 {
		far.Fail(sinktest.OpRecover, 0, false, sink.ErrConfig) // and does not let us in again
	}
	appendTo(t, path, linesOf(60_000, 5))
	until("waiting for the operator", func() bool { st, _ := s.Stats().State(); return strings.Contains(st, sink.ErrConfig.Error()) })
	until("lines after it", func() bool { return s.Stats().Events.Load() == 5 && running() })
	if n := strings.Count(logged.String(), "level=ERROR"); n != 1 || !strings.Contains(logged.String(), "waits for an operator") {
		t.Errorf("want one line at Error, got %d: %s", n, logged.String())
	}

	far.Fail(sinktest.OpCommit, 0, false, nil)
	far.Fail(sinktest.OpRecover, 0, false, fmt.Errorf("%w (%w)", sink.ErrPositionLost, sink.ErrConfig))
	appendTo(t, path, linesOf(60_005, 5))
	select {
	case err := <-done:
		if !errors.Is(err, sink.ErrPositionLost) || !errors.Is(err, sink.ErrConfig) {
			t.Errorf("want the lost position, got %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("a site whose position is lost goes on")
	}
	got := read(t, far, cfg.Formats[0])
	checkCovers(t, got, map[string]string{ids(got)[0]: text + linesOf(60_000, 5)})
}

// logBuffer is a log that the site writes while the test reads.
type logBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// TestStopLeavesWithinTheGrace: a stop while a commit gets no answer ends when the grace is over, and the position is where it was.
func TestStopLeavesWithinTheGrace(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the whole grace")
	}
	t.Parallel()
	far := sinktest.NewMemory()
	path := logFile(t, linesOf(0, 10))
	cfg := config(t, far, path)
	once(t, cfg)
	before := far.Position()
	appendTo(t, path, linesOf(10, 10))
	entered := make(chan struct{})
	cfg.Once = false
	cfg.Open = func() (sink.Sink, error) {
		return &stuckCommit{Sink: far.Open(sinktest.Process{Run: "test", Host: "web-01"}), entered: entered}, nil
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-entered
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(stopGrace + time.Minute):
		t.Fatal("a stop waits for ever")
	}
	if !bytes.Equal(far.Position(), before) {
		t.Error("the position has moved")
	}
	cfg = config(t, far, path)
	once(t, cfg)
	got := read(t, far, cfg.Formats[0])
	checkCovers(t, got, map[string]string{ids(got)[0]: linesOf(0, 20)})
}

// stuckCommit waits in Commit for as long as it is let.
type stuckCommit struct {
	sink.Sink
	entered chan struct{} // closed at the first commit
	once    sync.Once
}

func (s *stuckCommit) Commit(ctx context.Context, _ sink.Position) error {
	s.once.Do(func() { close(s.entered) })
	<-ctx.Done()
	return ctx.Err()
}
