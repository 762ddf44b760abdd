// recordset_test.go shows that the record sets that are built here are those that sarama would send, in every compression.
package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/sink"
)

type testRecord struct {
	ms         int64
	key, value []byte
	header     *sink.Header
}

var testRecords = []testRecord{
	{1000, nil, []byte("value"), nil},
	{900, []byte("key"), []byte{}, nil}, // earlier than the first; empty, not null
	{1000 + 1<<40, []byte{}, nil, nil},  // a delta of more than 32 bits; null
	{1000, nil, bytes.Repeat([]byte("x"), 300), &sink.Header{Name: "__value_schema_id", Value: []byte{1, 2, 3}}},
	{1001, []byte("k"), []byte("v"), &sink.Header{Name: "h", Value: nil}},
}

// TestRecordSetIsWhatSaramaWouldSend compares our bytes, uncompressed, with those that sarama makes of the same records.
func TestRecordSetIsWhatSaramaWouldSend(t *testing.T) {
	var raw []byte
	var theirs []*sarama.Record
	for i, r := range testRecords {
		raw = appendRecord(raw, r.ms-testRecords[0].ms, int64(i), r.key, r.value, r.header)
		rec := &sarama.Record{Key: r.key, Value: r.value, OffsetDelta: int64(i), TimestampDelta: time.Duration(r.ms-testRecords[0].ms) * time.Millisecond}
		if r.header != nil {
			rec.Headers = []*sarama.RecordHeader{{Key: []byte(r.header.Name), Value: r.header.Value}}
		}
		theirs = append(theirs, rec)
	}
	ours := testBatch(sarama.CompressionNone)
	setRecords(ours, raw, make([]*sarama.Record, len(testRecords)))
	want := testBatch(sarama.CompressionNone)
	want.Records = theirs
	if a, b := sent(t, ours), sent(t, want); !bytes.Equal(a, b) {
		t.Errorf("ours\n%x\nsarama's\n%x", a, b)
	}
}

func testBatch(codec sarama.CompressionCodec) *sarama.RecordBatch {
	return &sarama.RecordBatch{Version: 2, Codec: codec, LastOffsetDelta: int32(len(testRecords) - 1), FirstTimestamp: time.UnixMilli(1000),
		MaxTimestamp: time.UnixMilli(1001), ProducerID: 7, ProducerEpoch: 1, FirstSequence: 5, IsTransactional: true}
}

// sent returns a batch as a broker receives it.
func sent(t *testing.T, b *sarama.RecordBatch) (set []byte) {
	t.Helper()
	c := broker(t)
	got := make(chan []byte, 1)
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		got <- r.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records
		return nil, context.Canceled, true // the connection is closed: what happens next is of no interest
	})
	conn := sarama.NewBroker(c.ListenAddrs()[0])
	conf := sarama.NewConfig()
	conf.Version = sarama.V2_8_0_0
	conf.Net.ReadTimeout = 5 * time.Second
	if err := conn.Open(conf); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	req := &sarama.ProduceRequest{Version: 8, RequiredAcks: sarama.WaitForAll, Timeout: 1000}
	req.AddBatch("t", 0, b)
	go conn.Produce(req)
	select {
	case set = <-got:
	case <-time.After(20 * time.Second):
		t.Fatal("the broker got nothing")
	}
	return set
}

// TestEveryCompressionIsReadBack: what is packed is what sarama unpacks, also when the packer and its memory are used again.
func TestEveryCompressionIsReadBack(t *testing.T) {
	for _, name := range []string{"none", "lz4", "snappy", "zstd", "gzip"} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t, broker(t))
			cfg.Compression = name
			s, _ := recovered(t, cfg)
			var want []string
			for round := range 5 {
				b := sink.NewBatch(1024, nil)
				for i := range 1 + 400*round {
					v := fmt.Sprintf("round %d line %d %s", round, i, bytes.Repeat([]byte{byte('a' + i%26)}, i%700))
					want = append(want, v)
					b.Buf = append(b.Buf, v...)
					b.Add(sink.Events, time.Now().UnixMicro())
				}
				if err := s.Write(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if err := s.Commit(t.Context(), sink.Position(`{}`)); err != nil {
					t.Fatal(err)
				}
			}
			if got := values(t, cfg, cfg.Topic); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%d values came back of %d", len(got), len(want))
			}
		})
	}
	if _, err := newPacker(sarama.CompressionGZIP, 77); err == nil {
		t.Error("a level that gzip does not have is accepted")
	}
}

func TestVarintLen(t *testing.T) {
	for _, v := range []int64{0, -1, 1, 63, 64, -64, -65, 1 << 13, math.MaxInt32, math.MinInt64, math.MaxInt64} {
		if got, want := varintLen(v), len(binary.AppendVarint(nil, v)); got != want {
			t.Errorf("varintLen(%d) = %d, want %d", v, got, want)
		}
	}
}

// TestCloseDropsWhatWasNotCommitted: records that still wait for a request must not slip into the transaction that releases the site.
func TestCloseDropsWhatWasNotCommitted(t *testing.T) {
	cfg := config(t, broker(t))
	s, _ := recovered(t, cfg)
	if err := s.Write(t.Context(), batchOf("dropped")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Host, cfg.Owner = "host-b", NewOwner() // the site was released
	next, _ := recovered(t, cfg)
	if err := next.Write(t.Context(), batchOf("kept")); err != nil {
		t.Fatal(err)
	}
	if err := next.Commit(t.Context(), sink.Position(`{}`)); err != nil {
		t.Fatal(err)
	}
	if got := values(t, cfg, cfg.Topic); fmt.Sprint(got) != "[kept]" {
		t.Errorf("got %q", got)
	}
}
