package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/sink"
)

// incurable lists the answers that another try can't change, with what the operator can do.
var incurable = []struct {
	err  error
	hint string
}{
	{sarama.ErrSASLAuthenticationFailed, "the login is refused: look at kafka.sasl"},
	{sarama.ErrIllegalSASLState, "the broker does not expect a login at this port, or not again so soon: look at kafka.sasl and the port"},
	{sarama.ErrTopicAuthorizationFailed, "grant Describe, Read and Write on the topic to this user (Create too, if ngxtap is to create it)"},
	{sarama.ErrClusterAuthorizationFailed, "grant IdempotentWrite on the cluster to this user"},
	{sarama.ErrTransactionalIDAuthorizationFailed, "grant Write and Describe on the transactional ids with the prefix ngxtap. to this user"},
	{sarama.ErrUnsupportedVersion, "the broker is too old or has no transactions: use delivery: at_least_once"},
	{sarama.ErrInvalidTransactionTimeout, "the broker's transaction.max.timeout.ms is below the transaction time-out of ngxtap"},
	{sarama.ErrInvalidTopic, "the broker does not accept this topic name; names that differ only in . and _ exclude each other"},
	{sarama.ErrUnsupportedCompressionType, "the topic or broker does not take this compression"},
	{sarama.ErrInvalidTimestamp, "the topic refuses the records' times: look at its message.timestamp.before.max.ms and …after.max.ms"},
	{sarama.ErrInvalidRecord, "the topic refuses records like these; a compacted topic takes records with a key only"},
	{sarama.ErrPolicyViolation, "a policy of the broker forbids it"},
}

// passing lists answers that end a session but not the site, where sarama has no words or the wrong ones.
var passing = []struct {
	err  error
	hint string
}{
	{sarama.ErrProducerFenced, "PRODUCER_FENCED: a newer session has this site, or the transaction was open for too long"},
	{sarama.ErrInvalidProducerEpoch, "a newer session has this site, or the transaction was open for too long"},
	{sarama.ErrNotEnoughReplicas, "too few replicas are in step (min.insync.replicas)"},
	{sarama.ErrNotEnoughReplicasAfterAppend, "too few replicas are in step (min.insync.replicas)"},
}

// classify adds sink.ErrConfig and a hint to an error that trying again can't cure, and a hint to some others.
func classify(err error) error {
	if err == nil || errors.Is(err, sink.ErrConfig) || errors.Is(err, sink.ErrNotOwner) {
		return err
	}
	if _, ok := errors.AsType[passingError](err); ok {
		return err
	}
	for _, c := range incurable {
		if errors.Is(err, c.err) {
			return fmt.Errorf("%w: %s: %w", err, c.hint, sink.ErrConfig)
		}
	}
	for _, p := range passing {
		if errors.Is(err, p.err) {
			return fmt.Errorf("%w: %s", err, p.hint)
		}
	}
	return err
}

// fenced reports whether err says that a newer session has the transactional id, or that the transaction was open for too long. A
// partition's leader may see that the coordinator has ended the transaction before it sees the new epoch.
func fenced(err error) bool {
	return errors.Is(err, sarama.ErrProducerFenced) || errors.Is(err, sarama.ErrInvalidProducerEpoch) || errors.Is(err, sarama.ErrInvalidTxnState)
}

// because prefers the end of ctx, if that is what really ended the work, over the broken connections it caused.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
