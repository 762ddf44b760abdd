package embedded

// Shows that kill -9 at any moment leaves committed transactions whole and uncommitted ones invisible, crash after crash.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// protocols are the two ways in which transactions are spoken: with an epoch per transaction (KIP-890) and without, as sarama does.
var protocols = []struct {
	name string
	opts []kgo.Opt
}{
	{"transactions v2", nil},
	{"transactions v1", []kgo.Opt{kgo.MaxVersions(kversion.V3_6_0())}},
}

func producer(t *testing.T, broker string, opts []kgo.Opt) *kgo.Client {
	return newClient(t, broker, append(slices.Clone(opts), kgo.TransactionalID("site"), kgo.TransactionTimeout(time.Minute),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordDeliveryTimeout(5*time.Second))...)
}

func record(topic string, n int) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: []byte("site"), Value: []byte(strconv.Itoa(n))}
}

func ints(from, to int) []string {
	var s []string
	for n := from; n <= to; n++ {
		s = append(s, strconv.Itoa(n))
	}
	return s
}

func TestKilledTransactionsStayDead(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			dir := t.TempDir()
			c := startChild(t, dir)
			createTopic(t, c.Broker, "events")
			var want []string
			// Each round commits one transaction and is killed in the next, with the same transactional id: if the markers of the
			// killed ones were not in the log, the commits after them would bring them back.
			for round := range 4 {
				cl := producer(t, c.Broker, p.opts)
				for i, commit := range []bool{true, false} {
					if err := cl.BeginTransaction(); err != nil {
						t.Fatal(err)
					}
					n := round*2 + i
					if err := cl.ProduceSync(testContext(t), record("events", n)).FirstErr(); err != nil {
						t.Fatal(err)
					}
					if commit {
						if err := cl.EndTransaction(testContext(t), kgo.TryCommit); err != nil {
							t.Fatal(err)
						}
						want = append(want, strconv.Itoa(n))
					}
				}
				c.kill()
				cl.Close()
				c = startChild(t, dir)
				if got := committed(t, c.Broker, "events"); !slices.Equal(got, want) {
					t.Fatalf("round %d: read_committed shows %v, want %v", round, got, want)
				}
			}
		})
	}
}

// TestKillTorture kills the servers at random moments while a producer commits events 1, 2, 3 … and their number as its position,
// each pair in one transaction, as a site does.
func TestKillTorture(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			dir := t.TempDir()
			c := startChild(t, dir)
			createTopic(t, c.Broker, "events")
			createTopic(t, c.Broker, "state", "cleanup.policy", "compact")
			n, acked := 0, 0
			for range rounds {
				cl := producer(t, c.Broker, p.opts)
				result := make(chan int)
				go func() { result <- commitUntilClosed(cl, n) }()
				<-time.After(time.Duration(rand.IntN(300)) * time.Millisecond) // the moment to kill is what we try out
				c.kill()
				cl.Close() // frees what waits for the dead broker
				acked = max(acked, <-result)
				c, _ = spawn(t, dir) // and once more while it repairs, or just after
				<-time.After(time.Duration(rand.IntN(40)) * time.Millisecond)
				c.kill()
				c = startChild(t, dir)
				n = checkPair(t, c.Broker)
				if n < acked {
					t.Fatalf("transaction %d was acknowledged, the log ends at %d", acked, n)
				}
			}
			if n < rounds {
				t.Errorf("only %d transactions in %d rounds: the test shows little", n, rounds)
			}
			t.Logf("%d transactions, %d rounds", n, rounds)
		})
	}
}

// commitUntilClosed commits the numbers after n until the broker or the client is gone and returns the last one acknowledged.
func commitUntilClosed(cl *kgo.Client, n int) (acked int) {
	for ctx := context.Background(); ; {
		n++
		if cl.BeginTransaction() != nil {
			return acked
		}
		if cl.ProduceSync(ctx, record("events", n), record("state", n)).FirstErr() != nil {
			return acked
		}
		if cl.EndTransaction(ctx, kgo.TryCommit) != nil {
			return acked
		}
		acked = n
	}
}

// checkPair checks that events are 1 … n without gap or repetition and that the newest state is n, and returns n.
func checkPair(t *testing.T, broker string) int {
	t.Helper()
	events, state := committed(t, broker, "events"), committed(t, broker, "state")
	if want := ints(1, len(events)); !slices.Equal(events, want) {
		t.Fatalf("events are not 1 … %d: %v", len(events), events)
	}
	if len(events) > 0 && (len(state) == 0 || state[len(state)-1] != events[len(events)-1]) {
		t.Fatalf("%d events are committed, the position says %v", len(events), state)
	}
	return len(events)
}

func TestHalfCommittedTransactionIsFinished(t *testing.T) {
	for _, tt := range []struct {
		name     string
		noted    bool
		wantEach int
	}{
		{"with the note", true, 1},
		{"without it, as kfake alone", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := start(t, dir)
			createTopic(t, s.Brokers()[0], "a")
			createTopic(t, s.Brokers()[0], "b")
			cl := producer(t, s.Brokers()[0], nil)
			cl.BeginTransaction()
			if err := errors.Join(cl.ProduceSync(testContext(t), record("a", 1), record("b", 1)).FirstErr(), cl.EndTransaction(testContext(t), kgo.TryCommit)); err != nil {
				t.Fatal(err)
			}
			cl.Close()
			// What a kill after the first of two markers leaves: the commit noted, the marker of b missing.
			note, err := os.ReadFile(filepath.Join(dir, "broker", "commit.note"))
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			cutLastBatch(t, filepath.Join(dir, "broker", "partitions", "b-0", "0.dat"))
			if tt.noted {
				err = os.WriteFile(filepath.Join(dir, "broker", "commit.note"), note, 0o600)
			} else {
				err = os.Remove(filepath.Join(dir, "broker", "commit.note"))
			}
			if err != nil {
				t.Fatal(err)
			}
			s = start(t, dir)
			if got := committed(t, s.Brokers()[0], "a"); len(got) != 1 {
				t.Errorf("a: read_committed shows %v", got)
			}
			if got := committed(t, s.Brokers()[0], "b"); len(got) != tt.wantEach {
				t.Errorf("b: read_committed shows %v, want %d records", got, tt.wantEach)
			}
		})
	}
}

// cutLastBatch removes the last record batch from a segment, which must be a transaction marker: 78 bytes.
func cutLastBatch(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-78); err != nil {
		t.Fatal(err)
	}
}

func TestSurvivingProducerIsFenced(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := Start(testContext(t), Config{Dir: dir, BrokerPort: -1, RegistryPort: -1})
			if err != nil {
				t.Fatal(err)
			}
			var port int
			fmt.Sscanf(s.Brokers()[0], "127.0.0.1:%d", &port)
			createTopic(t, s.Brokers()[0], "events")
			cl := producer(t, s.Brokers()[0], p.opts)
			cl.BeginTransaction()
			if err := cl.ProduceSync(testContext(t), record("events", 1)).FirstErr(); err != nil {
				t.Fatal(err)
			}
			// An orderly stop with a transaction open is no different from a kill: the producer may not end it later.
			s.Close()
			s, err = Start(testContext(t), Config{Dir: dir, BrokerPort: port, RegistryPort: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := cl.EndTransaction(testContext(t), kgo.TryCommit); err == nil {
				t.Error("a commit of a transaction that the restart had aborted was acknowledged")
			}
			if got := committed(t, s.Brokers()[0], "events"); len(got) != 0 {
				t.Errorf("read_committed shows %v", got)
			}
		})
	}
}
