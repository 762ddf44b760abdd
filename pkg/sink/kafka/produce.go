package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/failpoint"
	"ngxtap/pkg/sink"
)

const (
	// maxBatchBytes is how many bytes of uncompressed records go into one batch. Kafka's default limit is 1,048,588 bytes after
	// compression.
	maxBatchBytes = 900_000
	// recordOverhead is more than what a record has beside key, value and header.
	recordOverhead = 32
	// maxInFlight is how many requests are under way to one broker. Kafka keeps the last five batches of a producer to tell order
	// and repetition, so five is the most; with maxBatchBytes it also bounds the bytes under way.
	maxInFlight = 5
	// renewAt is the sequence number after which the producer gets a new epoch, between two transactions. Numbers are int32, and
	// not every broker has been right about what comes after the last.
	renewAt = 1_000_000_000
	// maxAhead is how far a record's time may be in the future. Brokers refuse what is further ahead than an hour
	// (message.timestamp.after.max.ms), which would stop the site at one line written under a wrong clock.
	maxAhead = time.Minute
)

// partition is where records go, and the batch that is being built for it.
type partition struct {
	topic  string
	id     int32
	leader *sarama.Broker
	seq    int32 // of the next record
	inTxn  bool  // belongs to the open transaction

	raw         []byte // the records of the batch, encoded
	packed      []byte // the same compressed; memory that is used again for each batch
	count       int    // of records in raw
	first, last int64  // time of the first record and the latest time, in milliseconds
}

// stream is a topic with the partitions that were used so far.
type stream struct {
	topic  string
	sticky int32
	parts  []*partition // by id; nil: not used yet
}

// writer turns records into requests.
type writer struct {
	p        *producer
	pack     *packer
	maxBatch int
	streams  [sink.NumStreams]stream
	state    *partition
	all      []*partition // every partition that was used
	size     int          // bytes of records that were not sent yet

	// Scratch memory of one Write.
	routes  []*partition // by record
	touched []*partition // with records in their batch
	missing []*partition // not in the transaction

	none []*sarama.Record // nils: as many as there are records, see setRecords
}

// partition returns partition id of a topic, once for each.
func (w *writer) partition(topic string, id int32) (*partition, error) {
	leader, err := w.p.c.client.Leader(topic, id)
	if err != nil {
		return nil, fmt.Errorf("find the leader of %s/%d: %w", topic, id, err)
	}
	p := &partition{topic: topic, id: id, leader: leader}
	w.all = append(w.all, p)
	return p, nil
}

// route returns the partition of a record.
func (w *writer) route(b *sink.Batch, r *sink.Record) (*partition, error) {
	if r.Stream >= sink.NumStreams {
		return nil, fmt.Errorf("a record for stream %d, which does not exist", r.Stream)
	}
	s := &w.streams[r.Stream]
	id := s.sticky
	if key := b.KeyOf(r); key != nil {
		id = PartitionOf(key, int32(len(s.parts)))
	}
	if s.parts[id] == nil {
		p, err := w.partition(s.topic, id)
		if err != nil {
			return nil, err
		}
		s.parts[id] = p
	}
	return s.parts[id], nil
}

// prepare finds the partitions of a batch's records and takes those that are new into the transaction, together with the state
// partition, which the commit will need.
func (w *writer) prepare(ctx context.Context, b *sink.Batch) error {
	w.routes = w.routes[:0]
	for i := range b.Records {
		p, err := w.route(b, &b.Records[i])
		if err != nil {
			return err
		}
		w.routes = append(w.routes, p)
	}
	return w.begin(ctx, w.routes)
}

// begin opens a transaction, if none is open, and takes the state partition and parts into it.
func (w *writer) begin(ctx context.Context, parts []*partition) error {
	if !w.p.open {
		if err := w.renew(ctx); err != nil {
			return err
		}
	}
	if w.p.txnID == nil {
		return nil
	}
	w.missing = w.missing[:0]
	note := func(p *partition) {
		if !p.inTxn {
			p.inTxn = true // so that it is asked for once; an error ends the session anyway
			w.missing = append(w.missing, p)
		}
	}
	note(w.state)
	for _, p := range parts {
		note(p)
	}
	return w.p.add(ctx, w.missing)
}

// renew does what can only be done between transactions: connections that rested too long are opened anew, and sequence numbers
// that have grown large begin again under a new epoch.
func (w *writer) renew(ctx context.Context) error {
	if time.Since(w.p.used) > maxIdle {
		if err := w.reopen(); err != nil {
			return err
		}
	}
	w.p.used = time.Now()
	for _, p := range w.all {
		if p.seq < renewAt {
			continue
		}
		if err := w.p.acks.wait(ctx); err != nil {
			return err
		}
		if err := w.p.init(ctx); err != nil {
			return err
		}
		for _, p := range w.all {
			p.seq = 0
		}
		break
	}
	return nil
}

func (w *writer) reopen() error {
	done := map[*sarama.Broker]bool{}
	if w.p.coord != nil {
		done[w.p.coord] = true
		if err := w.p.c.reopen(w.p.coord); err != nil {
			return err
		}
	}
	for _, p := range w.all {
		if done[p.leader] {
			continue
		}
		done[p.leader] = true
		if err := w.p.c.reopen(p.leader); err != nil {
			return err
		}
	}
	return nil
}

// send takes the records of a prepared batch and sends those that fill a request; the others wait for more, or for the commit. The
// batch is not needed afterwards.
func (w *writer) send(b *sink.Batch) error {
	if err := w.fill(b); err != nil {
		return err
	}
	if w.size < w.maxBatch {
		return nil
	}
	return w.flush()
}

// fill puts the records into the batches of their partitions and sends those that get full.
func (w *writer) fill(b *sink.Batch) error {
	latest := time.Now().Add(maxAhead).UnixMilli()
	for i := range b.Records {
		r := &b.Records[i]
		p := w.routes[i]
		ms := max(r.Time/1000, 0)
		if ms > latest {
			ms = latest - maxAhead.Milliseconds()
		}
		size := int(r.End-r.Key) + recordOverhead
		if h := r.Header; h != nil {
			size += len(h.Name) + len(h.Value)
		}
		if p.count > 0 && len(p.raw)+size > w.maxBatch {
			if err := w.flushOne(p); err != nil {
				return err
			}
		}
		w.addRecord(p, ms, b.KeyOf(r), b.ValueOf(r), r.Header)
	}
	return nil
}

// addRecord puts a record into the batch of p. Its bytes are copied.
func (w *writer) addRecord(p *partition, ms int64, key, value []byte, header *sink.Header) {
	if p.count == 0 {
		p.first, p.last = ms, ms
		w.touched = append(w.touched, p)
	}
	before := len(p.raw)
	p.raw = appendRecord(p.raw, ms-p.first, int64(p.count), key, value, header)
	w.size += len(p.raw) - before
	p.last = max(p.last, ms)
	p.count++
}

// sendState sends one record to the state partition.
func (w *writer) sendState(key string, value []byte) error {
	w.addRecord(w.state, time.Now().UnixMilli(), []byte(key), value, nil)
	return w.flush()
}

// flushOne sends the batch of p in a request of its own.
func (w *writer) flushOne(p *partition) error {
	req := w.request()
	n, err := w.addBatch(req, p)
	if err != nil {
		return err
	}
	sent := load{n}
	for i, t := range w.touched {
		if t == p {
			w.touched = append(w.touched[:i], w.touched[i+1:]...)
			break
		}
	}
	return w.p.acks.produce(p.leader, req, sent)
}

// flush sends every batch, those for one broker in one request.
func (w *writer) flush() error {
	for len(w.touched) > 0 {
		leader := w.touched[0].leader
		req, sent, rest := w.request(), load{}, w.touched[:0]
		for _, p := range w.touched {
			if p.leader != leader {
				rest = append(rest, p)
				continue
			}
			n, err := w.addBatch(req, p)
			if err != nil {
				return err
			}
			sent = append(sent, n)
		}
		w.touched = rest
		if err := w.p.acks.produce(leader, req, sent); err != nil {
			return err
		}
	}
	return nil
}

// discard forgets the records that were not sent yet.
func (w *writer) discard() {
	for _, p := range w.touched {
		p.raw, p.count = p.raw[:0], 0
	}
	w.touched, w.size = w.touched[:0], 0
}

func (w *writer) request() *sarama.ProduceRequest {
	return &sarama.ProduceRequest{Version: 8, TransactionalID: w.p.txnID, RequiredAcks: sarama.WaitForAll,
		Timeout: int32(w.p.cfg.RequestTimeout / time.Millisecond)}
}

// addBatch moves the records of p into req and returns what they are. Their bytes belong to p, which uses them again only after
// the request is encoded, within this call chain.
func (w *writer) addBatch(req *sarama.ProduceRequest, p *partition) (sentBatch, error) {
	packed, err := w.pack.pack(p.packed, p.raw)
	if err != nil {
		return sentBatch{}, err
	}
	if w.pack.codec != sarama.CompressionNone {
		p.packed = packed
	}
	n := p.count
	batch := &sarama.RecordBatch{
		Version: 2, Codec: w.pack.codec, LastOffsetDelta: int32(n - 1),
		FirstTimestamp: time.UnixMilli(p.first), MaxTimestamp: time.UnixMilli(p.last),
		ProducerID: w.p.id, ProducerEpoch: w.p.epoch, FirstSequence: -1, IsTransactional: w.p.txnID != nil,
	}
	if cap(w.none) < n {
		w.none = make([]*sarama.Record, n)
	}
	setRecords(batch, packed, w.none[:n])
	if w.p.id >= 0 {
		batch.FirstSequence = p.seq
		p.seq += int32(n)
	}
	req.AddBatch(p.topic, p.id, batch)
	sent := sentBatch{topic: p.topic, id: p.id, records: n, bytes: len(p.raw)}
	w.p.cfg.Stats.Records.Add(int64(len(p.raw)))
	w.p.cfg.Stats.Packed.Add(int64(len(packed)))
	w.size -= len(p.raw)
	p.raw, p.count = p.raw[:0], 0
	return sent, nil
}

// newTransaction forgets which partitions were in the last one.
func (w *writer) newTransaction() {
	for _, p := range w.all {
		p.inTxn = false
	}
}

// load says what is in a produce request.
type load []sentBatch

// sentBatch is one of its batches; each is for a partition of its own.
type sentBatch struct {
	topic   string
	id      int32
	records int
	bytes   int // of the records, before they are compressed
}

// acks counts produce requests without an answer and keeps the first thing that went wrong.
type acks struct {
	mu      sync.Mutex
	pending int       // guarded by mu
	err     error     // guarded by mu
	failed  sentBatch // guarded by mu; the batch that was refused first
	wake    chan struct{}
}

func newAcks() *acks { return &acks{wake: make(chan struct{}, 1)} }

// produce sends a request and returns when it is encoded and written; the answer is noted when it comes. It blocks while
// maxInFlight requests to that broker have no answer.
func (a *acks) produce(b *sarama.Broker, req *sarama.ProduceRequest, sent load) error {
	a.mu.Lock()
	a.pending++
	err := a.err
	a.mu.Unlock()
	if err == nil {
		// The answer is handled on the goroutine that reads from the broker, which must not wait.
		err = b.AsyncProduce(req, func(resp *sarama.ProduceResponse, err error) { a.answered(b, resp, err, sent) })
		failpoint.Hit(failpoint.BatchSent)
	}
	if err != nil {
		a.mu.Lock()
		a.pending--
		a.mu.Unlock()
		return fmt.Errorf("produce to broker %s: %w", b.Addr(), err)
	}
	return nil
}

func (a *acks) answered(b *sarama.Broker, resp *sarama.ProduceResponse, err error, sent load) {
	var refused sentBatch
	if err != nil {
		err = fmt.Errorf("produce to broker %s: %w", b.Addr(), err)
	} else {
		refused, err = produceError(resp, sent)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending--
	if err != nil && a.err == nil {
		a.err, a.failed = err, refused
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// produceError returns the first error in the response to a request, and the batch that it is about.
func produceError(resp *sarama.ProduceResponse, sent load) (sentBatch, error) {
	for _, b := range sent {
		block := resp.GetBlock(b.topic, b.id)
		switch {
		case block == nil:
			return b, fmt.Errorf("produce to %s/%d: %w", b.topic, b.id, sarama.ErrIncompleteResponse)
		case block.Err == sarama.ErrNoError:
		case block.ErrorMessage != nil:
			return b, fmt.Errorf("produce to %s/%d: %w (%s)", b.topic, b.id, block.Err, *block.ErrorMessage)
		default:
			return b, fmt.Errorf("produce to %s/%d: %w", b.topic, b.id, block.Err)
		}
	}
	return sentBatch{}, nil
}

// wait waits until every request has its answer or one has failed.
func (a *acks) wait(ctx context.Context) error {
	for {
		a.mu.Lock()
		pending, err := a.pending, a.err
		a.mu.Unlock()
		if err != nil || pending == 0 {
			return err
		}
		select {
		case <-a.wake:
		case <-ctx.Done():
			return fmt.Errorf("wait for the brokers to confirm: %w", context.Cause(ctx))
		}
	}
}

// first returns the first thing that went wrong, nil if nothing did.
func (a *acks) first() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// failedBatch returns the batch that was refused first.
func (a *acks) failedBatch() sentBatch {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}
