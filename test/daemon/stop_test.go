package daemon

// Shows: how it ends. SIGTERM under load commits and leaves; with the broker away it leaves within its grace and nothing is doubled after;
// twenty times kill -9 at random moments under load change nothing either.

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
)

// load writes lines until the function it returns is called: every few milliseconds a block by each of the two workers.
func (s *site) load(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for worker := range 2 {
		wg.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					s.log.WriteLines(t, worker, 1+rand.IntN(20))
				}
			}
		})
	}
	end := sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(end)
	return end
}

func TestTermUnderLoad(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	end := s.load(t)
	for range 5 {
		from := s.written()
		d := h.Start(t)
		h.AwaitBytes(t, d, s.name, 1, long)
		components.Eventually(t, long, func() error { return grown(s, from+20_000) })
		stop(t, d)
	}
	end()
	s.shipped(t, h)
}

func TestKilledTwentyTimes(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	end := s.load(t)
	for i := range 20 {
		d := h.Start(t)
		if i%4 > 0 { // or it is killed while it starts
			h.AwaitBytes(t, d, s.name, 1, long)
		}
		to := s.written() + rand.Int64N(100_000)
		components.Eventually(t, long, func() error { return grown(s, to) })
		d.Kill()
	}
	end()
	s.shipped(t, h)
}

// The broker does not answer, or is not there, when the stop comes. The grace of the last commit is ten seconds, that of the release
// five; what is above that here is for slow machines.
func TestTermWithoutBroker(t *testing.T) {
	k := shared.Kafka(t)
	for name, fault := range map[string]struct{ begin, end func(testing.TB, int) }{
		"frozen": {k.Freeze, k.Thaw},
		"killed": {k.Kill, k.Restart},
	} {
		t.Run(name, func(t *testing.T) {
			s, brokers := newSite(t), realBroker(t)
			h := s.host(t, brokers, nil)
			d := h.Start(t)
			end := s.load(t)
			h.AwaitBytes(t, d, s.name, 1, long)
			fault.begin(t, 0)
			defer func() { // also when the test fails, for the others need the broker
				if fault.end != nil {
					fault.end(t, 0)
				}
			}()
			before := s.written()
			components.Eventually(t, long, func() error { return grown(s, before+20_000) })
			began := time.Now()
			d.Signal(t, syscall.SIGTERM)
			exits(t, d, 0)
			t.Logf("left after %v", time.Since(began))
			end()
			fault.end(t, 0)
			fault.end = nil
			s.shipped(t, h)
		})
	}
}

func grown(s *site, to int64) error {
	if n := s.written(); n < to {
		return errAgain
	}
	return nil
}
