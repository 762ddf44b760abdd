// reader_poll_test.go shows that a reader that waits at the end of a topic misses nothing of what is committed meanwhile.
package kafka

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/sink"
)

// TestWaitingReaderMissesNothing: a broker may look for records before a commit and at the last stable offset after it, and so
// answer a waiting fetch with nothing although there is more. An offset passed over then is a record lost to the reader, and a
// start that waits for ever for its own marker.
func TestWaitingReaderMissesNothing(t *testing.T) {
	const commits = 300
	cfg := config(t, broker(t))
	s, _ := recovered(t, cfg)
	ctx := within(t, 60*time.Second)
	r, err := NewReader(ctx, cfg, cfg.Topic, ReaderOptions{From: Beginning(), Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	done := make(chan error, 1)
	go func() {
		for i := range commits {
			if err := s.Write(ctx, batchOf(fmt.Sprint(i))); err != nil {
				done <- err
				return
			}
			if err := s.Commit(ctx, sink.Position(fmt.Sprintf(`{"n":%d}`, i))); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range commits {
		m, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("after %d records: %v", i, err)
		}
		if string(m.Value) != fmt.Sprint(i) {
			t.Fatalf("record %d is %q: the reader passed records over", i, m.Value)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestOneEmptyAnswerIsNoProof answers a fetch as a broker may that looked for records before a commit and at the last stable offset
// after it: with nothing, although there is more. No record may be passed over for that.
func TestOneEmptyAnswerIsNoProof(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1))
	cfg := config(t, c)
	s, _ := recovered(t, cfg)
	if err := s.Write(t.Context(), batchOf("first", "second")); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), sink.Position(`{}`)); err != nil {
		t.Fatal(err)
	}
	lied := false
	c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if lied || req.Topics[0].Topic != cfg.Topic {
			return nil, nil, false
		}
		lied = true
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = cfg.Topic
		for _, p := range req.Topics[0].Partitions {
			part := kmsg.NewFetchResponseTopicPartition()
			part.Partition, part.HighWatermark, part.LastStableOffset, part.RecordBatches = p.Partition, p.FetchOffset+3, p.FetchOffset+3, []byte{}
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	if got := values(t, cfg, cfg.Topic); fmt.Sprint(got) != "[first second]" {
		t.Errorf("got %q", got)
	}
	if !lied {
		t.Error("the answer was not tried")
	}
}
