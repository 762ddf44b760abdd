package avro

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// QuarantineOffsets are consecutive offsets of a quarantine topic.
type QuarantineOffsets struct{ First, Count int64 }

// ReplayedPartition names lines in one partition of a quarantine topic.
type ReplayedPartition struct {
	Partition int32
	Before    int64 // no earlier record of the site names an offset above, -1 for none at all
	Ranges    []QuarantineOffsets
}

// Replayed is a record of schema.QuarantineReplayed: lines that left quarantine in one transaction.
type Replayed struct {
	Time       int64 // microseconds since the Unix epoch
	Site, Host string
	Seq        int64 // number of the record among those of the site, from 1
	Lines      int64
	Partitions []ReplayedPartition
}

// maxReplayed is the most lines that one range may name. It bounds what a record that nobody of ours wrote can ask for.
const maxReplayed = 1 << 20

// AppendReplayed appends r to dst, as a record of schema.QuarantineReplayed.
func AppendReplayed(dst []byte, r *Replayed) []byte {
	dst = appendLong(dst, r.Time)
	dst = appendValid(dst, r.Site)
	dst = appendValid(dst, r.Host)
	dst = appendLong(dst, r.Seq)
	dst = appendLong(dst, r.Lines)
	dst = appendLen(dst, len(r.Partitions)) // an array in one block
	for _, p := range r.Partitions {
		dst = appendLong(dst, int64(p.Partition))
		dst = appendLong(dst, p.Before)
		dst = appendLen(dst, len(p.Ranges))
		for _, o := range p.Ranges {
			dst = appendLong(appendLong(dst, o.First), o.Count)
		}
		dst = appendEnd(dst, len(p.Ranges))
	}
	return appendEnd(dst, len(r.Partitions))
}

// appendEnd ends an array of n items in one block.
func appendEnd(dst []byte, n int) []byte {
	if n == 0 {
		return dst // the count, which is zero, was the end
	}
	return append(dst, 0)
}

// ReadReplayed reads what AppendReplayed wrote.
func ReadReplayed(body []byte) (*Replayed, error) {
	in := datum{rest: body}
	r := &Replayed{Time: in.long(), Site: in.text(), Host: in.text(), Seq: in.long(), Lines: in.long()}
	for range in.items() {
		p := ReplayedPartition{Partition: int32(in.within(0, math.MaxInt32)), Before: in.within(-1, math.MaxInt64)}
		for range in.items() {
			p.Ranges = append(p.Ranges, QuarantineOffsets{First: in.within(0, math.MaxInt64-maxReplayed), Count: in.within(1, maxReplayed)})
		}
		r.Partitions = append(r.Partitions, p)
	}
	if err := in.end(); err != nil {
		return nil, fmt.Errorf("read a record of replayed lines: %w", err)
	}
	return r, nil
}

// ReadQuarantined reads what AppendQuarantined wrote into q, with q.Whole set; also records of schema.QuarantinedLine1. raw is the line, or
// its head if it is shorter than q.Whole.Length; it belongs to body. Where q.RawKey is set raw is encrypted: see SealKey.Open.
func ReadQuarantined(q *Quarantined, body []byte) (raw []byte, err error) {
	in := datum{rest: body}
	*q = Quarantined{Time: in.long(), Whole: &Whole{}}
	q.Origin = Origin{Site: in.text(), Host: in.text(), File: in.text(), Offset: in.long(), ReadTime: q.Time}
	in.long() // origin.length: line_length has all of it
	q.Whole.CRC32C = uint32(in.within(math.MinInt32, math.MaxInt32))
	q.Reason = in.text()
	q.Column = int(in.within(-1, math.MaxInt32))
	if in.within(0, 1) == 1 {
		q.Variable = in.text()
	}
	q.Format = in.text()
	if q.Fingerprint, err = strconv.ParseUint(in.text(), 16, 64); err != nil && in.err == nil {
		in.err = fmt.Errorf("schema_fingerprint: %w", err)
	}
	raw = in.bytes()
	q.Whole.Length = in.long()
	if in.within(0, 1) == 1 {
		if sum := in.bytes(); in.err == nil && copy(q.Whole.SHA256[:], sum) != len(q.Whole.SHA256) {
			in.err = fmt.Errorf("raw_sha256 has %d bytes", len(sum))
		}
	}
	if b := in.skip(1); in.err == nil {
		q.Truncated = b[0] != 0
	}
	if in.err == nil && len(in.rest) > 0 && in.within(0, 1) == 1 {
		q.RawKey = in.text()
	}
	if err := in.end(); err != nil {
		return nil, fmt.Errorf("read a quarantined line: %w", err)
	}
	return raw, nil
}

// datum is read field by field. The first thing that is wrong is kept for the end; what is read after it is zero.
type datum struct {
	rest []byte
	err  error
}

func (d *datum) long() int64 {
	if d.err != nil {
		return 0
	}
	var n int64
	n, d.rest, d.err = skimLong(d.rest)
	return n
}

// within is long for a number that must lie between low and high.
func (d *datum) within(low, high int64) int64 {
	n := d.long()
	if d.err == nil && (n < low || n > high) {
		d.err = fmt.Errorf("the number %d where %d to %d may stand", n, low, high)
	}
	if d.err != nil {
		return 0
	}
	return n
}

func (d *datum) bytes() []byte { return d.skip(d.long()) }

// skip returns the next n bytes.
func (d *datum) skip(n int64) []byte {
	all := d.rest
	if d.err == nil {
		d.rest, d.err = skip(all, n)
	}
	if d.err != nil {
		return nil
	}
	return slices.Clip(all[:n])
}

func (d *datum) text() string { return string(d.bytes()) }

// items yields once for each item of an array. It ends at the first error.
func (d *datum) items() func(yield func() bool) {
	return func(yield func() bool) {
		for {
			n := d.long()
			if n < 0 { // the block's size in bytes follows
				n = -n
				d.long()
			}
			if d.err == nil && (n < 0 || n > int64(len(d.rest))) {
				d.err = fmt.Errorf("a block of %d items in %d bytes", n, len(d.rest))
			}
			if n == 0 || d.err != nil {
				return
			}
			for range n {
				if !yield() || d.err != nil {
					return
				}
			}
		}
	}
}

// end returns what was wrong, if anything was.
func (d *datum) end() error {
	if d.err == nil && len(d.rest) > 0 {
		return fmt.Errorf("%d bytes follow the datum", len(d.rest))
	}
	return d.err
}
