package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/sink"
)

// ensureTopic returns the number of partitions of a topic, and makes the topic first where that is needed and allowed. With wasThere
// it makes none: then the topic has been deleted in the meantime.
func (c *cluster) ensureTopic(ctx context.Context, t topicUse, wasThere bool) (n int32, made bool, err error) {
	n, err = c.refresh(t.name)
	switch {
	case err == nil && n > 0:
		return n, false, nil
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
	case err == nil:
		return 0, false, fmt.Errorf("topic %s (%s) has no partitions yet", t.name, t.what)
	default:
		return 0, false, fmt.Errorf("look up topic %s (%s): %w", t.name, t.what, err)
	}
	if wasThere {
		return 0, false, c.gone(t)
	}
	if !c.cfg.CreateTopics {
		return 0, false, fmt.Errorf("topic %s (%s) does not exist and creating topics is turned off: create it, or set kafka.create_topics: %w",
			t.name, t.what, sink.ErrConfig)
	}
	if err := c.createTopic(t); err != nil {
		return 0, false, err
	}
	c.cfg.Logger.Info("topic created", "topic", t.name, "use", t.what)
	// The brokers hear of it one after the other.
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		if n, err = c.refresh(t.name); err == nil && n > 0 {
			return n, true, nil
		}
		if err != nil && !errors.Is(err, sarama.ErrUnknownTopicOrPartition) && !errors.Is(err, sarama.ErrLeaderNotAvailable) {
			return 0, true, fmt.Errorf("look up topic %s (%s), just created: %w", t.name, t.what, err)
		}
		if err := sleep(ctx, wait); err != nil {
			return 0, true, fmt.Errorf("wait for topic %s, just created: %w", t.name, err)
		}
	}
}

// gone says that a topic was deleted while we ran. A broker that has just started may not know of a topic yet; the controller does, and
// only its answer counts.
func (c *cluster) gone(t topicUse) error {
	err := c.askForTopic(t, c.topicDetail(t), true)
	var answer sarama.KError
	if err != nil && (!errors.As(err, &answer) || answer == sarama.ErrTopicAlreadyExists || answer == sarama.ErrNotController ||
		answer == sarama.ErrRequestTimedOut || answer == sarama.ErrThrottlingQuotaExceeded) {
		return fmt.Errorf("topic %s (%s) is not known to the broker that was asked; ask the controller: %w", t.name, t.what, err)
	}
	return fmt.Errorf("topic %s (%s) was deleted while ngxtap ran, and what was in it is gone; it is not made again by itself: create it (or restart ngxtap, "+
		"if that may create topics) and this site goes on from its committed position: %w", t.name, t.what, sink.ErrConfig)
}

// createTopic asks the controller for a topic. What can't be cured by asking again wraps sink.ErrConfig, here or in classify; all else
// passes, such as too few brokers for the replicas that are wanted. A topic is never made with fewer: it would outlive the outage.
func (c *cluster) createTopic(t topicUse) error {
	err := c.askForTopic(t, c.topicDetail(t), false)
	switch {
	case err == nil, errors.Is(err, sarama.ErrTopicAlreadyExists):
		return nil
	case errors.Is(err, sarama.ErrInvalidReplicationFactor):
		return fmt.Errorf("create topic %s (%s): %w: fewer brokers are up than kafka.replication_factor, or the brokers' default.replication.factor, asks for",
			t.name, t.what, err)
	case errors.Is(err, sarama.ErrInvalidPartitions), errors.Is(err, sarama.ErrInvalidConfig), errors.Is(err, sarama.ErrInvalidRequest):
		return fmt.Errorf("create topic %s (%s): %w: create it by hand: %w", t.name, t.what, err, sink.ErrConfig)
	}
	return fmt.Errorf("create topic %s (%s): %w", t.name, t.what, err)
}

// askForTopic sends one request for a topic; with dryRun the broker only says what it would answer.
func (c *cluster) askForTopic(t topicUse, detail *sarama.TopicDetail, dryRun bool) error {
	controller, err := c.client.Controller()
	if err != nil { // sarama may give the answer about a topic, which would look as if the controller had refused it
		return fmt.Errorf("%w: %v", sarama.ErrControllerNotAvailable, err)
	}
	req := sarama.NewCreateTopicsRequest(c.conf.Version, map[string]*sarama.TopicDetail{t.name: detail}, c.cfg.RequestTimeout, dryRun)
	resp, err := controller.CreateTopics(req)
	if err != nil {
		return err
	}
	answer, ok := resp.TopicErrors[t.name]
	if !ok {
		return sarama.ErrIncompleteResponse
	}
	if answer.Err != sarama.ErrNoError {
		return answer
	}
	return nil
}

// topicDetail says how a topic is made. A state topic in small segments that are cleaned early keeps start-up short: each site
// writes a record at every commit and needs the last one only.
func (c *cluster) topicDetail(t topicUse) *sarama.TopicDetail {
	d := &sarama.TopicDetail{NumPartitions: c.cfg.Partitions, ReplicationFactor: c.cfg.ReplicationFactor}
	configs := map[string]string{}
	if c.cfg.ReplicationFactor >= 3 {
		configs["min.insync.replicas"] = "2"
	}
	switch t.name {
	case c.cfg.State:
		d.NumPartitions = c.cfg.StatePartitions
		maps.Copy(configs, map[string]string{"cleanup.policy": "compact", "segment.bytes": "16777216", "min.cleanable.dirty.ratio": "0.1"})
	case c.cfg.Schemas:
		d.NumPartitions = 1
		configs["cleanup.policy"] = "compact"
	}
	d.ConfigEntries = make(map[string]*string, len(configs))
	for k, v := range configs {
		d.ConfigEntries[k] = &v
	}
	return d
}
