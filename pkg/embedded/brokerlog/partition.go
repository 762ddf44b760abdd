package brokerlog

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// partition is what the segments of one partition hold.
type partition struct {
	dir         string
	segments    []segment // in order of offset, none empty
	first       int64     // offset of the first record
	end         int64     // offset after the last record
	leaderEpoch int32
	batches     int
	open        map[int64]open // transactions without a marker, by producer id
	aborted     []aborted      // in order of their markers
	windows     map[int64]*window
	truncated   int // segments cut
}

type segment struct {
	base int64 // its name
	size int64
}

// open is a transaction without a marker.
type open struct {
	pid   int64
	epoch int16
	first int64
}

// aborted is a transaction with an abort marker: its records lie between first and last, the marker itself.
type aborted struct {
	PID   int64 `json:"producer_id"`
	First int64 `json:"first_offset"`
	Last  int64 `json:"last_offset"`
}

func (s segment) dat(dir string) string {
	return filepath.Join(dir, strconv.FormatInt(s.base, 10)+".dat")
}
func (s segment) idx(dir string) string {
	return filepath.Join(dir, strconv.FormatInt(s.base, 10)+".idx")
}

// readPartition reads all segments of dir, cuts off a torn end and brings the index files in line. It returns nil if there is
// nothing in dir.
func readPartition(dir string, log *slog.Logger) (*partition, error) {
	bases, err := segmentBases(dir)
	if err != nil || len(bases) == 0 {
		return nil, err
	}
	p := &partition{dir: dir, open: map[int64]open{}, windows: map[int64]*window{}}
	for i, base := range bases {
		s := segment{base: base}
		if i > 0 && base < p.end {
			// Its offsets are in the segment before it: compact had put its one file in place and was killed before it removed
			// the others.
			log.Info("remove a segment that was compacted", "file", s.dat(dir))
			if err := errors.Join(removeIfThere(s.dat(dir)), removeIfThere(s.idx(dir))); err != nil {
				return nil, err
			}
			continue
		}
		if err := p.readSegment(s, i == len(bases)-1, log); err != nil {
			return nil, err
		}
	}
	if len(p.segments) == 0 {
		return nil, removeIfThere(filepath.Join(dir, "snapshot.json"))
	}
	return p, nil
}

// segmentBases returns the base offsets of the segments in dir, ascending.
func segmentBases(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var bases []int64
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".dat"); ok {
			if base, err := strconv.ParseInt(name, 10, 64); err == nil {
				bases = append(bases, base)
			}
		}
	}
	slices.Sort(bases)
	return bases, nil
}

// readSegment reads one segment. Only the last one may have a torn end: that is where a killed process was writing.
func (p *partition) readSegment(s segment, last bool, log *slog.Logger) error {
	var index []byte
	valid, err := readSegment(s.dat(p.dir), func(b batch, raw []byte) error {
		index = appendIndex(index, b)
		p.add(b, raw)
		return nil
	})
	if errors.Is(err, errTorn) && last {
		log.Warn("cut the torn end of a segment", "file", s.dat(p.dir), "at", valid)
		p.truncated++
		err = os.Truncate(s.dat(p.dir), valid)
	}
	if errors.Is(err, errTorn) {
		return fmt.Errorf("%w: the disk lost data; move the directory away to start afresh", err)
	}
	if err != nil {
		return err
	}
	if valid == 0 {
		return errors.Join(removeIfThere(s.dat(p.dir)), removeIfThere(s.idx(p.dir)))
	}
	s.size = valid
	p.segments = append(p.segments, s)
	// kfake pairs batches with index entries by position and appends to the file: one entry missing would shift all that follow.
	if info, err := os.Stat(s.idx(p.dir)); err == nil && info.Size() == int64(len(index)) {
		return nil
	}
	return writeFile(s.idx(p.dir), index)
}

// add takes note of a batch.
func (p *partition) add(b batch, raw []byte) {
	if p.batches == 0 {
		p.first = b.offset
	}
	p.batches++
	p.end = b.last + 1
	p.leaderEpoch = b.leaderEpoch
	switch {
	case b.control():
		o, ok := p.open[b.pid]
		if ok && !isCommit(raw) {
			p.aborted = append(p.aborted, aborted{PID: b.pid, First: o.first, Last: b.offset})
		}
		delete(p.open, b.pid)
	case b.transactional():
		o, ok := p.open[b.pid]
		if !ok {
			o = open{pid: b.pid, first: b.offset}
		}
		o.epoch = b.epoch
		p.open[b.pid] = o
		fallthrough
	case b.pid >= 0:
		w := p.windows[b.pid]
		if w == nil {
			w = &window{}
			p.windows[b.pid] = w
		}
		w.add(b)
	}
}

// openInOrder returns the open transactions by their first offset.
func (p *partition) openInOrder() []open {
	var os []open
	for _, o := range p.open {
		os = append(os, o)
	}
	slices.SortFunc(os, func(a, b open) int { return cmp.Compare(a.first, b.first) })
	return os
}

// finish writes the marker that ends o.
func (p *partition) finish(o open, commit bool) error {
	raw := marker(p.end, p.leaderEpoch, o.pid, o.epoch, commit, time.Now())
	b, err := parseBatch(raw)
	if err != nil {
		return fmt.Errorf("build a transaction marker: %w", err)
	}
	s := &p.segments[len(p.segments)-1]
	if err := appendFile(s.dat(p.dir), raw); err != nil {
		return fmt.Errorf("write a transaction marker: %w", err)
	}
	if err := appendFile(s.idx(p.dir), appendIndex(nil, b)); err != nil {
		return fmt.Errorf("write a transaction marker: %w", err)
	}
	s.size += int64(len(raw))
	p.add(b, raw)
	return nil
}

// appendIndex appends kfake's index entry for b: version, checksum, leader epoch, a timestamp that it computes anew when it loads,
// and whether the batch was written in a transaction.
func appendIndex(dst []byte, b batch) []byte {
	var e [15]byte
	e[0] = persistVersion
	binary.LittleEndian.PutUint32(e[2:], uint32(b.leaderEpoch))
	if b.transactional() && !b.control() {
		e[14] = 1
	}
	e[1] = byte(crc32.Checksum(e[2:], castagnoli))
	return append(dst, e[:]...)
}

// writeSnapshot writes kfake's snapshot.json. With it kfake loads one segment after the other; without it holds the whole
// partition in memory while it loads, and works out the transactions itself.
func (p *partition) writeSnapshot() error {
	type seg struct {
		Base int64 `json:"base_offset"`
		Size int64 `json:"size"`
	}
	snap := struct {
		Version   int       `json:"version"`
		High      int64     `json:"high_watermark"`
		Stable    int64     `json:"last_stable_offset"`
		Start     int64     `json:"log_start_offset"`
		Epoch     int32     `json:"epoch"`
		CreatedAt time.Time `json:"created_at"`
		Aborted   []aborted `json:"aborted_txns,omitempty"`
		Segments  []seg     `json:"segments"`
	}{Version: persistVersion, High: p.end, Stable: p.end, Start: p.first, Epoch: p.leaderEpoch, CreatedAt: time.Now(), Aborted: p.aborted}
	path := filepath.Join(p.dir, "snapshot.json")
	// Records that were deleted (DeleteRecords) or trimmed stay in their segment until all of it goes; only the old snapshot knows.
	var old struct {
		Start     int64     `json:"log_start_offset"`
		CreatedAt time.Time `json:"created_at"`
	}
	if b, err := os.ReadFile(path); err == nil && json.Unmarshal(b, &old) == nil {
		snap.Start = min(max(snap.Start, old.Start), p.end)
		snap.CreatedAt = old.CreatedAt
	}
	for _, s := range p.segments {
		snap.Segments = append(snap.Segments, seg{s.base, s.size})
	}
	return writeJSON(path, snap)
}
