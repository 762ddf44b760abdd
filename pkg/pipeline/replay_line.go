package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
)

// Why a line can't be replayed whatever the formats are, for people.
const (
	replayHead       = "only the head of the line was kept"
	replayChanged    = "its bytes are not those of the line: the checksum differs"
	replayTorn       = "the file ended within it: it may be half a line"
	replayForeignKey = "another host read it and hashes its secrets with a key of its own: replay it there, or set headers.hash_key"
	replayUnrecorded = "it may have been replayed: the record that would tell is gone (see --unrecorded)"
)

// tornReason is in the reason of every line that ended without a newline.
const tornReason = "the file ended without a newline"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// unfit says why a line must not be tried, or "".
func unfit(q *avro.Quarantined, raw []byte) string {
	noSum := q.RawKey != "" && q.Whole.CRC32C == 0 // see Quarantined.NoSum: that it could be decrypted is proof enough
	switch {
	case int64(len(raw)) != q.Whole.Length:
		return replayHead
	case !noSum && crc32.Checksum(raw, castagnoli) != q.Whole.CRC32C:
		return replayChanged
	case strings.HasPrefix(q.Reason, tornReason):
		return replayTorn
	}
	return ""
}

// replayFormat is a candidate format with what it takes to make events of its lines.
type replayFormat struct {
	*Format
	frame *Frame
	enc   *avro.Encoder
	key   *keyer // nil: none
}

func newReplayFormat(f *Format, frame *Frame, cfg *ReplayConfig) (*replayFormat, error) {
	key, err := newKeyer(f, cfg.PartitionBy, "", cfg.Secrets)
	if err != nil {
		return nil, err
	}
	enc, err := avro.NewEncoder(f.split, f.event, avro.Options{Prefix: frame.Prefix, Secrets: cfg.Secrets, Headers: cfg.Headers})
	if err != nil {
		return nil, fmt.Errorf("compile the encoder of format %s: %w", f.Name(), err)
	}
	return &replayFormat{Format: f, frame: frame, enc: enc, key: key}, nil
}

// try appends raw as an event of the first format that takes it, as a site does; otherwise it returns why none does: the reason of the
// format that came furthest into the line.
func (s *replaySession) try(q *avro.Quarantined, raw []byte) (why string) {
	text := bytes.TrimSuffix(raw, []byte("\r"))
	furthest := -1
	refused := func(err error) {
		column := 0
		var m *logformat.Misfit
		if errors.As(err, &m) {
			column = m.Offset
		}
		if column > furthest {
			why, furthest = err.Error(), column
		}
	}
	for _, f := range s.formats {
		spans, err := f.split.Split(s.spans[:0], text)
		s.spans = spans
		if err != nil {
			refused(err)
			continue
		}
		s.announce(f.frame, f.Fingerprint(), f.Schema())
		b := s.batch
		before := len(b.Buf)
		switch {
		case s.cfg.PartitionBy == "host":
			b.Buf = append(b.Buf, q.Origin.Host...)
			b.EndKey()
		case f.key != nil:
			b.Buf = f.key.append(b.Buf, text, s.spans)
			b.EndKey()
		}
		buf, eventTime, err := f.enc.AppendEvent(b.Buf, raw, s.spans, &q.Origin)
		b.Buf = buf
		if err != nil {
			b.Undo()
			refused(err)
			continue
		}
		if limit := s.limit[sink.Events]; len(b.Buf)-before > limit {
			b.Undo()
			return fmt.Sprintf("its event would be longer than %d bytes", limit)
		}
		b.Header = f.frame.Header
		b.Add(sink.Events, eventTime)
		return ""
	}
	return why
}

// announce puts a writer schema into the batch, once in a session, where no registry keeps it.
func (s *replaySession) announce(frame *Frame, fp uint64, json string) {
	if !frame.Announce || s.announced[fp] {
		return
	}
	s.announced[fp] = true
	b := s.batch
	b.Buf = appendFingerprint(b.Buf, fp)
	b.EndKey()
	b.Buf = append(b.Buf, json...)
	b.Header = nil
	b.Add(sink.Schemas, time.Now().UnixMicro())
}

// record appends what says which lines this transaction sent.
func (s *replaySession) record() error {
	fp, err := schema.Fingerprint(schema.QuarantineReplayed)
	if err != nil {
		return err
	}
	s.announce(s.cfg.Frame, fp, schema.QuarantineReplayed)
	r := avro.Replayed{Time: time.Now().UnixMicro(), Site: s.cfg.Site, Host: s.cfg.Instance, Seq: max(s.pos.Seq, s.ledger.seq) + 1, Lines: s.lines, Partitions: s.sent}
	b := s.batch
	b.Buf = append(b.Buf, s.cfg.Frame.Prefix...)
	b.Buf = avro.AppendReplayed(b.Buf, &r)
	b.Header = s.cfg.Frame.Header
	b.Add(sink.Quarantine, r.Time)
	return nil
}

// note adds a line to those that this transaction sends.
func (s *replaySession) note(partition int32, offset int64) {
	s.lines++
	var p *avro.ReplayedPartition
	for i := range s.sent {
		if s.sent[i].Partition == partition {
			p = &s.sent[i]
		}
	}
	if p == nil {
		s.sent = append(s.sent, avro.ReplayedPartition{Partition: partition, Before: at(s.ledger.reach, partition)})
		p = &s.sent[len(s.sent)-1]
		s.size += partitionBytes
	}
	if n := len(p.Ranges); n > 0 && p.Ranges[n-1].First+p.Ranges[n-1].Count == offset {
		p.Ranges[n-1].Count++
		return
	}
	p.Ranges = append(p.Ranges, avro.QuarantineOffsets{First: offset, Count: 1})
	s.size += rangeBytes
}

// recordBytes is the most that the record of this transaction would take with one more line.
func (s *replaySession) recordBytes() int {
	return len(s.cfg.Frame.Prefix) + 5*10 + len(s.cfg.Site) + len(s.cfg.Instance) + s.size + partitionBytes + rangeBytes
}

// The most bytes that a partition, and a range in it, take in a record of replayed lines.
const (
	partitionBytes = 5 + 10 + 3 + 1
	rangeBytes     = 10 + 3
)
