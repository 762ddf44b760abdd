package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"

	"ngxtap/pkg/sink"
)

// cluster is one set of connections. Its owner closes it; nothing is shared between sessions.
type cluster struct {
	cfg    *Config
	creds  Credentials // those that the connections are opened with
	bearer *bearer     // hands out tokens; nil without
	conf   *sarama.Config
	dialer *dialer
	client sarama.Client    // metadata and the brokers that lead partitions
	extra  []*sarama.Broker // brokers opened beside the client; owned
}

// connect prepares the connections with the credentials of now; it does not wait for any.
func connect(cfg *Config) (*cluster, error) {
	creds, err := cfg.credentials()
	if err != nil {
		return nil, err
	}
	d := newDialer(cfg.DialTimeout, creds.TLS, cfg.Alive)
	conf, err := cfg.client(d, creds)
	if err != nil {
		d.kill()
		return nil, err
	}
	client, err := sarama.NewClient(cfg.Brokers, conf)
	if err != nil {
		d.kill()
		return nil, fmt.Errorf("kafka: %w: %w", err, sink.ErrConfig)
	}
	tokens, _ := conf.Net.SASL.TokenProvider.(*bearer)
	return &cluster{cfg: cfg, creds: creds, bearer: tokens, conf: conf, dialer: d, client: client}, nil
}

// close ends every connection and waits for sarama's readers. It does not wait for the other side.
func (c *cluster) close() {
	c.dialer.kill()
	for _, b := range slices.Concat(c.extra, c.client.Brokers()) {
		b.Close() // an error says that it was not open
	}
	c.client.Close()
}

// watch makes the end of ctx end every connection, and so every call that waits for a broker: sarama's calls know no context.
// The cluster is of no use afterwards. The caller calls stop when its calls are over.
func (c *cluster) watch(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, c.dialer.kill)
}

// refresh asks for the metadata of a topic and returns how many partitions it has.
func (c *cluster) refresh(topic string) (int32, error) {
	if err := c.client.RefreshMetadata(topic); err != nil {
		if errors.Is(err, sarama.ErrOutOfBrokers) || aboutLogin(err) {
			err = c.whyOut(err)
		}
		return 0, err
	}
	parts, err := c.client.Partitions(topic)
	if err != nil {
		return 0, err
	}
	for i, p := range parts {
		if p != int32(i) {
			return 0, fmt.Errorf("topic %s: partition %d is missing from the metadata", topic, i)
		}
	}
	return int32(len(parts)), nil
}

// id returns the cluster's id, "" if it has none.
func (c *cluster) id() (string, error) {
	b, err := c.anyBroker()
	if err != nil {
		return "", err
	}
	resp, err := b.GetMetadata(sarama.NewMetadataRequest(c.conf.Version, []string{c.cfg.State}))
	if err != nil {
		return "", fmt.Errorf("ask broker %s for the cluster's id: %w", b.Addr(), err)
	}
	if resp.ClusterID == nil {
		return "", nil
	}
	return *resp.ClusterID, nil
}

// topicConfig asks for one setting of a topic.
func (c *cluster) topicConfig(topic, name string) (string, error) {
	b, err := c.anyBroker()
	if err != nil {
		return "", err
	}
	resp, err := b.DescribeConfigs(&sarama.DescribeConfigsRequest{Version: 1,
		Resources: []*sarama.ConfigResource{{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{name}}}})
	if err != nil {
		return "", err
	}
	for _, r := range resp.Resources {
		if r.ErrorCode != 0 {
			return "", sarama.KError(r.ErrorCode)
		}
		for _, e := range r.Configs {
			if e.Name == name {
				return e.Value, nil
			}
		}
	}
	return "", sarama.ErrIncompleteResponse
}

// anyBroker returns a connected broker.
func (c *cluster) anyBroker() (*sarama.Broker, error) {
	b := c.client.LeastLoadedBroker()
	if b == nil {
		return nil, sarama.ErrOutOfBrokers
	}
	if ok, err := b.Connected(); !ok {
		return nil, fmt.Errorf("connect to broker %s: %w", b.Addr(), err)
	}
	return b, nil
}

// coordinator opens a connection of its own to the coordinator of a transactional id. The cluster owns it.
func (c *cluster) coordinator(txnID string) (*sarama.Broker, error) {
	b, err := c.anyBroker()
	if err != nil {
		return nil, err
	}
	req := &sarama.FindCoordinatorRequest{Version: 3, CoordinatorKey: txnID, CoordinatorType: sarama.CoordinatorTransaction}
	resp, err := b.FindCoordinator(req)
	if err != nil {
		return nil, fmt.Errorf("find the coordinator of transactional id %s: %w", txnID, err)
	}
	if resp.Err != sarama.ErrNoError {
		return nil, fmt.Errorf("find the coordinator of transactional id %s: %w", txnID, resp.Err)
	}
	coord := resp.Coordinator
	if err := coord.Open(c.conf); err != nil {
		return nil, err
	}
	c.extra = append(c.extra, coord)
	if ok, err := coord.Connected(); !ok {
		return nil, fmt.Errorf("connect to broker %s, coordinator of %s: %w", coord.Addr(), txnID, err)
	}
	return coord, nil
}

// reopen closes and opens a broker's connection. Nothing may be in flight on it.
func (c *cluster) reopen(b *sarama.Broker) error {
	b.Close()
	if err := b.Open(c.conf); err != nil && !errors.Is(err, sarama.ErrAlreadyConnected) {
		return err
	}
	if ok, err := b.Connected(); !ok {
		return fmt.Errorf("connect to broker %s again: %w", b.Addr(), err)
	}
	return nil
}
