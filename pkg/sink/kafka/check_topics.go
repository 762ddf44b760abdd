package kafka

import (
	"errors"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/sink"
)

// checkedConfigs are the settings of topics that Check looks at.
var checkedConfigs = []string{"cleanup.policy", "retention.ms", "min.insync.replicas", "unclean.leader.election.enable", "max.message.bytes",
	"message.timestamp.type", "message.timestamp.difference.max.ms", "message.timestamp.before.max.ms"}

// topics looks at the topics of all sites, those that they share once.
func (k *check) topics(sites []CheckSite) {
	type use struct {
		topicUse
		site CheckSite // zero: shared
	}
	cfg := *k.c.cfg
	all := cfg.topics()
	uses := []use{{topicUse: all[sink.NumStreams]}, {topicUse: all[sink.Schemas]}, {topicUse: all[sink.Changes]}}
	for _, s := range sites {
		one := cfg.of(s)
		t := one.topics()
		uses = append(uses, use{t[sink.Events], s}, use{t[sink.Quarantine], s})
	}
	var there []string
	seen := map[string]bool{}
	var kept []use
	for _, u := range uses {
		if k.about(u.site.Name); !seen[u.name] && k.topic(u.topicUse) {
			there, kept = append(there, u.name), append(kept, u)
		}
		seen[u.name] = true // two sites may share a topic
	}
	rights, configs := k.rights(there), k.configs(there)
	for _, u := range kept {
		k.about(u.site.Name)
		k.allowed(u.topicUse, rights)
		k.copies(u.topicUse, configs[u.name])
		k.settings(u.topicUse, u.site, configs[u.name])
	}
	k.about("")
	if len(there) > 0 && len(configs) == 0 {
		k.say(Warn, CheckCleanup, "grant DescribeConfigs on the topics, or look at their settings yourself: docs/check.md lists them",
			"the settings of the topics can't be looked at: %v may not ask for them", k.principal())
	}
}

// topic looks at a topic, or whether it could be made. It returns whether it is there.
func (k *check) topic(t topicUse) bool {
	n, err := k.c.refresh(t.name)
	switch {
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
		k.missing(t)
		return false
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed):
		fix := "kafka-acls.sh --add --allow-principal " + k.principal() + " --operation Write --topic " + t.name
		if t.name == k.c.cfg.State {
			fix += " --operation Read"
		}
		k.say(Fail, CheckTopicRight, fix, "%s may not see topic %s (%s)", k.principal(), t.name, t.what)
		return false
	case errors.Is(err, sarama.ErrLeaderNotAvailable):
		k.say(Fail, CheckLeader, "bring back the brokers that have its replicas", "topic %s (%s): a partition has no leader", t.name, t.what)
		return false
	case err != nil:
		k.say(Fail, CheckTopic, "", "topic %s (%s): %v", t.name, t.what, because(k.ctx, k.c.classify(err)))
		return false
	}
	k.say(OK, CheckTopic, "", "topic %s (%s): %d partitions", t.name, t.what, n)
	if cfg := k.c.cfg; t.name == cfg.State && n != cfg.StatePartitions {
		k.say(Warn, CheckPartitions, "leave it so, or make it anew with so many partitions before the first start",
			"topic %s has %d partitions, and ngxtap expects %d: every start reads the whole topic", t.name, n, cfg.StatePartitions)
	}
	return true
}

// missing says what will become of a topic that is not there.
func (k *check) missing(t topicUse) {
	if !k.c.cfg.CreateTopics {
		k.say(Fail, CheckTopic, "create it, or set kafka.create_topics", "topic %s (%s) does not exist and creating topics is turned off", t.name, t.what)
		return
	}
	err := k.c.askForTopic(t, k.c.topicDetail(t), true)
	switch {
	case errors.Is(err, sarama.ErrTopicAlreadyExists): // a daemon has made it this moment
		k.say(OK, CheckTopic, "", "topic %s (%s) has just been made", t.name, t.what)
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed), errors.Is(err, sarama.ErrClusterAuthorizationFailed):
		k.say(Fail, CheckTopicRight, "create it, or kafka-acls.sh --add --allow-principal "+k.principal()+" --operation Create --operation Write "+
			"--operation Describe --topic "+t.name,
			"topic %s (%s) does not exist and %s may not create it", t.name, t.what, k.principal())
	case err != nil:
		k.say(Fail, CheckTopic, "create it by hand", "topic %s (%s) does not exist and can't be created: %v", t.name, t.what, because(k.ctx, err))
	default:
		k.say(OK, CheckTopic, "", "topic %s (%s) does not exist; it will be created", t.name, t.what)
	}
}

// configs returns settings of topics; of those that this user may not ask about nothing.
func (k *check) configs(names []string) map[string]map[string]string {
	all := map[string]map[string]string{}
	b, err := k.c.anyBroker()
	if err != nil || len(names) == 0 {
		return all
	}
	req := &sarama.DescribeConfigsRequest{Version: 1}
	for _, name := range names {
		req.Resources = append(req.Resources, &sarama.ConfigResource{Type: sarama.TopicResource, Name: name, ConfigNames: checkedConfigs})
	}
	resp, err := b.DescribeConfigs(req)
	if err != nil {
		return all
	}
	for _, r := range resp.Resources {
		if r.ErrorCode != 0 {
			continue
		}
		all[r.Name] = map[string]string{}
		for _, e := range r.Configs {
			all[r.Name][e.Name] = e.Value
		}
	}
	return all
}

// copies looks at how many copies there are of a topic and how many must confirm a write.
func (k *check) copies(t topicUse, config map[string]string) {
	parts, err := k.c.client.Partitions(t.name)
	if err != nil {
		return
	}
	least, inSync := 0, 0 // of any partition
	for i, p := range parts {
		replicas, err := k.c.client.Replicas(t.name, p)
		if err != nil {
			return
		}
		now, err := k.c.client.InSyncReplicas(t.name, p)
		if err != nil {
			return
		}
		if i == 0 || len(replicas) < least {
			least = len(replicas)
		}
		if i == 0 || len(now) < inSync {
			inSync = len(now)
		}
	}
	if least < 2 && len(k.c.client.Brokers()) > 1 {
		k.say(Warn, CheckReplicas, "give it three replicas (kafka-reassign-partitions.sh)",
			"topic %s has one replica: what is committed is lost with that broker's disk", t.name)
	}
	need, err := strconv.Atoi(config["min.insync.replicas"])
	if err != nil {
		return
	}
	switch {
	case inSync < min(need, least):
		k.say(Fail, CheckInSync, "bring back the brokers that are missing",
			"topic %s has a partition of which %d replicas are in step, and min.insync.replicas=%d: nothing can be written to it now", t.name,
			inSync, need)
	case least > 1 && need >= least:
		k.say(Warn, CheckInSync, "set min.insync.replicas to one less than there are replicas",
			"topic %s has %d replicas and min.insync.replicas=%d: one broker that is down stops it", t.name, least, need)
	case least > 1 && need < 2:
		k.say(Warn, CheckInSync, "kafka-configs.sh --alter --topic "+t.name+" --add-config min.insync.replicas=2",
			"topic %s has %d replicas and min.insync.replicas=%d: what one broker alone confirmed is lost with it", t.name, least, need)
	}
	if config["unclean.leader.election.enable"] == "true" {
		k.say(Warn, CheckUnclean, "kafka-configs.sh --alter --topic "+t.name+" --add-config unclean.leader.election.enable=false",
			"topic %s may be led by a broker that lacks what others confirmed: committed events can be lost", t.name)
	}
}

const (
	shortRetention = 24 * time.Hour
	shortPast      = 7 * 24 * time.Hour
	longestRecord  = 1_000_000 // bytes that a record of ngxtap has at most
)

// settings looks whether a topic is kept and takes records as ngxtap needs it.
func (k *check) settings(t topicUse, site CheckSite, config map[string]string) {
	if config == nil {
		return
	}
	alter := "kafka-configs.sh --alter --topic " + t.name + " --add-config "
	policy := config["cleanup.policy"]
	shared := t.name == k.c.cfg.State || t.name == k.c.cfg.Schemas
	switch {
	case shared && policy != "compact":
		k.say(Fail, CheckCleanup, alter+"cleanup.policy=compact", "topic %s has cleanup.policy=%s and must have compact: what is in it would be "+
			"deleted with time", t.name, policy)
	case !shared && policy == "compact" || !shared && policy == "compact,delete" || !shared && policy == "delete,compact":
		text := "topic %s has cleanup.policy=%s: it takes records with a key only, and ngxtap's have none: nothing could be written"
		if site.Keyed && t.what == "events" {
			text = "topic %s has cleanup.policy=%s: of the events with one key only the last stays"
		}
		k.say(Fail, CheckCleanup, alter+"cleanup.policy=delete", text, t.name, policy)
	}
	if shared {
		return
	}
	byAppend := config["message.timestamp.type"] == "LogAppendTime"
	ms := func(name string) (time.Duration, bool) {
		n, err := strconv.ParseInt(config[name], 10, 64)
		if err != nil || n < 0 || n > int64(1<<63-1)/int64(time.Millisecond) {
			return 0, false // not set, or without bounds
		}
		return time.Duration(n) * time.Millisecond, true
	}
	if keep, ok := ms("retention.ms"); ok && keep < shortRetention && policy != "compact" {
		text := "topic %s keeps records for %v only: a reader that was away for longer misses events"
		if !byAppend {
			text += ", and lines that are shipped later than that, after an outage, are deleted at once"
		}
		k.say(Warn, CheckRetention, alter+"retention.ms=604800000", text, t.name, keep)
	}
	for _, name := range []string{"message.timestamp.before.max.ms", "message.timestamp.difference.max.ms"} {
		if past, ok := ms(name); ok && past < shortPast && !byAppend {
			k.say(Warn, CheckTime, alter+name+"=9223372036854775807, or message.timestamp.type=LogAppendTime",
				"topic %s refuses records older than %v (%s): after a longer outage the site stops at such a line", t.name, past, name)
			break
		}
	}
	want := longestRecord
	if t.what == "events" {
		want = min(want, site.LongestLine)
	}
	if most, err := strconv.Atoi(config["max.message.bytes"]); err == nil && most < want {
		k.say(Warn, CheckMessageSize, alter+"max.message.bytes=1048588, or lower access_log.max_line",
			"topic %s takes records of up to %d bytes (max.message.bytes): longer lines go to quarantine, or are cut there", t.name, most)
	}
}
