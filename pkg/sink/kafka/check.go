package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"
)

// Level says how bad a Finding is.
type Level uint8

// The levels.
const (
	OK   Level = iota // as it should be
	Warn              // works, but not as safely as it could
	Fail              // Recover would not succeed now
)

// String returns the level as it is printed.
func (l Level) String() string {
	switch l {
	case OK:
		return "ok"
	case Warn:
		return "warning"
	}
	return "error"
}

// Finding is one thing that Check looked at.
type Finding struct {
	Level Level
	Text  string // what was found, in a sentence
}

// Check tries what a daemon with this configuration needs: that brokers answer and accept the login, that transactions work,
// that the topics are there or can be made, and are kept as they must be. It writes no record, makes no topic and fences
// nobody.
func Check(ctx context.Context, cfg Config) []Finding {
	cfg = cfg.complete()
	if err := cfg.validate(); err != nil {
		return []Finding{{Fail, err.Error()}}
	}
	c, err := connect(&cfg)
	if err != nil {
		return []Finding{{Fail, err.Error()}}
	}
	defer c.close()
	defer c.watch(ctx)()
	k := &check{ctx: ctx, c: c}
	if k.brokers() {
		k.transactions()
		for _, t := range cfg.topics() {
			k.topic(t)
		}
	}
	return k.found
}

// check collects findings.
type check struct {
	ctx   context.Context
	c     *cluster
	found []Finding
}

func (k *check) say(l Level, format string, args ...any) {
	k.found = append(k.found, Finding{l, fmt.Sprintf(format, args...)})
}

// brokers looks whether anybody answers.
func (k *check) brokers() bool {
	_, err := k.c.refresh(k.c.cfg.Topic)
	if err != nil && !answered(err) {
		k.say(Fail, "no broker of %v can be used: %v", k.c.cfg.Brokers, because(k.ctx, k.c.classify(err)))
		return false
	}
	k.say(OK, "%d brokers answer; login: %v, TLS: %v", len(k.c.client.Brokers()), k.c.cfg.SASL, k.c.creds.TLS != nil)
	return true
}

// answered reports whether err is about a topic, and so from a broker that is there.
func answered(err error) bool {
	return errors.Is(err, sarama.ErrUnknownTopicOrPartition) || errors.Is(err, sarama.ErrTopicAuthorizationFailed) ||
		errors.Is(err, sarama.ErrLeaderNotAvailable) || errors.Is(err, sarama.ErrInvalidTopic)
}

// transactions looks for the coordinator and for the requests we need.
func (k *check) transactions() {
	if k.c.cfg.Delivery != ExactlyOnce {
		k.say(Warn, "delivery is %s: lines may arrive twice after a failure", k.c.cfg.Delivery)
		return
	}
	id := *newProducer(k.c.cfg, k.c).txnID
	coord, err := k.c.coordinator(id)
	if errors.Is(err, sarama.ErrConsumerCoordinatorNotAvailable) {
		k.say(Warn, "transactional id %s has no coordinator yet: normal before the first transaction of a cluster", id)
		return
	}
	if err != nil {
		k.say(Fail, "%v", because(k.ctx, k.c.classify(err)))
		return
	}
	// Keys of AddPartitionsToTxn and EndTxn in the Kafka protocol.
	const addPartitions, endTxn = 24, 26
	resp, err := coord.ApiVersions(&sarama.ApiVersionsRequest{})
	if err != nil {
		k.say(Fail, "ask broker %s what it can do: %v", coord.Addr(), because(k.ctx, err))
		return
	}
	for _, key := range []int16{addPartitions, endTxn} {
		if !slices.ContainsFunc(resp.ApiKeys, func(a sarama.ApiVersionsResponseKey) bool { return a.ApiKey == key }) {
			k.say(Fail, "broker %s has no transactions: use delivery: at_least_once", coord.Addr())
			return
		}
	}
	k.say(OK, "transactional id %s: coordinator is broker %s", id, coord.Addr())
}

// topic looks at a topic, or whether it could be made.
func (k *check) topic(t topicUse) {
	n, err := k.c.refresh(t.name)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		k.missing(t)
		return
	}
	if err != nil {
		k.say(Fail, "topic %s (%s): %v", t.name, t.what, because(k.ctx, k.c.classify(err)))
		return
	}
	k.say(OK, "topic %s (%s): %d partitions", t.name, t.what, n)
	cfg := k.c.cfg
	if t.name == cfg.State && n != cfg.StatePartitions {
		k.say(Warn, "topic %s has %d partitions, state_partitions says %d: every start reads the whole topic", t.name, n, cfg.StatePartitions)
	}
	replicas, err := k.c.client.Replicas(t.name, 0)
	if err == nil && len(replicas) < 2 && len(k.c.client.Brokers()) > 1 {
		k.say(Warn, "topic %s has one replica: what is committed is lost with that broker's disk", t.name)
	}
	if t.name == cfg.State || t.name == cfg.Schemas {
		k.compacted(t)
	}
}

// missing says what will become of a topic that is not there.
func (k *check) missing(t topicUse) {
	if !k.c.cfg.CreateTopics {
		k.say(Fail, "topic %s (%s) does not exist and creating topics is turned off", t.name, t.what)
		return
	}
	err := k.c.askForTopic(t, k.c.topicDetail(t), true)
	if err != nil {
		k.say(Fail, "topic %s (%s) does not exist and can't be created: %v", t.name, t.what, because(k.ctx, err))
		return
	}
	k.say(OK, "topic %s (%s) does not exist; it will be created", t.name, t.what)
}

// compacted looks whether a topic is kept by key and not by time.
func (k *check) compacted(t topicUse) {
	const policy = "cleanup.policy"
	value, err := k.c.topicConfig(t.name, policy)
	if err != nil {
		k.say(Warn, "topic %s: ask for its %s: %v", t.name, policy, err)
		return
	}
	if value != "compact" {
		k.say(Fail, "topic %s has %s=%s and must have compact: what is in it would be deleted with time", t.name, policy, value)
	}
}
