package pipeline

// Shows: a site that waits for what is not its own fault has a pulse for as long as it waits; one that is stuck in a call that does not come
// back has none, wherever it is stuck; and time in which nobody could have made progress does not count.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
)

// stuckSink blocks in one of its methods until release is closed, whatever the context says.
type stuckSink struct {
	sink.Sink
	in      string
	once    sync.Once
	entered chan struct{} // closed by the first that is stuck
	release chan struct{}
}

func (s *stuckSink) block(where string) {
	if s.in == where {
		s.once.Do(func() {
			close(s.entered)
			<-s.release
		})
	}
}

func (s *stuckSink) Recover(ctx context.Context) (sink.Position, error) {
	s.block("recover")
	return s.Sink.Recover(ctx)
}

func (s *stuckSink) Write(ctx context.Context, b *sink.Batch) error {
	s.block("write")
	return s.Sink.Write(ctx, b)
}

func (s *stuckSink) Commit(ctx context.Context, p sink.Position) error {
	s.block("commit")
	return s.Sink.Commit(ctx, p)
}

// TestStuckSiteHasNoPulse hangs a site in each of the calls that leave it.
func TestStuckSiteHasNoPulse(t *testing.T) {
	for where, what := range map[string]*activity{"open": doOpen, "recover": doRecover, "write": doWrite, "commit": doCommit, "conf": doConf, "look": doLook} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			far := sinktest.NewMemory()
			cfg := config(t, far, logFile(t, linesOf(0, 10)))
			cfg.Once, cfg.Pulse = false, &Pulse{}
			s := &stuckSink{in: where, entered: make(chan struct{}), release: make(chan struct{})}
			open := cfg.Open
			cfg.Open = func() (sink.Sink, error) {
				s.block("open")
				var err error
				s.Sink, err = open()
				return s, err
			}
			cfg.Edited = func() ([]*Format, error) {
				s.block("conf")
				return nil, nil
			}
			cfg.Tail.Alive = func() { // a file system that does not come back
				s.block("look")
			}
			site, wait := runs(t, cfg)
			<-s.entered
			v := NewVigil(time.Minute, []*Site{site})
			for i := range 7 { // the first look only learns the count
				hanging, _ := v.Look(10 * time.Second)
				want := i >= 6
				if (len(hanging) == 1) != want {
					t.Fatalf("after %d looks of 10 s: %v", i+1, hanging)
				}
				if want && (hanging[0] != Hang{Site: "shop", What: what.what, For: time.Minute, New: true}) {
					t.Errorf("it says %+v, want %q", hanging[0], what.what)
				}
			}
			if hanging, _ := v.Look(10 * time.Second); len(hanging) != 1 || hanging[0].New {
				t.Errorf("the next look: %+v", hanging)
			}
			close(s.release)
			if _, back := beats(t, v, cfg.Pulse); len(back) != 1 {
				t.Errorf("it goes on, and the look says %v", back)
			}
			wait()
			if hanging, _ := v.Look(time.Hour); len(hanging) != 0 {
				t.Errorf("a site that has stopped hangs: %v", hanging)
			}
		})
	}
}

// TestWaitingSiteHasAPulse lets a site wait for days of the watcher's time.
func TestWaitingSiteHasAPulse(t *testing.T) {
	away := errors.New("nobody answers")
	for name, change := range map[string]func(*Config, *sinktest.Memory){
		"idle":                  func(*Config, *sinktest.Memory) {},
		"the registry is away":  func(c *Config, _ *sinktest.Memory) { c.Frame = noFrame(away) },
		"the sink can't open":   func(c *Config, _ *sinktest.Memory) { c.Open = func() (sink.Sink, error) { return nil, away } },
		"the sink fails always": func(_ *Config, far *sinktest.Memory) { failForever(far) },
		"the broker is away": func(c *Config, _ *sinktest.Memory) {
			c.Open = func() (sink.Sink, error) { return waitingSink{c.Pulse.Beat}, nil }
		},
		"held": func(c *Config, _ *sinktest.Memory) {
			c.OnChange.Away = schema.Hold
			ids := c.Frame
			c.Frame = func(ctx context.Context, stream sink.Stream, record, text string) (*Frame, error) {
				if stream == sink.Events {
					return nil, away
				}
				return ids(ctx, stream, record, text)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := sinktest.NewMemory()
			cfg := config(t, far, logFile(t, linesOf(0, 10)))
			cfg.Once, cfg.Pulse = false, &Pulse{}
			cfg.Tail.Alive = cfg.Pulse.Beat
			change(&cfg, far)
			site, wait := runs(t, cfg)
			v := NewVigil(time.Minute, []*Site{site})
			for range 6 {
				if hanging, _ := beats(t, v, cfg.Pulse); len(hanging) != 0 {
					state, _ := site.Stats().State()
					t.Fatalf("a site that waits counts as hung: %+v, state %s", hanging, state)
				}
			}
			wait()
		})
	}
}

// TestLateLooksCountOnce: a process that was stopped for an hour has one look behind it when it goes on, and so has its site.
func TestLateLooksCountOnce(t *testing.T) {
	cfg := config(t, sinktest.NewMemory(), logFile(t, ""))
	site, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	v := NewVigil(time.Minute, []*Site{site})
	if hanging, _ := v.Look(time.Hour); len(hanging) != 0 {
		t.Errorf("a site that was never run hangs: %v", hanging)
	}
	site.cfg.Pulse.at(doRead)
	v.Look(5 * time.Second)
	for range 11 {
		if hanging, _ := v.Look(5 * time.Second); len(hanging) != 0 {
			t.Fatalf("before its minute is over: %v", hanging)
		}
	}
	site.cfg.Pulse.at(doAsk) // may take longer
	for range 1 + int(doAsk.patience/(5*time.Second)) - 1 {
		if hanging, _ := v.Look(5 * time.Second); len(hanging) != 0 {
			t.Fatalf("what may take longer hangs: %v", hanging)
		}
	}
	if hanging, _ := v.Look(5 * time.Second); len(hanging) != 1 {
		t.Errorf("it may not take for ever")
	}
}

// runs starts a site; wait stops it and returns when it has.
func runs(t *testing.T, cfg Config) (s *Site, wait func()) {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the site ends with %v", err)
		}
	}
}

// beats waits for the next beat of p, and then looks as if almost a minute had passed.
func beats(t *testing.T, v *Vigil, p *Pulse) (hanging []Hang, back []string) {
	t.Helper()
	before := p.beats.Load()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for p.beats.Load() == before {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("no beat in half a minute; it is %s", p.doing.Load().what)
		}
	}
	return v.Look(59 * time.Second)
}

// waitingSink waits for a broker that is away, and beats with each try.
type waitingSink struct{ beat func() }

func (s waitingSink) Recover(ctx context.Context) (sink.Position, error) {
	for sleep(ctx, time.Millisecond) {
		s.beat()
	}
	return nil, ctx.Err()
}

func (waitingSink) Write(context.Context, *sink.Batch) error    { return errors.New("not recovered") }
func (waitingSink) Commit(context.Context, sink.Position) error { return errors.New("not recovered") }
func (waitingSink) Close() error                                { return nil }

func noFrame(err error) func(context.Context, sink.Stream, string, string) (*Frame, error) {
	return func(context.Context, sink.Stream, string, string) (*Frame, error) { return nil, err }
}

func failForever(far *sinktest.Memory) {
	for i := range 1000 {
		far.Fail(sinktest.OpCommit, 0, false, fmt.Errorf("failure %d", i))
	}
}
