package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

// From says where a Reader starts.
type From struct {
	at     int64 // as in a ListOffsets request, unless exact
	exact  bool
	offset int64
}

// Beginning starts at the oldest record there is.
func Beginning() From { return From{at: sarama.OffsetOldest} }

// End starts after the newest record there is.
func End() From { return From{at: sarama.OffsetNewest} }

// Offset starts at this offset in every partition, or at the oldest record if that is later.
func Offset(n int64) From { return From{exact: true, offset: n} }

// Timestamp starts where the broker says that t begins: no record of that time or later is before. Older ones may come after,
// where times in the topic are not in order, and the marks that end transactions count with the time at which they were made.
func Timestamp(t time.Time) From { return From{at: t.UnixMilli()} }

// ReaderOptions says what a Reader reads.
type ReaderOptions struct {
	From       From    // the zero value means the records from now on back to time 0: say Beginning or End instead
	Follow     bool    // go on when the end that existed at the start is reached
	Decided    bool    // that end is before the oldest open transaction; otherwise those open at the start are waited for
	Partitions []int32 // nil: all
}

// Reader reads the committed records of a topic. It belongs to one goroutine and starts none.
type Reader struct {
	c       *cluster
	topic   string
	follow  bool
	offsets map[int32]int64 // where to go on, by partition
	ends    map[int32]int64 // where the partition ended at the start; those reached are removed
	queue   []Message
	at      int // in queue
	err     error
}

// ErrNoTopic is returned (wrapped) by NewReader when the broker knows no such topic.
var ErrNoTopic = errors.New("the topic does not exist")

// NewReader connects and finds out where to start. Of cfg it uses what connections need. ctx is for this call only. An error
// wraps sink.ErrConfig where trying again can't help, and ErrNoTopic where there is nothing to read.
func NewReader(ctx context.Context, cfg Config, topic string, opts ReaderOptions) (*Reader, error) {
	cfg = cfg.complete()
	c, err := connect(&cfg)
	if err != nil {
		return nil, err
	}
	r := &Reader{c: c, topic: topic, follow: opts.Follow, offsets: map[int32]int64{}, ends: map[int32]int64{}}
	stop := c.watch(ctx)
	err = r.start(opts)
	stop()
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		err = fmt.Errorf("%w: %w", ErrNoTopic, err)
	}
	if err != nil {
		err = c.classify(err)
		c.close()
		return nil, because(ctx, fmt.Errorf("kafka: read topic %s: %w", topic, err))
	}
	return r, nil
}

// start finds the offsets to start at and those where the topic ends now. Unless told otherwise that is the high watermark, so
// that what was committed a moment ago is read too, also where the broker has yet to write the end of its transaction.
func (r *Reader) start(opts ReaderOptions) error {
	n, err := r.c.refresh(r.topic)
	if err != nil {
		return err
	}
	for p := range n {
		if opts.Partitions != nil && !slices.Contains(opts.Partitions, p) {
			continue
		}
		oldest, err := r.c.offsetAt(r.topic, p, sarama.OffsetOldest, false)
		if err != nil {
			return err
		}
		end, err := r.c.offsetAt(r.topic, p, sarama.OffsetNewest, opts.Decided)
		if err != nil {
			return err
		}
		from := max(opts.From.offset, oldest)
		if !opts.From.exact {
			if from, err = r.c.offsetAt(r.topic, p, opts.From.at, false); err != nil {
				return err
			}
			if from < 0 {
				from = end
			}
		}
		r.offsets[p] = min(from, end)
		if r.offsets[p] < end {
			r.ends[p] = end
		}
	}
	return nil
}

// CaughtUp reports whether everything that was in the topic at the start has been returned.
func (r *Reader) CaughtUp() bool { return len(r.ends) == 0 && r.at == len(r.queue) }

// Next returns the next committed record: in order within each partition, in no order among them. Without Follow it returns
// io.EOF when it has returned everything that was there at the start. The message belongs to the caller. After any error but
// io.EOF the Reader is good for nothing but Close.
func (r *Reader) Next(ctx context.Context) (Message, error) {
	if r.err != nil {
		return Message{}, r.err
	}
	if r.at == len(r.queue) && (r.follow || !r.CaughtUp()) {
		stop := r.c.watch(ctx)
		err := r.fill(ctx)
		stop()
		if err != nil {
			r.err = because(ctx, fmt.Errorf("kafka: %w", r.c.classify(err)))
			return Message{}, r.err
		}
	}
	if r.at == len(r.queue) {
		return Message{}, io.EOF
	}
	m := r.queue[r.at]
	r.queue[r.at] = Message{}
	r.at++
	return m, nil
}

// fill reads until there is a record to return or nothing more to wait for.
func (r *Reader) fill(ctx context.Context) error {
	r.queue, r.at = r.queue[:0], 0
	for len(r.queue) == 0 && (r.follow || len(r.ends) > 0) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.fetchAll(); err != nil {
			if !moved(err) {
				return err
			}
			if err := r.refresh(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetchAll asks each leader once for its partitions: all of them, or those that have not reached the end of the start.
func (r *Reader) fetchAll() error {
	byLeader := map[*sarama.Broker]map[int32]int64{}
	for p, off := range r.offsets {
		if _, pending := r.ends[p]; !pending && !r.follow {
			continue
		}
		leader, err := r.c.client.Leader(r.topic, p)
		if err != nil {
			return err
		}
		if byLeader[leader] == nil {
			byLeader[leader] = map[int32]int64{}
		}
		byLeader[leader][p] = off
	}
	for leader, offsets := range byLeader {
		msgs, err := r.c.fetch(r.queue, leader, r.topic, offsets)
		if err != nil {
			return err // what it may have read is read again: offsets have not moved
		}
		r.queue = r.trim(msgs)
		for p, off := range offsets {
			r.offsets[p] = off
			if end, pending := r.ends[p]; pending && off >= end {
				delete(r.ends, p)
			}
		}
	}
	return nil
}

// trim drops what came after the end of the start, if the Reader is to stop there.
func (r *Reader) trim(msgs []Message) []Message {
	if r.follow {
		return msgs
	}
	return slices.DeleteFunc(msgs, func(m Message) bool {
		end, pending := r.ends[m.Partition]
		return pending && m.Offset >= end
	})
}

// moved reports whether err says that a partition has another leader now.
func moved(err error) bool {
	return errors.Is(err, sarama.ErrNotLeaderForPartition) || errors.Is(err, sarama.ErrLeaderNotAvailable) ||
		errors.Is(err, sarama.ErrFencedLeaderEpoch) || errors.Is(err, sarama.ErrUnknownLeaderEpoch)
}

// refresh learns the new leaders.
func (r *Reader) refresh(ctx context.Context) error {
	if err := sleep(ctx, fetchWait); err != nil {
		return err
	}
	_, err := r.c.refresh(r.topic)
	return err
}

// Close ends the connections. It may be called more than once.
func (r *Reader) Close() error {
	if r.c != nil {
		r.c.close()
		r.c, r.err = nil, errors.New("kafka: the reader is closed")
	}
	return nil
}

// FetchCompacted reads a compacted topic to its end and returns the newest value of each key. The values belong to the caller.
func FetchCompacted(ctx context.Context, cfg Config, topic string) (map[string][]byte, error) {
	r, err := NewReader(ctx, cfg, topic, ReaderOptions{From: Beginning()})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	values := map[string][]byte{}
	for {
		m, err := r.Next(ctx)
		switch {
		case err == io.EOF:
			return values, nil
		case err != nil:
			return nil, err
		case m.Value == nil:
			delete(values, string(m.Key))
		default:
			values[string(m.Key)] = m.Value
		}
	}
}
