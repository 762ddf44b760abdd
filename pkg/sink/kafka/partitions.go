package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// Partitions asks the brokers how many partitions a topic has. The error wraps ErrNoTopic if there is no such topic; none is made.
func Partitions(ctx context.Context, cfg Config, topic string) (int32, error) {
	cfg = cfg.complete()
	c, err := connect(&cfg)
	if err != nil {
		return 0, err
	}
	defer c.close()
	defer c.watch(ctx)()
	n, err := c.refresh(topic)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		err = fmt.Errorf("%w: %w", ErrNoTopic, err)
	}
	if err != nil {
		return 0, because(ctx, fmt.Errorf("kafka: ask for the partitions of topic %s: %w", topic, classify(err)))
	}
	return n, nil
}
