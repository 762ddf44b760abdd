// controller_test.go shows that a cluster which has no controller at the moment is waited for.
package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/sink"
)

// Topics can't be created while no controller is elected. That is no refusal: a daemon that ended with exit code 78 for it would stay
// down after the election.
func TestNoControllerIsWaitedFor(t *testing.T) {
	c := broker(t)
	if err := c.RemoveNode(2); err != nil { // the controller of kfake, which elects no other
		t.Fatal(err)
	}
	cfg := config(t, c)
	_, err := newSink(t, cfg).Recover(within(t, time.Second))
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sink.ErrConfig) {
		t.Errorf("want to wait until the deadline, got %v", err)
	}
}

// While brokers are down a cluster can't make the replicas that its defaults ask for. A topic with fewer would outlive the outage, so
// it is not made; and since brokers come back, it is no reason to give up either.
func TestTopicWaitsForItsReplicas(t *testing.T) {
	c := broker(t)
	var replicas []int16
	refusals := 3
	c.ControlKey(int16(kmsg.CreateTopics), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.CreateTopicsRequest)
		for i := range req.Topics {
			replicas = append(replicas, req.Topics[i].ReplicationFactor)
		}
		if refusals--; refusals < 0 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		for i := range req.Topics {
			topic := kmsg.NewCreateTopicsResponseTopic()
			topic.Topic, topic.ErrorCode = req.Topics[i].Topic, kerr.InvalidReplicationFactor.Code
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	if _, err := newSink(t, config(t, c)).Recover(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, n := range replicas {
		if n != -1 {
			t.Errorf("asked for %d replicas, want what the broker keeps by default (-1)", n)
		}
	}
}
