// faults_test.go shows that whatever a broker does to a session, the sessions after it leave every record in the topic exactly
// once and in order: replies lost before and after the work, refused writes, moved leaders and coordinators, time-outs.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"ngxtap/pkg/sink"
)

// site ships the lines "0", "1" … in the way a pipeline does: from the position that Recover returns, and from scratch after any
// error. Before each step it calls fault with the number of the step.
type site struct {
	cfg    Config
	lines  int
	failed int // sessions that ended with an error
}

func (s *site) run(t *testing.T, fault func(step int)) {
	t.Helper()
	step := 0
	for range 50 {
		if s.session(t, func() { step++; fault(step) }) {
			return
		}
		s.failed++
	}
	t.Fatal("50 sessions and not done")
}

// session runs to the end of the lines or to the first error.
func (s *site) session(t *testing.T, fault func()) (done bool) {
	t.Helper()
	sk := newSink(t, s.cfg)
	defer sk.Close()
	ctx := within(t, 30*time.Second)
	pos, err := sk.Recover(ctx)
	if err != nil {
		t.Fatalf("recover: %v", err)
	}
	at, _ := strconv.Atoi(string(pos))
	for at < s.lines {
		for range 2 { // two batches in a transaction
			fault()
			var vs []string
			for range min(7, s.lines-at) {
				vs = append(vs, strconv.Itoa(at))
				at++
			}
			err := sk.Write(ctx, batchOf(vs...))
			if err == nil {
				err = sk.w.flush() // as if they filled a request
			}
			if err != nil {
				t.Logf("write up to line %d: %v", at, err)
				return false
			}
		}
		fault()
		if err := sk.Commit(ctx, sink.Position(strconv.Itoa(at))); err != nil {
			t.Logf("commit at line %d: %v", at, err)
			return false
		}
	}
	return true
}

// expectOnce fails the test unless the topic holds the lines exactly once and in order.
func (s *site) expectOnce(t *testing.T) {
	t.Helper()
	got := values(t, s.cfg, s.cfg.Topic)
	var want []string
	for i := range s.lines {
		want = append(want, strconv.Itoa(i))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("want lines 0 to %d once and in order, got %d: %v", s.lines-1, len(got), got)
	}
}

func TestEveryLineOnceWhateverTheBrokerDoes(t *testing.T) {
	fail := func(key kmsg.Key, err *kerr.Error, count int) func(*testing.T, *kfake.Cluster) {
		return func(_ *testing.T, c *kfake.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: count})
		}
	}
	tests := []struct {
		name   string
		fault  func(t *testing.T, c *kfake.Cluster)
		harm   bool // the session must end
		before bool // before the first session, not in it
	}{
		{"end refused: coordinator moved", fail(kmsg.EndTxn, kerr.NotCoordinator, 1), true, false},
		{"end refused: fenced", fail(kmsg.EndTxn, kerr.ProducerFenced, 1), true, false},
		{"end: reply lost before the work", loseBefore(kmsg.EndTxn), true, false},
		{"end: reply lost after the work", loseAfterEndTxn, true, false},
		{"produce: too few replicas", fail(kmsg.Produce, kerr.NotEnoughReplicas, 1), true, false},
		{"produce: too few replicas after the work", fail(kmsg.Produce, kerr.NotEnoughReplicasAfterAppend, 1), true, false},
		{"produce: timed out after the work", fail(kmsg.Produce, kerr.RequestTimedOut, 2), true, false},
		{"produce: reply lost", loseBefore(kmsg.Produce), true, false},
		{"produce: epoch too old", fail(kmsg.Produce, kerr.InvalidProducerEpoch, 1), true, false},
		{"add partitions: busy for a while", fail(kmsg.AddPartitionsToTxn, kerr.ConcurrentTransactions, 10), false, false},
		{"add partitions: id forgotten", fail(kmsg.AddPartitionsToTxn, kerr.InvalidProducerIDMapping, 1), true, false},
		{"add partitions: reply lost", loseBefore(kmsg.AddPartitionsToTxn), true, false},
		{"producer id: busy for a while", fail(kmsg.InitProducerID, kerr.ConcurrentTransactions, 8), false, true},
		{"producer id: coordinator loading", fail(kmsg.InitProducerID, kerr.CoordinatorLoadInProgress, 5), false, true},
		{"producer id: wrong coordinator", fail(kmsg.InitProducerID, kerr.NotCoordinator, 2), false, true},
		{"coordinator: not there yet", fail(kmsg.FindCoordinator, kerr.CoordinatorNotAvailable, 2), false, true},
		{"read state: reply lost", loseBefore(kmsg.Fetch), false, true},
		{"read state: wrong leader", fail(kmsg.Fetch, kerr.NotLeaderForPartition, 2), false, true},
		{"end: done twice", doTwice(kmsg.EndTxn), false, false},
		{"end: id forgotten", fail(kmsg.EndTxn, kerr.InvalidProducerIDMapping, 1), true, false},
		{"end: time-out at the coordinator", fail(kmsg.EndTxn, kerr.InvalidProducerEpoch, 1), true, false},
		{"produce: id forgotten", fail(kmsg.Produce, kerr.UnknownProducerID, 1), true, false},
		{"produce: written, but by too few replicas", doneThen(kmsg.Produce, kerr.NotEnoughReplicasAfterAppend), true, false},
		{"produce: written, reply lost", doneThen(kmsg.Produce, nil), true, false},
		{"add partitions: done, reply lost", doneThen(kmsg.AddPartitionsToTxn, nil), true, false},
		{"add partitions: busy for longer than a request may take", busyUntilSessionsEnd, true, false},
		{"producer id: given, reply lost", doneThen(kmsg.InitProducerID, nil), false, true},
		{"producer id: fenced", fail(kmsg.InitProducerID, kerr.ProducerFenced, 1), false, true},
		{"leaders move", func(_ *testing.T, c *kfake.Cluster) { moveLeaders(c) }, true, false},
		{"coordinators move", func(_ *testing.T, c *kfake.Cluster) { moveCoordinator(c) }, true, false},
	}
	for _, tt := range tests {
		// The fault strikes at each step of a transaction in turn: first batch, second batch, commit.
		for step := 4; step <= 6; step++ {
			t.Run(fmt.Sprintf("%s/step%d", tt.name, step), func(t *testing.T) {
				c := broker(t)
				s := site{cfg: config(t, c), lines: 70}
				s.cfg.RequestTimeout = 2 * time.Second
				if tt.before {
					tt.fault(t, c)
				}
				s.run(t, func(n int) {
					if n == step && !tt.before {
						tt.fault(t, c)
					}
				})
				s.expectOnce(t)
				if tt.harm && s.failed == 0 {
					t.Error("no session failed: the fault did not strike")
				}
				if !tt.harm && s.failed > 0 {
					t.Errorf("%d sessions failed; this one should have been waited out", s.failed)
				}
			})
		}
	}
}

// loseBefore ends the connection on which the next such request arrives, and does nothing of what it asks for.
func loseBefore(key kmsg.Key) func(*testing.T, *kfake.Cluster) {
	return func(_ *testing.T, c *kfake.Cluster) {
		c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("lost"), true })
	}
}

// forward sends a request to the broker that it was meant for, through a client of its own, and returns the answer. It is called from a
// control function.
func forward(t *testing.T, c *kfake.Cluster, req kmsg.Request) (resp kmsg.Response) {
	node := c.CurrentNode()
	defer req.SetVersion(req.GetVersion()) // the client changes it
	c.SleepControl(func() {
		cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.MaxVersions(kversion.V2_8_0()))
		if err != nil {
			t.Error(err)
			return
		}
		defer cl.Close()
		if err := cl.Ping(context.Background()); err != nil { // learns where the brokers are
			t.Error(err)
			return
		}
		if resp, err = cl.Broker(int(node)).Request(context.Background(), req); err != nil {
			t.Errorf("%s on behalf of the sink: %v", kmsg.NameForKey(req.Key()), err)
		}
	})
	return resp
}

// doneThen does what the next such request asks for, and then answers a produce request with an error, or ends the connection.
func doneThen(key kmsg.Key, answer *kerr.Error) func(*testing.T, *kfake.Cluster) {
	return func(t *testing.T, c *kfake.Cluster) {
		var taken atomic.Bool
		c.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
			if taken.Swap(true) {
				return nil, nil, false
			}
			resp := forward(t, c, r)
			if p, ok := resp.(*kmsg.ProduceResponse); ok && answer != nil {
				for i := range p.Topics {
					for j := range p.Topics[i].Partitions {
						p.Topics[i].Partitions[j].ErrorCode = answer.Code
					}
				}
				return p, nil, true
			}
			return nil, errors.New("lost"), true
		})
	}
}

// doTwice lets the next such request take effect twice.
func doTwice(key kmsg.Key) func(*testing.T, *kfake.Cluster) {
	return func(t *testing.T, c *kfake.Cluster) {
		var taken atomic.Bool
		c.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
			if !taken.Swap(true) {
				forward(t, c, r)
			}
			return nil, nil, false
		})
	}
}

// busyUntilSessionsEnd lets the coordinator be busy until somebody asks for a producer id, as a session does that starts anew.
func busyUntilSessionsEnd(_ *testing.T, c *kfake.Cluster) {
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.AddPartitionsToTxn}, Err: kerr.ConcurrentTransactions, Count: -1})
	c.ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
		h.Remove()
		return nil, nil, false
	})
}

// loseAfterEndTxn does what the next EndTxn asks for, through a client of its own, and then ends the connection.
func loseAfterEndTxn(t *testing.T, c *kfake.Cluster) {
	var taken atomic.Bool
	c.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if taken.Swap(true) {
			return nil, nil, false
		}
		req := *r.(*kmsg.EndTxnRequest)
		c.SleepControl(func() {
			cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
			if err != nil {
				t.Error(err)
				return
			}
			defer cl.Close()
			if resp, err := req.RequestWith(context.Background(), cl); err != nil || resp.ErrorCode != 0 {
				t.Errorf("end the transaction on behalf of the sink: %v, %v", err, resp)
			}
		})
		return nil, errors.New("lost"), true
	})
}

// moveLeaders gives every partition another leader.
func moveLeaders(c *kfake.Cluster) {
	for _, topic := range []string{"nginx.shop", DefaultStateTopic} {
		for _, p := range c.PartitionInfos(topic) {
			_ = c.MoveTopicPartition(topic, p.Partition, (p.Leader+1)%3)
		}
	}
}

// moveCoordinator lets coordinators change until ours has.
func moveCoordinator(c *kfake.Cluster) {
	const id = "ngxtap.web-01/shop"
	for before := c.CoordinatorFor(id); c.CoordinatorFor(id) == before; {
		c.RehashCoordinators()
	}
}

func TestOpenTransactionTimesOut(t *testing.T) {
	c := broker(t)
	s := site{cfg: config(t, c), lines: 30}
	s.cfg.TxnTimeout = 300 * time.Millisecond
	waitOpen := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
			open := slices.ContainsFunc(c.PartitionInfos(s.cfg.Topic), func(p *kfake.PartitionInfo) bool { return p.LastStableOffset < p.HighWatermark })
			if open == want {
				return
			}
			values(t, s.cfg, s.cfg.Topic) // a request makes this broker look at its clock
		}
		t.Fatalf("10 s passed and open transaction is still %v", !want)
	}
	s.run(t, func(step int) {
		if step == 2 {
			waitOpen(true)
			waitOpen(false)
		}
	})
	s.expectOnce(t)
	if s.failed == 0 {
		t.Error("no session failed: the transaction did not time out")
	}
}

func TestSmallerBatchesWhereTheBrokerWantsThem(t *testing.T) {
	c := broker(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "100000"}))
	cfg := config(t, c)
	cfg.Compression = "none"
	var want []string
	for i := range 2000 {
		want = append(want, fmt.Sprintf("%0300d", i))
	}
	sessions := 0
	for done := false; !done; sessions++ {
		if sessions > 10 {
			t.Fatal("no batch was small enough")
		}
		s, _ := recovered(t, cfg)
		err := s.Write(t.Context(), batchOf(want...))
		if err == nil {
			err = s.Commit(t.Context(), sink.Position("p"))
		}
		if done = err == nil; !done && errors.Is(err, sink.ErrConfig) {
			t.Fatalf("not incurable: %v", err)
		}
		s.Close()
	}
	if sessions == 1 {
		t.Error("the first session succeeded: the limit was not in force")
	}
	if got := values(t, cfg, cfg.Topic); !slices.Equal(got, want) {
		t.Errorf("want %d values, got %d", len(want), len(got))
	}
}

func TestCancelEndsEveryWait(t *testing.T) {
	silent := func(key kmsg.Key) func(*kfake.Cluster) {
		return func(c *kfake.Cluster) {
			c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) { c.KeepControl(); return nil, nil, true })
		}
	}
	for _, tt := range []struct {
		name  string
		fault func(*kfake.Cluster)
	}{
		{"produce without answer", silent(kmsg.Produce)},
		{"end without answer", silent(kmsg.EndTxn)},
		{"add partitions without answer", silent(kmsg.AddPartitionsToTxn)},
		{"busy for ever", func(c *kfake.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.AddPartitionsToTxn}, Err: kerr.ConcurrentTransactions, Count: -1})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := broker(t)
			s, _ := recovered(t, config(t, c))
			tt.fault(c)
			ctx := within(t, 300*time.Millisecond)
			start := time.Now()
			err := s.Write(ctx, batchOf("x"))
			if err == nil {
				err = s.Commit(ctx, sink.Position("p"))
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("want context.DeadlineExceeded, got %v", err)
			}
			s.Close()
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.InitProducerID, kmsg.FindCoordinator, kmsg.Fetch, kmsg.ListOffsets} {
		t.Run("recover: no answer to "+key.Name(), func(t *testing.T) {
			c := broker(t)
			silent(key)(c)
			s := newSink(t, config(t, c))
			start := time.Now()
			if _, err := s.Recover(within(t, 300*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("want context.DeadlineExceeded, got %v", err)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// TestCommitDecidedBetweenLookAndFence lets the EndTxn of a session that gave up arrive late: after the next session has looked
// for the position and before it has fenced. What the look has seen is old by then.
func TestCommitDecidedBetweenLookAndFence(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	s, _ := recovered(t, cfg)
	if err := s.Commit(t.Context(), sink.Position("p1")); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), batchOf("x")); err != nil {
		t.Fatal(err)
	}
	var late *kmsg.EndTxnRequest
	c.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req := *r.(*kmsg.EndTxnRequest)
		late = &req
		return nil, errors.New("lost"), true
	})
	if err := s.Commit(t.Context(), sink.Position("p2")); err == nil {
		t.Fatal("want an error")
	}
	var taken atomic.Bool
	c.ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
		if taken.Swap(true) {
			return nil, nil, false
		}
		c.SleepControl(func() {
			cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
			if err != nil {
				t.Error(err)
				return
			}
			defer cl.Close()
			if resp, err := late.RequestWith(context.Background(), cl); err != nil || resp.ErrorCode != 0 {
				t.Errorf("late EndTxn: %v, %v", err, resp)
			}
		})
		return nil, nil, false
	})
	if _, pos := recovered(t, cfg); pos != "p2" {
		t.Errorf("want position p2, got %q", pos)
	}
	if !taken.Load() {
		t.Error("the late request was not sent")
	}
	if got := values(t, cfg, cfg.Topic); !slices.Equal(got, []string{"x"}) {
		t.Errorf("want x once, got %q", got)
	}
}
