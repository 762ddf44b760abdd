package torture

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/test/harness"
	"ngxtap/test/proxy"
)

// brokers are some nodes of kfake, each behind a proxy whose address it announces.
type brokers struct {
	*kfake.Cluster
	faults  *proxy.Faults
	proxies []*proxy.Proxy         // all that were ever started; closed by close
	front   map[int32]*proxy.Proxy // of the nodes that are up
	addrs   map[int32]string       // where nodes were before they went away
	anyPort string                 // an address of our own with port 0: nobody takes a port there while a node is away
	last    int32
	next    string // where the proxy of the next node listens

	injected []injected // and not removed yet
}

// injected is a fault that waits for its request.
type injected struct {
	what   string
	hits   func() int
	remove func()
}

// announced is a listener that says that it listens elsewhere: at its proxy.
type announced struct {
	net.Listener
	addr net.Addr
}

func (a announced) Addr() net.Addr { return a.addr }

func startBrokers(nodes int) (*brokers, error) {
	anyPort := harness.IP() + ":0"
	b := &brokers{last: int32(nodes - 1), faults: &proxy.Faults{}, front: map[int32]*proxy.Proxy{}, addrs: map[int32]string{}, anyPort: anyPort, next: anyPort}
	listen := func(network, _ string) (net.Listener, error) {
		ln, err := net.Listen(network, anyPort)
		if err != nil {
			return nil, err
		}
		p, err := proxy.Start(b.next, ln.Addr().String(), b.faults)
		if err != nil {
			ln.Close()
			return nil, err
		}
		b.proxies = append(b.proxies, p)
		addr, err := net.ResolveTCPAddr("tcp", p.Addr())
		return announced{ln, addr}, err
	}
	var err error
	b.Cluster, err = kfake.NewCluster(kfake.NumBrokers(nodes), kfake.DefaultNumPartitions(1), kfake.ListenFn(listen))
	if err != nil {
		b.closeProxies()
		return nil, fmt.Errorf("start kfake: %w", err)
	}
	for i := range nodes {
		b.front[int32(i)] = b.proxies[i] // kfake numbers its nodes from 0, in the order in which they listen
	}
	return b, nil
}

func (b *brokers) close() {
	b.closeProxies()
	b.Close()
}

func (b *brokers) closeProxies() {
	for _, p := range b.proxies {
		p.Close()
	}
}

// ours is how the header of a request from the daemon names its client; other clients here are tests.
const ours = "\x00\x06ngxtap"

// wire puts a fault of the network to work.
func (b *brokers) wire(o op) {
	in := b.faults.Add(proxy.Fault{Key: int16(o.n), With: ours, Skip: o.m, Times: 1, Do: wireActions[o.text], Wait: o.wait})
	b.injected = append(b.injected, injected{fmt.Sprintf("%s: %s", kmsg.Key(o.n).Name(), o.text), in.Hits, in.Remove})
}

// answer lets the next requests of a kind be answered with an error. Those of the test's own readers are newer in their versions than
// what the daemon asks with, and pass.
func (b *brokers) answer(o op) {
	newest := map[kmsg.Key]int16{kmsg.Fetch: 11, kmsg.ListOffsets: 6, kmsg.Metadata: 10}
	key := kmsg.Key(o.n)
	h := b.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: o.err, Count: o.m, When: func(r kmsg.Request) bool {
		v, bounded := newest[key]
		return !bounded || r.GetVersion() <= v
	}})
	b.injected = append(b.injected, injected{fmt.Sprintf("%s: answer %s", key.Name(), o.text), h.Hits, h.Remove})
}

// calm takes all faults back and reports which of them struck.
func (b *brokers) calm() (struck, missed []string) {
	for _, in := range b.injected {
		if in.remove(); in.hits() > 0 {
			struck = append(struck, in.what)
		} else {
			missed = append(missed, in.what)
		}
	}
	b.injected = nil
	return struck, missed
}

// moveLeaders gives every partition another leader, where there is another node.
func (b *brokers) moveLeaders(topics []string) {
	nodes := b.nodes()
	for _, topic := range topics {
		for _, p := range b.PartitionInfos(topic) {
			i := slices.Index(nodes, p.Leader)
			_ = b.MoveTopicPartition(topic, p.Partition, nodes[(i+1)%len(nodes)]) // fails for a topic that is not there yet
		}
	}
}

// nodes returns the ids of the nodes that are up.
func (b *brokers) nodes() []int32 { return slices.Sorted(maps.Keys(b.front)) }

// leave takes a node away with its connections. The others get its partitions. The last node stays: kfake makes it the controller
// and elects no other when it goes, where a real cluster has a new one within moments.
func (b *brokers) leave(id int32) bool {
	if id == b.last || b.front[id] == nil || b.RemoveNode(id) != nil {
		return false
	}
	b.addrs[id] = b.front[id].Addr()
	b.front[id].Close()
	delete(b.front, id)
	return true
}

// comeBack starts all nodes that are away, at the addresses that they had.
func (b *brokers) comeBack(nodes int) error {
	for id := range int32(nodes) {
		if b.front[id] != nil {
			continue
		}
		b.next = b.addrs[id]
		_, _, err := b.AddNode(id, -1)
		b.next = b.anyPort
		if err != nil {
			return fmt.Errorf("start node %d again: %w", id, err)
		}
		b.front[id] = b.proxies[len(b.proxies)-1]
	}
	return nil
}

// fence asks for the producer ids of all transactional ids, as a coordinator does whose transaction has run into its time-out: open
// transactions are aborted, and who began them is fenced.
func (b *brokers) fence(ctx context.Context, t testing.TB, ids []string) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.RetryTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, id := range ids {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = &id, 1000
		if _, err := req.RequestWith(ctx, cl); err != nil {
			t.Fatalf("fence %s: %v", id, err)
		}
	}
}
