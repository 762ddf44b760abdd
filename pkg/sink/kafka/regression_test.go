// regression_test.go shows what a site does when a topic is not what it was: a state topic that knows less than this host has seen
// committed stops it, at the start and while it runs, unless the operator has said whom to trust; a data topic that is deleted is waited
// for and not made again; other numbers of partitions are said.
package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"ngxtap/pkg/sink"
)

// shipped writes one value and commits it with a position of the same name.
func shipped(t *testing.T, s *Sink, value string) error {
	t.Helper()
	if err := s.Write(within(t, 30*time.Second), batchOf(value)); err != nil {
		return err
	}
	return s.Commit(within(t, 30*time.Second), sink.Position(value))
}

func mustShip(t *testing.T, s *Sink, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := shipped(t, s, v); err != nil {
			t.Fatal(err)
		}
	}
}

// refused fails the test unless the next session is refused with target, and returns the error.
func refused(t *testing.T, cfg Config, target error) error {
	t.Helper()
	s := newSink(t, cfg)
	pos, err := s.Recover(within(t, 30*time.Second))
	s.Close()
	if !errors.Is(err, target) {
		t.Fatalf("want %q, got position %q, error %v", target, pos, err)
	}
	return err
}

func deleteTopic(t *testing.T, c *kfake.Cluster, topic string) {
	t.Helper()
	if err := c.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
}

// TestStateTopicLost: the topic is deleted between two runs, or under a running one, or something older is put in its place.
func TestStateTopicLost(t *testing.T) {
	for _, running := range []bool{false, true} {
		for _, file := range []bool{true, false} {
			if !running && !file {
				continue // nobody is left who could know
			}
			for _, policy := range []string{RegressionStop, RegressionTrustKafka, RegressionTrustLocal} {
				t.Run(fmt.Sprintf("running=%v/file=%v/%s", running, file, policy), func(t *testing.T) {
					c := broker(t)
					cfg := config(t, c)
					cfg.OnRegression = policy
					if file {
						cfg.StateFile = filepath.Join(t.TempDir(), "position-shop")
					}
					s, _ := recovered(t, cfg)
					mustShip(t, s, "a", "b", "c")
					if running {
						deleteTopic(t, c, DefaultStateTopic)
						if err := shipped(t, s, "d"); err == nil {
							t.Fatal("a commit without the state topic succeeded")
						}
						s.Close()
					} else {
						s.Close()
						deleteTopic(t, c, DefaultStateTopic)
						cfg.Owner = NewOwner()
					}
					want := map[string]string{RegressionTrustKafka: "", RegressionTrustLocal: "c"}
					if policy == RegressionStop {
						for range 2 { // and it does not get used to it
							err := refused(t, cfg, sink.ErrPositionLost)
							if !errors.Is(err, sink.ErrConfig) || !strings.Contains(err.Error(), "commit 3") || !strings.Contains(err.Error(), "on_state_regression") {
								t.Errorf("want the commit and the way out in it, got %v", err)
							}
						}
						return
					}
					s, pos := recovered(t, cfg)
					if pos != want[policy] {
						t.Fatalf("want position %q, got %q", want[policy], pos)
					}
					s.c.close()                                              // killed
					cfg.OnRegression, cfg.Owner = RegressionStop, NewOwner() // it was decided once; from here on all is well
					s, pos = recovered(t, cfg)
					if pos != want[policy] {
						t.Fatalf("at the next start: want position %q, got %q", want[policy], pos)
					}
					mustShip(t, s, "e")
					if got := values(t, cfg, cfg.Topic); !slices.Equal(got, []string{"a", "b", "c", "e"}) {
						t.Errorf("got %q", got)
					}
				})
			}
		}
	}
}

// TestStateTopicSetBack puts an older record in the place of the newest, as a topic restored from a copy has it.
func TestStateTopicSetBack(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	cfg.StateFile = filepath.Join(t.TempDir(), "position-shop")
	s, _ := recovered(t, cfg)
	mustShip(t, s, "a", "b", "c")
	s.Close()
	old, err := appendState(nil, stateRecord{V: stateVersion, Nonce: "x.1", Seq: 1, Host: cfg.Host, Time: now()}, sink.Position("a"))
	if err != nil {
		t.Fatal(err)
	}
	produceState(t, c, cfg, old)
	cfg.Owner = NewOwner()
	refused(t, cfg, sink.ErrPositionLost)
	if err := os.Remove(cfg.StateFile); err != nil {
		t.Fatal(err)
	}
	if _, pos := recovered(t, cfg); pos != "a" { // without the file nobody here knows better
		t.Errorf("want position a, got %q", pos)
	}
}

// TestAnotherCluster: the brokers in the configuration are changed to those of a cluster that does not know the site.
func TestAnotherCluster(t *testing.T) {
	one, two := broker(t, kfake.ClusterID("one")), broker(t, kfake.ClusterID("two"))
	first, second := config(t, one), config(t, two)
	first.StateFile = filepath.Join(t.TempDir(), "position-shop")
	second.StateFile = first.StateFile
	s, _ := recovered(t, first)
	mustShip(t, s, "a", "b")
	s.Close()
	if err := refused(t, second, sink.ErrPositionLost); !strings.Contains(err.Error(), "this is cluster two and that was cluster one") {
		t.Errorf("want both clusters named, got %v", err)
	}
	back := first
	back.Owner = NewOwner()
	s, pos := recovered(t, back) // a slip in the configuration, mended: nothing has happened
	if pos != "b" {
		t.Errorf("back at the first cluster: want position b, got %q", pos)
	}
	s.Close()
	second.OnRegression, second.Owner = RegressionTrustLocal, NewOwner()
	if _, pos := recovered(t, second); pos != "b" {
		t.Errorf("moved with trust_local: want position b, got %q", pos)
	}
}

// TestHintIsExactAfterAnError: the file is written seldom, but also when a session ends with an error.
func TestHintIsExactAfterAnError(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	cfg.StateFile = filepath.Join(t.TempDir(), "position-shop")
	s, _ := recovered(t, cfg)
	mustShip(t, s, "a", "b", "c", "d")
	if h, _ := readHint(cfg.StateFile); h.Seq != 1 {
		t.Fatalf("want the file of the first commit, got %+v", h)
	}
	loseBefore(26)(t, c) // EndTxn
	if err := shipped(t, s, "e"); err == nil {
		t.Fatal("want an error")
	}
	if h, ok := readHint(cfg.StateFile); !ok || h.Seq != 4 || string(h.Position) != "d" || h.Cluster == "" {
		t.Errorf("want commit 4 at position d, got %+v", h)
	}
}

// TestDataTopicDeleted: a topic that was there and is gone is an alarm, not a reason to make another one in silence.
func TestDataTopicDeleted(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	s, _ := recovered(t, cfg)
	mustShip(t, s, "a", "b")
	deleteTopic(t, c, cfg.Topic)
	if err := shipped(t, s, "c"); err == nil {
		t.Fatal("a commit to a deleted topic succeeded")
	}
	s.Close()
	err := refused(t, cfg, sink.ErrConfig)
	if errors.Is(err, sink.ErrPositionLost) || !strings.Contains(err.Error(), "nginx.shop (events) was deleted while ngxtap ran") {
		t.Errorf("got %v", err)
	}
	if c.TopicInfo(cfg.Topic) != nil {
		t.Fatal("the topic was made again")
	}
	if err := c.CreateTopic(cfg.Topic, 4, nil); err != nil {
		t.Fatal(err)
	}
	s, pos := recovered(t, cfg)
	if pos != "b" {
		t.Fatalf("want position b, got %q", pos)
	}
	mustShip(t, s, "c")
	if got := values(t, cfg, cfg.Topic); !slices.Equal(got, []string{"c"}) {
		t.Errorf("want c, got %q", got)
	}

	// At a start it is made, as every missing topic is, and said.
	s.Close()
	deleteTopic(t, c, cfg.Topic)
	var logged bytes.Buffer
	cfg.Owner, cfg.Logger = NewOwner(), slog.New(slog.NewTextHandler(&logged, nil))
	if _, pos = recovered(t, cfg); pos != "c" || !strings.Contains(logged.String(), "level=ERROR") || !strings.Contains(logged.String(), "events from before that are not in it") {
		t.Errorf("position %q, log %s", pos, &logged)
	}
}

// TestPartitionsAdded: keys go elsewhere from then on, which is said once, in this run or in the next.
func TestPartitionsAdded(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart=%v", restart), func(t *testing.T) {
			c := broker(t)
			var logged bytes.Buffer
			cfg := config(t, c)
			cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			cfg.StateFile = filepath.Join(t.TempDir(), "position-shop")
			s, _ := recovered(t, cfg)
			mustShip(t, s, "a")
			addPartitions(t, c, cfg.Topic, 7)
			mustShip(t, s, "b") // the session goes on with what it knows
			s.Close()
			if restart {
				cfg.Owner = NewOwner()
			}
			for range 2 {
				s, pos := recovered(t, cfg)
				if pos != "b" {
					t.Errorf("want position b, got %q", pos)
				}
				s.Close()
				if restart {
					cfg.Owner = NewOwner()
				}
			}
			if n := strings.Count(logged.String(), "another number of partitions than before"); n != 1 || !strings.Contains(logged.String(), "topic=nginx.shop before=4 now=7") {
				t.Errorf("want it said once, got %d times: %s", n, &logged)
			}
			if got := values(t, cfg, cfg.Topic); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"a", "b"}) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestTopicUnknownWithoutController: nobody can say whether the topic is gone, or whether a broker has just not heard of it yet.
func TestTopicUnknownWithoutController(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	s, _ := recovered(t, cfg)
	s.Close()
	deleteTopic(t, c, cfg.Topic)
	if err := c.RemoveNode(2); err != nil { // the controller of kfake, which elects no other
		t.Fatal(err)
	}
	s = newSink(t, cfg)
	if _, err := s.Recover(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sink.ErrConfig) {
		t.Errorf("want to wait until the deadline, got %v", err)
	}
}
