package brokerlog

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
)

// window is what a broker remembers of a producer in a partition, to tell a repeated batch from a new one: its last five batches
// (Kafka's ProducerStateEntry).
type window struct {
	entries [5]windowEntry
	count   uint8
	at      uint8
	epoch   int16
	next    int32
}

type windowEntry struct {
	First  int32 `json:"first_seq"`
	Next   int32 `json:"next_seq"`
	Offset int64 `json:"offset"`
}

// add takes note of a batch of the producer.
func (w *window) add(b batch) {
	if b.seq < 0 {
		return
	}
	if w.count > 0 && b.epoch != w.epoch {
		*w = window{}
	}
	w.epoch = b.epoch
	w.next = int32((int64(b.seq) + int64(b.records)) % math.MaxInt32)
	w.entries[w.at] = windowEntry{First: b.seq, Next: w.next, Offset: b.offset}
	w.at = (w.at + 1) % 5
	w.count = min(w.count+1, 5)
}

// seqWindow is an entry of kfake's seq_windows.json.
type seqWindow struct {
	PID       int64          `json:"pid"`
	Topic     string         `json:"topic"`
	Partition int32          `json:"partition"`
	Entries   [5]windowEntry `json:"entries"`
	Count     uint8          `json:"count"`
	At        uint8          `json:"at"`
	Epoch     int16          `json:"epoch"`
	Seen      bool           `json:"seen"`
	Next      int32          `json:"next_seq"`
}

// seqWindows returns the windows of all producers of the partition.
func (p *partition) seqWindows(topic string, index int32) []seqWindow {
	var ws []seqWindow
	for pid, w := range p.windows {
		if w.count > 0 {
			ws = append(ws, seqWindow{PID: pid, Topic: topic, Partition: index, Entries: w.entries, Count: w.count, At: w.at, Epoch: w.epoch, Seen: true, Next: w.next})
		}
	}
	return ws
}

// writeState writes what the broker is to know about producers: how their transactions ended, and the sequence numbers seen.
func (r *repair) writeState() error {
	path := filepath.Join(r.dir, "pids.log")
	known, err := readEpochs(path)
	if err != nil {
		return err
	}
	var entries []byte
	for pid, e := range r.ended {
		// The producer is fenced by an epoch one higher. A commit asked for by a client that bumps with each transaction (KIP-890)
		// has the same effect, and repeating it then succeeds; an older client repeats it with the same epoch.
		epoch := e.epoch
		if !e.commit || r.note.bump {
			epoch++
		}
		line, err := json.Marshal(pidEntry{Type: "endtx", PID: pid, Epoch: max(epoch, known[pid]), Commit: e.commit})
		if err != nil {
			return fmt.Errorf("write the end of a transaction: %w", err)
		}
		entries = appendEntry(entries, line)
	}
	if len(entries) > 0 {
		if err := appendFile(path, entries); err != nil {
			return fmt.Errorf("write the end of a transaction: %w", err)
		}
	}
	return writeJSON(filepath.Join(r.dir, "seq_windows.json"), map[string]any{"version": persistVersion, "windows": r.windows})
}

// pidEntry is an entry of kfake's pids.log, as far as we write it.
type pidEntry struct {
	Type   string `json:"type"`
	PID    int64  `json:"pid"`
	Epoch  int16  `json:"epoch"`
	Commit bool   `json:"commit"`
}

// readEpochs returns the epoch that each producer has by pids.log.
func readEpochs(path string) (map[int64]int16, error) {
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read log: %w", err)
	}
	epochs := map[int64]int16{}
	for data := nextEntry(raw); data != nil; data = nextEntry(raw) {
		var e pidEntry
		if err := json.Unmarshal(data, &e); err != nil {
			return nil, fmt.Errorf("read log %s: %w", path, err)
		}
		epochs[e.PID] = e.Epoch
		raw = raw[entryHeader+len(data):]
	}
	return epochs, nil
}

// entryHeader is the size of what precedes an entry of pids.log and groups.log: length (4 bytes), CRC-32C (4), version (2), all
// little-endian. Length and CRC cover the version and the data.
const entryHeader = 10

// appendEntry appends an entry of kfake's append logs.
func appendEntry(dst, data []byte) []byte {
	var h [entryHeader]byte
	binary.LittleEndian.PutUint32(h[0:], uint32(2+len(data)))
	binary.LittleEndian.PutUint16(h[8:], persistVersion)
	crc := crc32.Update(crc32.Checksum(h[8:], castagnoli), castagnoli, data)
	binary.LittleEndian.PutUint32(h[4:], crc)
	return append(append(dst, h[:]...), data...)
}

// nextEntry returns the data of the entry that raw starts with, nil if it does not start with a whole one.
func nextEntry(raw []byte) []byte {
	if len(raw) < entryHeader {
		return nil
	}
	n := int64(binary.LittleEndian.Uint32(raw))
	if n < 2 || n > int64(len(raw)-8) {
		return nil
	}
	body := raw[8 : 8+n]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(raw[4:]) {
		return nil
	}
	return body[2:]
}

// wholeEntries returns how many bytes of raw, from its start, are whole entries.
func wholeEntries(raw []byte) int {
	n := 0
	for data := nextEntry(raw); data != nil; data = nextEntry(raw[n:]) {
		n += entryHeader + len(data)
	}
	return n
}

// truncateEntries cuts the torn end off an append log. kfake passes over it, but appends after it, and could not read what follows
// at the next start.
func truncateEntries(path string) (cut bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read log: %w", err)
	}
	n := wholeEntries(raw)
	if n == len(raw) {
		return false, nil
	}
	if err := os.Truncate(path, int64(n)); err != nil {
		return false, fmt.Errorf("cut the torn end of a log: %w", err)
	}
	return true, nil
}

// writeJSON writes v to path in one step.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return writeFile(path, b)
}

// writeFile writes path in one step: a reader, or the next start, sees the old file or the whole new one.
func writeFile(path string, b []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// appendFile appends b to path and syncs it.
func appendFile(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}
