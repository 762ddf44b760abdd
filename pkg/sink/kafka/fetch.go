package kafka

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

// Message is a record as it stands in a topic. Its bytes belong to whoever got it.
type Message struct {
	Partition int32
	Offset    int64
	Time      time.Time
	Key       []byte // nil: none
	Value     []byte // nil: a tombstone
	Headers   []Header
}

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

const (
	fetchBytes = 1 << 20
	fetchWait  = 250 * time.Millisecond
)

// offsetAt asks for the offset of the first record at or after a time in milliseconds, or for sarama.OffsetOldest or OffsetNewest.
// With committed, the newest offset is the end of what is decided (the last stable offset), else the end of what is replicated
// (the high watermark). -1 means that no record is that young.
func (c *cluster) offsetAt(topic string, partition int32, at int64, committed bool) (int64, error) {
	leader, err := c.client.Leader(topic, partition)
	if err != nil {
		return 0, fmt.Errorf("find the leader of %s/%d: %w", topic, partition, err)
	}
	req := sarama.NewOffsetRequest(c.conf.Version)
	if committed {
		req.IsolationLevel = sarama.ReadCommitted
	}
	req.AddBlock(topic, partition, at, 1)
	resp, err := leader.GetAvailableOffsets(req)
	if err != nil {
		return 0, fmt.Errorf("ask broker %s for offsets of %s/%d: %w", leader.Addr(), topic, partition, err)
	}
	block := resp.GetBlock(topic, partition)
	if block == nil {
		return 0, fmt.Errorf("ask broker %s for offsets of %s/%d: %w", leader.Addr(), topic, partition, sarama.ErrIncompleteResponse)
	}
	if block.Err != sarama.ErrNoError {
		return 0, fmt.Errorf("ask broker %s for offsets of %s/%d: %w", leader.Addr(), topic, partition, block.Err)
	}
	return block.Offset, nil
}

// fetch reads committed records once from some partitions of a topic that have the same leader. offsets holds where to go on, by
// partition; fetch moves them. It appends to dst, in order within each partition, and returns soon after fetchWait at the latest.
//
// It also gets past batches that compaction has left without records: the broker sends them, and sarama's decoder drops them
// together with the offset where they end. That is the one reason to send nothing for a partition, alone in a request that was
// made when the partition was known to have more; then the next offset is tried. One empty answer does not say so: the broker
// may have looked for records before, and at the last stable offset after, the commit of the first of them.
func (c *cluster) fetch(dst []Message, leader *sarama.Broker, topic string, offsets map[int32]int64) ([]Message, error) {
	dst, empty, err := c.fetchOnce(dst, leader, topic, offsets)
	for _, p := range empty {
		if err != nil {
			break
		}
		alone := map[int32]int64{p: offsets[p]}
		var again []int32
		if dst, again, err = c.fetchOnce(dst, leader, topic, alone); len(again) > 0 {
			alone[p]++
		}
		offsets[p] = alone[p]
	}
	return dst, err
}

// fetchOnce sends one request. empty are the partitions that have more but for which nothing came.
func (c *cluster) fetchOnce(dst []Message, leader *sarama.Broker, topic string, offsets map[int32]int64) (out []Message, empty []int32, err error) {
	req := &sarama.FetchRequest{
		Version: 11, MaxWaitTime: int32(fetchWait / time.Millisecond), MinBytes: 1, MaxBytes: 16 * fetchBytes,
		Isolation: sarama.ReadCommitted, SessionEpoch: -1, // no fetch session
	}
	for p, off := range offsets {
		req.AddBlock(topic, p, off, fetchBytes, -1)
	}
	resp, err := leader.Fetch(req)
	if err != nil {
		return dst, nil, fmt.Errorf("read %s from broker %s: %w", topic, leader.Addr(), err)
	}
	for p, from := range offsets {
		block := resp.GetBlock(topic, p)
		if block == nil {
			return dst, nil, fmt.Errorf("read %s/%d from broker %s: %w", topic, p, leader.Addr(), sarama.ErrIncompleteResponse)
		}
		if block.Err != sarama.ErrNoError {
			return dst, nil, fmt.Errorf("read %s/%d@%d from broker %s: %w", topic, p, from, leader.Addr(), block.Err)
		}
		if dst, offsets[p], err = appendCommitted(dst, block, p, from); err != nil {
			return dst, nil, fmt.Errorf("read %s/%d@%d from broker %s: %w", topic, p, from, leader.Addr(), err)
		}
		if len(block.RecordsSet) == 0 && from < block.LastStableOffset && resp.ThrottleTime == 0 {
			empty = append(empty, p)
		}
	}
	return dst, empty, nil
}

// appendCommitted appends the records of a block from offset on, without those of aborted transactions, and returns where to go
// on. A block lists the aborted transactions that reach into it by producer and first offset; a transaction of that producer
// ends with its control record (KIP-98).
func appendCommitted(dst []Message, block *sarama.FetchResponseBlock, partition int32, offset int64) ([]Message, int64, error) {
	aborted := slices.Clone(block.AbortedTransactions)
	slices.SortFunc(aborted, func(a, b *sarama.AbortedTransaction) int { return int(a.FirstOffset - b.FirstOffset) })
	inAborted := map[int64]bool{}
	for _, set := range block.RecordsSet {
		batch := set.RecordBatch
		if batch == nil {
			return dst, offset, fmt.Errorf("a message set older than Kafka 0.11, which this program does not read")
		}
		if batch.PartialTrailingRecord {
			break
		}
		for len(aborted) > 0 && aborted[0].FirstOffset <= batch.LastOffset() {
			inAborted[aborted[0].ProducerID] = true
			aborted = aborted[1:]
		}
		switch {
		case batch.Control:
			delete(inAborted, batch.ProducerID)
		case batch.IsTransactional && inAborted[batch.ProducerID]:
		default:
			dst = appendBatch(dst, batch, partition, offset)
		}
		offset = max(offset, batch.LastOffset()+1)
	}
	return dst, offset, nil
}

// appendBatch appends the records of a batch from offset on.
func appendBatch(dst []Message, batch *sarama.RecordBatch, partition int32, offset int64) []Message {
	for _, r := range batch.Records {
		m := Message{Partition: partition, Offset: batch.FirstOffset + r.OffsetDelta, Key: r.Key, Value: r.Value}
		if m.Offset < offset {
			continue // the broker sends whole batches
		}
		m.Time = batch.FirstTimestamp.Add(r.TimestampDelta)
		if batch.LogAppendTime {
			m.Time = batch.MaxTimestamp
		}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, Header{Key: string(h.Key), Value: h.Value})
		}
		dst = append(dst, m)
	}
	return dst
}

// readRange calls f with the committed records of a partition in [from, to), in order, until f says that it has enough. It waits
// for transactions that are open below to. It returns where to go on.
func (c *cluster) readRange(ctx context.Context, topic string, partition int32, from, to int64, f func(*Message) (enough bool, err error)) (int64, error) {
	leader, err := c.client.Leader(topic, partition)
	if err != nil {
		return from, fmt.Errorf("find the leader of %s/%d: %w", topic, partition, err)
	}
	offsets := map[int32]int64{partition: from}
	var msgs []Message
	for offsets[partition] < to {
		if err := ctx.Err(); err != nil {
			return offsets[partition], context.Cause(ctx)
		}
		if msgs, err = c.fetch(msgs[:0], leader, topic, offsets); err != nil {
			return offsets[partition], err
		}
		for i := range msgs {
			if msgs[i].Offset >= to {
				break
			}
			enough, err := f(&msgs[i])
			if enough || err != nil {
				return msgs[i].Offset + 1, err
			}
		}
	}
	return offsets[partition], nil
}
