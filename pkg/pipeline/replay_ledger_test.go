// replay_ledger_test.go shows that what a ledger says was replayed is right in any order of the records, and that no line is taken twice
// when some of them are gone; and that sets and tables hold what was put into them.
package pipeline

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"ngxtap/pkg/avro"
)

// TestLedgerOfRuns plays many lives of a quarantine topic: lines come, runs replay some of those that they may, and records of replays
// are lost, oldest first in each of two partitions; or else the position is lost. A line may be left out after a loss of records, but
// never be taken twice.
func TestLedgerOfRuns(t *testing.T) {
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var records [2][]*avro.Replayed
		pos := &replayPosition{}
		end := [parts]int64{}
		taken := map[[2]int64]bool{}
		lost := false
		for step := range 30 {
			for p := range end {
				end[p] += int64(rnd.IntN(4))
			}
			if rnd.IntN(4) == 0 && seed%2 == 0 {
				if i := rnd.IntN(2); len(records[i]) > 0 {
					records[i] = records[i][1+rnd.IntN(len(records[i])):]
					lost = true
				}
			}
			l := NewLedger()
			for i := range records {
				for _, r := range records[i] {
					l.Add(r)
				}
			}
			l.settle(pos)
			r := &avro.Replayed{Seq: l.seq + 1}
			for p := range int32(parts) {
				in := avro.ReplayedPartition{Partition: p, Before: at(l.reach, p)}
				for o := range end[p] {
					key := [2]int64{int64(p), o}
					switch {
					case l.Done(p, o):
						if !taken[key] {
							t.Fatalf("seed %d step %d: line %v is done but was never taken", seed, step, key)
						}
					case l.Unrecorded(p, o):
						if !lost {
							t.Fatalf("seed %d step %d: line %v is unrecorded and nothing was lost", seed, step, key)
						}
					case taken[key]:
						t.Fatalf("seed %d step %d: line %v would be taken twice", seed, step, key)
					case rnd.IntN(3) == 0:
						taken[key] = true
						in.Ranges = append(in.Ranges, avro.QuarantineOffsets{First: o, Count: 1})
						l.reach[p] = max(at(l.reach, p), o)
					}
				}
				if in.Ranges != nil {
					r.Partitions = append(r.Partitions, in)
				}
			}
			if r.Partitions == nil {
				continue
			}
			pos = &replayPosition{Seq: r.Seq, Reach: maps.Clone(l.reach)}
			if rnd.IntN(4) == 0 && seed%2 == 1 {
				pos = &replayPosition{}
			}
			i := 0
			if step > 15 { // the topic got another number of partitions
				i = 1
			}
			records[i] = append(records[i], r)
		}
	}
}

// TestLedgerForgets: in a topic that was made anew, the old records and the position stand in the way of new lines, until a person says so.
func TestLedgerForgets(t *testing.T) {
	old := &replayPosition{Seq: 9, Reach: map[int32]int64{0: 100, 1: 50}}
	l := NewLedger()
	l.settle(old)
	if !l.Unrecorded(0, 100) || l.Unrecorded(0, 101) || l.Unrecorded(2, 0) {
		t.Fatal("what may have been replayed is not known by the position")
	}
	l.forget()
	if l.Unrecorded(0, 0) || l.seq != 9 {
		t.Fatal("forgotten, but still in the way")
	}
	first := &avro.Replayed{Seq: 10, Partitions: []avro.ReplayedPartition{{Partition: 0, Before: at(l.reach, 0), Ranges: []avro.QuarantineOffsets{{First: 3, Count: 5}}}}}
	next := NewLedger()
	next.Add(first)
	next.settle(&replayPosition{Seq: 10, Reach: map[int32]int64{0: 7}})
	for o := range int64(20) {
		if next.Unrecorded(0, o) || next.Done(0, o) != (o >= 3 && o < 8) {
			t.Errorf("offset %d: done %v, unrecorded %v", o, next.Done(0, o), next.Unrecorded(0, o))
		}
	}
}

func TestOffsetSet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	s, want := offsetSet{}, map[int64]bool{}
	if s.last() != -1 {
		t.Error("an empty set has a last offset")
	}
	last := int64(-1)
	for range 200 {
		first, count := rnd.Int64N(50_000), 1+rnd.Int64N(300)
		s.add(first, count)
		for o := first; o < first+count; o++ {
			want[o] = true
		}
		last = max(last, first+count-1)
		if s.last() != last {
			t.Fatalf("last = %d, want %d", s.last(), last)
		}
	}
	for o := range int64(60_000) {
		if s.has(o) != want[o] {
			t.Fatalf("has(%d) = %v", o, s.has(o))
		}
	}
	if offsetSet(nil).has(5) {
		t.Error("no set has an offset")
	}
}

func TestTable(t *testing.T) {
	var table Table
	for i := range 1000 {
		table.Add(fmt.Sprintf("longer than %d bytes (0x%02X)", i, i%256))
		table.AddName(fmt.Sprint("host", i))
	}
	rows := table.Rows()
	if len(rows) != tableRows+1 || table.Sum() != 2000 || rows[0] != (Row{"longer than N bytes (N)", 1000}) || rows[1] != (Row{"host0", 1}) ||
		rows[tableRows] != (Row{TableRest, 1000 - tableRows + 1}) {
		t.Errorf("%d rows, sum %d: %v", len(rows), table.Sum(), rows)
	}
}

// TestTableKeepsNames: what has numbers in it and is a name, or a command to be copied, is not made another.
func TestTableKeepsNames(t *testing.T) {
	for text, want := range map[string]string{
		"line of 17 bytes, 0x1B in it": "line of N bytes, N in it",
		"$http_x_2: end at 12":         "$http_x_2: end at N",
		"log_format v2 is breaking; `ngxtap schema accept --site web-01 55e3f0a40ef14ac1` lets it through": "log_format v2 is breaking; " +
			"`ngxtap schema accept --site web-01 55e3f0a40ef14ac1` lets it through",
	} {
		var table Table
		if table.Add(text); table.Rows()[0].Text != want {
			t.Errorf("%q is counted as %q, want %q", text, table.Rows()[0].Text, want)
		}
	}
}
