package cluster

// What the tests ask and tell the cluster, beside ngxtap.

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/test/components"
)

// admin asks and tells the cluster. It lives as long as the test binary.
type admin struct{ client *kgo.Client }

func newAdmin(t *testing.T, k *components.Kafka) *admin {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Bootstrap, ",")...), kgo.MetadataMinAge(50*time.Millisecond),
		kgo.RetryTimeout(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return &admin{client}
}

// ask sends one request, within ten seconds.
func (a *admin) ask(req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return a.client.Request(ctx, req)
}

// must is ask until the answer is accepted by use.
func must[R kmsg.Response](t *testing.T, a *admin, req kmsg.Request, use func(R) error) {
	t.Helper()
	components.Eventually(t, patience, func() error {
		resp, err := a.ask(req)
		if err != nil {
			return err
		}
		return use(resp.(R))
	})
}

// awaitInStep waits until all brokers are up and every partition of every topic has all its replicas in step.
func (a *admin) awaitInStep(t *testing.T) {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest() // no topics: all of them
	must(t, a, req, func(m *kmsg.MetadataResponse) error {
		if len(m.Brokers) < nodes {
			return fmt.Errorf("%d of %d brokers are up", len(m.Brokers), nodes)
		}
		for _, topic := range m.Topics {
			for _, p := range topic.Partitions {
				if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
					return fmt.Errorf("%s/%d has leader %d and %v of %v in step", *topic.Topic, p.Partition, p.Leader, p.ISR, p.Replicas)
				}
			}
		}
		return nil
	})
}

// partition asks for partition 0 of a topic until use accepts it.
func (a *admin) partition(t *testing.T, topic string, use func(p *kmsg.MetadataResponseTopicPartition) error) {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	mt := kmsg.NewMetadataRequestTopic()
	mt.Topic = &topic
	req.Topics = append(req.Topics, mt)
	must(t, a, req, func(m *kmsg.MetadataResponse) error {
		if len(m.Topics) != 1 || len(m.Topics[0].Partitions) == 0 || m.Topics[0].Partitions[0].Leader < 0 {
			return fmt.Errorf("%s has no leader", topic)
		}
		return use(&m.Topics[0].Partitions[0])
	})
}

// leader returns which broker (from 0) leads partition 0 of a topic.
func (a *admin) leader(t *testing.T, topic string) (broker int) {
	t.Helper()
	a.partition(t, topic, func(p *kmsg.MetadataResponseTopicPartition) error {
		broker = int(p.Leader) - 1
		return nil
	})
	return broker
}

// awaitOutOfStep waits until a replica of partition 0 of a topic is out of step.
func (a *admin) awaitOutOfStep(t *testing.T, topic string) {
	t.Helper()
	a.partition(t, topic, func(p *kmsg.MetadataResponseTopicPartition) error {
		return errNot(len(p.ISR) < len(p.Replicas), "%s has %v of %v in step", topic, p.ISR, p.Replicas)
	})
}

// coordinator returns which broker coordinates a transactional id.
func (a *admin) coordinator(t *testing.T, txnID string) (broker int) {
	t.Helper()
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey, req.CoordinatorKeys, req.CoordinatorType = txnID, []string{txnID}, 1
	must(t, a, req, func(r *kmsg.FindCoordinatorResponse) error {
		id, code := r.NodeID, r.ErrorCode
		if len(r.Coordinators) > 0 {
			id, code = r.Coordinators[0].NodeID, r.Coordinators[0].ErrorCode
		}
		broker = int(id) - 1
		return kerr.ErrorForCode(code)
	})
	return broker
}

// controller returns which node is the active controller.
func (a *admin) controller(t *testing.T) (node int) {
	t.Helper()
	req := kmsg.NewPtrDescribeQuorumRequest()
	qt := kmsg.NewDescribeQuorumRequestTopic()
	qt.Topic = "__cluster_metadata"
	qt.Partitions = append(qt.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, qt)
	must(t, a, req, func(r *kmsg.DescribeQuorumResponse) error {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return err
		}
		p := r.Topics[0].Partitions[0]
		node = int(p.LeaderID) - 1
		return errNot(p.ErrorCode == 0 && p.LeaderID > 0, "the quorum has no leader: %v", kerr.ErrorForCode(p.ErrorCode))
	})
	return node
}

// awaitTxn waits until a transaction is in one of the states.
func (a *admin) awaitTxn(t *testing.T, txnID string, states ...string) {
	t.Helper()
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{txnID}
	must(t, a, req, func(r *kmsg.DescribeTransactionsResponse) error {
		if len(r.TransactionStates) != 1 {
			return fmt.Errorf("%d answers about one transaction", len(r.TransactionStates))
		}
		s := r.TransactionStates[0]
		for _, state := range states {
			if s.State == state {
				return kerr.ErrorForCode(s.ErrorCode)
			}
		}
		return fmt.Errorf("transaction %s is %q, want %v", txnID, s.State, states)
	})
}

// deleteTopic deletes a topic and waits until no broker knows it.
func (a *admin) deleteTopic(t *testing.T, topic string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TopicNames, req.TimeoutMillis = []string{topic}, 30_000
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = &topic
	req.Topics = append(req.Topics, rt)
	must(t, a, req, func(r *kmsg.DeleteTopicsResponse) error {
		if err := kerr.ErrorForCode(r.Topics[0].ErrorCode); err != kerr.UnknownTopicOrPartition {
			return errNot(false, "delete %s: %v", topic, err)
		}
		return nil // it was there before
	})
}

// addPartitions gives a topic more partitions.
func (a *admin) addPartitions(t *testing.T, topic string, n int32) {
	t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = 30_000
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, n
	req.Topics = append(req.Topics, rt)
	must(t, a, req, func(r *kmsg.CreatePartitionsResponse) error { return kerr.ErrorForCode(r.Topics[0].ErrorCode) })
}

// configure sets one setting of a topic.
func (a *admin) configure(t *testing.T, topic, key, value string) {
	t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	conf := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	conf.Name, conf.Value = key, &value
	res.Configs = append(res.Configs, conf)
	req.Resources = append(req.Resources, res)
	must(t, a, req, func(r *kmsg.IncrementalAlterConfigsResponse) error {
		return kerr.ErrorForCode(r.Resources[0].ErrorCode)
	})
}

// transactions tells which transactions are open, for a test that has failed.
func (a *admin) transactions() (open []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, shard := range a.client.RequestSharded(ctx, kmsg.NewPtrListTransactionsRequest()) {
		if shard.Err != nil {
			open = append(open, shard.Err.Error())
			continue
		}
		for _, s := range shard.Resp.(*kmsg.ListTransactionsResponse).TransactionStates {
			if !strings.HasPrefix(s.TransactionState, "Complete") && s.TransactionState != "Empty" {
				open = append(open, s.TransactionalID+" "+s.TransactionState)
			}
		}
	}
	return open
}
