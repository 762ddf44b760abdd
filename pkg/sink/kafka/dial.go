package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// dialer opens connections for sarama, TLS included, and can end all of them at once.
type dialer struct {
	timeout time.Duration
	tls     *tls.Config     // nil: none
	alive   func()          // Config.Alive
	ctx     context.Context // ends with kill, and ends the dials that are under way
	cancel  context.CancelFunc
	mu      sync.Mutex
	conns   map[*trackedConn]struct{} // guarded by mu; nil after kill
}

func newDialer(timeout time.Duration, conf *tls.Config, alive func()) *dialer {
	ctx, cancel := context.WithCancel(context.Background())
	return &dialer{timeout: timeout, tls: conf, alive: alive, ctx: ctx, cancel: cancel, conns: map[*trackedConn]struct{}{}}
}

// Dial implements proxy.Dialer for sarama.
func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: d.timeout, KeepAlive: 30 * time.Second}).DialContext(d.ctx, network, addr)
	d.alive()
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: conn, raw: conn, d: d}
	if err := d.track(tracked); err != nil {
		return nil, err
	}
	if d.tls == nil {
		return tracked, nil
	}
	secure, err := d.handshake(conn, addr)
	d.alive()
	if err != nil {
		tracked.Close()
		return nil, err
	}
	tracked.Conn = secure
	return tracked, nil
}

// track takes a connection into those that kill ends.
func (d *dialer) track(c *trackedConn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conns == nil {
		c.raw.Close()
		return net.ErrClosed
	}
	d.conns[c] = struct{}{}
	return nil
}

// handshake makes conn a TLS connection.
func (d *dialer) handshake(conn net.Conn, addr string) (net.Conn, error) {
	conf := d.tls.Clone()
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("tls: the broker's address: %w", err)
		}
		conf.ServerName = host
	}
	ctx, cancel := context.WithTimeout(d.ctx, d.timeout)
	defer cancel()
	secure := tls.Client(conn, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, &handshakeError{fmt.Errorf("no answer within %v (%w)", d.timeout, err)}
		}
		return nil, &handshakeError{err}
	}
	return secure, nil
}

// handshakeError is a connection that did not become one of TLS.
type handshakeError struct{ err error }

// Error implements error.
func (e *handshakeError) Error() string { return "tls handshake: " + e.err.Error() }

// Unwrap implements the interface of package errors.
func (e *handshakeError) Unwrap() error { return e.err }

// kill ends every connection and dial, now and for ever.
func (d *dialer) kill() {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		c.raw.Close() // not Conn: TLS says goodbye, and may wait for a peer that is stuck
	}
	d.conns = nil
}

// trackedConn forgets itself when it is closed.
type trackedConn struct {
	net.Conn          // what is spoken through: raw, or TLS over it
	raw      net.Conn // the socket
	d        *dialer
	heard    bool  // the first bytes have come; for Read only
	stranger error // what answers is no broker; for Read only
}

// Read implements net.Conn. The first bytes of a broker are the length of its answer to ApiVersions, which is far below 16 MiB. What begins
// otherwise speaks TLS or HTTP, and sarama would take it for the length of an answer and wait. Every read has a deadline, so a broker that says
// nothing is a sign of life of ours all the same.
func (c *trackedConn) Read(p []byte) (int, error) {
	if c.stranger != nil {
		return 0, c.stranger
	}
	n, err := c.Conn.Read(p)
	c.d.alive()
	if n > 0 && !c.heard {
		c.heard = true
		if p[0] != 0 {
			c.stranger = &net.OpError{Op: "read", Net: "tcp", Addr: c.raw.RemoteAddr(), Err: strangerError(p[0])}
			return 0, c.stranger
		}
	}
	return n, err
}

// Write implements net.Conn.
func (c *trackedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.d.alive()
	return n, err
}

// strangerError is the first byte of somebody who is no broker.
type strangerError byte

// Error implements error.
func (s strangerError) Error() string {
	switch {
	case s == 0x14 || s == 0x15 || s == 0x16: // content types of TLS records, RFC 8446, 5.1
		return "what answers there speaks TLS: set kafka.tls: {enabled: true}, or use the port of a listener without TLS"
	case s == 'H':
		return "what answers there speaks HTTP: it is no broker"
	}
	return "what answers there does not speak Kafka's protocol: it is no broker"
}

// Close implements net.Conn.
func (c *trackedConn) Close() error {
	c.d.mu.Lock()
	delete(c.d.conns, c)
	c.d.mu.Unlock()
	return c.Conn.Close()
}
