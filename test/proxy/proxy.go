// Package proxy stands between clients and a Kafka broker and does to single requests and replies what networks do: it loses,
// delays and doubles them, cuts connections, stands still and is slow. For tests.
//
// The promise: what no fault strikes passes unchanged and in order. It understands the length, the key and the correlation id of
// requests, and nothing else of the protocol.
package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// maxFrame is the longest request or reply that is taken; more is no Kafka.
const maxFrame = 128 << 20

// Proxy listens for the clients of one broker.
type Proxy struct {
	target string
	faults *Faults
	ln     net.Listener

	wg   sync.WaitGroup
	done chan struct{} // closed by Close

	mu    sync.Mutex
	conns map[*link]struct{} // guarded by mu
	gate  chan struct{}      // guarded by mu; closed while bytes may pass
	rate  int                // guarded by mu; bytes per second in each direction of a connection, 0: no limit
}

// Start listens at addr, such as 127.0.0.1:0, and connects each client to target. Proxies may share faults. The caller calls Close.
func Start(addr, target string, faults *Faults) (*Proxy, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start a proxy for %s: %w", target, err)
	}
	open := make(chan struct{})
	close(open)
	p := &Proxy{target: target, faults: faults, ln: ln, done: make(chan struct{}), conns: map[*link]struct{}{}, gate: open}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr returns host:port where it listens.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Close cuts all connections and stops listening. It returns when everything has ended.
func (p *Proxy) Close() {
	p.mu.Lock()
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	p.mu.Unlock()
	p.ln.Close()
	p.Cut()
	p.wg.Wait()
}

// Cut cuts every connection. New ones are taken.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.conns {
		l.close()
	}
}

// Stall lets nothing pass until Resume, in either direction; connections stay, and new ones are taken.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
		p.gate = make(chan struct{})
	default: // it stands still already
	}
}

// Resume ends Stall.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

// Throttle lets so many bytes a second pass in each direction of each connection; 0 means no limit.
func (p *Proxy) Throttle(bytesPerSecond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = bytesPerSecond
}

// terms returns what holds for bytes that are to pass now.
func (p *Proxy) terms() (gate <-chan struct{}, rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gate, p.rate
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return // Close
		}
		p.wg.Go(func() {
			broker, err := net.DialTimeout("tcp", p.target, 10*time.Second)
			if err != nil {
				client.Close() // the broker is down; clients see a connection that ends at once
				return
			}
			l := &link{p: p, client: client, broker: broker, done: make(chan struct{}), pending: map[int32]*Fault{}}
			p.mu.Lock()
			p.conns[l] = struct{}{}
			p.mu.Unlock()
			select {
			case <-p.done:
				l.close() // Close may have come before we were among the connections
			default:
			}
			l.run()
			p.mu.Lock()
			delete(p.conns, l)
			p.mu.Unlock()
		})
	}
}

// link is one client's connection with its broker.
type link struct {
	p              *Proxy
	client, broker net.Conn
	done           chan struct{} // closed when it is cut
	once           sync.Once

	mu      sync.Mutex
	pending map[int32]*Fault // guarded by mu; what is to happen to replies, by correlation id
}

// errCut ends a link on purpose.
var errCut = errors.New("cut")

func (l *link) close() {
	l.once.Do(func() {
		close(l.done)
		l.client.Close()
		l.broker.Close()
	})
}

// run passes frames until either side ends or a fault cuts the link.
func (l *link) run() {
	var both sync.WaitGroup
	both.Go(func() {
		defer l.close()
		for l.request() == nil {
		}
	})
	both.Go(func() {
		defer l.close()
		for l.reply() == nil {
		}
	})
	both.Wait()
}

// request passes one request to the broker.
func (l *link) request() error {
	frame, err := readFrame(l.client, 8)
	if err != nil {
		return err
	}
	key, correlation := int16(binary.BigEndian.Uint16(frame[4:])), int32(binary.BigEndian.Uint32(frame[8:]))
	f := l.p.faults.strike(key, frame)
	if f != nil {
		switch f.Do {
		case CutBefore:
			return errCut
		case LoseRequest:
			return nil
		case DelayRequest:
			return l.late(frame, f)
		}
		l.mu.Lock()
		l.pending[correlation] = f
		l.mu.Unlock()
	}
	return l.pass(l.broker, frame)
}

// late brings a request to the broker on a connection of its own when the time has come, so that it arrives whatever becomes of the
// client. Nobody gets the reply.
func (l *link) late(frame []byte, f *Fault) error {
	l.p.wg.Go(func() {
		if !wait(f.Wait, f.Until, l.p.done) {
			return
		}
		broker, err := net.DialTimeout("tcp", l.p.target, 10*time.Second)
		if err != nil {
			return
		}
		defer broker.Close()
		stop := make(chan struct{})
		defer close(stop)
		l.p.wg.Go(func() {
			select {
			case <-l.p.done:
				broker.Close()
			case <-stop:
			}
		})
		if _, err := broker.Write(frame); err == nil {
			_, _ = readFrame(broker, 4) // the broker has dealt with it then
		}
	})
	return nil
}

// reply passes one reply to the client.
func (l *link) reply() error {
	frame, err := readFrame(l.broker, 4)
	if err != nil {
		return err
	}
	correlation := int32(binary.BigEndian.Uint32(frame[4:]))
	l.mu.Lock()
	f := l.pending[correlation]
	delete(l.pending, correlation)
	l.mu.Unlock()
	if f == nil {
		return l.pass(l.client, frame)
	}
	switch f.Do {
	case CutAfter:
		return errCut
	case LoseReply:
		return nil
	case DelayReply:
		if !wait(f.Wait, f.Until, l.done) {
			return errCut
		}
	case DoubleReply:
		if err := l.pass(l.client, frame); err != nil {
			return err
		}
	}
	return l.pass(l.client, frame)
}

// pass writes a frame as fast as it may.
func (l *link) pass(to net.Conn, frame []byte) error {
	for len(frame) > 0 {
		gate, rate := l.p.terms()
		select {
		case <-gate:
		case <-l.done:
			return errCut
		}
		n := len(frame)
		if rate > 0 {
			n = min(n, max(1, rate/20))
			if !wait(time.Second*time.Duration(n)/time.Duration(rate), nil, l.done) {
				return errCut
			}
		}
		if _, err := to.Write(frame[:n]); err != nil {
			return err
		}
		frame = frame[n:]
	}
	return nil
}

// wait waits for d, or until that is closed if it comes earlier. It returns false if done was closed before.
func wait(d time.Duration, until, done <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-until:
		return true
	case <-done:
		return false
	}
}

// readFrame reads a length and as many bytes, at least so many, and returns both together.
func readFrame(r io.Reader, least int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n < int64(least) || n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes is none of Kafka's", n)
	}
	frame := make([]byte, 4+n)
	copy(frame, head[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}
