package brokerlog

// Shows what Repair makes of a directory, transaction by transaction, and that it may be killed and run again.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// logWriter writes a broker's data directory as kfake does.
type logWriter struct {
	t      *testing.T
	dir    string
	topics []topic
	ends   map[string]int64
}

func newLog(t *testing.T) *logWriter {
	return &logWriter{t: t, dir: t.TempDir(), ends: map[string]int64{}}
}

func (w *logWriter) topic(name, policy string) {
	w.topics = append(w.topics, topic{name, 1, map[string]string{"cleanup.policy": policy}})
	w.must(writeJSON(filepath.Join(w.dir, "topics.json"), map[string]any{"version": 1, "topics": w.topics}))
	w.must(os.MkdirAll(partitionDir(w.dir, name, 0), 0o755))
}

func (w *logWriter) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *logWriter) path(topic, file string) string {
	return filepath.Join(partitionDir(w.dir, topic, 0), file)
}

// put appends a batch to the segment; pid < 0 writes outside of transactions. A record is "key=value", or a value alone.
func (w *logWriter) put(topic, segment string, pid int64, epoch int16, records ...string) {
	rb := kmsg.RecordBatch{FirstOffset: w.ends[topic], Magic: 2, LastOffsetDelta: int32(len(records) - 1), ProducerID: pid, ProducerEpoch: epoch, NumRecords: int32(len(records))}
	if pid >= 0 {
		rb.Attributes = attrTxn
	}
	for i, r := range records {
		rec := kmsg.Record{OffsetDelta: int32(i), Value: []byte(r)}
		if key, value, ok := strings.Cut(r, "="); ok {
			rec.Key, rec.Value = []byte(key), []byte(value)
		}
		rec.Length = int32(len(rec.AppendTo(nil)) - 1)
		rb.Records = rec.AppendTo(rb.Records)
	}
	w.raw(topic, segment, seal(rb))
	w.ends[topic] += int64(len(records))
}

func (w *logWriter) mark(topic, segment string, pid int64, epoch int16, commit bool) {
	w.raw(topic, segment, marker(w.ends[topic], 0, pid, epoch, commit, time.Now()))
	w.ends[topic]++
}

func (w *logWriter) raw(topic, segment string, raw []byte) {
	w.t.Helper()
	b, err := parseBatch(raw)
	w.must(err)
	w.must(appendFile(w.path(topic, segment+".dat"), raw))
	w.must(appendFile(w.path(topic, segment+".idx"), appendIndex(nil, b)))
}

func (w *logWriter) repair() Report {
	w.t.Helper()
	rep, err := Repair(w.dir, slog.New(slog.DiscardHandler))
	w.must(err)
	return rep
}

// show returns the partition's batches in short: "0:a,b" is data at offset 0, "2:commit 7/1" the marker of producer 7, epoch 1.
func (w *logWriter) show(topic string) string {
	w.t.Helper()
	bases, err := segmentBases(partitionDir(w.dir, topic, 0))
	w.must(err)
	var all []string
	for _, base := range bases {
		_, err := readSegment(w.path(topic, fmt.Sprint(base)+".dat"), func(b batch, raw []byte) error {
			if b.control() {
				word := map[bool]string{true: "commit", false: "abort"}[isCommit(raw)]
				all = append(all, fmt.Sprintf("%d:%s %d/%d", b.offset, word, b.pid, b.epoch))
				return nil
			}
			var rb kmsg.RecordBatch
			w.must(rb.ReadFrom(raw))
			recs, err := kfake.BatchRecords(rb)
			w.must(err)
			var values []string
			for _, r := range recs {
				values = append(values, string(r.Value))
			}
			all = append(all, fmt.Sprintf("%d:%s", b.offset, strings.Join(values, ",")))
			return nil
		})
		w.must(err)
	}
	return strings.Join(all, " | ")
}

func TestRepairEndsTransactions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write func(w *logWriter)
		note  note
		want  string
		pid   string // what is appended to pids.log
	}{
		{name: "nothing open",
			write: func(w *logWriter) {
				w.put("t", "0", 7, 1, "a", "b")
				w.mark("t", "0", 7, 1, true)
				w.put("t", "0", -1, 0, "c")
			},
			want: "0:a,b | 2:commit 7/1 | 3:c"},
		{name: "open, no note",
			write: func(w *logWriter) { w.put("t", "0", 7, 1, "a") },
			want:  "0:a | 1:abort 7/1", pid: `{"type":"endtx","pid":7,"epoch":2,"commit":false}`},
		{name: "open, noted",
			write: func(w *logWriter) { w.put("t", "0", 7, 1, "a") }, note: note{pid: 7, epoch: 1},
			want: "0:a | 1:commit 7/1", pid: `{"type":"endtx","pid":7,"epoch":1,"commit":true}`},
		{name: "open, noted, the epoch is bumped with each transaction",
			write: func(w *logWriter) { w.put("t", "0", 7, 1, "a") }, note: note{pid: 7, epoch: 1, bump: true},
			want: "0:a | 1:commit 7/1", pid: `{"type":"endtx","pid":7,"epoch":2,"commit":true}`},
		{name: "the note is of another producer",
			write: func(w *logWriter) { w.put("t", "0", 7, 1, "a") }, note: note{pid: 8, epoch: 1},
			want: "0:a | 1:abort 7/1", pid: `{"type":"endtx","pid":7,"epoch":2,"commit":false}`},
		{name: "the note is of the transaction before",
			write: func(w *logWriter) { w.put("t", "0", 7, 2, "a") }, note: note{pid: 7, epoch: 1, bump: true},
			want: "0:a | 1:abort 7/2", pid: `{"type":"endtx","pid":7,"epoch":3,"commit":false}`},
		{name: "two open, in the order they began",
			write: func(w *logWriter) { w.put("t", "0", 9, 0, "a"); w.put("t", "0", 7, 1, "b") },
			want:  "0:a | 1:b | 2:abort 9/0 | 3:abort 7/1", pid: "both"},
		{name: "pids.log knows a higher epoch",
			write: func(w *logWriter) {
				w.put("t", "0", 7, 1, "a")
				w.must(appendFile(filepath.Join(w.dir, "pids.log"), appendEntry(nil, []byte(`{"type":"init","pid":7,"epoch":5,"txid":"x","timeout":1}`))))
			},
			want: "0:a | 1:abort 7/1", pid: `{"type":"endtx","pid":7,"epoch":5,"commit":false}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newLog(t)
			w.topic("t", "delete")
			tt.write(w)
			if tt.note.pid != 0 {
				n, err := OpenNote(w.dir)
				w.must(err)
				w.must(errors.Join(n.Commit(tt.note.pid, tt.note.epoch, tt.note.bump), n.Close()))
			}
			for range 2 { // the second time must change nothing
				w.repair()
				if got := w.show("t"); got != tt.want {
					t.Errorf("the log is  %s\nit should be %s", got, tt.want)
				}
			}
			raw, _ := os.ReadFile(filepath.Join(w.dir, "pids.log"))
			var last string
			n := 0
			for d := nextEntry(raw); d != nil; d = nextEntry(raw) {
				last, raw, n = string(d), raw[entryHeader+len(d):], n+1
			}
			if tt.pid == "both" {
				if n != 2 {
					t.Errorf("%d producers are fenced, want 2", n)
				}
			} else if last != tt.pid {
				t.Errorf("pids.log ends with  %s\nit should end with %s", last, tt.pid)
			}
		})
	}
}

func TestRepairCutsTornEnds(t *testing.T) {
	whole := newLog(t)
	whole.topic("t", "delete")
	whole.put("t", "0", 7, 1, "a", "b")
	whole.put("t", "2", 7, 1, "c")
	file, err := os.ReadFile(whole.path("t", "2.dat"))
	whole.must(err)
	for cut := range len(file) {
		w := newLog(t)
		w.topic("t", "delete")
		w.put("t", "0", 7, 1, "a", "b")
		w.put("t", "2", 7, 1, "c")
		w.must(os.WriteFile(w.path("t", "2.dat"), file[:cut], 0o600))
		w.repair()
		if got := w.show("t"); got != "0:a,b | 2:abort 7/1" {
			t.Fatalf("cut at %d of %d: %s", cut, len(file), got)
		}
	}
}

func TestRepairWritesMissingIndex(t *testing.T) {
	w := newLog(t)
	w.topic("t", "delete")
	w.put("t", "0", 7, 1, "a")
	w.mark("t", "0", 7, 1, true)
	want, err := os.ReadFile(w.path("t", "0.idx"))
	w.must(err)
	w.must(os.Truncate(w.path("t", "0.idx"), 20)) // killed between the segment and the index, within the index's write
	w.repair()
	if got, err := os.ReadFile(w.path("t", "0.idx")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("index %v, want %v, %v", got, want, err)
	}
}

func TestRepairRefusesDamage(t *testing.T) {
	w := newLog(t)
	w.topic("t", "delete")
	w.put("t", "0", -1, 0, "a")
	w.put("t", "1", -1, 0, "b")
	file, err := os.ReadFile(w.path("t", "0.dat"))
	w.must(err)
	file[len(file)-1] ^= 1
	w.must(os.WriteFile(w.path("t", "0.dat"), file, 0o600))
	_, err = Repair(w.dir, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "0.dat at byte 0") {
		t.Errorf("error: %v", err)
	}
	if got, _ := os.ReadFile(w.path("t", "0.dat")); !bytes.Equal(got, file) {
		t.Error("the damaged segment was changed")
	}
	for _, name := range []string{"not JSON", `{"version":2}`} {
		w.must(os.WriteFile(filepath.Join(w.dir, "topics.json"), []byte(name), 0o600))
		if _, err := Repair(w.dir, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("topics.json %s was taken", name)
		}
	}
}

func TestRepairWritesSnapshot(t *testing.T) {
	w := newLog(t)
	w.topic("t", "delete")
	w.put("t", "0", 7, 1, "a")
	w.mark("t", "0", 7, 1, false)
	w.put("t", "0", -1, 0, "b")
	w.put("t", "0", 8, 3, "c")
	w.must(os.WriteFile(w.path("t", "snapshot.json"), []byte(`{"log_start_offset":2,"created_at":"2026-01-02T03:04:05Z"}`), 0o600))
	w.repair()
	var got struct {
		High, Stable, Start int64
		HighWatermark       int64     `json:"high_watermark"`
		LastStable          int64     `json:"last_stable_offset"`
		LogStart            int64     `json:"log_start_offset"`
		CreatedAt           time.Time `json:"created_at"`
		Aborted             []aborted `json:"aborted_txns"`
	}
	b, err := os.ReadFile(w.path("t", "snapshot.json"))
	w.must(err)
	w.must(json.Unmarshal(b, &got))
	if got.HighWatermark != 5 || got.LastStable != 5 || got.LogStart != 2 || got.CreatedAt.Year() != 2026 {
		t.Errorf("snapshot %s", b)
	}
	if want := []aborted{{7, 0, 1}, {8, 3, 4}}; !slices.Equal(got.Aborted, want) {
		t.Errorf("aborted %v, want %v", got.Aborted, want)
	}
}

func TestRepairKeepsSequenceWindows(t *testing.T) {
	w := newLog(t)
	w.topic("a-topic/with 1", "delete")
	for seq := range int32(7) {
		rb := kmsg.RecordBatch{FirstOffset: int64(seq), Magic: 2, ProducerID: 7, ProducerEpoch: 1, FirstSequence: seq, NumRecords: 1}
		w.raw("a-topic/with 1", "0", seal(rb))
	}
	w.repair()
	var got struct{ Windows []seqWindow }
	b, err := os.ReadFile(filepath.Join(w.dir, "seq_windows.json"))
	w.must(err)
	w.must(json.Unmarshal(b, &got))
	if len(got.Windows) != 1 {
		t.Fatalf("windows: %s", b)
	}
	s := got.Windows[0]
	if s.PID != 7 || s.Topic != "a-topic/with 1" || s.Next != 7 || s.Count != 5 || s.At != 2 || !s.Seen {
		t.Errorf("window: %+v", s)
	}
	if s.Entries[1] != (windowEntry{First: 6, Next: 7, Offset: 6}) || s.Entries[2] != (windowEntry{First: 2, Next: 3, Offset: 2}) {
		t.Errorf("entries: %+v", s.Entries)
	}
}

func TestRepairCompacts(t *testing.T) {
	w := newLog(t)
	w.topic("t", "compact")
	for i := range 5 {
		w.put("t", "0", 7, 1, fmt.Sprintf("k=%d", i), "quiet=q")
		w.mark("t", "0", 7, 1, true)
	}
	w.put("t", "15", 7, 1, "k=aborted", "other=aborted")
	w.mark("t", "15", 7, 1, false)
	w.put("t", "15", -1, 0, "without a key")
	w.put("t", "15", 8, 1, "k=open")
	rep := w.repair()
	want := "12:4,q | 18:without a key | 20:abort 8/1"
	if got := w.show("t"); got != want || rep.Compacted != 1 {
		t.Errorf("%d compacted: %s\nwant %s", rep.Compacted, got, want)
	}
	if rep := w.repair(); rep.Compacted != 0 || w.show("t") != want {
		t.Errorf("the second time: %d compacted: %s", rep.Compacted, w.show("t"))
	}
}

// TestRepairAfterKilledCompaction stops where compact has put its file in place and not yet removed the other segments.
func TestRepairAfterKilledCompaction(t *testing.T) {
	w := newLog(t)
	w.topic("t", "compact")
	for i := range 4 {
		w.put("t", "0", -1, 0, fmt.Sprintf("k=%d", i))
	}
	for i := range 4 {
		w.put("t", "4", -1, 0, fmt.Sprintf("k=%d", 4+i))
	}
	second, err := os.ReadFile(w.path("t", "4.dat"))
	w.must(err)
	w.repair()
	const want = "7:7"
	if got := w.show("t"); got != want {
		t.Fatalf("compacted: %s, want %s", got, want)
	}
	w.must(os.WriteFile(w.path("t", "4.dat"), second, 0o600))
	w.repair()
	if got := w.show("t"); got != want {
		t.Errorf("after the kill: %s, want %s", got, want)
	}
}
