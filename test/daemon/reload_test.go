package daemon

// Shows: SIGHUP under load. Sites are added, changed and removed at random while every log is written and rotated, broken configurations in between:
// nothing is lost or doubled, and a site that is configured as before is not disturbed. Credentials and certificates are read again.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// reloads is how many configurations one history has.
const reloads = 20

// moving is a site whose configuration changes.
type moving struct {
	*site
	lines  atomic.Int64 // written
	there  bool         // in the configuration
	broken bool         // its file can't be used
	topics []string
	glob   bool
	conf   bool // the format comes from nginx.conf
	grace  int
}

// settings returns the site's file as it is to be now.
func (m *moving) settings() harness.Site {
	s := harness.Site{Name: m.name, Paths: []string{m.path}, Extra: "topic: " + m.topics[len(m.topics)-1]}
	if m.glob {
		s.Paths = []string{"'" + m.path[:len(m.path)-1] + "[g]'"}
	}
	s.AccessLog = []string{fmt.Sprintf("rotate_grace: %dms", 1000+m.grace)}
	if m.conf {
		s.AccessLog = append(s.AccessLog, "nginx_conf: "+filepath.Join(m.dir, "nginx.conf"), "format: main")
	}
	if m.broken {
		s.AccessLog = append(s.AccessLog, "formt: main")
	}
	return s
}

// change does one random thing to the site's configuration and returns what.
func (m *moving) change(rng *rand.Rand) string {
	m.broken = false
	if !m.there {
		m.there = true
		return "added"
	}
	switch rng.IntN(7) {
	case 0:
		m.there = false
		return "removed"
	case 1:
		m.topics = append(m.topics, fmt.Sprintf("nginx.%s.t%02d", m.name, len(m.topics)))
		return "topic " + m.topics[len(m.topics)-1]
	case 2:
		m.glob = !m.glob
		return fmt.Sprintf("glob %v", m.glob)
	case 3:
		m.conf = !m.conf
		return fmt.Sprintf("nginx.conf %v", m.conf)
	case 4:
		m.broken = true
		return "broken"
	case 5:
		return "nothing"
	}
	m.grace++
	return "rotate_grace"
}

// write puts the site's file where the daemon finds it.
func (m *moving) write(t *testing.T, h *harness.Host) {
	t.Helper()
	if m.there {
		h.WriteSite(t, m.settings())
		return
	}
	if err := os.Remove(filepath.Join(h.Dir, "sites.d", m.name+".yaml")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// shipped reads what arrived of the site, in the topics that it had one after the other.
func (m *moving) shipped(ctx context.Context, h *harness.Host) (*oracle.Shipment, error) {
	all := &oracle.Shipment{}
	for _, topic := range m.topics {
		src := h.Source(m.name)
		src.Topic = topic
		s, err := oracle.Read(ctx, src)
		if err != nil {
			return nil, err
		}
		all.Records, all.Commits = append(all.Records, s.Records...), s.Commits
	}
	return all, nil
}

// put lets a worker write n lines.
func (m *moving) put(t *testing.T, worker, n int) {
	m.log.WriteLines(t, worker, n)
	m.lines.Add(int64(n))
}

// keepWriting writes lines to a log, and rotates it now and then, until stop is closed.
func (m *moving) keepWriting(t *testing.T, wg *sync.WaitGroup, stop <-chan struct{}) {
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			m.put(t, n%2, 1+n%7)
			if n%150 == 0 {
				m.log.Rotate(t)
			}
		}
	})
}

func TestReloadUnderLoad(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { reloadUnderLoad(t, seed, false) })
	}
}

// TestReloadEmbedded is the same with the broker inside of the daemon.
func TestReloadEmbedded(t *testing.T) { reloadUnderLoad(t, 4, true) }

func reloadUnderLoad(t *testing.T, seed uint64, embedded bool) {
	rng := rand.New(rand.NewPCG(seed, 7))
	stays := &moving{site: newSite(t), there: true}
	stays.topics = []string{"nginx." + stays.name + ".access"}
	brokers := []string{"127.0.0.1:9"}
	if !embedded {
		brokers = realBroker(t)
	}
	h := stays.host(t, brokers, nil)
	var sites []*moving
	for range 3 {
		m := &moving{site: newSite(t), there: true}
		m.topics = []string{"nginx." + m.name + ".t00"}
		conf := "http {\n log_format main '" + harness.LogFormat + "';\n access_log " + m.path + " main;\n}\n"
		if err := os.WriteFile(filepath.Join(m.dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
			t.Fatal(err)
		}
		m.write(t, h)
		sites = append(sites, m)
	}
	var args []string
	if embedded {
		args = []string{"--embedded"}
	}
	d := h.Start(t, args...)
	if embedded {
		h.Brokers = []string{embeddedBroker(t, d)}
		h.Registry = embeddedRegistry(t, d)
	}
	// Each site must have begun before its log is rotated: what is rotated away before a first start does not count.
	all := append([]*moving{stays}, sites...)
	for _, m := range all {
		m.put(t, 0, 1)
		h.AwaitBytes(t, d, m.name, m.written(), long)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, m := range all {
		m.keepWriting(t, &wg, done)
	}
	func() {
		defer wg.Wait()
		defer close(done)
		for range reloads {
			if rng.IntN(2) == 0 { // else the next change comes into the middle of this one
				h.AwaitBytes(t, d, stays.name, stays.written(), long)
			}
			changeAll(t, h, d, sites, rng)
		}
	}()
	for _, m := range sites {
		m.there, m.broken = true, false
		m.write(t, h)
	}
	hangup(t, d)
	for _, m := range all {
		m.judge(t, h, d)
	}
	// The metrics of a site begin anew with it: this one has run all the time.
	h.AwaitBytes(t, d, stays.name, stays.written(), long)
	if n := strings.Count(d.Output(t), reloaded); n < reloads/3 {
		t.Errorf("only %d configurations were taken", n)
	}
	stop(t, d)
}

// changeAll changes some sites, sends SIGHUP and waits until the daemon has taken the new configuration, or refused it.
func changeAll(t *testing.T, h *harness.Host, d *components.Program, sites []*moving, rng *rand.Rand) {
	t.Helper()
	for _, m := range sites {
		if rng.IntN(2) == 0 || m.broken {
			t.Logf("site %s: %s", m.name, m.change(rng))
		}
		m.write(t, h)
	}
	hangup(t, d)
}

// Words of the log after SIGHUP.
const (
	reloaded = "configuration reloaded"
	refused  = "the new configuration is refused"
)

// hangup sends SIGHUP and waits for the answer.
func hangup(t *testing.T, d *components.Program) {
	t.Helper()
	answers := func() int {
		out := d.Output(t)
		return strings.Count(out, reloaded) + strings.Count(out, refused)
	}
	before := answers()
	d.Signal(t, syscall.SIGHUP)
	components.Eventually(t, long, func() error {
		if err := d.Alive(); err != nil {
			return err
		}
		if answers() == before {
			return errAgain
		}
		return nil
	})
}

// judge waits until every line of the site has arrived, and judges them.
func (m *moving) judge(t *testing.T, h *harness.Host, d *components.Program) {
	t.Helper()
	want := int(m.lines.Load())
	var s *oracle.Shipment
	components.Eventually(t, long, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var err error
		if s, err = m.shipped(ctx, h); err == nil && len(s.Records) < want {
			err = fmt.Errorf("%d of %d lines of site %s have arrived", len(s.Records), want, m.name)
		}
		if alive := d.Alive(); alive != nil {
			return alive
		}
		return err
	})
	v := oracle.Judge(m.journal, s, oracle.Rules{Instance: h.Instance, Check: harness.CheckID})
	for _, p := range v.Problems {
		t.Error(p)
	}
	t.Logf("site %s, topics %v: %v", m.name, m.topics, v)
}

// embeddedBroker and embeddedRegistry wait until a daemon says where its servers are.
func embeddedBroker(t *testing.T, d *components.Program) string   { return told(t, d, `"broker":"`) }
func embeddedRegistry(t *testing.T, d *components.Program) string { return told(t, d, `"registry":"`) }

func told(t *testing.T, d *components.Program, before string) (value string) {
	t.Helper()
	components.Eventually(t, long, func() error {
		_, after, ok := strings.Cut(d.Output(t), before)
		if !ok {
			return errAgain
		}
		value, _, _ = strings.Cut(after, `"`)
		return nil
	})
	return value
}
