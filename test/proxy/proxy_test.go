package proxy

// Shows: what no fault strikes passes unchanged; each action does what it says to the request that it was meant for, and to no other;
// and Kafka's own clients work through it.

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for what must happen.
const patience = time.Minute

// broker answers each request with its correlation id and its body, and keeps what it got.
type broker struct {
	ln  net.Listener
	wg  sync.WaitGroup
	got chan string // bodies
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{ln: ln, got: make(chan string, 1000)}
	b.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b.wg.Go(func() { b.serve(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		b.wg.Wait()
	})
	return b
}

func (b *broker) serve(c net.Conn) {
	defer c.Close()
	for {
		frame, err := readFrame(c, 8)
		if err != nil {
			return
		}
		b.got <- string(frame[12:])
		answer := binary.BigEndian.AppendUint32(nil, uint32(len(frame)-8))
		if _, err := c.Write(append(answer, frame[8:]...)); err != nil {
			return
		}
	}
}

// client is a connection to the proxy.
type client struct {
	t *testing.T
	net.Conn
	n uint32
}

func dial(t *testing.T, p *Proxy) *client {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{t: t, Conn: c}
}

// send sends a request and returns its correlation id.
func (c *client) send(key int16, body string) uint32 {
	c.t.Helper()
	c.n++
	frame := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	frame = binary.BigEndian.AppendUint16(frame, uint16(key))
	frame = binary.BigEndian.AppendUint16(frame, 3)
	frame = binary.BigEndian.AppendUint32(frame, c.n)
	if _, err := c.Write(append(frame, body...)); err != nil {
		c.t.Fatal(err)
	}
	return c.n
}

// want reads a reply.
func (c *client) want(correlation uint32, body string) {
	c.t.Helper()
	frame, err := readFrame(c, 4)
	if err != nil {
		c.t.Fatalf("read the reply to %q: %v", body, err)
	}
	if n := binary.BigEndian.Uint32(frame[4:]); n != correlation || string(frame[8:]) != body {
		c.t.Fatalf("the reply is %d %q, want %d %q", n, frame[8:], correlation, body)
	}
}

// wantEnd says that the connection ends without another byte.
func (c *client) wantEnd() {
	c.t.Helper()
	if n, err := io.Copy(io.Discard, c.Conn); n > 0 || isTimeout(err) {
		c.t.Fatalf("%d more bytes and %v, want the end of the connection", n, err)
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// wantGot says that the broker gets this body next.
func (b *broker) wantGot(t *testing.T, body string) {
	t.Helper()
	select {
	case got := <-b.got:
		if got != body {
			t.Fatalf("the broker got %q, want %q", got, body)
		}
	case <-time.After(patience):
		t.Fatalf("the broker did not get %q", body)
	}
}

func start(t *testing.T) (*broker, *Proxy, *Faults) {
	t.Helper()
	b, faults := newBroker(t), &Faults{}
	p, err := Start("127.0.0.1:0", b.ln.Addr().String(), faults)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return b, p, faults
}

func TestPassesUnchangedAndInOrder(t *testing.T) {
	b, p, faults := start(t)
	faults.Add(Fault{Key: EndTxn, With: "mine", Do: CutBefore})
	c := dial(t, p)
	for i := range 100 {
		c.send(EndTxn, fmt.Sprintf("request %d", i)) // pipelined; the fault is about another
	}
	c.send(Produce, "mine")
	for i := range 100 {
		c.want(uint32(i+1), fmt.Sprintf("request %d", i))
		b.wantGot(t, fmt.Sprintf("request %d", i))
	}
	c.want(101, "mine")
}

func TestActions(t *testing.T) {
	tests := []struct {
		do     Action
		broker bool // gets the request
		reply  int  // how often the client gets it
		cut    bool // the connection
	}{
		{CutBefore, false, 0, true},
		{CutAfter, true, 0, true},
		{LoseRequest, false, 0, false},
		{LoseReply, true, 0, false},
		{DoubleReply, true, 2, false},
		{DelayReply, true, 1, false},
		{DelayRequest, true, 0, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.do), func(t *testing.T) {
			b, p, faults := start(t)
			in := faults.Add(Fault{Key: EndTxn, With: "mine", Skip: 1, Times: 1, Do: tt.do, Wait: time.Millisecond})
			c := dial(t, p)
			c.want(c.send(EndTxn, "mine, passes"), "mine, passes")
			b.wantGot(t, "mine, passes")
			id := c.send(EndTxn, "mine")
			for range tt.reply {
				c.want(id, "mine")
			}
			if tt.cut {
				c.wantEnd()
				c = dial(t, p)
			}
			if tt.broker {
				b.wantGot(t, "mine")
			}
			// The fault is used up.
			c.want(c.send(EndTxn, "mine again"), "mine again")
			b.wantGot(t, "mine again")
			if in.Hits() != 1 {
				t.Errorf("%d hits, want 1", in.Hits())
			}
		})
	}
}

// A delayed request reaches the broker after its client has gone, and not before it may.
func TestDelayedRequestOutlivesItsClient(t *testing.T) {
	b, p, faults := start(t)
	until := make(chan struct{})
	in := faults.Add(Fault{Key: EndTxn, Do: DelayRequest, Times: 1, Wait: patience, Until: until})
	c := dial(t, p)
	c.send(EndTxn, "late")
	select {
	case <-in.Struck():
	case <-time.After(patience):
		t.Fatal("the fault did not strike")
	}
	c.Close()
	c = dial(t, p)
	c.want(c.send(EndTxn, "early"), "early")
	b.wantGot(t, "early")
	close(until)
	b.wantGot(t, "late")
}

// A delayed reply holds up those behind it, as the one stream of a connection does.
func TestDelayedReplyHoldsUpItsConnection(t *testing.T) {
	b, p, faults := start(t)
	until := make(chan struct{})
	faults.Add(Fault{Key: EndTxn, Do: DelayReply, Wait: patience, Until: until})
	c, other := dial(t, p), dial(t, p)
	first, second := c.send(EndTxn, "first"), c.send(Produce, "second")
	b.wantGot(t, "first")
	b.wantGot(t, "second")
	other.want(other.send(Produce, "other"), "other") // another connection goes on
	close(until)
	c.want(first, "first")
	c.want(second, "second")
}

func TestStallThrottleCutAndRemove(t *testing.T) {
	b, p, faults := start(t)
	in := faults.Add(Fault{Key: Produce, Do: CutBefore})
	c := dial(t, p)
	c.send(Produce, "cut")
	c.wantEnd()
	in.Remove()
	in.Remove() // once more does no harm

	p.Stall()
	p.Stall()
	c = dial(t, p)
	id := c.send(Produce, "stalled")
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !isTimeout(err) {
		t.Fatalf("something came through a stalled proxy: %v", err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	p.Resume()
	p.Resume()
	c.want(id, "stalled")
	b.wantGot(t, "stalled")

	p.Throttle(400)
	began := time.Now()
	c.want(c.send(Produce, "slow: this has more than forty bytes, frame included"), "slow: this has more than forty bytes, frame included")
	if took := time.Since(began); took < 200*time.Millisecond { // 68 and 64 bytes at 400 a second
		t.Errorf("a throttled exchange took %v", took)
	}
	p.Throttle(0)
	p.Cut()
	c.wantEnd()
}

func TestDeadBrokerAndGarbage(t *testing.T) {
	b, p, _ := start(t)
	c := dial(t, p)
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	c.wantEnd()
	b.ln.Close()
	dial(t, p).wantEnd()
}

// A real client's transaction passes: kgo through the proxy to a broker in this process.
func TestRealClientThroughProxy(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	p, err := Start("127.0.0.1:0", k.ListenAddrs()[0], &Faults{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// The broker advertises its own address: every dial goes to the proxy.
	var d net.Dialer
	client, err := kgo.NewClient(kgo.SeedBrokers(p.Addr()), kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"),
		kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return d.DialContext(ctx, network, p.Addr())
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, kgo.StringRecord("hello")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
}
