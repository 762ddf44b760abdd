package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/test/components"
)

// cluster is the Kafka that everything is sent to.
type cluster struct {
	brokers []string
	version string
	conf    *sarama.Config
	admin   sarama.ClusterAdmin // owned
}

// needKafka starts a Kafka, or joins the one that was given; b.close ends it.
func (b *bench) needKafka() (err error) {
	if b.kafka != nil {
		return nil
	}
	k := &cluster{brokers: strings.Split(b.given, ","), version: "given with -brokers"}
	if b.given == "" {
		if k.brokers, k.version, err = b.startKafka(); err != nil {
			return err
		}
	}
	k.conf = clientConfig()
	if k.admin, err = sarama.NewClusterAdmin(k.brokers, k.conf); err != nil {
		return fmt.Errorf("connect to Kafka at %s: %w", strings.Join(k.brokers, ","), err)
	}
	b.atEnd(func() { k.admin.Close() })
	b.kafka = k
	return nil
}

// startKafka starts one broker of test/components.
func (b *bench) startKafka() (brokers []string, version string, err error) {
	defer func() {
		if failed, ok := recover().(componentFailure); ok {
			err = errors.New(string(failed))
		}
	}()
	k := components.StartKafka(&host{b: b})
	version, err = kafkaVersion(b.root)
	return strings.Split(k.Bootstrap, ","), version + ", one broker of test/components on the same machine", err
}

// kafkaVersion returns the version that test/components installs.
func kafkaVersion(root string) (string, error) {
	file := filepath.Join(root, "test", "components", "versions.env")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "KAFKA="); ok {
			return v, nil
		}
	}
	return "", fmt.Errorf("%s: no KAFKA=", file)
}

// host is the testing.TB that components start programs with. Only what they call is there.
type host struct {
	testing.TB // nil
	b          *bench
}

// componentFailure is the panic of a component that could not be started.
type componentFailure string

func (h *host) Helper()           {}
func (h *host) TempDir() string   { return h.b.dir }
func (h *host) Cleanup(f func())  { h.b.atEnd(f) }
func (h *host) Fatal(args ...any) { panic(componentFailure(fmt.Sprint(args...))) }
func (h *host) Fatalf(format string, args ...any) {
	panic(componentFailure(fmt.Sprintf(format, args...)))
}
func (h *host) Skipf(format string, args ...any) { h.Fatalf(format, args...) }

// clientConfig is the sarama configuration that all parts start from: acks=all and lz4, as ngxtap sends.
func clientConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID = "bench"
	c.Version = sarama.V2_8_0_0
	c.Metadata.AllowAutoTopicCreation = false
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Compression = sarama.CompressionLZ4
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	return c
}

// newTopic makes a topic of one partition and returns its name. Its records stay whatever time stamps they bear: the corpus is older
// than the week that Kafka keeps records by default.
func (b *bench) newTopic(name string) (string, error) {
	b.topics++
	name = fmt.Sprintf("bench.%s.%d.%d", name, b.topics, time.Now().UnixMilli())
	forever := "-1"
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &forever}}
	if err := b.kafka.admin.CreateTopic(name, detail, false); err != nil {
		return "", fmt.Errorf("create topic %s: %w", name, err)
	}
	return name, b.kafka.waitLeader(name)
}

// waitLeader waits until the topic's partition can be written to.
func (k *cluster) waitLeader(topic string) error {
	client, err := sarama.NewClient(k.brokers, k.conf)
	if err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	deadline := time.Now().Add(30 * time.Second)
	for {
		if err = client.RefreshMetadata(topic); err == nil {
			if _, err = client.Leader(topic, 0); err == nil {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("wait for the leader of topic %s: %w", topic, err)
		}
	}
}

// size returns the bytes that the topic takes on the broker's disk.
func (k *cluster) size(topic string) (int64, error) {
	brokers, _, err := k.admin.DescribeCluster()
	if err != nil {
		return 0, fmt.Errorf("ask for the brokers: %w", err)
	}
	var ids []int32
	for _, broker := range brokers {
		ids = append(ids, broker.ID())
	}
	dirs, err := k.admin.DescribeLogDirs(ids)
	if err != nil {
		return 0, fmt.Errorf("ask for the size of topic %s: %w", topic, err)
	}
	var size int64
	for _, broker := range dirs {
		for _, dir := range broker {
			for _, t := range dir.Topics {
				for _, p := range t.Partitions {
					if t.Topic == topic {
						size += p.Size
					}
				}
			}
		}
	}
	return size, nil
}

// endKey is the key of the record that count puts behind all others.
const endKey = "bench: end of topic"

// count returns how many records a read_committed reader finds in the topic. It writes one more record, so it can be called once.
func (k *cluster) count(ctx context.Context, topic string) (int, error) {
	conf := clientConfig()
	conf.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer(k.brokers, conf)
	if err != nil {
		return 0, fmt.Errorf("count the records of %s: %w", topic, err)
	}
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(endKey)})
	if err = errors.Join(err, producer.Close()); err != nil {
		return 0, fmt.Errorf("mark the end of %s: %w", topic, err)
	}
	n := 0
	err = k.consume(ctx, topic, sarama.OffsetOldest, func(m *sarama.ConsumerMessage) bool {
		if string(m.Key) == endKey {
			return false
		}
		n++
		return true
	})
	return n, err
}

// consume calls f with the committed records of the topic until f returns false. It gives up when nothing comes for a minute.
func (k *cluster) consume(ctx context.Context, topic string, from int64, f func(*sarama.ConsumerMessage) bool) error {
	consumer, err := sarama.NewConsumer(k.brokers, k.conf)
	if err != nil {
		return fmt.Errorf("read topic %s: %w", topic, err)
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, from)
	if err != nil {
		return fmt.Errorf("read topic %s: %w", topic, err)
	}
	defer partition.Close()
	const patience = time.Minute
	quiet := time.NewTimer(patience)
	defer quiet.Stop()
	last := time.Now()
	for {
		select {
		case m := <-partition.Messages():
			last = time.Now()
			if !f(m) {
				return nil
			}
		case <-quiet.C:
			if left := patience - time.Since(last); left > 0 {
				quiet.Reset(left)
				continue
			}
			return fmt.Errorf("read topic %s: nothing came for %v, a transaction may be open", topic, patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
