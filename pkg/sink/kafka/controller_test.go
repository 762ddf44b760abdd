// controller_test.go shows that a cluster which has no controller at the moment is waited for.
package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

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
