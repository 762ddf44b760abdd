// real_test.go shows the same against Apache Kafka itself: the suite on one broker, and every line once while brokers are killed
// one after the other. It needs what test/components/setup.sh installs, and is left out with -short.
package kafka

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
	"ngxtap/test/components"
)

func realConfig(t *testing.T, k *components.Kafka) Config {
	return Config{Brokers: strings.Split(k.Bootstrap, ","), Instance: "web-01", Site: "shop", Topic: "nginx.shop", Host: "host-a", CreateTopics: true,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), StatePartitions: 3, Owner: NewOwner()}
}

func TestRealKafkaKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Java process")
	}
	k := components.StartKafka(t)
	for _, f := range Check(within(t, time.Minute), realConfig(t, k), checkSites(realConfig(t, k))) {
		t.Logf("%v: %s", f.Level, f.Text)
		if f.Level == Fail {
			t.Errorf("Check on a new broker: %s", f.Text)
		}
	}
	var n atomic.Int32
	sinktest.RunSink(t, func(t *testing.T) sinktest.Target { return target(t, realConfig(t, k), fmt.Sprint("site", n.Add(1))) })
}

// TestRealKafkaBrokersDie kills each of three brokers in turn, without notice, while transactions go on.
func TestRealKafkaBrokersDie(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three Java processes")
	}
	k := components.StartKafkaCluster(t, 3)
	cfg := realConfig(t, k)
	cfg.ReplicationFactor, cfg.Partitions, cfg.RequestTimeout = 3, 2, 5*time.Second
	const lines, perKill = 3000, 1000
	at, failed, killed := 0, 0, 0
	deadline := time.Now().Add(3 * time.Minute)
	for at < lines && time.Now().Before(deadline) {
		s, pos := recovered(t, cfg)
		at, _ = strconv.Atoi(pos)
		for at < lines {
			if at >= killed*perKill+perKill/2 && killed < k.Nodes() {
				if killed > 0 {
					k.Restart(t, killed-1)
				}
				k.Kill(t, killed)
				killed++
			}
			var vs []string
			for range 10 {
				vs = append(vs, strconv.Itoa(at))
				at++
			}
			err := s.Write(t.Context(), batchOf(vs...))
			if err == nil {
				err = s.Commit(t.Context(), sink.Position(strconv.Itoa(at)))
			}
			if err != nil {
				t.Logf("at line %d: %v", at, err)
				failed++
				break
			}
		}
		s.Close()
	}
	var want []string
	for i := range lines {
		want = append(want, strconv.Itoa(i))
	}
	var got []string
	for _, m := range read(t, cfg, cfg.Topic, ReaderOptions{From: Beginning()}) { // waits until the last transaction has ended everywhere
		got = append(got, string(m.Value))
	}
	if !slices.Equal(got, want) {
		for i := range want { // where they part
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("want lines 0 to %d once and in order, got %d, other than wanted from line %d on: %v", lines-1, len(got), i, got[i:min(i+20, len(got))])
			}
		}
		t.Fatalf("want lines 0 to %d once, got %d", lines-1, len(got))
	}
	t.Logf("%d sessions ended by %d kills", failed, killed)
	if failed == 0 {
		t.Error("no session failed: the kills did not strike")
	}
}
