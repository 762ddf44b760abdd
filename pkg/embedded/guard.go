package embedded

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRequest bounds a request (Kafka's socket.request.max.bytes).
const maxRequest = 100 << 20

// guard is a listener whose connections end at the first request that is none. kfake trusts its clients: it allocates what the
// length says, and an unknown API key is a nil pointer to it, which would take this process down. "GET / HTTP/1.1" is both.
type guard struct {
	net.Listener
	ready <-chan struct{} // closed when requests may come
}

// Accept implements net.Listener. kfake accepts from its first moment on; a commit that came before ours to look at it would go
// unnoted.
func (g guard) Accept() (net.Conn, error) {
	<-g.ready
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: conn}, nil
}

// guardedConn reads whole requests: length (4 bytes), API key (2), API version (2), and the rest.
type guardedConn struct {
	net.Conn
	head    [8]byte
	pending []byte // of head, not yet given out
	rest    int    // bytes of the request after head
}

// Read implements net.Conn. It is used by one goroutine at a time.
func (c *guardedConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.pending) == 0 && c.rest == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), c.rest)])
	c.rest -= n
	return n, err
}

// next reads and checks the head of the next request.
func (c *guardedConn) next() error {
	if _, err := io.ReadFull(c.Conn, c.head[:]); err != nil {
		return err
	}
	size := int32(binary.BigEndian.Uint32(c.head[:]))
	key := int16(binary.BigEndian.Uint16(c.head[4:]))
	version := int16(binary.BigEndian.Uint16(c.head[6:]))
	if size < 4 || size > maxRequest || version < 0 || kmsg.RequestForKey(key) == nil {
		return fmt.Errorf("not a Kafka request: length %d, API key %d", size, key)
	}
	c.pending, c.rest = c.head[:], int(size)-4
	return nil
}
