package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/failpoint"
)

// producer is an identity towards the brokers: a producer id with an epoch, and the transaction that is open under it. There is
// no retry inside a transaction; whatever fails ends the session. It speaks transactions of the first kind (EndTxn up to version
// 3): an EndTxn whose reply is lost is never followed by anything under the same epoch, which is what makes those safe
// (KAFKA-17754).
type producer struct {
	cfg   *Config
	c     *cluster
	txnID *string // nil: at least once, without transactions
	coord *sarama.Broker

	id    int64
	epoch int16

	open   bool      // a transaction has been started and not ended
	ending bool      // its end was asked for
	used   time.Time // when the connections last did something
	acks   *acks
}

// maxIdle is how long connections may rest before they are opened anew: brokers and firewalls close idle ones, and at the start
// of a transaction that is cheap to avoid.
const maxIdle = 4 * time.Minute

// The pauses between tries of what the coordinator is not ready for.
const (
	minPause = 5 * time.Millisecond
	maxPause = 20 * time.Millisecond
)

func newProducer(cfg *Config, c *cluster) *producer {
	p := &producer{cfg: cfg, c: c, id: -1, epoch: -1, acks: newAcks(), used: time.Now()}
	if cfg.Delivery == ExactlyOnce {
		id := "ngxtap." + cfg.Instance + "/" + cfg.Site
		p.txnID = &id
	}
	return p
}

// init gets a producer id, or a new epoch of the one it has. With transactions that ends every older owner: the coordinator
// aborts what it left open, and answers CONCURRENT_TRANSACTIONS until that is done.
func (p *producer) init(ctx context.Context) error {
	if p.txnID == nil {
		return p.initPlain()
	}
	if p.coord == nil {
		coord, err := p.c.coordinator(*p.txnID)
		if err != nil {
			return err
		}
		p.coord = coord
	}
	note := newNotice(p.cfg.Logger, 10*time.Second)
	for pause := minPause; ; pause = min(2*pause, time.Second) {
		failpoint.Hit(failpoint.ProducerID)
		// With the id and epoch that we have, a newer owner is not fenced by mistake (KIP-360).
		req := &sarama.InitProducerIDRequest{Version: 4, TransactionalID: p.txnID, TransactionTimeout: p.cfg.TxnTimeout,
			ProducerID: p.id, ProducerEpoch: p.epoch}
		resp, err := p.coord.InitProducerID(req)
		switch {
		case err != nil:
			return fmt.Errorf("ask broker %s for a producer id for %s: %w", p.coord.Addr(), *p.txnID, err)
		case resp.Err == sarama.ErrNoError:
			p.id, p.epoch = resp.ProducerID, resp.ProducerEpoch
			return nil
		case resp.Err != sarama.ErrConcurrentTransactions && resp.Err != sarama.ErrOffsetsLoadInProgress:
			return fmt.Errorf("ask broker %s for a producer id for %s: %w", p.coord.Addr(), *p.txnID, resp.Err)
		}
		note.warn("waiting until the coordinator has ended the older transaction", "transactional_id", *p.txnID, "broker", p.coord.Addr(), "answer", resp.Err)
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("wait for a producer id for %s: %w", *p.txnID, err)
		}
	}
}

// initPlain gets a producer id without transactions. A broker that has none, or does not allow it, gets records without: then
// what a broker repeats is not noticed either, which at_least_once permits.
func (p *producer) initPlain() error {
	b, err := p.c.anyBroker()
	if err != nil {
		return err
	}
	resp, err := b.InitProducerID(&sarama.InitProducerIDRequest{Version: 4, ProducerID: -1, ProducerEpoch: -1})
	if err == nil && resp.Err != sarama.ErrNoError {
		err = resp.Err
	}
	switch {
	case err == nil:
		p.id, p.epoch = resp.ProducerID, resp.ProducerEpoch
	case errors.Is(err, sarama.ErrUnsupportedVersion), errors.Is(err, sarama.ErrClusterAuthorizationFailed):
		p.cfg.Logger.Info("the broker gives no producer id; writing without", "broker", b.Addr(), "answer", err)
		p.id, p.epoch = -1, -1
	default:
		return fmt.Errorf("ask broker %s for a producer id: %w", b.Addr(), err)
	}
	return nil
}

// add takes partitions into the transaction and so opens it. Right after a commit the coordinator may still be busy with it.
func (p *producer) add(ctx context.Context, parts []*partition) error {
	if len(parts) == 0 {
		return nil
	}
	p.open = true
	req := &sarama.AddPartitionsToTxnRequest{Version: 3, TransactionalID: *p.txnID, ProducerID: p.id, ProducerEpoch: p.epoch,
		TopicPartitions: map[string][]int32{}}
	for _, part := range parts {
		req.TopicPartitions[part.topic] = append(req.TopicPartitions[part.topic], part.id)
	}
	deadline := time.Now().Add(p.cfg.RequestTimeout)
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		resp, err := p.coord.AddPartitionsToTxn(req)
		if err == nil {
			err = firstPartitionError(resp)
		}
		if err == nil {
			failpoint.Hit(failpoint.TxnBegun)
			return nil
		}
		if !errors.Is(err, sarama.ErrConcurrentTransactions) || time.Now().After(deadline) {
			return fmt.Errorf("add partitions to transaction %s at broker %s: %w", *p.txnID, p.coord.Addr(), err)
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("wait to add partitions to transaction %s: %w", *p.txnID, err)
		}
	}
}

// firstPartitionError returns an error of the response; the one that explains, not those that only follow from it.
func firstPartitionError(resp *sarama.AddPartitionsToTxnResponse) (first error) {
	for topic, parts := range resp.Errors {
		for _, e := range parts {
			if e.Err == sarama.ErrNoError || (first != nil && e.Err == sarama.ErrOperationNotAttempted) {
				continue
			}
			if first == nil || errors.Is(first, sarama.ErrOperationNotAttempted) {
				first = fmt.Errorf("%s/%d: %w", topic, e.Partition, e.Err)
			}
		}
	}
	return first
}

// end commits or aborts the transaction. Every produce request must have been answered before: one that is late would be written
// outside of any transaction and never be ended.
func (p *producer) end(commit bool) error {
	req := &sarama.EndTxnRequest{Version: 3, TransactionalID: *p.txnID, ProducerID: p.id, ProducerEpoch: p.epoch, TransactionResult: commit}
	p.ending = commit
	resp, err := p.coord.EndTxn(req)
	failpoint.Hit(failpoint.TxnEnded)
	if err == nil && resp.Err != sarama.ErrNoError {
		err = resp.Err
	}
	if err != nil {
		return fmt.Errorf("end transaction %s at broker %s: %w", *p.txnID, p.coord.Addr(), err)
	}
	p.open, p.ending, p.used = false, false, time.Now()
	if commit {
		p.cfg.Stats.Committed.Add(1)
	} else {
		p.cfg.Stats.Aborted.Add(1)
	}
	return nil
}
