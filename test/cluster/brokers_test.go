package cluster

// Shows: brokers die, hang, leave and come back in every role, and every line is there once; the daemon goes on by itself, with the
// memory that it had.

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/proxy"
)

// TestBrokerDies kills the broker of each role without notice. The site goes on with the other two, and when the broker is back.
func TestBrokerDies(t *testing.T) {
	roles := []struct {
		name   string
		broker func(t *testing.T, c *cluster, r *runner) int
		ends   bool // the session can't outlive it
	}{
		{"leader", func(t *testing.T, c *cluster, r *runner) int { return c.admin.leader(t, r.one().topic) }, true},
		{"coordinator", func(t *testing.T, c *cluster, r *runner) int { return c.admin.coordinator(t, r.txn(r.one())) }, true},
		{"controller", func(t *testing.T, c *cluster, r *runner) int { return c.admin.controller(t) }, false},
	}
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			c := start(t)
			r := newRun(t, c, plan{name: "dies-" + role.name})
			r.start()
			victim := role.broker(t, c, r)
			c.Kill(t, victim)
			r.commits(r.one(), 10)
			r.catchUp(r.one())
			if n := r.sessions(r.one()); role.ends && n < 2 {
				t.Errorf("%d sessions: the kill of broker %d did not strike", n, victim+1)
			}
			c.revive(t, victim)
			r.commits(r.one(), 10)
			r.finish()
		})
	}
}

// TestRollingRestart stops each broker in good order, one after the other, as an upgrade does.
func TestRollingRestart(t *testing.T) {
	c := start(t)
	r := newRun(t, c, plan{name: "rolling"})
	r.start()
	for i := range nodes {
		c.Terminate(t, i)
		r.commits(r.one(), 5)
		c.revive(t, i)
		r.commits(r.one(), 5)
	}
	r.catchUp(r.one())
	t.Logf("%d sessions", r.sessions(r.one()))
	r.finish()
}

// TestNotEnoughReplicas freezes a follower of a topic. If the topic wants all three replicas from the start, what waits for the third is
// refused after it was appended, and the coordinator can't even write the end of the transaction. If it wants them only once the two
// others are at work, everything is refused at once, or the end of a transaction that is decided can't be written. The site waits, and goes
// on by itself when the follower is back.
func TestNotEnoughReplicas(t *testing.T) {
	for _, when := range []string{"before", "later"} {
		t.Run(when, func(t *testing.T) {
			c := start(t)
			p := plan{name: "in-step-" + when, kafka: []string{"request_timeout: 12s"}}
			if when == "before" {
				p.topic = []string{"min.insync.replicas=3"}
			}
			r := newRun(t, c, p)
			r.start()
			leader, coordinator := c.admin.leader(t, r.one().topic), c.admin.coordinator(t, r.txn(r.one()))
			follower := (leader + 1) % nodes
			if follower == coordinator {
				follower = (leader + 2) % nodes
			}
			thaw := c.freeze(t, follower)
			if when == "later" {
				c.admin.awaitOutOfStep(t, r.one().topic)
				r.commits(r.one(), 5)
				c.admin.configure(t, r.one().topic, "min.insync.replicas", "3")
			}
			t.Log(r.said("session ended"))
			thaw()
			c.admin.awaitInStep(t)
			r.goesOn()
			r.finish()
		})
	}
}

// goesOn waits for the next commit, and for all that was written by now, and logs how long that took.
func (r *runner) goesOn() {
	r.t.Helper()
	began := time.Now()
	r.commits(r.one(), 1)
	first := time.Since(began)
	r.catchUp(r.one())
	r.t.Logf("the next commit came after %v, all of the backlog after %v", first, time.Since(began))
}

// freeze stops broker i with SIGSTOP until thaw is called or the test ends.
func (c *cluster) freeze(t *testing.T, i int) (thaw func()) {
	t.Helper()
	c.Freeze(t, i)
	var once sync.Once
	thaw = func() { once.Do(func() { c.Thaw(t, i) }) }
	t.Cleanup(thaw)
	return thaw
}

// TestLeaderFreezes stops the leader with SIGSTOP: its connections stay open and nothing answers. The site goes on with another
// leader; then the frozen one wakes up and thinks that it still leads.
func TestLeaderFreezes(t *testing.T) {
	c := start(t)
	r := newRun(t, c, plan{name: "freezes"})
	r.start()
	leader := c.admin.leader(t, r.one().topic)
	thaw := c.freeze(t, leader)
	r.commits(r.one(), 10)
	r.catchUp(r.one())
	if n := r.sessions(r.one()); n < 2 {
		t.Errorf("%d sessions: the freeze did not strike", n)
	}
	thaw()
	r.commits(r.one(), 10)
	c.admin.awaitInStep(t)
	r.finish()
}

// TestNetworkStandsStill lets no byte pass for longer than a request may take, and then few bytes a second.
func TestNetworkStandsStill(t *testing.T) {
	c := start(t)
	r := newRun(t, c, plan{name: "still", fronted: true, kafka: []string{"request_timeout: 1s"}})
	r.start()
	wire.each((*proxy.Proxy).Stall)
	t.Cleanup(func() {
		wire.each(func(p *proxy.Proxy) {
			p.Resume()
			p.Throttle(0)
		})
	})
	r.said("session ended")
	wire.each((*proxy.Proxy).Resume)
	r.catchUp(r.one())
	wire.each(func(p *proxy.Proxy) { p.Throttle(200 << 10) })
	r.commits(r.one(), 10)
	r.catchUp(r.one())
	wire.each(func(p *proxy.Proxy) { p.Throttle(0) })
	r.finish()
}

// TestAllBrokersDown kills all three while one daemon goes on and another is told to stop. The first holds no more memory than before
// and commits soon after they are back; the second leaves in time, and ships the rest at its next start.
func TestAllBrokersDown(t *testing.T) {
	c := start(t)
	r := newRun(t, c, plan{name: "outage"})
	leaver := newRun(t, c, plan{name: "leaver"})
	r.start()
	leaver.start()
	before := r.usage()
	for i := range nodes {
		c.Kill(t, i)
	}
	outage := 20 * time.Second
	if long() {
		outage = 10 * time.Minute
	}
	over := time.After(outage)
	leaver.said("session ended")
	began := time.Now()
	leaver.terminate()
	t.Logf("with all brokers down, SIGTERM took %v", time.Since(began))
	highest := before.RSS
	components.Eventually(t, 2*outage+patience, func() error {
		highest = max(highest, r.usage().RSS)
		select {
		case <-over:
			return nil
		default:
			return errNot(false, "the outage goes on")
		}
	})
	for i := range nodes {
		c.Launch(t, i)
	}
	c.AwaitUp(t)
	up := time.Now()
	r.commits(r.one(), 1)
	t.Logf("%v without brokers; %.1f MiB before, %.1f MiB at most; committed again %v after all brokers were up",
		outage, float64(before.RSS)/(1<<20), float64(highest)/(1<<20), time.Since(up))
	if highest > before.RSS+(48<<20) {
		t.Errorf("the daemon grew from %d to %d bytes", before.RSS, highest)
	}
	leaver.launch()
	r.finish()
	leaver.finish()
}

// TestStopsInTime tells a daemon to stop whose brokers hang: it can't commit, and leaves all the same; its next start ships the rest.
func TestStopsInTime(t *testing.T) {
	c := start(t)
	r := newRun(t, c, plan{name: "hangs", fronted: true, kafka: []string{"request_timeout: 20s"}})
	r.start()
	wire.each((*proxy.Proxy).Stall)
	t.Cleanup(func() { wire.each((*proxy.Proxy).Resume) })
	r.d.Signal(t, syscall.SIGTERM)
	began := time.Now()
	if code := r.d.Wait(t, time.Minute); code != 0 { // the last commit may take ten seconds, the release five
		t.Errorf("exit code %d after SIGTERM:\n%s", code, r.d.Output(t))
	}
	t.Logf("it left %v after SIGTERM, with brokers that hang", time.Since(began))
	wire.each((*proxy.Proxy).Resume)
	r.launch()
	r.finish()
}
