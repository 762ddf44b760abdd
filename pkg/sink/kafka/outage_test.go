// outage_test.go shows what a session does while brokers are away, stall, or keep a start waiting: it holds no more memory, goroutines or
// connections than before, goes on by itself, and what a broker does late changes nothing.
package kafka

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/sink"
)

// gate stands before the brokers' ports. While it is shut, whoever connects is sent away, as from a port that nobody listens on.
type gate struct {
	mu    sync.Mutex
	shut  bool                  // guarded by mu
	away  int                   // guarded by mu; connections sent away
	conns map[net.Conn]struct{} // guarded by mu
}

func (g *gate) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return &gatedListener{l, g}, err
}

// set shuts or opens the gate; shutting it ends every connection.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	if shut {
		for c := range g.conns {
			c.Close()
		}
		clear(g.conns)
	}
}

// sentAway waits until so many more connections have been sent away.
func (g *gate) sentAway(t *testing.T, n int) {
	count := func() int { g.mu.Lock(); defer g.mu.Unlock(); return g.away }
	want := count() + n
	for deadline := time.Now().Add(2 * time.Minute); count() < want; {
		if time.Now().After(deadline) {
			t.Error("2 minutes passed and nobody tries any more")
			return
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}

type gatedListener struct {
	net.Listener
	g *gate
}

func (l *gatedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.g.mu.Lock()
		if !l.g.shut {
			if l.g.conns == nil {
				l.g.conns = map[net.Conn]struct{}{}
			}
			l.g.conns[c] = struct{}{}
			l.g.mu.Unlock()
			return c, nil
		}
		l.g.away++
		l.g.mu.Unlock()
		c.Close()
	}
}

// resources returns how many goroutines there are and how much memory is in use, when what has ended is gone.
func resources() (goroutines int, heap uint64) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}

// TestBrokersAwayCostNothing shuts every broker away in the middle of a transaction, looks what the waiting costs after a few tries and
// after many, and lets them back.
func TestBrokersAwayCostNothing(t *testing.T) {
	g := &gate{}
	c := broker(t, kfake.ListenFn(g.listen))
	s := site{cfg: config(t, c), lines: 140}
	s.cfg.DialTimeout, s.cfg.RequestTimeout = time.Second, time.Second
	s.run(t, func(step int) {
		if step != 5 {
			return
		}
		g.set(true)
		go func() { // while the session finds out, ends, and the next one waits in Recover
			defer g.set(false)
			g.sentAway(t, 12)
			goroutines, heap := resources()
			g.sentAway(t, 24)
			later, laterHeap := resources()
			t.Logf("after 12 tries %d goroutines, %d KiB; after 36 %d goroutines, %d KiB", goroutines, heap>>10, later, laterHeap>>10)
			if later > goroutines+8 {
				t.Errorf("goroutines grow while the brokers are away: %d, then %d", goroutines, later)
			}
			if laterHeap > heap+4<<20 {
				t.Errorf("memory grows while the brokers are away: %d KiB, then %d KiB", heap>>10, laterHeap>>10)
			}
		}()
	})
	s.expectOnce(t)
	if s.failed == 0 {
		t.Error("no session failed: the brokers were not away")
	}
}

// TestStalledBroker lets one request stall until well after the sink has given up on it; the broker does its work all the same, late.
func TestStalledBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for time-outs")
	}
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn, kmsg.AddPartitionsToTxn, kmsg.InitProducerID, kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata} {
		t.Run(key.Name(), func(t *testing.T) {
			t.Parallel()
			c := broker(t, kfake.SleepOutOfOrder())
			s := site{cfg: config(t, c), lines: 70}
			s.cfg.RequestTimeout = 100 * time.Millisecond // with sarama's five seconds on top
			var taken atomic.Bool
			late := make(chan struct{}) // closed when the broker goes on with the request
			stall := func() {
				c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
					if taken.Swap(true) {
						return nil, nil, false
					}
					defer close(late)
					c.SleepControl(func() { <-time.After(7 * time.Second) })
					return nil, nil, false
				})
			}
			before := key != kmsg.Produce && key != kmsg.EndTxn && key != kmsg.AddPartitionsToTxn
			if before {
				stall()
			}
			s.run(t, func(step int) {
				if step == 5 && !before || step == 6 && key == kmsg.AddPartitionsToTxn {
					stall()
				}
			})
			<-late
			s.expectOnce(t)
			if !before && s.failed == 0 {
				t.Error("no session failed: the stall did not strike")
			}
		})
	}
}

// TestCoordinatorBusyForLong: the coordinator needs long to end what an older session left open. The start waits, and keeps nothing.
func TestCoordinatorBusyForLong(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	old, _ := recovered(t, cfg)
	mustShip(t, old, "a")
	old.c.close() // killed
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ConcurrentTransactions, Count: -1})
	s := newSink(t, cfg)
	done := make(chan error, 1)
	go func() { _, err := s.Recover(within(t, 2*time.Minute)); done <- err }()
	if err := h.Wait(within(t, time.Minute), 4); err != nil {
		t.Fatal(err)
	}
	goroutines, _ := resources()
	if err := h.Wait(within(t, time.Minute), 12); err != nil {
		t.Fatal(err)
	}
	if later, _ := resources(); later > goroutines+4 {
		t.Errorf("goroutines grow while the coordinator is busy: %d, then %d", goroutines, later)
	}
	select {
	case err := <-done:
		t.Fatalf("Recover did not wait: %v", err)
	default:
	}
	h.Remove()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	mustShip(t, s, "b")
}

// TestCloseWithoutBrokers: a stop while nobody answers ends in the time it was given, and the position stays.
func TestCloseWithoutBrokers(t *testing.T) {
	for _, silent := range []bool{false, true} { // hanging up, or not answering at all
		g := &gate{}
		c := broker(t, kfake.ListenFn(g.listen))
		cfg := config(t, c)
		cfg.CloseTimeout = 500 * time.Millisecond
		s, _ := recovered(t, cfg)
		mustShip(t, s, "a")
		if err := s.Write(t.Context(), batchOf("lost")); err != nil {
			t.Fatal(err)
		}
		if silent {
			for _, key := range []kmsg.Key{kmsg.EndTxn, kmsg.Produce, kmsg.AddPartitionsToTxn} {
				c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) { c.KeepControl(); return nil, nil, true })
			}
		} else {
			g.set(true)
		}
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("Close waits for ever")
		}
		g.set(false)
		if silent {
			continue // this broker answers nobody any more
		}
		s, pos := recovered(t, cfg)
		if pos != "a" {
			t.Errorf("want position a, got %q", pos)
		}
		if err := s.Commit(context.Background(), sink.Position("b")); err != nil {
			t.Error(err)
		}
		if got := values(t, cfg, cfg.Topic); len(got) != 1 {
			t.Errorf("want a alone, got %q", got)
		}
	}
}
