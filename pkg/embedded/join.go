package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// endpoints is where the servers of a directory are. The file endpoints.json exists while they run, and also after they were
// killed.
type endpoints struct {
	Broker   string `json:"broker"`
	Registry string `json:"registry"`
	PID      int    `json:"pid"`
	path     string
}

func endpointsPath(dir string) string { return filepath.Join(dir, "endpoints.json") }

// write writes the file in one step.
func (e endpoints) write() error {
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	tmp := e.path + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	if err := os.Rename(tmp, e.path); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	return nil
}

// remove removes the file, if it was written.
func (e endpoints) remove() error {
	if e.path == "" {
		return nil
	}
	if err := os.Remove(e.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove endpoints: %w", err)
	}
	return nil
}

// lockOrJoin returns the lock of dir, held, or where the servers of its holder are. Between the two there is a time when the holder
// starts or stops: then it looks again.
func lockOrJoin(ctx context.Context, dir string) (*os.File, endpoints, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, endpoints{}, fmt.Errorf("open the lock of the embedded servers: %w", err)
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			// What a killed holder left would send others to ports where nobody, or a stranger, listens.
			if err := (endpoints{path: endpointsPath(dir)}).remove(); err != nil {
				return nil, endpoints{}, errors.Join(err, lock.Close())
			}
			return lock, endpoints{}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, endpoints{}, errors.Join(fmt.Errorf("lock %s: %w", lock.Name(), err), lock.Close())
		}
		if ends, ok := readEndpoints(ctx, dir); ok {
			return nil, ends, lock.Close()
		}
		select {
		case <-ctx.Done():
			return nil, endpoints{}, errors.Join(fmt.Errorf("wait for the embedded servers on %s, which another process starts or stops: %w", dir, ctx.Err()), lock.Close())
		case <-again.C:
		}
	}
}

// readEndpoints returns where the servers of dir are if they answer there.
func readEndpoints(ctx context.Context, dir string) (endpoints, bool) {
	b, err := os.ReadFile(endpointsPath(dir))
	if err != nil {
		return endpoints{}, false
	}
	var e endpoints
	if json.Unmarshal(b, &e) != nil {
		return endpoints{}, false
	}
	dialer := net.Dialer{Timeout: time.Second}
	for _, addr := range []string{e.Broker, strings.TrimPrefix(e.Registry, "http://")} {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			return endpoints{}, false
		}
		conn.Close()
	}
	return e, true
}
