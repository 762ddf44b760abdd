package kafka

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// TestPartitions: a topic is counted, and one that is not there is not made.
func TestPartitions(t *testing.T) {
	c := broker(t, kfake.SeedTopics(7, "nginx.shop"))
	cfg := config(t, c)
	if n, err := Partitions(t.Context(), cfg, "nginx.shop"); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for range 2 {
		if _, err := Partitions(t.Context(), cfg, "nothere"); !errors.Is(err, ErrNoTopic) {
			t.Errorf("no such topic: %v", err)
		}
	}
	cfg.Brokers = []string{"127.0.0.1:1"}
	if _, err := Partitions(t.Context(), cfg, "nginx.shop"); err == nil || errors.Is(err, ErrNoTopic) {
		t.Errorf("no broker: %v", err)
	}
}
