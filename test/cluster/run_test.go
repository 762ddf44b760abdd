package cluster

// A run: a daemon with its sites, whose logs are written all the time.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// site is one site and what was written into its log.
type site struct {
	name, topic string
	j           *oracle.Journal
	log         *harness.Log
	stop        func() // ends the writing, if there is any
}

// runs numbers the runs, since a test may run more than once on the same cluster.
var runs atomic.Int32

// plan says what a run is to be.
type plan struct {
	name       string   // of the instance, and of the site unless there are several; made unique
	sites      []string // their names start with that of the instance
	fronted    bool
	kafka      []string // further lines of the section kafka
	extra      string   // further lines of the sites' files
	topic      []string // settings of the data topics
	partitions int      // of the data topics; default: 1
	failpoints string
}

// runner is a daemon at work.
type runner struct {
	t     *testing.T
	c     *cluster
	h     *harness.Host
	conf  harness.HostConfig // that h is made of
	d     *components.Program
	sites []*site
}

// newRun makes the data topics, the logs and the configuration. Requests may take two seconds unless the plan says otherwise.
func newRun(t *testing.T, c *cluster, p plan) *runner {
	t.Helper()
	p.name = fmt.Sprintf("%s-%d", p.name, runs.Add(1))
	if p.sites == nil {
		p.sites = []string{""}
	}
	if p.partitions == 0 {
		p.partitions = 1
	}
	r := &runner{t: t, c: c}
	dir := t.TempDir()
	hc := harness.HostConfig{Instance: p.name, Brokers: c.brokers(p.fronted), Kafka: append([]string{"request_timeout: 2s"}, p.kafka...)}
	for _, name := range p.sites {
		name = strings.TrimSuffix(p.name+"."+name, ".")
		s := &site{name: name, topic: "nginx." + name + ".access", j: &oracle.Journal{}, stop: func() {}}
		path := filepath.Join(dir, name, "access.log")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		s.log = harness.NewLog(t, s.j, path, 2)
		c.CreateTopic(t, s.topic, p.partitions, p.topic...)
		hc.Sites = append(hc.Sites, harness.Site{Name: name, Paths: []string{path}, Extra: p.extra})
		r.sites = append(r.sites, s)
	}
	r.conf = hc
	r.h = harness.NewHost(t, hc)
	r.h.Brokers = c.brokers(false) // for the oracle
	r.h.Failpoints = p.failpoints
	return r
}

// twin returns a host of the same name with the same sites, and a state of its own.
func (r *runner) twin(stateDir string) *harness.Host {
	r.t.Helper()
	hc := r.conf
	hc.StateDir = stateDir
	h := harness.NewHost(r.t, hc)
	h.Brokers = r.c.brokers(false)
	return h
}

// start starts the daemon and the writing, and returns when some of each site is committed.
func (r *runner) start() {
	r.t.Helper()
	r.launch()
	for _, s := range r.sites {
		r.write(s)
	}
	r.commitsOf(5, r.sites...)
}

// launch starts the daemon. If the test fails while it runs, the log shows where it stood.
func (r *runner) launch() {
	r.t.Helper()
	d := r.h.Start(r.t)
	r.d = d
	r.t.Cleanup(func() {
		if !r.t.Failed() || d.Alive() != nil {
			return
		}
		r.t.Logf("open transactions: %v", r.c.admin.transactions())
		d.Signal(r.t, syscall.SIGCONT)
		d.Signal(r.t, syscall.SIGQUIT)
		d.Wait(r.t, patience)
		out := d.Output(r.t)
		said, stacks, _ := strings.Cut(out, "SIGQUIT")
		r.t.Logf("the daemon said last:\n%s", said[max(0, len(said)-30000):])
		r.t.Logf("the daemon's goroutines:\n%.30000s", stacks)
	})
}

// txn returns the transactional id of a site.
func (r *runner) txn(s *site) string { return "ngxtap." + r.h.Instance + "/" + s.name }

// one returns the only site.
func (r *runner) one() *site { return r.sites[0] }

// write writes lines into the log of s, with a rotation now and then, until s.stop is called or the test ends.
func (r *runner) write(s *site) {
	perTick, tick, rotate := 4, 20*time.Millisecond, 2*time.Second
	if len(r.sites) > 1 {
		tick = 100 * time.Millisecond
	}
	if long() {
		rotate = 10 * time.Second // names are for a hundred rotations
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker, rotation := time.NewTicker(tick), time.NewTicker(rotate)
		defer ticker.Stop()
		defer rotation.Stop()
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-rotation.C:
				s.log.Rotate(r.t)
			case <-ticker.C:
				var b strings.Builder
				for k := range perTick {
					b.WriteString(harness.Line((i*perTick + k) % 97)) // its length is in body_bytes_sent, too
				}
				s.log.Write(r.t, i%2, b.String())
			}
		}
	}()
	stopped := false
	s.stop = func() {
		if !stopped {
			stopped = true
			close(done)
			<-ended
		}
	}
	r.t.Cleanup(s.stop)
}

// commits waits for n more commits of s.
func (r *runner) commits(s *site, n int) { r.t.Helper(); r.commitsOf(n, s) }

// commitsOf waits for n more commits of each of the sites.
func (r *runner) commitsOf(n int, sites ...*site) {
	r.t.Helper()
	want := map[*site]int{}
	for _, s := range sites {
		_, now, _ := r.c.watch.of(r.h.Instance, s.name)
		want[s] = now + n
	}
	components.Eventually(r.t, patience, func() error {
		if err := r.d.Alive(); err != nil {
			return err
		}
		for s, n := range want {
			if _, now, _ := r.c.watch.of(r.h.Instance, s.name); now < n {
				return fmt.Errorf("site %s has %d commits, want %d", s.name, now, n)
			}
		}
		return nil
	})
}

// catchUp waits until everything that was written into the log of s by now is committed.
func (r *runner) catchUp(s *site) {
	r.t.Helper()
	r.c.watch.await(r.t, r.h.Instance, s.name, harness.Bytes(s.j), r.d.Alive)
}

// metric returns a metric of a site.
func (r *runner) metric(s *site, name string) float64 {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := oracle.Metric(ctx, r.h.Admin, name, `site="`+s.name+`"`)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// sessions returns how many sessions a site has begun.
func (r *runner) sessions(s *site) int {
	r.t.Helper()
	return int(r.metric(s, "ngxtap_sessions_total"))
}

// usage returns what the daemon holds.
func (r *runner) usage() oracle.Usage {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	u, err := oracle.UsageOf(ctx, r.d.PID(), r.h.Admin)
	if err != nil {
		r.t.Fatal(err)
	}
	return u
}

// terminate stops the daemon in good order.
func (r *runner) terminate() {
	r.t.Helper()
	r.d.Signal(r.t, syscall.SIGTERM)
	if code := r.d.Wait(r.t, patience); code != 0 {
		r.t.Errorf("exit code %d after SIGTERM:\n%s", code, r.d.Output(r.t))
	}
}

// finish drains and stops the daemon, and lets the oracle judge every site.
func (r *runner) finish() {
	r.t.Helper()
	r.drain()
	r.terminate()
	for _, s := range r.sites {
		r.h.Judge(r.t, s.name, s.j, oracle.Rules{})
	}
}

// drain ends the writing and waits until the daemon has shipped all of it by itself.
func (r *runner) drain() {
	r.t.Helper()
	for _, s := range r.sites {
		s.stop()
	}
	for _, s := range r.sites {
		r.catchUp(s)
	}
}

// said waits until the daemon has logged a line with this text, and returns the first.
func (r *runner) said(text string) (line string) {
	r.t.Helper()
	components.Eventually(r.t, patience, func() error {
		for l := range strings.Lines(r.d.Output(r.t)) {
			if strings.Contains(l, text) {
				line = strings.TrimSpace(l)
				return nil
			}
		}
		return fmt.Errorf("the daemon did not say %q", text)
	})
	return line
}
