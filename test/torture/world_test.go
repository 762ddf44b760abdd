package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// patience is how long anything may take that must come: two hundred times what it takes on an idle machine.
const patience = 4 * time.Minute

// world is one run: brokers, a host with logs and daemons one after the other.
type world struct {
	t           *testing.T
	s           *script
	b           *brokers
	host        *harness.Host
	sites       []*siteWorld
	logs        []*logWorld // of all sites
	prog        *progress
	daemon      *components.Program   // the running one, or nil
	all         []*components.Program // every one there was
	life        *life                 // of the running one; nil: the last one, without faults
	struck      bool                  // the failpoint of this life was reached
	stopped     bool                  // by SIGSTOP of ours
	terminating bool                  // SIGTERM was sent
	shows       []func()              // give permissions back
	state       string
	tally       *tally
}

// run runs a script to its verdict.
func run(t *testing.T, s *script, sum *tally) {
	w := newWorld(t, s, sum)
	defer w.report()
	for i := range s.lives {
		if i == 0 && s.virgin {
			w.live(&s.lives[i])
			w.first()
			continue
		}
		if i == 0 {
			w.first()
		}
		w.live(&s.lives[i])
	}
	w.settle()
	w.judge()
}

func newWorld(t *testing.T, s *script, sum *tally) *world {
	b, err := startBrokers(s.nodes)
	must(t, err)
	t.Cleanup(b.close)
	w := &world{t: t, s: s, b: b, tally: sum}
	root := t.TempDir()
	must(t, os.Chmod(filepath.Dir(root), 0o755)) // other users run the daemon
	w.state = filepath.Join(root, "state")
	must(t, os.Chmod(root, 0o755))
	conf := harness.HostConfig{Brokers: b.ListenAddrs(), Kafka: s.kafka, StateDir: w.state}
	for i := range s.sites {
		site := &siteWorld{siteScript: s.sites[i], dir: filepath.Join(root, s.sites[i].name), journal: &oracle.Journal{}, torn: map[*oracle.Generation]bool{}}
		must(t, os.Mkdir(site.dir, 0o755))
		hs := harness.Site{Name: site.name, Extra: "partition_by: " + site.partition,
			AccessLog: []string{"rotate_grace: " + s.grace.String(), "nginx_conf: " + site.writeConf(t, root, firstFormat), "format: shop"}}
		for k, l := range site.siteScript.logs {
			lw := newLogWorld(t, site, l, s.seed<<8+uint64(i<<4+k))
			site.logs, w.logs = append(site.logs, lw), append(w.logs, lw)
			if l.style == linked {
				hs.AccessLog = append(hs.AccessLog, "follow_symlinks: true")
			}
			hs.Paths = append(hs.Paths, lw.Path)
		}
		if site.glob {
			hs.Paths = []string{filepath.Join(site.dir, "*.log")}
		}
		if site.maxLine > 0 {
			hs.AccessLog = append(hs.AccessLog, fmt.Sprintf("max_line: %d", site.maxLine))
		}
		w.sites, conf.Sites = append(w.sites, site), append(conf.Sites, hs)
	}
	w.host = harness.NewHost(t, conf)
	w.setUser()
	w.prog, err = follow(b.ListenAddrs(), w.host.Instance)
	must(t, err)
	t.Cleanup(w.prog.close)
	return w
}

// first lets a daemon make its first commit. Until then nothing may be rotated: rotated files that were there before the very first
// start are none of ours.
func (w *world) first() {
	for _, lw := range w.logs {
		lw.write(w.t, 0, 1, "plain")
	}
	w.life = nil
	w.start("")
	w.ship()
	w.daemon.Kill()
	w.daemon = nil
}

// live runs one daemon from its start to its end.
func (w *world) live(l *life) {
	for _, o := range l.before {
		w.perform(o)
	}
	w.life, w.struck = l, false
	w.start(l.failpoints())
	for _, o := range l.ops {
		w.perform(o)
		w.look()
	}
	w.end(l)
	w.calm()
}

// start starts a daemon.
func (w *world) start(failpoints string) {
	w.host.Failpoints = failpoints
	if failpoints == "" { // the build is the same, so that none but this one is needed
		w.host.Failpoints = "K0:1000000000:kill"
	}
	w.daemon = w.host.Start(w.t)
	w.all = append(w.all, w.daemon)
}

// look sees whether the failpoint of this life was reached: the daemon is dead then, or stands still. It fails the test if the daemon
// has ended for no such reason, nor after SIGTERM in good order.
func (w *world) look() {
	if w.daemon == nil {
		return
	}
	planned := w.life != nil && w.life.point != "" && !w.struck
	if w.daemon.Alive() == nil {
		if planned && w.life.stop && !w.stopped && standsStill(w.daemon.PID()) {
			w.hit()
			pause(200 * time.Millisecond)
			w.daemon.Signal(w.t, syscall.SIGCONT)
		}
		return
	}
	code := w.daemon.Wait(w.t, patience)
	begun := strings.Contains(w.daemon.Output(w.t), `"msg":"starting"`)
	w.daemon, w.stopped = nil, false
	switch {
	case planned && !w.life.stop && code == -1:
		w.hit()
	case w.terminating && code == 0:
		w.tally.fault("SIGTERM")
	case w.terminating && code == -1 && !begun:
		w.tally.fault("SIGTERM before anything else") // it had not come so far as to take signals itself
	default:
		w.t.Fatalf("the daemon ended with %d, and nobody had told it to", code)
	}
}

func (w *world) hit() {
	w.struck = true
	action := "SIGKILL"
	if w.life.stop {
		action = "SIGSTOP"
	}
	w.tally.fault(action + " at " + string(w.life.point))
}

// end ends a daemon as its life says, and gives its failpoint a last chance before.
func (w *world) end(l *life) {
	w.resume()
	if l.point != "" && !w.struck && w.daemon != nil {
		w.calm() // what keeps it from working keeps it from the point
		w.press()
	}
	if w.daemon == nil {
		return
	}
	if l.term {
		w.daemon.Signal(w.t, syscall.SIGTERM)
		w.terminating = true
		w.await("the daemon to stop", func() bool {
			w.look()
			return w.daemon == nil
		})
		w.terminating = false
	} else {
		w.daemon.Kill()
		w.tally.fault("SIGKILL")
		w.daemon = nil
	}
	if l.point != "" && !w.struck {
		w.tally.missed("signal at " + string(l.point))
	}
}

// press gives the daemon something to do until it reaches its failpoint, a few times at most.
func (w *world) press() {
	for i := range 12 {
		w.logs[i%len(w.logs)].write(w.t, 0, 1, "plain")
		w.ship()
		if w.daemon != nil && (i == 0 || i == 6) {
			w.rotateFirst()
		}
		if w.struck || w.daemon == nil {
			return
		}
	}
}

// rotateFirst rotates the first log in its own way.
func (w *world) rotateFirst() {
	lw := w.logs[0]
	switch lw.style {
	case copied:
		lw.copyTruncate(w.t)
	case linked:
		lw.switchLink(w.t)
	default:
		lw.rename(w.t)
		lw.reopenAll(w.t)
	}
	lw.write(w.t, 0, 1, "plain")
}

// ship waits until everything that was written is committed, or the daemon has reached its failpoint and is dead.
func (w *world) ship() {
	w.resume()
	w.await("everything to be committed", func() bool {
		if w.look(); w.daemon == nil {
			return true
		}
		done := true
		for _, site := range w.sites {
			read, written := w.prog.read(site.name), site.whole()
			if read > written {
				w.t.Fatalf("site %s: %d bytes are committed of %d written, by generation %s", site.name, read, written, w.prog.counts(site.name))
			}
			done = done && read == written
		}
		return done
	})
}

// await polls until done returns true.
func (w *world) await(what string, done func() bool) {
	w.t.Helper()
	within, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for !done() {
		if within.Err() != nil {
			var missing []string
			for _, site := range w.sites {
				missing = append(missing, fmt.Sprintf("site %s: %d of %d bytes are committed, by generation %v", site.name, w.prog.read(site.name), site.whole(), w.prog.counts(site.name)))
			}
			w.t.Fatalf("%v passed in waiting for %s\n%s", patience, what, strings.Join(missing, "\n"))
		}
		pause(10 * time.Millisecond)
	}
}

// pause waits. It orders nothing: it only moves the place where the next action meets the daemon.
func pause(d time.Duration) { <-time.After(d) }

// settle starts a last daemon without faults and waits until all is shipped and the daemon has let go of what it took meanwhile.
func (w *world) settle() {
	for _, lw := range w.logs {
		lw.whole(w.t)
		lw.reopenAll(w.t)
		lw.write(w.t, 0, 1, "plain") // so that it is seen when it works
	}
	w.life = nil
	w.start("")
	w.ship()
	var before oracle.Usage
	w.await("its resources", func() bool {
		var err error
		before, err = w.usage()
		return err == nil
	})
	for _, lw := range w.logs {
		lw.write(w.t, 0, 300, "mixed")
	}
	w.ship()
	if w.s.shakeEnd {
		w.perform(op{do: "leaders move"})
	}
	w.rotateFirst()
	w.ship()
	w.compare(before)
	w.daemon.Signal(w.t, syscall.SIGTERM)
	if code := w.daemon.Wait(w.t, patience); code != 0 {
		w.t.Errorf("exit code %d after SIGTERM", code)
	}
	w.daemon = nil
}

func (w *world) usage() (oracle.Usage, error) {
	if w.daemon == nil {
		return oracle.Usage{}, nil
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second) // it may be stopped at its failpoint just now; callers ask again
	defer cancel()
	return oracle.UsageOf(ctx, w.daemon.PID(), w.host.Admin)
}

// What the last daemon may hold more than at its start: the memory of a few batches in flight and of the blocks they came from, twice,
// for Go lets the heap grow to twice of what lives; connections to nodes that lead a partition only now, each with a descriptor
// and two goroutines, and one of ours to its metrics.
const (
	moreMemory = 48 << 20
	moreConns  = 5
)

// compare waits until the daemon holds no more than it did before.
func (w *world) compare(before oracle.Usage) {
	var now oracle.Usage
	fds := before.FDs + moreConns
	w.await(fmt.Sprintf("the resources to go back to %+v", before), func() bool {
		var err error
		now, err = w.usage()
		return err == nil && now.RSS <= before.RSS+moreMemory && now.FDs <= fds && now.Goroutines <= before.Goroutines+2*moreConns
	})
	w.tally.usage(before, now)
}

// judge asks the oracle about every site.
func (w *world) judge() {
	for _, site := range w.sites {
		v := w.host.Judge(w.t, site.name, site.journal, oracle.Rules{Duplicates: w.s.atLeast, Fits: site.fits, Check: checkFormat})
		w.tally.verdict(v)
		w.announcements(site)
	}
}

// report shows, if the run failed, what is needed to understand it.
func (w *world) report() {
	w.showAll()
	if !w.t.Failed() {
		return
	}
	w.t.Logf("this run again: make torture SEED=%d", w.s.seed)
	w.t.Logf("the script:\n%v", w.s)
	for i, d := range w.all {
		out := d.Output(w.t)
		w.t.Logf("daemon %d wrote:\n%s", i+1, out[max(0, len(out)-20000):])
	}
}
