package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/embedded/brokerlog"
)

const (
	retentionBytes  = 1 << 30     // per partition, for topics that say nothing else
	segmentBytes    = 16 << 20    // kfake loads a segment at a time; retention removes a segment at a time
	retentionPeriod = time.Minute // how often retention is applied
	freeBytes       = 16 << 20    // below this no transaction is committed
	forever         = 100 * 365 * 24 * time.Hour
)

// broker is a kfake cluster of one node.
type broker struct {
	cluster *kfake.Cluster
	note    *brokerlog.Note
	dir     string
	stop    chan struct{}
	done    sync.WaitGroup // the retention goroutine
}

// startBroker starts a broker on the data in dir, which must have been repaired, and takes ln over.
func startBroker(dir string, ln net.Listener, log *slog.Logger) (*broker, error) {
	note, err := brokerlog.OpenNote(dir)
	if err != nil {
		ln.Close()
		return nil, err
	}
	ready := make(chan struct{})
	defer close(ready)
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ClusterID("ngxtap-embedded"),
		kfake.DataDir(dir),
		kfake.DefaultNumPartitions(1),
		kfake.WithLogger(clusterLog{log}),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return guard{ln, ready}, nil }),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes": strconv.Itoa(segmentBytes),
			// By default kfake deletes records of a week from every topic, compacted ones too.
			"log.retention.ms": "-1",
			// Compaction while running is not safe, see package brokerlog.
			"log.cleaner.backoff.ms": strconv.FormatInt(forever.Milliseconds(), 10),
			// A site may pause for longer than a week and must find its producer id fenced or alive, not forgotten.
			"transactional.id.expiration.ms": strconv.Itoa(1<<31 - 1),
		}),
	)
	if err != nil {
		ln.Close() // NewCluster has closed it already, or never had it
		return nil, errors.Join(fmt.Errorf("start the broker: %w", err), note.Close())
	}
	b := &broker{cluster: cluster, note: note, dir: dir, stop: make(chan struct{})}
	cluster.ControlKey(int16(kmsg.EndTxn), b.beforeEndTxn)
	cluster.ControlKey(int16(kmsg.AddPartitionsToTxn), b.beforeAddPartitions)
	cluster.ControlKey(int16(kmsg.CreateTopics), beforeCreateTopics)
	b.done.Add(1)
	go b.applyRetention()
	return b, nil
}

// close stops the broker. It returns when its state is on disk.
func (b *broker) close() error {
	close(b.stop)
	b.done.Wait()
	b.cluster.Close()
	return b.note.Close()
}

// applyRetention drops the oldest segments of partitions that have grown too large.
func (b *broker) applyRetention() {
	defer b.done.Done()
	tick := time.NewTicker(retentionPeriod)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.cluster.ApplyRetention()
		}
	}
}

// beforeEndTxn runs before the broker carries out an EndTxn, with all other requests waiting. An error closes the connection: to the
// client the outcome is in doubt, and it asks again.
func (b *broker) beforeEndTxn(r kmsg.Request) (kmsg.Response, error, bool) {
	req := r.(*kmsg.EndTxnRequest)
	if !req.Commit {
		return nil, nil, false
	}
	err := b.checkSpace()
	if err == nil {
		err = b.note.Commit(req.ProducerID, req.ProducerEpoch, req.Version >= 5)
	}
	if err != nil {
		b.cluster.KeepControl()
		return nil, err, true
	}
	return nil, nil, false
}

// beforeAddPartitions runs before the first record of a transaction is written to a partition.
func (b *broker) beforeAddPartitions(kmsg.Request) (kmsg.Response, error, bool) {
	if err := b.note.Clear(); err != nil {
		b.cluster.KeepControl()
		return nil, err, true
	}
	return nil, nil, false
}

// checkSpace refuses a commit when the disk is nearly full: kfake reports a commit whose markers it could not write as done.
func (b *broker) checkSpace() error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(b.dir, &st); err != nil {
		return fmt.Errorf("look for free space in %s: %w", b.dir, err)
	}
	if uint64(st.Bavail)*uint64(st.Bsize) < freeBytes {
		return fmt.Errorf("commit: less than %d MiB free for %s: free some space", freeBytes>>20, b.dir)
	}
	return nil
}

// beforeCreateTopics bounds the topics that are not compacted and don't say how large they may get. A broker-wide bound would also
// hold for compacted topics, and cut off keys that seldom change. retention.ms is there to be seen: kfake describes a topic without
// it by Kafka's default, not by what it does.
func beforeCreateTopics(r kmsg.Request) (kmsg.Response, error, bool) {
	req := r.(*kmsg.CreateTopicsRequest)
	for i := range req.Topics {
		t := &req.Topics[i]
		if !strings.Contains(topicConfig(t, "cleanup.policy"), "compact") {
			setDefault(t, "retention.bytes", retentionBytes)
		}
		setDefault(t, "retention.ms", -1)
	}
	return nil, nil, false
}

// topicConfig returns the value that the request gives to a setting, "" if it gives none.
func topicConfig(t *kmsg.CreateTopicsRequestTopic, name string) string {
	for _, c := range t.Configs {
		if c.Name == name && c.Value != nil {
			return *c.Value
		}
	}
	return ""
}

func setDefault(t *kmsg.CreateTopicsRequestTopic, name string, value int) {
	if topicConfig(t, name) != "" {
		return
	}
	c := kmsg.NewCreateTopicsRequestTopicConfig()
	c.Name, c.Value = name, kmsg.StringPtr(strconv.Itoa(value))
	t.Configs = append(t.Configs, c)
}

// clusterLog passes kfake's log on.
type clusterLog struct{ log *slog.Logger }

// Logf implements kfake.Logger.
func (l clusterLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("embedded broker: " + fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("embedded broker: " + fmt.Sprintf(format, args...))
	}
}
