package cluster

// Shows: whatever becomes of a single request or its reply, the site finds out from Kafka itself what was committed, and goes on from
// there: no line is lost, none is there twice.

import (
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/oracle"
	"ngxtap/test/proxy"
)

// requests are those of which a transaction is made. before says how many of them pass before the fault strikes: enough for a first
// commit, but for producer ids, of which a session asks for one.
var requests = []struct {
	name   string
	key    int16
	before int
}{
	{"endtxn", proxy.EndTxn, 6},
	{"produce", proxy.Produce, 12},
	{"addpartitions", proxy.AddPartitionsToTxn, 8},
	{"initproducerid", proxy.InitProducerID, 0},
}

// mishaps are what can become of a request. Only a doubled reply may pass unnoticed.
var mishaps = []struct {
	name string
	do   proxy.Action
}{
	{"cut-before", proxy.CutBefore},
	{"cut-after", proxy.CutAfter},
	{"lost-request", proxy.LoseRequest},
	{"lost-reply", proxy.LoseReply},
	{"late-request", proxy.DelayRequest},
	{"late-reply", proxy.DelayReply},
	{"doubled-reply", proxy.DoubleReply},
}

// TestRequestsAndRepliesGoAstray has one site for each way in which a request of each kind can fail, twice, all in one daemon, so that
// it also shows that sites are independent.
func TestRequestsAndRepliesGoAstray(t *testing.T) {
	t.Parallel()
	c := start(t)
	p := plan{name: "astray", fronted: true, kafka: []string{"request_timeout: 1s", "commit_interval: 300ms"}}
	for _, q := range requests {
		for _, m := range mishaps {
			p.sites = append(p.sites, q.name+"-"+m.name)
		}
	}
	r := newRun(t, c, p)
	injected := map[*site]*proxy.Injected{}
	for i, s := range r.sites {
		q, m := requests[i/len(mishaps)], mishaps[i%len(mishaps)]
		injected[s] = wire.faults.Add(proxy.Fault{Key: q.key, With: r.txn(s), Skip: q.before, Times: 2, Do: m.do,
			Wait: 12 * time.Second}) // the client waits for six
		t.Cleanup(injected[s].Remove)
	}
	r.start()
	components.Eventually(t, patience, func() error {
		for s, in := range injected {
			if n := in.Hits(); n < 2 {
				return errNot(false, "site %s: the fault struck %d times, want 2", s.name, n)
			}
		}
		return r.d.Alive()
	})
	r.drain()
	sessions := map[*site]int{}
	for _, s := range r.sites {
		sessions[s] = r.sessions(s)
	}
	r.terminate()
	for i, s := range r.sites {
		q, m := requests[i/len(mishaps)], mishaps[i%len(mishaps)]
		t.Run(q.name+"-"+m.name, func(t *testing.T) {
			// The second strike may meet Recover, which tries again by itself. So may both where producer ids are asked for. A doubled reply
			// is found by its correlation id, or overtaken by the end of the session.
			if n := sessions[s]; n < 2 && q.key != proxy.InitProducerID && m.do != proxy.DoubleReply {
				t.Errorf("%d sessions: the fault did not strike", n)
			}
			r.h.Judge(t, s.name, s.j, oracle.Rules{})
			t.Logf("%d sessions", sessions[s])
		})
	}
}
