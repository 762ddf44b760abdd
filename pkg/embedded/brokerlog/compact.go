package brokerlog

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// compact rewrites the partition with the newest committed record of each key, if that drops at least half of its batches. It may
// only be called when no transaction is open. Records without a key stay, and so do tombstones. The last batch always stays, so
// that the partition's end offset does.
//
// The new file takes the place of the first segment by one rename; then the others go. A kill in between leaves segments whose
// offsets the first one has too: readPartition removes them.
func (p *partition) compact() (done bool, err error) {
	newest := map[string]int64{}
	if err := p.eachRecord(func(b batch, _ *kmsg.RecordBatch, recs []kmsg.Record) error {
		if b.control() || p.isAborted(b) {
			return nil
		}
		for _, r := range recs {
			if r.Key != nil {
				newest[string(r.Key)] = b.offset + int64(r.OffsetDelta)
			}
		}
		return nil
	}); err != nil {
		return false, err
	}
	tmp := p.segments[0].dat(p.dir) + ".tmp"
	kept, err := p.writeCompacted(tmp, newest)
	if err != nil || kept*2 > p.batches {
		return false, errors.Join(err, removeIfThere(tmp))
	}
	if err := os.Rename(tmp, p.segments[0].dat(p.dir)); err != nil {
		return false, fmt.Errorf("put the compacted segment in place: %w", err)
	}
	for _, s := range p.segments[1:] {
		if err := errors.Join(removeIfThere(s.dat(p.dir)), removeIfThere(s.idx(p.dir))); err != nil {
			return false, err
		}
	}
	// One index entry a batch: the old index, even one of the same length, is of other batches.
	return true, removeIfThere(p.segments[0].idx(p.dir))
}

// writeCompacted writes the batches that stay to path and returns their number.
func (p *partition) writeCompacted(path string, newest map[string]int64) (kept int, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("write the compacted segment: %w", err)
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	err = p.eachRecord(func(b batch, rb *kmsg.RecordBatch, recs []kmsg.Record) error {
		last := b.last+1 == p.end
		if b.control() || p.isAborted(b) {
			if !last {
				return nil
			}
			kept++
			_, err := out.Write(seal(*rb))
			return err
		}
		stay := recs[:0:0]
		for _, r := range recs {
			if r.Key == nil || newest[string(r.Key)] == b.offset+int64(r.OffsetDelta) || last {
				stay = append(stay, r)
			}
		}
		if len(stay) == 0 {
			return nil
		}
		kept++
		_, err := out.Write(plain(rb, stay))
		return err
	})
	if err := errors.Join(err, out.Flush(), f.Sync()); err != nil {
		return 0, fmt.Errorf("write the compacted segment: %w", err)
	}
	return kept, nil
}

// plain returns a batch of the records at their old offsets, uncompressed and outside of any transaction: they are committed, and
// their marker goes.
func plain(rb *kmsg.RecordBatch, recs []kmsg.Record) []byte {
	out := *rb
	out.Attributes &^= attrTxn | attrCodecs
	out.ProducerID, out.ProducerEpoch, out.FirstSequence = -1, -1, -1
	out.NumRecords = int32(len(recs))
	out.Records = nil
	for _, r := range recs {
		out.Records = r.AppendTo(out.Records)
	}
	return seal(out)
}

// eachRecord calls visit for every batch with its records, nil for a control batch. They are valid until visit returns.
func (p *partition) eachRecord(visit func(batch, *kmsg.RecordBatch, []kmsg.Record) error) error {
	for _, s := range p.segments {
		_, err := readSegment(s.dat(p.dir), func(b batch, raw []byte) error {
			var rb kmsg.RecordBatch
			if err := rb.ReadFrom(raw); err != nil {
				return fmt.Errorf("compact offset %d: %w", b.offset, err)
			}
			if b.control() {
				return visit(b, &rb, nil)
			}
			recs, err := kfake.BatchRecords(rb)
			if err != nil {
				return fmt.Errorf("compact offset %d: %w", b.offset, err)
			}
			return visit(b, &rb, recs)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// isAborted says whether the batch belongs to an aborted transaction.
func (p *partition) isAborted(b batch) bool {
	if !b.transactional() {
		return false
	}
	for _, a := range p.aborted {
		if a.PID == b.pid && a.First <= b.offset && b.offset <= a.Last {
			return true
		}
	}
	return false
}
