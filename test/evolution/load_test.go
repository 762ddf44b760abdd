package evolution

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ngxtap/test/components"
)

// pause is the time between two requests of a load: more of them would only keep other tests from the processor.
const pause = 2 * time.Millisecond

// load sends requests to Nginx over a few connections, each with an id that no other has, through all reloads, and remembers those
// that were answered.
type load struct {
	addr string
	done chan struct{}
	once sync.Once
	wg   sync.WaitGroup

	next     atomic.Int64
	answered atomic.Int64

	mu     sync.Mutex
	ids    []string // guarded by mu; answered
	broken []error  // guarded by mu; requests that got no answer: nobody knows whether Nginx saw them
}

func startLoad(t *testing.T, addr string, s *slow, connections int) *load {
	l := &load{addr: addr, done: make(chan struct{})}
	pace := time.NewTicker(pause)
	t.Cleanup(func() {
		s.close() // or the requests that it holds would be waited for
		l.stop()
		pace.Stop()
	})
	for range connections {
		l.wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: long}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-l.done:
					return
				case <-pace.C:
				}
				_ = l.send(client, "/item") // which remembers how it ended: Nginx may be closing an old worker's connection
			}
		})
	}
	return l
}

// send sends one request and remembers how it ended.
func (l *load) send(client *http.Client, path string) error {
	n := l.next.Add(1)
	id := fmt.Sprintf("request-%d", n)
	err := get(client, fmt.Sprintf("http://%s%s/%s?ms=%d", l.addr, path, id, 1+n%9999), id)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.broken = append(l.broken, fmt.Errorf("%s: %w", id, err))
		return err
	}
	l.ids = append(l.ids, id)
	l.answered.Add(1)
	return nil
}

func get(client *http.Client, url, id string) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Id", id)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered with %s", resp.Status)
	}
	return nil
}

// await waits until so many more requests were answered.
func (l *load) await(t *testing.T, more int64) {
	t.Helper()
	want := l.answered.Load() + more
	components.Eventually(t, long, func() error {
		if n := l.answered.Load(); n < want {
			return fmt.Errorf("%d of %d requests are answered", n, want)
		}
		return nil
	})
}

func (l *load) stop() {
	l.once.Do(func() { close(l.done) })
	l.wg.Wait()
}

// slow is a server behind Nginx that keeps its requests until they are let go: so old workers write on after a reload.
type slow struct {
	addr string
	gate chan struct{} // one value lets one request go
	in   atomic.Int64  // requests that have arrived
	quit chan struct{}
	once sync.Once
}

// close lets all requests go.
func (s *slow) close() { s.once.Do(func() { close(s.quit) }) }

func startSlow(t *testing.T) *slow {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &slow{addr: ln.Addr().String(), gate: make(chan struct{}), quit: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.in.Add(1)
		select {
		case <-s.gate:
		case <-s.quit:
		}
		io.WriteString(w, "at last")
	})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(ln) })
	t.Cleanup(func() {
		s.close()
		server.Close()
		wg.Wait()
	})
	return s
}

// hold sends n requests that the slow server keeps, and returns when it has them all.
func (l *load) hold(t *testing.T, s *slow, n int64) {
	t.Helper()
	want := s.in.Load() + n
	for range n {
		l.wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Minute}
			_ = l.send(client, "/slow")
		})
	}
	components.Eventually(t, long, func() error {
		if in := s.in.Load(); in < want {
			return fmt.Errorf("the slow server has got %d of %d requests", in, want)
		}
		return nil
	})
}

// release lets n of the held requests go, with other requests answered in between.
func (l *load) release(t *testing.T, s *slow, n int) {
	t.Helper()
	for range n {
		select {
		case s.gate <- struct{}{}:
		case <-time.After(long):
			t.Fatal("no request is held any more")
		}
		l.await(t, 3)
	}
}
