package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/failpoint"
	"ngxtap/pkg/sink"
)

// stateVersion is the version of state records that this program writes and the newest that it reads.
const stateVersion = 1

// stateRecord is the value of a record in the state topic. A site has two keys there: one for positions, one for markers that
// only say who is the owner. Two keys, so that compaction can never put a marker in the place of the position.
type stateRecord struct {
	V        int             `json:"v"`
	Nonce    string          `json:"nonce"` // of the session that wrote it
	Seq      int64           `json:"seq"`   // how many commits the site has seen
	Host     string          `json:"host"`
	PID      int             `json:"pid"`
	BootID   string          `json:"boot_id,omitempty"`
	Released bool            `json:"released,omitempty"` // the owner left in good order
	Time     string          `json:"time"`               // RFC 3339; for people
	Position json.RawMessage `json:"position,omitempty"` // a position that is a JSON object or array stands as it is
	Binary   []byte          `json:"position_base64,omitempty"`
}

// appendState appends the record as JSON with pos in it, byte for byte where it can stand as it is.
func appendState(dst []byte, r stateRecord, pos sink.Position) ([]byte, error) {
	asIs := len(pos) > 0 && (pos[0] == '{' || pos[0] == '[') && (pos[len(pos)-1] == '}' || pos[len(pos)-1] == ']') && json.Valid(pos)
	if !asIs {
		r.Binary = pos
	}
	head, err := json.Marshal(&r)
	if err != nil {
		return dst, fmt.Errorf("encode the state record: %w", err)
	}
	if !asIs {
		return append(dst, head...), nil
	}
	dst = append(dst, head[:len(head)-1]...) // json.Marshal would rewrite what is inside a RawMessage
	dst = append(dst, `,"position":`...)
	dst = append(dst, pos...)
	return append(dst, '}'), nil
}

// parseState reads a state record.
func parseState(value []byte) (*stateRecord, error) {
	r := new(stateRecord)
	if err := json.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("not a state record: %w", err)
	}
	if r.V < 1 || r.V > stateVersion {
		return nil, fmt.Errorf("written in version %d by another ngxtap; this one reads up to %d", r.V, stateVersion)
	}
	return r, nil
}

// position returns the position in the record, nil if there is none.
func (r *stateRecord) position() sink.Position {
	if r.Position != nil {
		return sink.Position(r.Position)
	}
	return sink.Position(r.Binary)
}

// state reads and judges one site's records in the state topic.
type state struct {
	cfg        *Config
	c          *cluster
	key        string // of positions
	markerKey  string
	partitions int32
	home       int32 // the partition we write to
	bootID     string
	views      map[int32]*view
}

// view is what was read of a site in one partition.
type view struct {
	next     int64        // where to go on reading
	last     *stateRecord // the newest record of either key, nil if there is none
	lastAt   int64
	pos      *stateRecord // the newest position, nil if there is none
	posAt    int64
	posKnown bool // nothing older can be a newer position
}

// stateKey is the key of a site's position in the state topic.
func stateKey(instance, site string) string { return "v1/" + instance + "/" + site }

func newState(cfg *Config, c *cluster, partitions int32) *state {
	key := stateKey(cfg.Instance, cfg.Site)
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // other systems have none
	return &state{cfg: cfg, c: c, key: key, markerKey: key + "/owner", partitions: partitions,
		home: statePartition(cfg.Instance, partitions), bootID: strings.TrimSpace(string(boot)), views: map[int32]*view{}}
}

// apply takes a message of the state topic into account.
func (s *state) apply(v *view, m *Message) error {
	key := string(m.Key)
	if key != s.key && key != s.markerKey {
		return nil
	}
	var r *stateRecord
	if m.Value != nil {
		var err error
		if r, err = parseState(m.Value); err != nil {
			return fmt.Errorf("%s/%d@%d, key %s: %w: repair or delete that record: %w", s.cfg.State, m.Partition, m.Offset, key, err, sink.ErrConfig)
		}
	}
	if m.Offset >= v.lastAt && r != nil {
		v.last, v.lastAt = r, m.Offset
	}
	if key == s.key && m.Offset >= v.posAt {
		v.pos, v.posAt, v.posKnown = r, m.Offset, true // a tombstone says: no position, and nothing older counts
	}
	return nil
}

// read reads the newest records of the site in every partition that may hold them; see scan for all.
func (s *state) read(ctx context.Context, all bool) error {
	partitions := []int32{s.home}
	if s.partitions != s.cfg.StatePartitions {
		// Somebody made the topic with another number of partitions, or added some later, and then records written before that
		// are where they were.
		partitions = partitions[:0]
		for p := range s.partitions {
			partitions = append(partitions, p)
		}
	}
	for _, p := range partitions {
		v, err := s.scan(ctx, p, all)
		if err != nil {
			return err
		}
		s.views[p] = v
	}
	return nil
}

// scan looks for the site's newest records from the end of a partition backwards, in windows that grow: for a site that ran
// lately this is one small read, and at worst it is the partition read once. It starts from the end of what is decided, or with all
// from the end of what is replicated and waits until that is decided.
func (s *state) scan(ctx context.Context, partition int32, all bool) (*view, error) {
	oldest, err := s.c.offsetAt(s.cfg.State, partition, sarama.OffsetOldest, false)
	if err != nil {
		return nil, err
	}
	end, err := s.c.offsetAt(s.cfg.State, partition, sarama.OffsetNewest, !all)
	if err != nil {
		return nil, err
	}
	failpoint.Hit(failpoint.StateRead)
	v := &view{next: end, lastAt: -1, posAt: -1}
	for to, window := end, int64(512); to > oldest && !v.posKnown; window *= 8 {
		from := max(oldest, to-window)
		_, err := s.c.readRange(ctx, s.cfg.State, partition, from, to, func(m *Message) (bool, error) { return false, s.apply(v, m) })
		if err != nil {
			return nil, err
		}
		to = from
	}
	return v, nil
}

// await reads on from what was seen up to the marker with nonce, and so past every commit that was decided before it: the marker
// was written by the newest owner, after the coordinator had ended whatever older sessions had left open.
func (s *state) await(ctx context.Context, nonce string) error {
	v := s.views[s.home]
	leader, err := s.c.client.Leader(s.cfg.State, s.home)
	if err != nil {
		return fmt.Errorf("find the leader of %s/%d: %w", s.cfg.State, s.home, err)
	}
	note := newNotice(s.cfg.Logger, 10*time.Second)
	offsets := map[int32]int64{s.home: v.next}
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		msgs, err := s.c.fetch(nil, leader, s.cfg.State, offsets)
		if err != nil {
			return err
		}
		for i := range msgs {
			if err := s.apply(v, &msgs[i]); err != nil {
				return err
			}
			if v.last != nil && v.last.Nonce == nonce {
				return nil
			}
		}
		note.warn("waiting until other producers' transactions in the state topic end", "topic", s.cfg.State, "partition", s.home)
	}
}

// rescan reads the other partitions that may hold the site's position again, now that older sessions can't write any more.
func (s *state) rescan(ctx context.Context) error {
	for p := range s.views {
		if p == s.home {
			continue
		}
		v, err := s.scan(ctx, p, true)
		if err != nil {
			return err
		}
		s.views[p] = v
	}
	return nil
}

// current returns the newest position record and the newest owner's record; either may be nil.
func (s *state) current() (pos, owner *stateRecord) {
	var posSeq, ownerTime = int64(math.MinInt64), ""
	for _, v := range s.views {
		if v.pos != nil && v.pos.Seq > posSeq {
			pos, posSeq = v.pos, v.pos.Seq
		}
		if v.last != nil && v.last.Time > ownerTime {
			owner, ownerTime = v.last, v.last.Time
		}
	}
	return pos, owner
}

// mayStart judges the newest owner's record before we fence anybody: InitProducerID always wins, so whoever asks for it without
// looking can steal the site, and two that do so would fence each other for ever. Of two that start together the one that was fenced gives
// way as soon as it sees the other's marker.
func (s *state) mayStart(owner *stateRecord) error {
	o := s.cfg.Owner
	switch {
	case owner == nil || o.wrote(owner.Nonce):
		return nil
	case o.established, o.outrun && runOf(owner.Nonce) != o.before:
		return s.notOwner(owner)
	case owner.Host != s.cfg.Host && !owner.Released && !s.cfg.Takeover:
		return fmt.Errorf("site %s of instance %s belongs to host %s (pid %d, last seen %s), this is %s: stop ngxtap there, give this daemon "+
			"an instance name of its own, or start it with --takeover if that host is gone: %w",
			s.cfg.Site, s.cfg.Instance, owner.Host, owner.PID, owner.Time, s.cfg.Host, sink.ErrNotOwner)
	}
	return nil
}

func (s *state) notOwner(owner *stateRecord) error {
	return fmt.Errorf("site %s of instance %s was taken over by %s (pid %d) at %s: %w",
		s.cfg.Site, s.cfg.Instance, owner.Host, owner.PID, owner.Time, sink.ErrNotOwner)
}

// takenOver reads on, from where it was last, for markers of owners. Whoever wrote the newest one goes on; all others stop. Without
// transactions that is the only thing that keeps two from writing for ever.
func (s *state) takenOver(ctx context.Context) error {
	v := s.views[s.home]
	end, err := s.c.offsetAt(s.cfg.State, s.home, sarama.OffsetNewest, true)
	if err != nil {
		return err
	}
	var newest *stateRecord
	v.next, err = s.c.readRange(ctx, s.cfg.State, s.home, v.next, end, func(m *Message) (bool, error) {
		if string(m.Key) == s.markerKey && m.Value != nil {
			var err error
			newest, err = parseState(m.Value)
			return false, err
		}
		return false, nil
	})
	if err == nil && newest != nil && !s.cfg.Owner.wrote(newest.Nonce) {
		err = s.notOwner(newest)
	}
	return err
}

// record returns a state record of this process.
func (s *state) record(nonce string, seq int64) stateRecord {
	return stateRecord{V: stateVersion, Nonce: nonce, Seq: seq, Host: s.cfg.Host, PID: os.Getpid(), BootID: s.bootID, Time: now()}
}

// now is the time in a form that sorts.
func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") }
