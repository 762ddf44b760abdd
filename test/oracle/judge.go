package oracle

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
)

// Rules say what a run may do besides shipping every line once. The zero value is the strictest.
type Rules struct {
	Instance string // origin.host of every record; empty: not looked at
	// Check compares the content of an event with its raw line, without the newline, and returns what is wrong, or "". nil: not looked at.
	Check func(line []byte, event map[string]any) string
	// Fits says that a raw line fits a format, so that it must not be in quarantine. nil: not looked at.
	Fits func(line []byte) bool
	// Duplicates allows lines to be there more than once (delivery: at_least_once).
	Duplicates bool
	// GapsInSeq allows commits that the state topic no longer shows: it was compacted, or deleted.
	GapsInSeq bool
}

// Verdict is what Judge found.
type Verdict struct {
	Generations int
	Lines       int64 // complete lines that were written, blank ones apart
	Events      int64
	Quarantined int64
	Bytes       int64 // written
	Lost        int64 // bytes that were declared lost
	Duplicates  int64 // only where Rules allow them
	Problems    []string
}

// maxProblems bounds what is reported; one fault can spoil every line.
const maxProblems = 30

func (v *Verdict) problem(format string, args ...any) {
	switch {
	case len(v.Problems) < maxProblems:
		v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
	case len(v.Problems) == maxProblems:
		v.Problems = append(v.Problems, "… and more")
	}
}

// OK says that nothing is wrong.
func (v *Verdict) OK() bool { return len(v.Problems) == 0 }

// String is one line for logs.
func (v *Verdict) String() string {
	return fmt.Sprintf("%d generations, %d lines, %d bytes written; %d events, %d quarantined, %d bytes lost, %d doubled; %d problems",
		v.Generations, v.Lines, v.Bytes, v.Events, v.Quarantined, v.Lost, v.Duplicates, len(v.Problems))
}

// Judge compares what was written with what arrived.
func Judge(j *Journal, s *Shipment, r Rules) *Verdict {
	v := &Verdict{}
	byFile := map[string][]*Record{}
	for i := range s.Records {
		rec := &s.Records[i]
		byFile[rec.File] = append(byFile[rec.File], rec)
		if r.Instance != "" && rec.Host != r.Instance {
			v.problem("%s/%d@%d: origin.host is %q, want %q", rec.Topic, rec.Partition, rec.Offset, rec.Host, r.Instance)
		}
		if rec.Quarantine {
			v.Quarantined++
		} else {
			v.Events++
		}
	}
	v.order(s, r)
	counts := v.counts(s, r)
	v.match(j, byFile, counts, r)
	return v
}

// order checks that in each partition the lines of a file come in the file's order. Where duplicates are allowed a line that was there
// before may come again, and so may what followed it.
func (v *Verdict) order(s *Shipment, r Rules) {
	type stream struct {
		topic     string
		partition int32
		file      string
	}
	type place struct {
		stream
		at int64
	}
	last, seen := map[stream]*Record{}, map[place]bool{}
	for i := range s.Records {
		rec := &s.Records[i]
		k := stream{rec.Topic, rec.Partition, rec.File}
		if before := last[k]; before != nil && before.At > rec.At && !(r.Duplicates && seen[place{k, rec.At}]) {
			v.problem("%s/%d@%d: offset %d of file %s comes after its offset %d", rec.Topic, rec.Partition, rec.Offset, rec.At, rec.File, before.At)
		}
		last[k], seen[place{k, rec.At}] = rec, true
	}
}

// counts checks the committed counts and returns the last ones of each generation.
func (v *Verdict) counts(s *Shipment, r Rules) map[string]Count {
	last := map[string]Count{}
	seq := int64(-1)
	for _, c := range s.Commits {
		if seq >= 0 && c.Seq != seq+1 && !r.GapsInSeq {
			v.problem("state@%d/%d: commit %d follows commit %d", c.Partition, c.Offset, c.Seq, seq)
		}
		seq = c.Seq
		for id, n := range c.Counts {
			if n.Read != n.Events+n.Quarantined+n.Blank+n.Lost {
				v.problem("state@%d/%d: generation %s does not balance: %+v", c.Partition, c.Offset, id, n)
			}
			if old := last[id]; old.Read > n.Read && !r.GapsInSeq {
				v.problem("state@%d/%d: generation %s was read up to %d bytes before, and now %d", c.Partition, c.Offset, id, old.Read, n.Read)
			}
			last[id] = n
		}
	}
	for _, n := range last {
		v.Lost += n.Lost
	}
	return last
}

// match finds the records of each generation and checks that they cover it.
func (v *Verdict) match(j *Journal, byFile map[string][]*Record, counts map[string]Count, r Rules) {
	taken := map[string]bool{}
	var gone []*written
	for _, g := range j.Generations() {
		w := g.written()
		v.Generations++
		v.Bytes += int64(len(w.data))
		v.Lines += lines(w.data)
		id, ok := find(w, byFile, taken)
		switch {
		case ok:
			taken[id] = true
			v.cover(w, id, byFile[id], counts[id], r)
		case lines(w.data) == 0 || w.unseen:
		case w.mayLose != "":
			gone = append(gone, w)
		default:
			v.problem("%s %s (%d bytes): nothing of it arrived", w.log, w.name, len(w.data))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(byFile)) {
		if !taken[id] {
			v.problem("generation %s with %d records is none that was written; its first: offset %d, length %d", id, len(byFile[id]), byFile[id][0].At, byFile[id][0].Length)
		}
	}
	v.declared(gone, counts, taken)
}

// declared checks that generations of which nothing arrived are declared lost, under ids that no records have.
func (v *Verdict) declared(gone []*written, counts map[string]Count, taken map[string]bool) {
	var pool, uncounted int64
	for id, n := range counts {
		if !taken[id] {
			pool += n.Lost
			uncounted += n.Uncounted
		}
	}
	for _, w := range gone {
		if pool -= int64(len(w.data)); pool < 0 && uncounted > 0 {
			pool += int64(len(w.data))
			uncounted--
		}
		if pool < 0 {
			v.problem("%s %s (%d bytes): nothing of it arrived (%s) and its loss is not declared", w.log, w.name, len(w.data), w.mayLose)
		}
	}
}

// lines counts the lines that are not blank, a half line at the end included.
func lines(data []byte) (n int64) {
	for l := range bytes.Lines(data) {
		if len(bytes.TrimRight(l, "\r\n")) > 0 {
			n++
		}
	}
	return n
}

// find returns the id whose records are of w: the first id of which any record has its bytes at its place. Lines must be unique in
// a journal, or generations are mistaken for each other.
func find(w *written, byFile map[string][]*Record, taken map[string]bool) (string, bool) {
	for _, id := range slices.Sorted(maps.Keys(byFile)) {
		if taken[id] {
			continue
		}
		hits := 0
		for _, rec := range byFile[id] {
			if w.holds(rec) {
				hits++
			}
			if hits > len(byFile[id])/2 || hits > 10 {
				return id, true
			}
		}
	}
	return "", false
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// holds says whether the record's bytes are in w at its place.
func (w *written) holds(rec *Record) bool {
	end := rec.At + rec.Length
	return rec.At >= 0 && rec.Length > 0 && end <= int64(len(w.data)) && crc32.Checksum(w.data[rec.At:end], castagnoli) == rec.CRC
}

// cover checks that the records of a generation leave no gap, do not overlap, and agree with the bytes and the counts.
func (v *Verdict) cover(w *written, id string, recs []*Record, count Count, r Rules) {
	slices.SortStableFunc(recs, func(a, b *Record) int { return cmp.Compare(a.At, b.At) })
	where := func(rec *Record) string {
		return fmt.Sprintf("%s %s (%s) offset %d length %d (%s/%d@%d)", w.log, w.name, id, rec.At, rec.Length, rec.Topic, rec.Partition, rec.Offset)
	}
	var sum Count
	var gaps int64
	at := int64(0)
	for i, rec := range recs {
		if !w.holds(rec) {
			v.problem("%s: there are no such bytes", where(rec))
			continue
		}
		if i > 0 && rec.At == recs[i-1].At && r.Duplicates {
			v.Duplicates++
			continue
		}
		switch {
		case rec.At < at:
			v.problem("%s: is there again, or overlaps what ends at %d", where(rec), at)
			continue
		case rec.At > at:
			gaps += v.gap(w, id, at, rec.At, &sum)
		}
		line := w.data[rec.At : rec.At+rec.Length]
		at = rec.At + rec.Length
		if at < int64(len(w.data)) {
			if w.data[at] != '\n' {
				v.problem("%s: does not end where the line ends", where(rec))
			}
			at++
		}
		if rec.Quarantine {
			sum.Quarantined += at - rec.At
			if r.Fits != nil && r.Fits(line) {
				v.problem("%s: is in quarantine, though it fits: %v", where(rec), rec.Value["reason"])
			}
		} else {
			sum.Events += at - rec.At
			if r.Check != nil {
				if wrong := r.Check(line, rec.Value); wrong != "" {
					v.problem("%s: %s", where(rec), wrong)
				}
			}
		}
	}
	gaps += v.gap(w, id, at, int64(len(w.data)), &sum)
	v.balance(w, id, gaps, sum, count, r)
}

// gap looks at bytes without a record: blank lines are none. It returns how many are missing.
func (v *Verdict) gap(w *written, id string, from, to int64, sum *Count) (missing int64) {
	for l := range bytes.Lines(w.data[from:to]) {
		if len(bytes.TrimRight(l, "\r\n")) == 0 {
			sum.Blank += int64(len(l))
			continue
		}
		missing += int64(len(l))
	}
	if missing > 0 && w.mayLose == "" {
		v.problem("%s %s (%s): %d bytes from %d to %d are missing", w.log, w.name, id, missing, from, to)
	}
	return missing
}

// balance compares the committed counts of a generation with its records.
func (v *Verdict) balance(w *written, id string, gaps int64, sum, count Count, r Rules) {
	if r.GapsInSeq || r.Duplicates {
		return // the last counts of the generation may be gone, or count twice
	}
	if count.Events != sum.Events || count.Quarantined != sum.Quarantined {
		v.problem("%s %s (%s): the state counts %d bytes in events and %d in quarantine, but there are %d and %d", w.log, w.name, id,
			count.Events, count.Quarantined, sum.Events, sum.Quarantined)
	}
	if gaps > 0 && count.Lost < gaps && count.Uncounted == 0 {
		v.problem("%s %s (%s): %d bytes are missing (%s) but only %d are declared lost", w.log, w.name, id, gaps, w.mayLose, count.Lost)
	}
	// A loss without a number is no problem: of a file that is gone nobody knows whether it had grown.
	if w.mayLose == "" && count.Lost > 0 {
		v.problem("%s %s (%s): %d bytes are declared lost, though nothing was taken away", w.log, w.name, id, count.Lost)
	}
	if w.mayLose == "" && count.Read != int64(len(w.data)) {
		v.problem("%s %s (%s): the state counts %d bytes read of %d written", w.log, w.name, id, count.Read, len(w.data))
	}
}
