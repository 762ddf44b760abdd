package evolution

// Shows: a registry that is away stops nothing that is known. A new schema holds the site (or puts its lines into quarantine) until the
// registry is back, and then it goes on by itself. Also a restart meanwhile needs no registry.

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

// door stands before the registry and can be shut: connections are then refused, as by a machine whose registry has ended.
type door struct {
	addr, target string
	mu           sync.Mutex
	server       *http.Server // guarded by mu; nil while it is shut
	wg           sync.WaitGroup
}

// openDoor returns a door to the shared registry.
func openDoor(t *testing.T) *door {
	t.Helper()
	u, err := url.Parse(shared.Registry(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{addr: harness.IP() + ":0", target: u.Scheme + "://" + u.Host}
	d.open(t)
	t.Cleanup(d.shut)
	return d
}

// url returns the registry's URL through the door.
func (d *door) url(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(shared.Registry(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + d.addr + u.Path
}

func (d *door) open(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	d.addr = ln.Addr().String()
	u, err := url.Parse(d.target)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: httputil.NewSingleHostReverseProxy(u)}
	d.mu.Lock()
	d.server = server
	d.mu.Unlock()
	d.wg.Go(func() { _ = server.Serve(ln) })
}

func (d *door) shut() {
	d.mu.Lock()
	if d.server != nil {
		d.server.Close()
		d.server = nil
	}
	d.mu.Unlock()
	d.wg.Wait()
}

// behindDoor starts a site whose registry is behind a door, ships a few lines, and shuts the door.
func behindDoor(t *testing.T, policy string) (*site, *door) {
	t.Helper()
	components.Require(t, components.PartKafka, components.PartRegistry)
	d := openDoor(t)
	s := newSite(t, d.url(t), nginxConf(plain), policy)
	s.start(t, plain)
	d.shut()
	s.host.Registry = shared.Registry(t).URL // the oracle's own way
	s.lines(t, plain, 20)
	s.arrived(t)
	return s, d
}

// By default the site is held, and goes on by itself.
func TestRegistryAwayHolds(t *testing.T) {
	s, d := behindDoor(t, "")
	s.write(t, "nginx.conf", nginxConf(longer))
	at := s.mixed(t)
	s.held(t, at)
	s.daemon.Kill()
	s.daemon = s.host.Start(t) // the old format's id is known from before
	s.held(t, at)
	d.open(t)
	s.free(t)
	if n := len(s.changes(t)); n != 1 {
		t.Errorf("%d changes are announced, want 1:\n%s", n, told(s.changes(t)))
	}
	s.finish(t)
}

// The old format's lines go on under quarantine; when the registry is back the new ones are events.
func TestRegistryAwayQuarantines(t *testing.T) {
	s, d := behindDoor(t, "on_change: {registry_away: quarantine}")
	s.write(t, "nginx.conf", nginxConf(longer))
	components.Eventually(t, long, func() error { // until the edit is seen such lines fit nothing that is known, and go there too
		s.lines(t, longer, 1)
		s.arrived(t)
		return s.noticed(t)
	})
	s.lines(t, plain, 20)
	s.lines(t, longer, 5)
	s.arrived(t)
	s.noEvents(t, "request_length")
	d.open(t)
	components.Eventually(t, long, func() error {
		s.lines(t, longer, 1)
		s.arrived(t)
		for _, r := range s.shipment(t).Records {
			if !r.Quarantine && r.Value["request_length"] != nil {
				return nil
			}
		}
		return fmt.Errorf("no line of the new format has become an event, and the registry is back; %v", s.daemon.Alive())
	})
	s.finish(t, "p2")
}

// noticed returns nil when the edit has been announced.
func (s *site) noticed(t *testing.T) error {
	t.Helper()
	if len(s.changes(t)) == 0 {
		return errAgain
	}
	return nil
}

// noEvents checks that no event has a value for a field.
func (s *site) noEvents(t *testing.T, field string) {
	t.Helper()
	for _, r := range s.shipment(t).Records {
		if !r.Quarantine && r.Value[field] != nil {
			t.Errorf("an event holds %s, whose schema no registry has: %v", field, r.Value)
		}
	}
}

// What is written while the registry is away counts as one commit after the other: known formats do not wait.
func TestRegistryAwayAtStart(t *testing.T) {
	s, d := behindDoor(t, "")
	s.daemon.Kill()
	s.lines(t, plain, 30)
	s.daemon = s.host.Start(t)
	s.arrived(t)
	s.wantHeld(t, 0)
	d.open(t)
	s.finish(t)
}
