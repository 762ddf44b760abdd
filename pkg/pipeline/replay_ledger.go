package pipeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/sink"
)

// Ledger says which lines of a quarantine topic were replayed, as the topic's own records of that tell. It takes a bit for each
// offset, and a few words for each such record.
//
// Those records may be deleted by the topic's retention before the lines that they name, since they may be in other partitions. So
// each says how far the earlier ones went (Before), and the site's position how far all did: where that is further than what is still
// there, or a number is missing among the records, lines up to it that nothing names are unrecorded, and not replayed: they may have been.
type Ledger struct {
	done  map[int32]offsetSet
	marks []mark
	seq   int64           // of the newest record
	reach map[int32]int64 // the highest offset that any record named, those that are gone too; absent: none
	base  map[int32]int64 // lines up to here that are not in done are unrecorded; absent: none
}

// mark is what one record says of one partition.
type mark struct {
	seq          int64
	partition    int32
	before, last int64 // last is the highest offset in it
}

// NewLedger returns a ledger without a record.
func NewLedger() *Ledger {
	return &Ledger{done: map[int32]offsetSet{}, reach: map[int32]int64{}, base: map[int32]int64{}}
}

// Add takes a record into account, in any order. For Unrecorded the records must be of one site.
func (l *Ledger) Add(r *avro.Replayed) {
	l.seq = max(l.seq, r.Seq)
	for _, p := range r.Partitions {
		last := int64(-1)
		for _, o := range p.Ranges {
			l.set(p.Partition).add(o.First, o.Count)
			last = max(last, o.First+o.Count-1)
		}
		l.marks = append(l.marks, mark{seq: r.Seq, partition: p.Partition, before: p.Before, last: last})
	}
}

func (l *Ledger) set(partition int32) offsetSet {
	s := l.done[partition]
	if s == nil {
		s = offsetSet{}
		l.done[partition] = s
	}
	return s
}

// Done reports whether the line there was replayed.
func (l *Ledger) Done(partition int32, offset int64) bool { return l.done[partition].has(offset) }

// Unrecorded reports whether the line there may have been replayed by a transaction whose record is gone.
func (l *Ledger) Unrecorded(partition int32, offset int64) bool {
	return offset <= at(l.base, partition)
}

// settle finds out what is gone, after the last Add.
func (l *Ledger) settle(pos *replayPosition) {
	slices.SortStableFunc(l.marks, func(a, b mark) int { return cmp.Compare(a.seq, b.seq) })
	clear(l.reach)
	clear(l.base)
	last := int64(0)
	for _, m := range l.marks {
		if m.seq > last+1 {
			l.doubt()
		}
		last = m.seq
		switch known := at(l.reach, m.partition); {
		case m.before > known: // records before it are gone
			l.base[m.partition] = m.before
		case m.before < known: // somebody has forgotten what was gone then, see forget
			l.base[m.partition] = min(at(l.base, m.partition), m.before)
			l.reach[m.partition] = -1
		}
		l.reach[m.partition] = max(at(l.reach, m.partition), m.before, m.last)
	}
	if pos.Seq > last {
		l.doubt()
	}
	l.marks = nil
	l.seq = max(l.seq, pos.Seq)
	for p, reach := range pos.Reach {
		if reach > at(l.reach, p) {
			l.reach[p], l.base[p] = reach, reach
		}
	}
}

// doubt notes that records are gone which may have named any lines up to what is known so far. Those further on show in Before.
func (l *Ledger) doubt() { maps.Copy(l.base, l.reach) }

// forget takes the word of a person that what is unrecorded was not replayed, or belongs to an earlier topic of that name.
func (l *Ledger) forget() {
	clear(l.base)
	clear(l.reach)
	for p, s := range l.done {
		l.reach[p] = s.last()
	}
}

func at(m map[int32]int64, partition int32) int64 {
	if v, ok := m[partition]; ok {
		return v
	}
	return -1
}

// replayVersion is the version of the JSON below.
const replayVersion = 1

// replayPosition is what replays of a site commit as their position.
type replayPosition struct {
	V     int             `json:"v"`
	Run   string          `json:"run"`   // the run that committed it
	Seq   int64           `json:"seq"`   // records of replayed lines so far
	Sent  int64           `json:"sent"`  // lines replayed so far
	Reach map[int32]int64 `json:"reach"` // as in Ledger
}

func (p *replayPosition) encode() (sink.Position, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode the position: %w", err)
	}
	return b, nil
}

// decodeReplay reads a committed position; nil is that of a site nothing of which was replayed.
func decodeReplay(p sink.Position) (*replayPosition, error) {
	pos := &replayPosition{V: replayVersion}
	if p == nil {
		return pos, nil
	}
	if err := json.Unmarshal(p, pos); err != nil {
		return nil, fmt.Errorf("decode the committed position (%w): %v", sink.ErrConfig, err)
	}
	if pos.V != replayVersion {
		return nil, fmt.Errorf("the committed position has version %d, this ngxtap knows version %d; use the newer ngxtap that wrote it: %w", pos.V, replayVersion, sink.ErrConfig)
	}
	return pos, nil
}

// offsetSet is a set of offsets: a bit for each, in blocks that are made when they are first needed.
type offsetSet map[int64]*offsetBlock

type offsetBlock [blockOffsets / 64]uint64

// blockOffsets is how many offsets a block of a set covers.
const blockOffsets = 4096

func (s offsetSet) add(first, count int64) {
	for o := first; o < first+count; o++ {
		b := s[o/blockOffsets]
		if b == nil {
			b = &offsetBlock{}
			s[o/blockOffsets] = b
		}
		b[o%blockOffsets/64] |= 1 << (o % 64)
	}
}

func (s offsetSet) has(o int64) bool {
	b := s[o/blockOffsets]
	return b != nil && b[o%blockOffsets/64]&(1<<(o%64)) != 0
}

// last returns the highest offset in the set, -1 if it is empty.
func (s offsetSet) last() int64 {
	if len(s) == 0 {
		return -1
	}
	n := slices.Max(slices.Collect(maps.Keys(s)))
	for o := (n+1)*blockOffsets - 1; ; o-- {
		if s.has(o) {
			return o
		}
	}
}
