// reader_test.go shows where a reader starts and stops, that it sees committed records only, that it gets past what compaction has
// emptied, and what Check says.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/sink"
)

// commitEvents commits n events in a transaction; the time of event i is i seconds after base.
func commitEvents(t *testing.T, s *Sink, prefix string, base time.Time, n int) {
	t.Helper()
	b := sink.NewBatch(1024, nil)
	for i := range n {
		b.Buf = fmt.Appendf(b.Buf, "%s%d", prefix, i)
		b.Add(sink.Events, base.Add(time.Duration(i)*time.Second).UnixMicro())
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), sink.Position(prefix)); err != nil {
		t.Fatal(err)
	}
}

func TestReaderStartsWhereItIsTold(t *testing.T) {
	c := broker(t, kfake.SeedTopics(1, "nginx.shop"))
	cfg := config(t, c)
	s, _ := recovered(t, cfg)
	base := time.Now().Add(-2 * time.Hour).Truncate(time.Millisecond)
	commitEvents(t, s, "a", base, 3)
	commitEvents(t, s, "b", base.Add(time.Hour), 3) // a commit takes an offset too: these are 4, 5, 6
	for _, tt := range []struct {
		name string
		from From
		want string
	}{
		{"beginning", Beginning(), "a0 a1 a2 b0 b1 b2"},
		{"end", End(), ""},
		{"offset", Offset(2), "a2 b0 b1 b2"},
		{"offset beyond the end", Offset(100), ""},
		{"offset before the beginning", Offset(-5), "a0 a1 a2 b0 b1 b2"},
		{"timestamp", Timestamp(base.Add(time.Hour)), "b0 b1 b2"},
		{"timestamp in the future", Timestamp(base.Add(48 * time.Hour)), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := NewReader(t.Context(), cfg, cfg.Topic, ReaderOptions{From: tt.from})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var got []string
			for {
				m, err := r.Next(t.Context())
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(m.Value))
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("want %q, got %q", tt.want, g)
			}
			if !r.CaughtUp() {
				t.Error("not caught up after io.EOF")
			}
		})
	}
}

func TestReaderFollows(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	s, _ := recovered(t, cfg)
	commitEvents(t, s, "a", time.Now(), 2)
	r, err := NewReader(t.Context(), cfg, cfg.Topic, ReaderOptions{From: Beginning(), Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := within(t, 20*time.Second)
	next := func() string {
		t.Helper()
		m, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Value)
	}
	next()
	if r.CaughtUp() {
		t.Error("caught up after one of two")
	}
	next()
	commitEvents(t, s, "b", time.Now(), 1)
	moveLeaders(c)
	if v := next(); v != "b0" {
		t.Errorf("want b0, got %s", v)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := r.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want context.DeadlineExceeded, got %v", err)
	}
}

func TestReaderWaitsForOpenTransactionsUnlessToldOtherwise(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	s, _ := recovered(t, cfg)
	if err := s.Write(t.Context(), batchOf("open")); err != nil {
		t.Fatal(err)
	}
	if err := s.w.flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.w.p.acks.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := values(t, cfg, cfg.Topic); len(got) != 0 { // values reads what is decided
		t.Errorf("want nothing, got %q", got)
	}
	r, err := NewReader(t.Context(), cfg, cfg.Topic, ReaderOptions{From: Beginning()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	committed := make(chan error, 1)
	go func() { committed <- s.Commit(context.Background(), sink.Position("p")) }()
	m, err := r.Next(within(t, 20*time.Second))
	if err != nil || string(m.Value) != "open" {
		t.Errorf("want the record, got %q, %v", m.Value, err)
	}
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
}

func TestReaderSkipsAbortedRecords(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	for i := range 6 {
		s, _ := recovered(t, cfg)
		commitEvents(t, s, fmt.Sprint("kept", i, "-"), time.Now(), 2)
		if err := s.Write(t.Context(), batchOf("lost", "lost")); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			s.Close() // aborts; otherwise the next Recover does
		}
	}
	got := strings.Join(values(t, cfg, cfg.Topic), " ")
	if strings.Contains(got, "lost") || strings.Count(got, "kept") != 12 {
		t.Errorf("got %q", got)
	}
}

// TestReaderPassesEmptiedBatches answers fetches of the first offset as a broker does whose first batch has lost its records to
// compaction: with that batch, of which sarama's decoder leaves nothing.
func TestReaderPassesEmptiedBatches(t *testing.T) {
	for _, partitions := range []int32{1, 4} {
		c := broker(t, kfake.SeedTopics(partitions, "nginx.shop"))
		cfg := config(t, c)
		s, _ := recovered(t, cfg)
		commitEvents(t, s, "a", time.Now(), 1)
		commitEvents(t, s, "b", time.Now(), 1)
		sticky := StickyPartition(cfg.Instance, cfg.Site, partitions)
		c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			req := r.(*kmsg.FetchRequest)
			resp := req.ResponseKind().(*kmsg.FetchResponse)
			for _, rt := range req.Topics {
				st := kmsg.NewFetchResponseTopic()
				st.Topic = rt.Topic
				for _, rp := range rt.Partitions {
					if rp.Partition == sticky && rp.FetchOffset > 0 {
						return nil, nil, false
					}
					sp := kmsg.NewFetchResponseTopicPartition()
					sp.Partition, sp.RecordBatches = rp.Partition, []byte{}
					if rp.Partition == sticky {
						sp.HighWatermark, sp.LastStableOffset = 4, 4
					}
					st.Partitions = append(st.Partitions, sp)
				}
				resp.Topics = append(resp.Topics, st)
			}
			return resp, nil, true
		})
		if got := values(t, cfg, cfg.Topic); len(got) != 1 || got[0] != "b0" {
			t.Errorf("%d partitions: want b0, got %q", partitions, got)
		}
	}
}

func TestFetchCompactedKeepsTheNewest(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	s, _ := recovered(t, cfg)
	b := sink.NewBatch(64, nil)
	for _, kv := range [][2]string{{"k1", "old"}, {"k2", "two"}, {"k1", "new"}} {
		b.Buf = append(b.Buf, kv[0]...)
		b.EndKey()
		b.Buf = append(b.Buf, kv[1]...)
		b.Add(sink.Schemas, 1_700_000_000_000_000)
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), sink.Position("p")); err != nil {
		t.Fatal(err)
	}
	got, err := FetchCompacted(within(t, 20*time.Second), cfg, DefaultSchemasTopic)
	if err != nil || len(got) != 2 || string(got["k1"]) != "new" || string(got["k2"]) != "two" {
		t.Errorf("got %q, %v", got, err)
	}
}
