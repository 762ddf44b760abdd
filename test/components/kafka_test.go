package components

// Shows: the shared broker takes transactions, a killed broker comes back with its data, and a cluster outlives one of its nodes.

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var shared Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// produceAndRead sends one record in a transaction and reads the topic from its start until it meets that record.
func produceAndRead(t *testing.T, k *Kafka, topic, value string) (seen []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Bootstrap, ",")...), kgo.TransactionalID("test-"+topic),
		kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		for _, r := range fetches.Records() {
			seen = append(seen, string(r.Value))
			if string(r.Value) == value {
				return seen
			}
		}
	}
}

func TestSharedKafkaTakesTransactions(t *testing.T) {
	k := shared.Kafka(t)
	if again := shared.Kafka(t); again != k {
		t.Error("a second call started a second Kafka")
	}
	k.CreateTopic(t, "transactions", 1, "compression.type=producer")
	produceAndRead(t, k, "transactions", "hello")
}

func TestKilledBrokerComesBackWithItsData(t *testing.T) {
	k := StartKafka(t)
	k.CreateTopic(t, "survivor", 1)
	produceAndRead(t, k, "survivor", "before")
	k.Kill(t, 0)
	k.Restart(t, 0)
	seen := produceAndRead(t, k, "survivor", "after")
	if len(seen) != 2 || seen[0] != "before" {
		t.Errorf("read %q after the restart, want before and after", seen)
	}
}

func TestClusterOutlivesOneBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("three brokers are too much for -short")
	}
	k := StartKafkaCluster(t, 3)
	k.CreateTopic(t, "three", 1)
	produceAndRead(t, k, "three", "whole")
	k.Kill(t, 1)
	if seen := produceAndRead(t, k, "three", "one dead"); len(seen) != 2 {
		t.Errorf("read %q with one broker dead, want both records", seen)
	}
}
