// batch_test.go shows that a batch keeps keys, values, times and headers apart, that Undo leaves no trace, that Release makes it
// new again, and that a reused batch allocates nothing.
package sink

import (
	"bytes"
	"testing"
)

func appendRecord(b *Batch, key, value string, s Stream, time int64) {
	b.Buf = append(b.Buf, key...)
	if key != "" {
		b.EndKey()
	}
	b.Buf = append(b.Buf, value...)
	b.Add(s, time)
}

func TestBatchKeepsRecordsApart(t *testing.T) {
	b := NewBatch(64, nil)
	h := &Header{Name: "id", Value: []byte{1}}
	appendRecord(b, "", "first", Events, 1)
	b.Buf = append(b.Buf, "half a rec"...)
	b.EndKey()
	b.Undo()
	b.Header = h
	appendRecord(b, "key", "", Schemas, 2)
	b.Header = nil
	appendRecord(b, "", "", Changes, 3)

	want := []struct {
		key, value string
		s          Stream
		time       int64
		h          *Header
	}{{"", "first", Events, 1, nil}, {"key", "", Schemas, 2, h}, {"", "", Changes, 3, nil}}
	if len(b.Records) != len(want) {
		t.Fatalf("want %d records, got %d", len(want), len(b.Records))
	}
	for i, w := range want {
		r := &b.Records[i]
		if string(b.KeyOf(r)) != w.key || string(b.ValueOf(r)) != w.value || r.Stream != w.s || r.Time != w.time || r.Header != w.h {
			t.Errorf("record %d: got key %q value %q %+v", i, b.KeyOf(r), b.ValueOf(r), *r)
		}
	}
	if b.KeyOf(&b.Records[0]) != nil {
		t.Error("a record without a key must have a nil key")
	}
}

func TestBatchSlicesCannotGrowIntoTheNextRecord(t *testing.T) {
	b := NewBatch(64, nil)
	appendRecord(b, "k", "v", Events, 1)
	appendRecord(b, "", "next", Events, 2)
	_ = append(b.KeyOf(&b.Records[0]), 'X')
	_ = append(b.ValueOf(&b.Records[0]), 'Y')
	if !bytes.Equal(b.Buf, []byte("kvnext")) {
		t.Errorf("an append to a record's slice changed the batch: %q", b.Buf)
	}
}

func TestBatchIsNewAfterRelease(t *testing.T) {
	freed := 0
	b := NewBatch(64, func(*Batch) { freed++ })
	b.Header = &Header{Name: "id"}
	appendRecord(b, "k", "v", Events, 1)
	b.Release()
	if freed != 1 || len(b.Buf) != 0 || len(b.Records) != 0 || b.Header != nil {
		t.Errorf("not empty after Release: freed %d, %+v", freed, b)
	}
	appendRecord(b, "", "w", Events, 2)
	if got := string(b.ValueOf(&b.Records[0])); got != "w" {
		t.Errorf("want value w after reuse, got %q", got)
	}
}

func TestBatchAddAllocatesNothing(t *testing.T) {
	b := NewBatch(1<<16, nil)
	run := func() {
		for range 100 {
			b.Buf = append(b.Buf, "key"...)
			b.EndKey()
			b.Buf = append(b.Buf, "a value of some length"...)
			b.Add(Events, 1)
		}
		b.Release()
	}
	run()
	if n := testing.AllocsPerRun(10, run); n != 0 {
		t.Errorf("want 0 allocations, got %v", n)
	}
}
