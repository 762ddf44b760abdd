package components

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Layout says how a cluster is to be.
type Layout struct {
	Nodes      int
	Properties []string // as StartKafka takes them
	// Front, if set, is called with the number of each broker (from 0) and the address of a second listener of that broker, and returns
	// the address that this listener tells its clients: of a proxy that stands before it. Who starts from Kafka.Fronted meets the
	// brokers through the proxies only; the brokers among themselves don't. It may be called again, with other addresses.
	Front func(broker int, addr string) (string, error)
	// Listeners are further ones of each broker, which clients use by Kafka.Listener. They don't go together with Front.
	Listeners []Listener
	Java      []string // further options of the Java machine
	Classes   []string // further folders of classes
}

// Listener is one port of a broker with a security of its own.
type Listener struct {
	Name     string // in capitals
	Protocol string // SSL, SASL_SSL or SASL_PLAINTEXT
}

// Listener returns the addresses of a listener of the layout: host:port of every broker, comma separated.
func (k *Kafka) Listener(name string) string { return k.listeners[name] }

// listen puts the further listeners of a broker at addrs, enters them into k and returns what the broker needs for them.
func (l Layout) listen(k *Kafka, broker, controller string, addrs []string) []string {
	if len(l.Listeners) == 0 {
		return nil
	}
	if k.listeners == nil {
		k.listeners = map[string]string{}
	}
	told, protocols := "PLAINTEXT://"+broker, "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
	for j, x := range l.Listeners {
		addr := addrs[j]
		told += "," + x.Name + "://" + addr
		protocols += "," + x.Name + ":" + x.Protocol
		if k.listeners[x.Name] != "" {
			addr = k.listeners[x.Name] + "," + addr
		}
		k.listeners[x.Name] = addr
	}
	return []string{"listeners=" + told + ",CONTROLLER://" + controller, "advertised.listeners=" + told, "listener.security.protocol.map=" + protocols}
}

// front is the second listener of each broker; none without Layout.Front.
type front struct{ listens, advertised []string }

// fronts puts the second listeners at these addresses and enters them into k.
func (l Layout) fronts(k *Kafka, addrs []string) (front, error) {
	var f front
	if l.Front == nil {
		return f, nil
	}
	f.listens = addrs
	for i, addr := range addrs {
		told, err := l.Front(i, addr)
		if err != nil {
			return f, fmt.Errorf("put something before broker %d: %w", i+1, err)
		}
		f.advertised = append(f.advertised, told)
	}
	k.Fronted = strings.Join(f.advertised, ",")
	return f, nil
}

// properties returns what broker i needs for its second listener.
func (f front) properties(broker, controller string, i int) []string {
	if f.listens == nil {
		return nil
	}
	return []string{
		fmt.Sprintf("listeners=PLAINTEXT://%s,FRONT://%s,CONTROLLER://%s", broker, f.listens[i], controller),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://%s,FRONT://%s", broker, f.advertised[i]),
	}
}

// Terminate stops broker i as its operator does: SIGTERM, upon which it hands its partitions over. It returns when the broker is gone,
// and kills it if that takes longer than a minute.
func (k *Kafka) Terminate(t testing.TB, i int) {
	t.Helper()
	k.nodes[i].proc.stop(syscall.SIGTERM, time.Minute)
}

// Launch starts broker i again, on its old port and data, after Kill or Terminate. It does not wait for anything.
func (k *Kafka) Launch(t testing.TB, i int) {
	t.Helper()
	if err := k.nodes[i].start(); err != nil {
		t.Fatal(err)
	}
}

// AwaitUp waits until the whole cluster is up.
func (k *Kafka) AwaitUp(t testing.TB) {
	t.Helper()
	if err := k.waitReady(len(k.nodes)); err != nil {
		t.Fatal(err)
	}
}

// StartKafkaLaidOut starts a cluster that is laid out so, and stops it at the end of the test.
func StartKafkaLaidOut(t testing.TB, l Layout) *Kafka {
	t.Helper()
	Require(t, PartKafka)
	k, err := startKafka(t.TempDir(), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.stop)
	return k
}
