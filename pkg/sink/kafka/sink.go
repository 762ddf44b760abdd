// Package kafka keeps the contract of package sink with Kafka transactions. It is the only user of sarama, and uses nothing of
// it but requests and connections.
//
// The promise: a reader with isolation.level=read_committed sees each record that was committed exactly once, in order, and the
// position after it is in the same transaction. Whatever goes wrong, the session ends; the next one asks the cluster, and nobody
// else, what was committed.
//
// A site has a transactional id, ngxtap.<instance>/<site>, and two keys in the state topic. Recover looks who is the owner there,
// fences older sessions with InitProducerID, writes a marker with a word of its own in a first transaction and reads the state
// partition up to it: past that lies every decided commit. With delivery at_least_once there are no transactions: the position is
// written when the events are confirmed, and nobody is fenced: a session finds out within ten seconds of its commits that another run
// has written a marker after its own, and stops.
//
// There are more files than in our other packages, and each is short: one for each thing that is said to a broker (topics, txn,
// produce, fetch), and what stands on it (state, sink, reader, check).
package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/failpoint"
	"ngxtap/pkg/sink"
)

var _ sink.Sink = (*Sink)(nil)

// Sink is one session of one site.
type Sink struct {
	cfg  Config
	pack *packer

	c      *cluster // nil unless a session is open
	w      *writer
	st     *state
	nonce  string
	seq    int64                      // commits of the site so far
	pos    sink.Position              // of the last commit
	value  []byte                     // scratch for state records
	hinted time.Time                  // when the local file was written
	counts [sink.NumStreams + 1]int32 // partitions of each topic
	looked time.Time                  // when the owner was looked up; only without transactions
	made   bool                       // the events' topic was missing and was made in this session

	clusterID string // "": the cluster has none
	err       error  // what ended the session
	closed    bool
	working   bool // Recover has returned a position
}

// hintEvery is how often the local file is written while commits go on.
const hintEvery = 10 * time.Second

// lookEvery is how often a session without transactions looks, at a commit, whether it is still the owner: nobody fences it.
const lookEvery = 10 * time.Second

var (
	errClosed       = errors.New("kafka: the sink is closed")
	errNotRecovered = errors.New("kafka: Recover has not returned a position yet")
)

// New returns the sink of one session, after a look at cfg; it does not connect. Errors wrap sink.ErrConfig.
func New(cfg Config) (*Sink, error) {
	cfg = cfg.complete()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	codec, err := cfg.codec()
	if err != nil {
		return nil, err
	}
	pack, err := newPacker(codec, cfg.CompressionLevel)
	if err != nil {
		return nil, err
	}
	return &Sink{cfg: cfg, pack: pack}, nil
}

// Recover implements sink.Sink. It waits for brokers that are away, says so now and then, and gives up only when ctx ends, when
// the site belongs to somebody else (sink.ErrNotOwner), or when waiting can't help (sink.ErrConfig).
func (s *Sink) Recover(ctx context.Context) (sink.Position, error) {
	if s.closed {
		return nil, errClosed
	}
	note := newNotice(s.cfg.Logger, time.Second) // a new topic's leaders take a moment, for one
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		s.drop()
		err := s.attempt(ctx)
		if err == nil {
			if note.said {
				s.cfg.Logger.Info("kafka is back", "site", s.cfg.Site)
			}
			s.err, s.working = nil, true
			s.cfg.Stats.Brokers.Store(int64(len(s.c.client.Brokers())))
			s.cfg.Stats.open.Store(true)
			return slices.Clone(s.pos), nil
		}
		err = s.c.classify(s.tooLarge(err))
		s.drop()
		err = fmt.Errorf("kafka: recover site %s: %w", s.cfg.Site, err)
		if ctx.Err() != nil {
			return nil, because(ctx, err)
		}
		s.cfg.Stats.fail(err)
		if errors.Is(err, sink.ErrNotOwner) || errors.Is(err, sink.ErrConfig) {
			s.err = err
			return nil, err
		}
		if fenced(err) { // let the other one get ready, so that there is an owner to be seen
			s.cfg.Owner.outrun, pause = true, max(pause, time.Second)
		}
		note.warn("kafka is not ready; waiting, nothing is lost", "site", s.cfg.Site, "error", err)
		if sleep(ctx, pause/2+rand.N(pause)) != nil {
			return nil, because(ctx, err)
		}
	}
}

// attempt opens a session from scratch.
func (s *Sink) attempt(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := connect(&s.cfg)
	if err != nil {
		return err
	}
	s.c = c
	defer c.watch(ctx)()

	if s.counts, err = s.ensureTopics(ctx); err != nil {
		return err
	}
	if s.clusterID, err = c.id(); err != nil {
		return err
	}
	s.st = newState(&s.cfg, c, s.counts[sink.NumStreams])
	if s.st.partitions != s.cfg.StatePartitions {
		s.cfg.Logger.Warn("the state topic has another number of partitions than configured; start-up reads all of them",
			"topic", s.cfg.State, "partitions", s.st.partitions, "configured", s.cfg.StatePartitions)
	}
	pos, err := s.look(ctx)
	if err != nil {
		return err
	}
	if err := s.newWriter(ctx); err != nil {
		return err
	}
	return s.barrier(ctx, pos)
}

// look reads who the owner is before anybody is fenced, and the position as far as it can be seen by then. What is not decided yet
// is not waited for, since it may be an earlier run's of ours that only fencing ends. Only before it says no it waits: the last
// owner may have left this very moment, and a coordinator answers before it has written the end of a transaction everywhere.
func (s *Sink) look(ctx context.Context) (*stateRecord, error) {
	if err := s.st.read(ctx, false); err != nil {
		return nil, err
	}
	pos, owner := s.st.current()
	if s.st.mayStart(owner) != nil {
		if err := s.st.read(ctx, true); err != nil {
			return nil, err
		}
		pos, owner = s.st.current()
		if err := s.st.mayStart(owner); err != nil {
			return nil, err
		}
	}
	if o := s.cfg.Owner; !o.outrun {
		o.before = ""
		if owner != nil {
			o.before = runOf(owner.Nonce)
		}
	}
	return pos, nil
}

// ensureTopics returns the number of partitions of each topic. A topic that is gone while we run is not made again, so that what was
// in it does not go unnoticed; but for the state topic, since it tells by itself what it lacks (judge).
func (s *Sink) ensureTopics(ctx context.Context) (counts [sink.NumStreams + 1]int32, err error) {
	seen := s.cfg.Owner.partitions
	for i, t := range s.cfg.topics() {
		var made bool
		if counts[i], made, err = s.c.ensureTopic(ctx, t, seen[t.name] > 0 && t.name != s.cfg.State); err != nil {
			return counts, err
		}
		s.made = s.made || made && t.name == s.cfg.Topic
	}
	return counts, nil
}

// compareTopics says what has become other with the topics since this host last looked, and remembers what it sees.
func (s *Sink) compareTopics() {
	seen := s.cfg.Owner.partitions
	if h := s.known(); seen[s.cfg.Topic] == 0 && h.Topic == s.cfg.Topic {
		seen[s.cfg.Topic] = h.Partitions // of an earlier run, if that has left a file
	}
	for i, t := range s.cfg.topics() {
		n := s.counts[i]
		if before := seen[t.name]; before != 0 && before != n {
			s.cfg.Logger.Warn("a topic has another number of partitions than before: from here on a key, and this site's records without one, may go to "+
				"another partition; order holds before and after, not across", "site", s.cfg.Site, "topic", t.name, "before", before, "now", n)
		}
		seen[t.name] = n
	}
	if s.made && s.seq > 0 {
		s.cfg.Logger.Error("the topic was missing and has been made, but this site has been committed before: events from before that are not in it; "+
			"going on from the committed position", "site", s.cfg.Site, "topic", s.cfg.Topic, "commits", s.seq)
	}
	s.made = false
}

// newWriter gets a producer id, which fences older sessions, and prepares for records.
func (s *Sink) newWriter(ctx context.Context) error {
	p := newProducer(&s.cfg, s.c)
	w := &writer{p: p, pack: s.pack, maxBatch: s.cfg.Owner.maxBatch}
	for i, t := range s.cfg.topics() {
		if i < len(w.streams) {
			n := s.counts[i]
			w.streams[i] = stream{topic: t.name, sticky: StickyPartition(s.cfg.Instance, s.cfg.Site, n), parts: make([]*partition, n)}
		}
	}
	var err error
	if w.state, err = w.partition(s.cfg.State, s.st.home); err != nil {
		return err
	}
	s.w = w
	return p.init(ctx)
}

// barrier writes the marker, reads up to it and takes over the position that stands before it. That two processes start at the
// same moment is decided by InitProducerID: whichever asked last finishes here, and the other one fails here or at its first
// commit, looks again and sees a newer owner.
func (s *Sink) barrier(ctx context.Context, before *stateRecord) error {
	s.nonce, s.seq = s.cfg.Owner.nonce(), 0
	if before != nil {
		s.seq = before.Seq
	}
	if err := s.mark(ctx, false); err != nil {
		return fmt.Errorf("write the owner's marker: %w", err)
	}
	if err := s.st.await(ctx, s.nonce); err != nil {
		return err
	}
	if err := s.st.rescan(ctx); err != nil {
		return err
	}
	s.cfg.Owner.established = true
	pos, _ := s.st.current()
	var resume bool
	var err error
	known := s.known()
	if s.seq, s.pos, resume, err = s.judge(pos, known); err != nil {
		return err
	}
	if resume {
		if err := s.finish(ctx, s.st.key, s.st.record(s.nonce, s.seq), s.pos); err != nil {
			return fmt.Errorf("write the position again: %w", err)
		}
	}
	s.compareTopics()
	s.remember()
	if s.seq < known.Seq { // the file is ahead of what we go on from: trust_kafka
		s.hint()
	}
	return nil
}

// mark writes a marker in a transaction of its own.
func (s *Sink) mark(ctx context.Context, released bool) error {
	r := s.st.record(s.nonce, s.seq)
	r.Released = released
	return s.finish(ctx, s.st.markerKey, r, nil)
}

// finish writes a state record and commits it with all that was sent before.
func (s *Sink) finish(ctx context.Context, key string, r stateRecord, pos sink.Position) error {
	var err error
	if s.value, err = appendState(s.value[:0], r, pos); err != nil {
		return err
	}
	if err := s.w.begin(ctx, nil); err != nil {
		return err
	}
	transactional := s.w.p.txnID != nil
	if !transactional { // the position may not be there before the events
		if err := s.w.flush(); err != nil {
			return err
		}
		if err := s.w.p.acks.wait(ctx); err != nil {
			return err
		}
	}
	if err := s.w.sendState(key, s.value); err != nil {
		return err
	}
	failpoint.Hit(failpoint.AllSent)
	if err := s.w.p.acks.wait(ctx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.StateAcked)
	if !transactional {
		return nil
	}
	if err := s.w.p.end(true); err != nil {
		return err
	}
	s.w.newTransaction()
	return nil
}

// usable says why the session can't go on, if so.
func (s *Sink) usable() error {
	switch {
	case s.closed:
		return errClosed
	case s.err != nil:
		return s.err
	case !s.working:
		return errNotRecovered
	}
	return nil
}

// fail ends the session with err.
func (s *Sink) fail(ctx context.Context, what string, err error) error {
	if first := s.w.p.acks.first(); first != nil && !errors.Is(err, first) {
		err = fmt.Errorf("%w; before that: %w", err, first)
	}
	s.err = because(ctx, fmt.Errorf("kafka: %s site %s: %w", what, s.cfg.Site, s.c.classify(s.tooLarge(err))))
	if ctx.Err() == nil {
		s.cfg.Stats.fail(s.err)
	}
	s.hint()
	return s.err
}

// minRecord is the record size, in bytes of key and value, that every topic of ours must take: less leaves no room for the head of a
// refused line and the reason.
const minRecord = 4096

// tooLarge makes of a broker's refusal what the next session needs to do better. A batch of several records: smaller batches. One
// record: sink.TooLargeError, so that what is longer is kept out. Each time the limit becomes less than what was refused, so this
// ends; below minRecord it is the topic that is wrong. Other errors stay as they are.
func (s *Sink) tooLarge(err error) error {
	if !errors.Is(err, sarama.ErrMessageSizeTooLarge) && !errors.Is(err, sarama.ErrMessageSetSizeTooLarge) {
		return err
	}
	o, b := s.cfg.Owner, s.w.p.acks.failedBatch()
	room := s.room(b)
	if b.records > 1 && o.maxBatch > minRecord {
		o.maxBatch = room
		s.cfg.Logger.Warn("the topic takes smaller batches only", "site", s.cfg.Site, "topic", b.topic, "bytes", o.maxBatch)
		return err
	}
	for i, t := range s.cfg.topics() {
		st := sink.Stream(i)
		if t.name == b.topic && (st == sink.Events || st == sink.Quarantine || st == sink.Changes) && room >= minRecord {
			return fmt.Errorf("topic %s: %w: %w", b.topic, err, &sink.TooLargeError{Stream: st, Limit: room})
		}
	}
	return fmt.Errorf("%w: topic %s does not take a record of %d bytes: raise its max.message.bytes (and message.max.bytes of the brokers): %w",
		err, b.topic, b.bytes, sink.ErrConfig)
}

// room returns how long a record may be, key and value, to fit the topic of the refused batch in any compression. It asks the broker;
// where that is not allowed, or can't be the reason, it is half of what was refused.
func (s *Sink) room(refused sentBatch) int {
	text, err := s.c.topicConfig(refused.topic, "max.message.bytes")
	limit, notNumber := strconv.Atoi(text)
	// The batch has a head, and compressing what can't be compressed makes it a little longer.
	room := limit - limit/256 - 512
	if err != nil || notNumber != nil || room+128 >= refused.bytes {
		s.cfg.Logger.Warn("the topic refuses a batch as too large, and it can't be found out what it takes; trying with half of it",
			"site", s.cfg.Site, "topic", refused.topic, "bytes", refused.bytes, "max.message.bytes", text, "error", err)
		return refused.bytes / 2
	}
	return room
}

// Write implements sink.Sink. The batch is released before it returns.
func (s *Sink) Write(ctx context.Context, b *sink.Batch) error {
	defer b.Release()
	if err := s.usable(); err != nil {
		return err
	}
	if len(b.Records) == 0 {
		return nil
	}
	defer s.c.watch(ctx)()
	err := s.w.prepare(ctx, b)
	if err == nil {
		err = s.w.send(b)
	}
	if err != nil {
		return s.fail(ctx, "write to", err)
	}
	return nil
}

// Commit implements sink.Sink.
func (s *Sink) Commit(ctx context.Context, pos sink.Position) error {
	if err := s.usable(); err != nil {
		return err
	}
	defer s.c.watch(ctx)()
	if s.w.p.txnID == nil && time.Since(s.looked) > lookEvery {
		s.looked = time.Now()
		if err := s.st.takenOver(ctx); err != nil {
			return s.fail(ctx, "commit", err)
		}
	}
	if err := s.finish(ctx, s.st.key, s.st.record(s.nonce, s.seq+1), pos); err != nil {
		return s.fail(ctx, "commit", err)
	}
	failpoint.Hit(failpoint.Committed)
	s.seq++
	s.pos = append(s.pos[:0], pos...)
	s.remember()
	if time.Since(s.hinted) > hintEvery {
		s.hint()
	}
	return nil
}

// hint writes the local file. That it can't be written harms nothing but its own use.
func (s *Sink) hint() {
	if s.cfg.StateFile == "" {
		return
	}
	s.hinted = time.Now()
	if err := writeHint(s.cfg.StateFile, s.cfg.Owner.last); err != nil {
		s.cfg.Logger.Warn("the local hint can't be written; going on without", "error", err)
	}
}

// Close implements sink.Sink. If the session is in order, it aborts what was not committed and releases the site, within
// Config.CloseTimeout; that it could not is logged only.
func (s *Sink) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.working && s.err == nil {
		failpoint.Hit(failpoint.ReleasingSite)
		if err := s.release(); fenced(err) {
			s.cfg.Logger.Debug("a newer session has the site already", "site", s.cfg.Site)
		} else if err != nil {
			s.cfg.Logger.Warn("the site could not be released; to start it on another host will need --takeover", "site", s.cfg.Site, "error", err)
		}
		s.hint()
	}
	s.drop()
	return nil
}

// release aborts the open transaction and writes a marker that says that the owner has left.
func (s *Sink) release() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.CloseTimeout)
	defer cancel()
	defer s.c.watch(ctx)()
	s.w.discard()
	if err := s.w.p.acks.wait(ctx); err != nil {
		return err
	}
	if s.w.p.open {
		if err := s.w.p.end(false); err != nil {
			return err
		}
		s.w.newTransaction()
	}
	return s.mark(ctx, true)
}

// drop closes the connections of the session, if there is one.
func (s *Sink) drop() {
	s.cfg.Stats.open.Store(false)
	if s.c != nil {
		if s.w != nil {
			s.w.p.leftOpen()
		}
		s.c.close()
		s.c = nil
	}
	s.working = false
}
