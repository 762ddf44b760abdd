package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// batchBytes is how many bytes of lines go into one request: below Kafka's message.max.bytes of 1 MiB even if they do not compress.
const batchBytes = 900_000

// txnRecords is how many records a transaction holds where a part uses them: what ngxtap sends in its commit interval at full speed.
const txnRecords = 36_000

// requester sends record batches by sarama's request level, several at a time. One goroutine uses it.
type requester struct {
	client sarama.Client  // owned
	leader *sarama.Broker // of the topic's only partition; belongs to client
	topic  string
	wait   sync.WaitGroup // for answers
	store  []sarama.Record
	ptrs   []*sarama.Record // to store

	mu     sync.Mutex
	failed error // guarded by mu: the first error of a request

	txn *transaction // nil: none
}

// newRequester connects to the leader of the topic.
func newRequester(p part) (*requester, error) {
	client, err := sarama.NewClient(p.brokers, clientConfig()) // its Net.MaxOpenRequests is 5
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	if err := client.RefreshMetadata(p.topic); err != nil {
		return nil, errors.Join(fmt.Errorf("ask for topic %s: %w", p.topic, err), client.Close())
	}
	leader, err := client.Leader(p.topic, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask for the leader of topic %s: %w", p.topic, err), client.Close())
	}
	return &requester{client: client, leader: leader, topic: p.topic}, nil
}

// send sends values as one batch. It blocks while five requests are under way, and does not keep values: sarama encodes at once.
func (r *requester) send(values [][]byte) error {
	if err := r.err(); err != nil || len(values) == 0 {
		return err
	}
	r.grow(len(values))
	for i, v := range values {
		r.store[i].Value, r.store[i].OffsetDelta = v, int64(i)
	}
	now := time.Now()
	batch := &sarama.RecordBatch{
		Version: 2, Codec: sarama.CompressionLZ4, CompressionLevel: sarama.CompressionLevelDefault, FirstTimestamp: now, MaxTimestamp: now,
		LastOffsetDelta: int32(len(values) - 1), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, Records: r.ptrs[:len(values)],
	}
	req := &sarama.ProduceRequest{RequiredAcks: sarama.WaitForAll, Timeout: 20_000, Version: 7}
	if r.txn != nil {
		r.txn.stamp(req, batch)
	}
	req.AddBatch(r.topic, 0, batch)
	r.wait.Add(1)
	if err := r.leader.AsyncProduce(req, r.answered); err != nil {
		r.wait.Done()
		return fmt.Errorf("send a batch to topic %s: %w", r.topic, err)
	}
	return nil
}

// grow makes room for n records.
func (r *requester) grow(n int) {
	if n <= len(r.store) {
		return
	}
	r.store = make([]sarama.Record, 2*n)
	r.ptrs = make([]*sarama.Record, 2*n)
	for i := range r.store {
		r.ptrs[i] = &r.store[i]
	}
}

// answered is called by sarama with the answer to a request.
func (r *requester) answered(resp *sarama.ProduceResponse, err error) {
	defer r.wait.Done()
	if err == nil {
		if block := resp.GetBlock(r.topic, 0); block == nil {
			err = errors.New("the answer does not name the partition")
		} else {
			err = noError(block.Err)
		}
	}
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.failed == nil {
			r.failed = fmt.Errorf("produce to topic %s: %w", r.topic, err)
		}
	}
}

// err returns the first error of a request.
func (r *requester) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// flush waits for all answers.
func (r *requester) flush() error {
	r.wait.Wait()
	return r.err()
}

// close waits for all answers and closes the connections.
func (r *requester) close() error {
	err := r.flush()
	return errors.Join(err, r.client.Close())
}

// transaction is the state of a requester that works in transactions.
type transaction struct {
	id          string
	coordinator *sarama.Broker // belongs to the client
	producer    int64
	epoch       int16
	sequence    int32 // of the next record
	records     int   // in the open transaction; 0: none is open
}

// useTransactions gets a producer id; from then on begin and commit must enclose what is sent.
func (r *requester) useTransactions(id string) error {
	coordinator, err := r.client.TransactionCoordinator(id)
	if err != nil {
		return fmt.Errorf("find the transaction coordinator: %w", err)
	}
	req := &sarama.InitProducerIDRequest{Version: 2, TransactionalID: &id, TransactionTimeout: 30 * time.Second}
	return whileBusy("get a producer id", func() error {
		resp, err := coordinator.InitProducerID(req)
		if err != nil {
			return err
		}
		r.txn = &transaction{id: id, coordinator: coordinator, producer: resp.ProducerID, epoch: resp.ProducerEpoch}
		return noError(resp.Err)
	})
}

// whileBusy calls f again while a transaction coordinator says that it is loading its log, or still writing the markers of the
// transaction before.
func whileBusy(what string, f func() error) error {
	for deadline := time.Now().Add(30 * time.Second); ; {
		err := f()
		if err == nil {
			return nil
		}
		busy := errors.Is(err, sarama.ErrConcurrentTransactions) || errors.Is(err, sarama.ErrOffsetsLoadInProgress)
		if !busy || time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", what, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// noError returns the code that a broker answered with as an error.
func noError(code sarama.KError) error {
	if code == sarama.ErrNoError {
		return nil
	}
	return code
}

// stamp makes a batch part of the transaction.
func (t *transaction) stamp(req *sarama.ProduceRequest, batch *sarama.RecordBatch) {
	req.TransactionalID = &t.id
	batch.IsTransactional, batch.ProducerID, batch.ProducerEpoch, batch.FirstSequence = true, t.producer, t.epoch, t.sequence
	t.sequence += int32(len(batch.Records))
	t.records += len(batch.Records)
}

// begin adds the partition to the next transaction.
func (r *requester) begin() error {
	req := &sarama.AddPartitionsToTxnRequest{TransactionalID: r.txn.id, ProducerID: r.txn.producer, ProducerEpoch: r.txn.epoch,
		TopicPartitions: map[string][]int32{r.topic: {0}}}
	return whileBusy("add topic "+r.topic+" to the transaction", func() error {
		resp, err := r.txn.coordinator.AddPartitionsToTxn(req)
		if err != nil {
			return err
		}
		for _, p := range resp.Errors[r.topic] {
			if p.Err != sarama.ErrNoError {
				return p.Err
			}
		}
		return nil
	})
}

// commit waits for all answers and commits the transaction.
func (r *requester) commit() error {
	if err := r.flush(); err != nil {
		return err
	}
	req := &sarama.EndTxnRequest{TransactionalID: r.txn.id, ProducerID: r.txn.producer, ProducerEpoch: r.txn.epoch, TransactionResult: true}
	resp, err := r.txn.coordinator.EndTxn(req)
	if err == nil {
		err = noError(resp.Err)
	}
	if err != nil {
		return fmt.Errorf("commit the transaction: %w", err)
	}
	r.txn.records = 0
	return nil
}
