// Package cluster shows the promise of ngxtap on three real Kafka brokers: the real binary ships a log that is written and rotated all
// the time while brokers are killed, frozen and restarted, while single requests and replies are lost, delayed and doubled, and while the
// daemon itself sleeps through its transaction. At the end the oracle finds every line once, in order, with balanced counts.
//
// All tests use one cluster, each with sites and topics of its own. With NGXTAP_LONG=1 the outage of all brokers lasts ten minutes.
package cluster

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/proxy"
)

const (
	nodes = 3
	// patience bounds every wait for what must happen.
	patience = 4 * time.Minute
)

var (
	shared components.Shared
	wire   = network{faults: &proxy.Faults{}}
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer harness.Cleanup()
	defer wire.close()
	return shared.Run(m)
}

// network is what lies between the daemons and the brokers, for those that start from Kafka.Fronted.
type network struct {
	faults  *proxy.Faults
	mu      sync.Mutex
	proxies [nodes]*proxy.Proxy // guarded by mu
}

// front puts a proxy before a broker.
func (n *network) front(broker int, addr string) (string, error) {
	p, err := proxy.Start("127.0.0.1:0", addr, n.faults)
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if old := n.proxies[broker]; old != nil {
		old.Close()
	}
	n.proxies[broker] = p
	return p.Addr(), nil
}

// each calls f with every proxy.
func (n *network) each(f func(*proxy.Proxy)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.proxies {
		if p != nil {
			f(p)
		}
	}
}

func (n *network) close() { n.each((*proxy.Proxy).Close) }

// cluster is the shared cluster as the tests see it.
type cluster struct {
	*components.Kafka
	admin *admin
	watch *watch
}

var whole struct {
	sync.Mutex
	c *cluster
}

// start returns the cluster with all brokers up and every replica in step. It starts it for the first test.
func start(t *testing.T) *cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts three Java processes")
	}
	k := shared.Cluster(t, components.Layout{Nodes: nodes, Front: wire.front, Properties: []string{
		"transaction.abort.timed.out.transaction.cleanup.interval.ms=1000", // 10 s by default
		"replica.lag.time.max.ms=10000",
	}})
	whole.Lock()
	defer whole.Unlock()
	if whole.c == nil {
		a := newAdmin(t, k)
		k.CreateTopic(t, "ngxtap.state", 50, "cleanup.policy=compact")
		whole.c = &cluster{Kafka: k, admin: a, watch: newWatch(t, k)}
	}
	whole.c.admin.awaitInStep(t)
	return whole.c
}

// brokers returns the addresses to start from: of the brokers themselves, or of the proxies before them.
func (c *cluster) brokers(fronted bool) []string {
	if fronted {
		return strings.Split(c.Fronted, ",")
	}
	return strings.Split(c.Bootstrap, ",")
}

// revive starts broker i again and waits until every replica is in step.
func (c *cluster) revive(t *testing.T, i int) {
	t.Helper()
	c.Restart(t, i)
	c.admin.awaitInStep(t)
}

// long says whether to take the time that the issue asks for.
func long() bool { return os.Getenv("NGXTAP_LONG") == "1" }

// errNot returns nil if ok, else an error.
func errNot(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
