package components

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaReady is how long a cluster may take to answer. One node takes 5 s on two idle cores.
const kafkaReady = 2 * time.Minute

// Kafka is a running cluster of real brokers in KRaft mode, each also a controller. Topics are not created by use.
type Kafka struct {
	Bootstrap string // host:port of every broker, comma separated
	Fronted   string // the same as Layout.Front has it; empty without
	Dir       string // its files, one folder for each node: server.properties, data, output.log

	nodes     []*kafkaNode
	listeners map[string]string // by the name of Layout.Listeners: host:port of every broker, comma separated
}

// kafkaNode is one broker and controller.
type kafkaNode struct {
	dir, addr string
	layout    *Layout
	proc      *process // owned; nil before the first start
}

// StartKafka starts one broker and stops it at the end of the test. Each property is a line key=value that is added to
// server.properties and wins over ours.
func StartKafka(t testing.TB, properties ...string) *Kafka {
	t.Helper()
	return StartKafkaCluster(t, 1, properties...)
}

// StartKafkaCluster starts n brokers and stops them at the end of the test. Three or more keep three copies of internal topics, and
// writes need two of them. See StartKafka for properties.
func StartKafkaCluster(t testing.TB, n int, properties ...string) *Kafka {
	t.Helper()
	Require(t, PartKafka)
	k, err := startKafka(t.TempDir(), Layout{Nodes: n, Properties: properties})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.stop)
	return k
}

// startKafka starts a cluster with its files below dir. The caller calls stop.
func startKafka(dir string, l Layout) (*Kafka, error) {
	var k *Kafka
	err := retryPorts(func() error {
		var err error
		k, err = tryStartKafka(dir, l)
		return err
	})
	return k, err
}

// tryStartKafka is one attempt of startKafka with one choice of ports.
func tryStartKafka(parent string, l Layout) (*Kafka, error) {
	n := l.Nodes
	dir, err := os.MkdirTemp(parent, "kafka-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for Kafka: %w", err)
	}
	addrs, err := freeAddrs((3 + len(l.Listeners)) * n)
	if err != nil {
		return nil, err
	}
	brokers, controllers := addrs[:n], addrs[n:2*n]
	k := &Kafka{Bootstrap: strings.Join(brokers, ","), Dir: dir}
	var id [16]byte
	rand.Read(id[:])
	id[0] &= 0x7f // an id that starts with "-" would look like an option
	cluster := base64.RawURLEncoding.EncodeToString(id[:])
	fronts, err := l.fronts(k, addrs[2*n:3*n])
	if err != nil {
		return nil, err
	}
	for i := range n {
		node := &kafkaNode{dir: filepath.Join(dir, fmt.Sprintf("node-%d", i+1)), addr: brokers[i], layout: &l}
		properties := slices.Concat(fronts.properties(brokers[i], controllers[i], i), l.listen(k, node.addr, controllers[i], addrs[3*n+i*len(l.Listeners):]), l.Properties)
		if err := node.format(cluster, serverProperties(i, brokers, controllers, properties)); err != nil {
			return nil, err
		}
		k.nodes = append(k.nodes, node)
	}
	for _, node := range k.nodes {
		if err := node.start(); err != nil {
			k.stop()
			return nil, err
		}
	}
	if err := k.waitReady(n); err != nil {
		taken := false
		for _, node := range k.nodes {
			taken = taken || node.proc.portTaken()
		}
		k.stop()
		if taken {
			return nil, fmt.Errorf("start Kafka: %w", errPortTaken)
		}
		return nil, err
	}
	return k, nil
}

// serverProperties returns the configuration of node i. Defaults that cost a test time or memory are lowered.
func serverProperties(i int, brokers, controllers, extra []string) string {
	n := len(brokers)
	copies, inSync := min(n, 3), 1
	if n >= 3 {
		inSync = 2
	}
	var voters []string
	for j, addr := range controllers {
		voters = append(voters, fmt.Sprintf("%d@%s", j+1, addr))
	}
	lines := []string{
		"process.roles=broker,controller",
		fmt.Sprintf("node.id=%d", i+1),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		fmt.Sprintf("listeners=PLAINTEXT://%s,CONTROLLER://%s", brokers[i], controllers[i]),
		"advertised.listeners=PLAINTEXT://" + brokers[i],
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,FRONT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=data",
		"auto.create.topics.enable=false",
		"group.initial.rebalance.delay.ms=0",
		"log.retention.ms=-1",            // a record has the time of its line, and lines of tests have fixed dates
		"broker.session.timeout.ms=5000", // a killed broker can't come back before its old session has ended
		"log.cleaner.dedupe.buffer.size=16000000",
		fmt.Sprintf("default.replication.factor=%d", copies),
		fmt.Sprintf("min.insync.replicas=%d", inSync),
		"offsets.topic.num.partitions=4",
		"transaction.state.log.num.partitions=4",
	}
	for _, topic := range []string{"offsets.topic.", "transaction.state.log.", "share.coordinator.state.topic."} {
		lines = append(lines, fmt.Sprintf("%sreplication.factor=%d", topic, copies))
	}
	for _, topic := range []string{"transaction.state.log.", "share.coordinator.state.topic."} {
		lines = append(lines, fmt.Sprintf("%smin.isr=%d", topic, inSync))
	}
	return strings.Join(append(lines, extra...), "\n") + "\n"
}

// logging sends warnings and the line that says a node is up to the output file.
const logging = `status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c: %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.up.name=kafka.server.KafkaRaftServer
logger.up.level=info
`

// format makes the node's folder, its configuration and its empty storage.
func (n *kafkaNode) format(cluster, properties string) error {
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return fmt.Errorf("make a folder for a Kafka node: %w", err)
	}
	for name, text := range map[string]string{"server.properties": properties, "log4j2.properties": logging} {
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write the configuration of a Kafka node: %w", err)
		}
	}
	p, err := n.java("256m", "format.log", "kafka.tools.StorageTool", "format", "-t", cluster, "-c", "server.properties")
	if err != nil {
		return err
	}
	<-p.done
	if p.err != nil {
		return fmt.Errorf("format the storage of a Kafka node: %w\n%s", p.err, p.lastOutput())
	}
	return nil
}

// start starts the broker; it does not wait for it.
func (n *kafkaNode) start() error {
	p, err := n.java("768m", "output.log", "kafka.Kafka", "server.properties")
	n.proc = p
	return err
}

// java starts a class of Kafka's jars in the node's folder with so much heap.
func (n *kafkaNode) java(heap, log string, args ...string) (*process, error) {
	argv := slices.Concat([]string{"java", "-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.configurationFile=log4j2.properties"},
		n.layout.Java, []string{"-cp", strings.Join(append([]string{filepath.Join(kafkaLibs(), "*")}, n.layout.Classes...), ":")}, args)
	return startProcess(n.dir, filepath.Join(n.dir, log), syscall.SIGKILL, argv...)
}

// waitReady waits until the cluster names want brokers that are up.
func (k *Kafka) waitReady(want int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Bootstrap, ",")...), kgo.RetryTimeout(time.Second))
	if err != nil {
		return fmt.Errorf("make a Kafka client: %w", err)
	}
	defer client.Close()
	probe := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("ask for the brokers: %w", err)
		}
		if len(resp.Brokers) < want {
			return fmt.Errorf("%d of %d brokers are up", len(resp.Brokers), want)
		}
		return nil
	}
	return k.watched().waitReady(kafkaReady, probe)
}

// watched returns the process whose end means that waiting is in vain: that of the first node that runs.
func (k *Kafka) watched() *process {
	for _, node := range k.nodes {
		if node.proc.alive() {
			return node.proc
		}
	}
	return k.nodes[0].proc
}

// Nodes returns how many brokers the cluster has, dead or alive.
func (k *Kafka) Nodes() int { return len(k.nodes) }

// Kill kills broker i (from 0) as kill -9 does, and returns when it is gone.
func (k *Kafka) Kill(t testing.TB, i int) {
	t.Helper()
	k.nodes[i].proc.stop(syscall.SIGKILL, time.Second)
}

// Freeze stops the threads of broker i as kill -STOP does; its connections stay open and nothing answers.
func (k *Kafka) Freeze(t testing.TB, i int) {
	t.Helper()
	if err := k.nodes[i].proc.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// Thaw lets broker i go on after Freeze.
func (k *Kafka) Thaw(t testing.TB, i int) {
	t.Helper()
	if err := k.nodes[i].proc.signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// Restart starts broker i again, on its old port and data, after Kill. It returns when the whole cluster is up.
func (k *Kafka) Restart(t testing.TB, i int) {
	t.Helper()
	k.Launch(t, i)
	k.AwaitUp(t)
}

// CreateTopic makes a topic with the cluster's default replication. Each config is key=value.
func (k *Kafka) CreateTopic(t testing.TB, topic string, partitions int, configs ...string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Bootstrap, ",")...))
	if err != nil {
		t.Fatalf("make a Kafka client: %v", err)
	}
	defer client.Close()
	want := kmsg.NewCreateTopicsRequestTopic()
	want.Topic, want.NumPartitions, want.ReplicationFactor = topic, int32(partitions), -1
	for _, config := range configs {
		key, value, _ := strings.Cut(config, "=")
		want.Configs = append(want.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: &value})
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30_000
	req.Topics = append(req.Topics, want)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
}

// stop ends all brokers at once; there is nothing in them to save.
func (k *Kafka) stop() {
	for _, node := range k.nodes {
		if node.proc != nil {
			node.proc.stop(syscall.SIGKILL, 5*time.Second)
		}
	}
}
