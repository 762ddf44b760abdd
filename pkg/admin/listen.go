package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// UnixPrefix begins the address of a unix socket: unix:/run/ngxtap/admin.sock.
const UnixPrefix = "unix:"

// socketMode of a unix socket: the daemon's user and group may connect.
const socketMode = 0o660

// Listen listens on addr: host:port (port 0 takes a free one) or unix:PATH. A TCP address other than loopback is refused unless remote is set.
func Listen(addr string, remote bool) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, UnixPrefix); ok {
		return listenUnix(path)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if a := l.Addr().(*net.TCPAddr); !remote && !a.IP.IsLoopback() { // a name may lead anywhere
		l.Close()
		return nil, fmt.Errorf("%s is the address %s, which others can reach: listen on 127.0.0.1, or set admin.allow_remote", addr, a)
	}
	return l, nil
}

// Loopback reports whether a host of an address, or of a request, names this host by its loopback.
func Loopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// listenUnix takes the place of a socket that a dead daemon left, but not of one that somebody listens on, nor of anything else.
func listenUnix(path string) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSocket == 0:
		return nil, fmt.Errorf("%s is there and is not a socket; choose another path", path)
	default:
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			conn.Close()
			return nil, fmt.Errorf("somebody listens on %s already", path)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("find out whether somebody listens on %s: %w", path, err)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the socket of a daemon that is gone: %w", err)
		}
	}
	// The mode of the socket before bind is the most that its file can have (unix_bind in Linux), so nobody gets in before the chmod.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		cerr := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(cerr, err)
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	u := &socket{UnixListener: l.(*net.UnixListener), path: path}
	u.SetUnlinkOnClose(false)
	if err = os.Chmod(path, socketMode); err == nil {
		u.info, err = os.Lstat(path)
	}
	if err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

// socket is a unix socket that removes its file when it is closed, and no other that has taken its name.
type socket struct {
	*net.UnixListener
	path string
	info fs.FileInfo
}

// Close implements net.Listener.
func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && s.info != nil && os.SameFile(now, s.info) {
		_ = os.Remove(s.path) // the folder may be gone, or not ours any more; a stale socket does no harm
	}
	return s.UnixListener.Close()
}

// crowd bounds how many connections there are. One too many takes the place of the one that has been in its present state for longest: a
// client that sends a byte a minute can keep itself waiting and nobody else.
type crowd struct {
	net.Listener
	most int

	mu    sync.Mutex
	count int64
	since map[net.Conn]int64 // guarded by mu: when its state changed last, as a number that grows
}

func newCrowd(l net.Listener, most int) *crowd {
	return &crowd{Listener: l, most: most, since: map[net.Conn]int64{}}
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.since) >= c.most {
		var oldest net.Conn
		for other, at := range c.since {
			if oldest == nil || at < c.since[oldest] {
				oldest = other
			}
		}
		delete(c.since, oldest)
		oldest.Close()
	}
	c.count++
	c.since[conn] = c.count
	return conn, nil
}

// left forgets a connection that is closed.
func (c *crowd) left(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.since, conn)
}

// moved notes that a connection has made a step.
func (c *crowd) moved(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.since[conn]; ok {
		c.count++
		c.since[conn] = c.count
	}
}
