package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/sink"
)

// cluster is one set of connections. Its owner closes it; nothing is shared between sessions.
type cluster struct {
	cfg    *Config
	conf   *sarama.Config
	dialer *dialer
	client sarama.Client    // metadata and the brokers that lead partitions
	extra  []*sarama.Broker // brokers opened beside the client; owned
}

// connect prepares the connections; it does not wait for any.
func connect(cfg *Config) (*cluster, error) {
	d := newDialer(cfg.DialTimeout, cfg.Alive)
	conf, err := cfg.client(d)
	if err != nil {
		d.kill()
		return nil, err
	}
	client, err := sarama.NewClient(cfg.Brokers, conf)
	if err != nil {
		d.kill()
		return nil, fmt.Errorf("kafka: %w: %w", err, sink.ErrConfig)
	}
	return &cluster{cfg: cfg, conf: conf, dialer: d, client: client}, nil
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
		if errors.Is(err, sarama.ErrOutOfBrokers) {
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

// whyOut looks for the reason when sarama found no broker: it keeps some of them, such as a refused login, to itself.
func (c *cluster) whyOut(err error) error {
	for _, addr := range c.cfg.Brokers {
		b := sarama.NewBroker(addr)
		if openErr := b.Open(c.conf); openErr != nil {
			return openErr
		}
		_, connErr := b.Connected()
		b.Close()
		if errors.Is(connErr, io.EOF) {
			return fmt.Errorf("connect to broker %s: %w: it hung up at once: does this port want TLS or another login?", addr, connErr)
		}
		if connErr != nil {
			return fmt.Errorf("connect to broker %s: %w", addr, connErr)
		}
	}
	return err
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

// dialer opens connections for sarama and can end all of them at once.
type dialer struct {
	timeout time.Duration
	alive   func()          // Config.Alive
	ctx     context.Context // ends with kill, and ends the dials that are under way
	cancel  context.CancelFunc
	mu      sync.Mutex
	conns   map[*trackedConn]struct{} // guarded by mu; nil after kill
}

func newDialer(timeout time.Duration, alive func()) *dialer {
	ctx, cancel := context.WithCancel(context.Background())
	return &dialer{timeout: timeout, alive: alive, ctx: ctx, cancel: cancel, conns: map[*trackedConn]struct{}{}}
}

// Dial implements proxy.Dialer for sarama.
func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: d.timeout, KeepAlive: 30 * time.Second}).DialContext(d.ctx, network, addr)
	d.alive()
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: conn, d: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conns == nil {
		conn.Close()
		return nil, net.ErrClosed
	}
	d.conns[tracked] = struct{}{}
	return tracked, nil
}

// kill ends every connection and dial, now and for ever.
func (d *dialer) kill() {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		c.Conn.Close()
	}
	d.conns = nil
}

// trackedConn forgets itself when it is closed.
type trackedConn struct {
	net.Conn
	d *dialer
}

// Read implements net.Conn. Every one has a deadline, so a broker that says nothing is a sign of life of ours all the same.
func (c *trackedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.d.alive()
	return n, err
}

// Write implements net.Conn.
func (c *trackedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.d.alive()
	return n, err
}

// Close implements net.Conn.
func (c *trackedConn) Close() error {
	c.d.mu.Lock()
	delete(c.d.conns, c)
	c.d.mu.Unlock()
	return c.Conn.Close()
}
