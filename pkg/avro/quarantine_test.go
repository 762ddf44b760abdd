// quarantine_test.go shows that records of the quarantine topic are read back as they were written, that goavro reads the same, and
// that no bytes make the reader panic, loop or ask for much memory.
package avro

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"ngxtap/pkg/schema"
)

func TestReplayed(t *testing.T) {
	full := &Replayed{Time: 1_700_000_000_000_001, Site: "shop", Host: "web-01", Seq: 7, Lines: 1003, Partitions: []ReplayedPartition{
		{Partition: 3, Before: -1, Ranges: []QuarantineOffsets{{0, 1}, {5, 1000}, {math.MaxInt64 - maxReplayed, 1}}}, {Partition: 4, Before: 9}, {Partition: 5, Before: 0, Ranges: []QuarantineOffsets{{1, 1}}}}}
	for range 100 { // more than a one-byte count
		full.Partitions[0].Ranges = append(full.Partitions[0].Ranges, QuarantineOffsets{1 << 40, maxReplayed})
	}
	codec, err := goavro.NewCodec(schema.QuarantineReplayed)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Replayed{full, {}} {
		body := AppendReplayed(nil, r)
		got, err := ReadReplayed(body)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, r)
		}
		native, rest, err := codec.NativeFromBinary(body)
		if err != nil || len(rest) > 0 {
			t.Fatalf("goavro: %v, %d bytes left", err, len(rest))
		}
		m := native.(map[string]any)
		if !m["event_time"].(time.Time).Equal(time.UnixMicro(r.Time)) || m["seq"] != r.Seq || m["lines"] != r.Lines || len(m["partitions"].([]any)) != len(r.Partitions) {
			t.Errorf("goavro reads %v of %+v", m, r)
		}
		for i := range body {
			if got, err := ReadReplayed(body[:i]); err == nil {
				t.Fatalf("%d of %d bytes are read as %+v", i, len(body), got)
			}
		}
	}
	for name, r := range map[string]*Replayed{
		"too many":        {Partitions: []ReplayedPartition{{Ranges: []QuarantineOffsets{{0, maxReplayed + 1}}}}},
		"none":            {Partitions: []ReplayedPartition{{Ranges: []QuarantineOffsets{{0, 0}}}}},
		"negative offset": {Partitions: []ReplayedPartition{{Ranges: []QuarantineOffsets{{-1, 1}}}}},
		"overflow":        {Partitions: []ReplayedPartition{{Ranges: []QuarantineOffsets{{math.MaxInt64, 1}}}}},
	} {
		if got, err := ReadReplayed(AppendReplayed(nil, r)); err == nil {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
}

func TestReadQuarantined(t *testing.T) {
	line := []byte("abc\xff\x00 def")
	for _, q := range []Quarantined{
		{Time: 5, Origin: testOrigin, Reason: "r", Column: 7, Variable: "status", Format: "main", Fingerprint: math.MaxUint64},
		{Origin: testOrigin, Column: -1, MaxRaw: 2},
		{Origin: testOrigin, Whole: &Whole{Length: 1 << 40, CRC32C: math.MaxUint32, SHA256: [32]byte{1, 31: 2}}},
	} {
		body := AppendQuarantined(nil, line, &q)
		var got Quarantined
		raw, err := ReadQuarantined(&got, body)
		want := q
		want.Truncated = len(raw) < int(got.Whole.Length)
		want.Origin.ReadTime, want.MaxRaw = q.Time, 0 // the time of an event whose line has none
		wantRaw := line
		if q.MaxRaw > 0 {
			wantRaw = line[:q.MaxRaw]
		}
		if q.Whole == nil {
			want.Whole = got.Whole
			if got.Whole.Length != int64(len(line)) || got.Whole.CRC32C == 0 {
				t.Errorf("got %+v", got.Whole)
			}
		}
		if err != nil || !reflect.DeepEqual(got, want) || string(raw) != string(wantRaw) {
			t.Errorf("got  %+v %q, %v\nwant %+v %q", got, raw, err, want, wantRaw)
		}
		for i := range len(body) - 1 { // without its last byte it is a record from before raw_key
			if _, err := ReadQuarantined(&got, body[:i]); err == nil {
				t.Fatalf("%d of %d bytes are read as %+v", i, len(body), got)
			}
		}
	}
}

func FuzzReadQuarantine(f *testing.F) {
	f.Add(AppendQuarantined(nil, []byte("line"), &Quarantined{Origin: testOrigin, Variable: "status"}))
	f.Add(AppendReplayed(nil, &Replayed{Partitions: []ReplayedPartition{{Ranges: []QuarantineOffsets{{0, 1}}}}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		var q Quarantined
		if raw, err := ReadQuarantined(&q, body); err == nil && len(raw) > len(body) {
			t.Fatal("more raw bytes than the record has")
		}
		if r, err := ReadReplayed(body); err == nil {
			again, err := ReadReplayed(AppendReplayed(nil, r))
			if err != nil || !reflect.DeepEqual(r.Partitions, again.Partitions) {
				t.Fatalf("%+v became %+v, %v", r, again, err)
			}
		}
	})
}
