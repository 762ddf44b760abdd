package daemon

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// client connects to a cluster for this test.
func client(t *testing.T, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// within bounds one step of a test.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	t.Cleanup(cancel)
	return ctx
}

// deleteTopic deletes a topic and returns when the cluster no longer knows it.
func deleteTopic(t *testing.T, brokers []string, topic string) {
	t.Helper()
	c, ctx := client(t, brokers), within(t)
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 30_000
	req.TopicNames = []string{topic}
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = &topic
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, c)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("delete topic %s: %v", topic, err)
	}
}

// deletedTopic waits until a deleted topic is gone and may be made anew.
func deletedTopic(t *testing.T, brokers []string, topic string) {
	t.Helper()
	deleteTopic(t, brokers, topic)
	c, ctx := client(t, brokers), within(t)
	components.Eventually(t, long, func() error {
		req := kmsg.NewPtrMetadataRequest()
		mt := kmsg.NewMetadataRequestTopic()
		mt.Topic = &topic
		req.Topics = append(req.Topics, mt)
		resp, err := req.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		if !errors.Is(kerr.ErrorForCode(resp.Topics[0].ErrorCode), kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("topic %s is still there", topic)
		}
		return nil
	})
}

// records returns the decided records of a topic.
func records(t *testing.T, brokers []string, topic string, partitions int32) []*kgo.Record {
	t.Helper()
	c, ctx := client(t, brokers, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords()), within(t)
	left := map[int32]int64{}
	for p := range partitions {
		req := kmsg.NewPtrListOffsetsRequest()
		rt := kmsg.NewListOffsetsRequestTopic()
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rt.Topic, rp.Partition, rp.Timestamp = topic, p, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		if end := resp.Topics[0].Partitions[0].Offset; end > 0 {
			left[p] = end
		}
	}
	var all []*kgo.Record
	for len(left) > 0 {
		c.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
			if r.Offset >= left[r.Partition]-1 {
				delete(left, r.Partition)
			}
		})
		if err := ctx.Err(); err != nil {
			t.Fatalf("read %s: %v; left: %v", topic, err, left)
		}
	}
	return all
}

// createTopic makes a topic like another one was.
func createTopic(t *testing.T, brokers []string, topic string, partitions int32) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30_000
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, partitions, 1
	compact := "compact"
	rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: "cleanup.policy", Value: &compact})
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(within(t), client(t, brokers))
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
}

// judge judges a site whose state topic is not the usual one. If missing says why, lines may be missing, but none may be there twice.
func (s *site) judge(t *testing.T, h *harness.Host, state string, rules oracle.Rules, missing string) *oracle.Verdict {
	t.Helper()
	src := h.Source(s.name)
	src.State = state
	shipment, err := oracle.Read(within(t), src)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range s.journal.Generations() {
		if missing != "" {
			g.MayLose(missing)
		}
	}
	rules.Instance, rules.Check = h.Instance, harness.CheckID
	v := oracle.Judge(s.journal, shipment, rules)
	for _, p := range v.Problems {
		t.Error(p)
	}
	t.Logf("site %s: %v", s.name, v)
	return v
}
