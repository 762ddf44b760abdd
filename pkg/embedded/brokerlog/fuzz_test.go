package brokerlog

// Shows that no bytes in a segment or a log make the readers panic, read beyond the end or accept what is not whole.

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func FuzzSegment(f *testing.F) {
	data := seal(kmsg.RecordBatch{Magic: 2, ProducerID: 7, Attributes: attrTxn, NumRecords: 1, Records: []byte{12, 0, 0, 0, 1, 0, 0}})
	end := marker(1, 0, 7, 0, true, time.Unix(0, 0))
	f.Add([]byte{})
	f.Add(data)
	f.Add(append(append([]byte(nil), data...), end...))
	f.Add(append(append([]byte(nil), data...), end[:40]...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var seen []byte
		valid, err := readBatches(bytes.NewReader(raw), int64(len(raw)), func(b batch, r []byte) error {
			isCommit(r)
			if b.size != len(r) {
				t.Fatalf("size %d, %d bytes", b.size, len(r))
			}
			seen = append(seen, r...)
			return nil
		})
		if err != nil && !errors.Is(err, errTorn) {
			t.Fatal(err)
		}
		if !bytes.Equal(seen, raw[:valid]) || err == nil && valid != int64(len(raw)) {
			t.Fatalf("%d of %d bytes are whole, error %v", valid, len(raw), err)
		}
	})
}

func FuzzEntries(f *testing.F) {
	two := appendEntry(appendEntry(nil, []byte(`{"type":"init","pid":1}`)), nil)
	f.Add(two)
	f.Add(two[:len(two)-3])
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := wholeEntries(raw)
		if wholeEntries(raw[:n]) != n {
			t.Fatalf("cut at %d, it is to be cut again", n)
		}
		if more := appendEntry(raw[:n:n], []byte("x")); wholeEntries(more) != len(more) {
			t.Fatal("an entry after the cut is not read")
		}
	})
}
