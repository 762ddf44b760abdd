// owners_test.go shows that of several daemons with one identity exactly one goes on, however they meet, and that nobody fences back and
// forth; also without transactions, where nobody is fenced at all.
package kafka

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/sink"
)

// TestClonesStartTogether starts two daemons with one identity at the same moment, on hosts of the same name (a cloned machine) or of two,
// with or without --takeover. Each ships the same lines. The broker holds up what decides between them, at random.
func TestClonesStartTogether(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 12
	}
	const lines = 40
	for seed := range rounds {
		t.Run(fmt.Sprintf("seed%d", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(seed), 3))
			c := broker(t, kfake.SleepOutOfOrder())
			first, _ := recovered(t, config(t, c)) // topics are there
			first.Close()
			var mu sync.Mutex
			var inits, asleep atomic.Int32
			for _, key := range []kmsg.Key{kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.EndTxn, kmsg.Produce} {
				c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					if key == kmsg.InitProducerID {
						inits.Add(1)
					}
					mu.Lock()
					d := time.Duration(rng.IntN(8)) * time.Millisecond
					mu.Unlock()
					if d > 0 {
						asleep.Add(1)
						c.SleepControl(func() { <-time.After(d) })
						asleep.Add(-1)
					}
					return nil, nil, false
				})
			}
			hosts := []string{"host-a", "host-a"}
			if seed%2 == 1 {
				hosts[1] = "host-b"
			}
			var done [2]error
			var wg sync.WaitGroup
			start := make(chan struct{})
			for i := range 2 {
				cfg := config(t, c)
				cfg.Host, cfg.Takeover = hosts[i], seed%4 == 3
				wg.Go(func() {
					<-start
					done[i] = shipAll(t, cfg, lines)
				})
			}
			close(start)
			wg.Wait()
			for deadline := time.Now().Add(time.Minute); asleep.Load() > 0 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond) // what was held up on connections that are gone; this broker does not like to be closed meanwhile
			}
			left, stopped := 0, 0
			for _, err := range done {
				switch {
				case err == nil:
					left++
				case errors.Is(err, sink.ErrNotOwner):
					stopped++
				default:
					t.Error(err)
				}
			}
			// One may also have finished and left before the other came.
			if left == 0 || left+stopped != 2 {
				t.Fatalf("%d went on, %d stopped: %v", left, stopped, done)
			}
			t.Logf("%d went on, %d stopped, %d producer ids", left, stopped, inits.Load())
			// Who stopped may have seen the owner before it asked for an id.
			if n := inits.Load(); int(n) < left || n > 6 {
				t.Errorf("%d producer ids were asked for by %d that went on: they fence each other back and forth, or share one", n, left)
			}
			var want []string
			for i := range lines {
				want = append(want, strconv.Itoa(i))
			}
			if got := values(t, config(t, c), "nginx.shop"); !slices.Equal(got, want) {
				t.Errorf("want lines 0 to %d once and in order, got %d: %v", lines-1, len(got), got)
			}
		})
	}
}

// shipAll does what a site does: sessions until the lines are through, or until it may not go on.
func shipAll(t *testing.T, cfg Config, lines int) error {
	ctx := within(t, time.Minute)
	for range 100 {
		s, err := New(cfg)
		if err != nil {
			return err
		}
		pos, err := s.Recover(ctx)
		if err != nil {
			return errors.Join(err, s.Close())
		}
		at, _ := strconv.Atoi(string(pos))
		for err == nil && at < lines {
			if err = s.Write(ctx, batchOf(strconv.Itoa(at))); err == nil {
				at++
				err = s.Commit(ctx, sink.Position(strconv.Itoa(at)))
			}
		}
		s.Close()
		if err == nil || errors.Is(err, sink.ErrNotOwner) {
			return err
		}
	}
	return errors.New("100 sessions and not done")
}

// TestAtLeastOnceHasOneOwnerToo: without transactions the older owner finds out by itself, whoever wrote last.
func TestAtLeastOnceHasOneOwnerToo(t *testing.T) {
	c := broker(t)
	old := config(t, c)
	old.Delivery = AtLeastOnce
	one, _ := recovered(t, old)
	mustShip(t, one, "a")
	mustShip(t, one, "b") // it has looked by now, and will not for a while

	clone := old
	clone.Owner = NewOwner() // the same host name
	two, pos := recovered(t, clone)
	if pos != "b" {
		t.Fatalf("want position b, got %q", pos)
	}
	mustShip(t, two, "c")
	mustShip(t, one, "d") // permitted by at_least_once
	one.looked, two.looked = time.Time{}, time.Time{}
	if err := shipped(t, one, "e"); !errors.Is(err, sink.ErrNotOwner) {
		t.Fatalf("the older owner: want sink.ErrNotOwner, got %v", err)
	}
	one.Close()
	mustShip(t, two, "f")
	two.looked = time.Time{}
	mustShip(t, two, "g")
	two.Close()
	refused(t, old, sink.ErrNotOwner)
	if got := values(t, old, old.Topic); !slices.Equal(got, []string{"a", "b", "c", "d", "f", "g"}) {
		t.Errorf("got %q", got)
	}
}
