package daemon

// Shows: where the position comes from. What lies in state_dir is a hint: missing, torn, flipped or another site's, it changes nothing. A
// state topic that is gone or knows less than this host ends the daemon with 78 and a message, and no line is shipped twice for it.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// statePartitions is how many partitions ngxtap gives its state topic.
const statePartitions = 50

// ownState gives a host a state topic of its own.
func ownState(topic string, more ...string) func(*harness.HostConfig) {
	return func(c *harness.HostConfig) {
		c.Kafka = append(c.Kafka, append([]string{"state_topic: " + topic}, more...)...)
	}
}

func TestStateTopicDeletedWhileDown(t *testing.T) {
	s, brokers := newSite(t), realBroker(t)
	state := "state-" + s.name
	h := s.host(t, brokers, ownState(state))
	s.log.WriteLines(t, 0, 100)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	s.log.WriteLines(t, 1, 100)
	stop(t, d)
	before := s.read(t, h, state)
	deletedTopic(t, brokers, state)
	s.log.WriteLines(t, 1, 100)
	for range 2 { // the second start is no surer than the first
		exits(t, h.Start(t), 78, "topic "+state, "restore the topic", "commit", s.name)
	}
	if after := s.read(t, h, state); len(after.Records) != len(before.Records) {
		t.Errorf("%d records were shipped after %d", len(after.Records)-len(before.Records), len(before.Records))
	}
}

// read reads what arrived.
func (s *site) read(t *testing.T, h *harness.Host, state string) *oracle.Shipment {
	t.Helper()
	src := h.Source(s.name)
	src.State = state
	shipment, err := oracle.Read(within(t), src)
	if err != nil {
		t.Fatal(err)
	}
	return shipment
}

// It is noticed at the next commit, or at the next start of a session: then the daemon leaves, and no start of it ships a line.
func TestStateTopicDeletedWhileRunning(t *testing.T) {
	s, brokers := newSite(t), realBroker(t)
	state := "state-" + s.name
	h := s.host(t, brokers, ownState(state))
	s.log.WriteLines(t, 0, 100)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	deleteTopic(t, brokers, state)
	s.writeUntilGone(t, d)
	exits(t, d, 78, "topic "+state, "restore the topic")
	exits(t, h.Start(t), 78, "topic "+state)
	s.judge(t, h, state, oracle.Rules{GapsInSeq: true}, unshipped)
}

// unshipped says that what was written last may be missing as yet.
const unshipped = "not shipped yet"

// With kafka.on_state_regression the operator says how to go on: from what this host has seen, which a clean stop has noted exactly,
// or from the topic, which repeats.
func TestStateRegressionDecided(t *testing.T) {
	for _, how := range []string{"trust_local", "trust_kafka"} {
		t.Run(how, func(t *testing.T) {
			s, brokers := newSite(t), realBroker(t)
			state := "state-" + s.name
			h := s.host(t, brokers, ownState(state, "on_state_regression: "+how))
			s.log.WriteLines(t, 0, 100)
			exits(t, h.Start(t, "--once"), 0)
			deletedTopic(t, brokers, state)
			s.log.WriteLines(t, 1, 100)
			d := h.Start(t, "--once")
			exits(t, d, 0)
			awaitOutput(t, d, `"level":"ERROR"`, "the state topic has gone back", how)
			s.log.WriteLines(t, 1, 100)
			exits(t, h.Start(t, "--once"), 0)
			v := s.judge(t, h, state, oracle.Rules{GapsInSeq: true, Duplicates: how == "trust_kafka"}, "")
			if how == "trust_kafka" && v.Duplicates != 100 {
				t.Errorf("%d lines came again, want the 100 from before the loss", v.Duplicates)
			}
		})
	}
}

func TestStateTopicRestoredFromAnOldCopy(t *testing.T) {
	s, brokers := newSite(t), realBroker(t)
	state := "state-" + s.name
	h := s.host(t, brokers, ownState(state))
	for range 5 {
		s.log.WriteLines(t, 0, 20)
		exits(t, h.Start(t, "--once"), 0)
	}
	all := records(t, brokers, state, statePartitions)
	deletedTopic(t, brokers, state)
	createTopic(t, brokers, state, statePartitions)
	// Everything but the last two runs, as a backup of the topic would have it.
	// A busy broker takes its time until it knows of a new topic.
	c := client(t, brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
	for _, r := range all[:len(all)/2] {
		if err := c.ProduceSync(within(t), &kgo.Record{Topic: state, Partition: r.Partition, Key: r.Key, Value: r.Value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	before := len(s.read(t, h, state).Records)
	exits(t, h.Start(t), 78, "topic "+state, "restore the topic")
	if n := len(s.read(t, h, state).Records); n != before {
		t.Errorf("%d records were shipped again", n-before)
	}
}

// Row 23. Whatever the file of the hint holds, the same lines are shipped once. Each damage is followed by a start of its own.
func TestDamagedHintChangesNothing(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	s.log.WriteLines(t, 0, 20)
	exits(t, h.Start(t, "--once"), 0)
	file := filepath.Join(h.Dir, "state", "position-"+s.name)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// A site beside it, whose file is a good one, but not ours.
	other := newSite(t)
	o := other.host(t, brokers, nil)
	for range 3 {
		other.log.WriteLines(t, 0, 5)
		exits(t, o.Start(t, "--once"), 0)
	}
	foreign, err := os.ReadFile(filepath.Join(o.Dir, "state", "position-"+other.name))
	if err != nil {
		t.Fatal(err)
	}

	damage := map[string][]byte{"empty": {}, "another site's": foreign, "twice": append(append([]byte{}, good...), good...), "no text": make([]byte, 300)}
	for i := 1; i < len(good); i += max(1, len(good)/60) {
		damage[fmt.Sprintf("torn after %d of %d bytes", i, len(good))] = good[:i]
	}
	for i := 0; i < len(good); i += max(1, len(good)/60) {
		flipped := append([]byte{}, good...)
		flipped[i] ^= 1 << (i % 8)
		damage[fmt.Sprintf("bit %d of byte %d flipped", i%8, i)] = flipped
	}
	start := func(name string) {
		t.Helper()
		s.log.WriteLines(t, 1, 2)
		d := h.Start(t, "--once")
		if code := d.Wait(t, long); code != 0 {
			t.Fatalf("hint %s: exit code %d:\n%s", name, code, d.Output(t))
		}
	}
	for name, data := range damage {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		start(name)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	start("gone")
	if err := os.RemoveAll(filepath.Join(h.Dir, "state")); err != nil {
		t.Fatal(err)
	}
	start("gone with all of state_dir")
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
		t.Fatal(err)
	}
	start("a folder")
	s.verdict(t, h)
	t.Logf("%d kinds of damage", len(damage)+3)
}
