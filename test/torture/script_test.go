package torture

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/failpoint"
	"ngxtap/test/proxy"
)

// script is everything that a seed determines: the configuration, what the writers do, and the faults, in their order. What the
// scheduler does between two actions can't be repeated: two runs of one seed do the same, but may meet the daemon elsewhere.
type script struct {
	seed     uint64
	nodes    int      // brokers
	kafka    []string // lines of the section kafka
	sites    []siteScript
	grace    time.Duration // rotate_grace
	plain    bool          // the daemon runs as an ordinary user, not as root
	blind    bool          // no inotify instance is left for it
	tmpfs    bool          // its state lies on a disk of a megabyte
	atLeast  bool          // at_least_once: lines may be there twice
	virgin   bool          // the faults of the first life meet the very first start
	lives    []life
	shakeEnd bool // leaders move under the last daemon, too, before its resources are looked at
}

// siteScript is one site.
type siteScript struct {
	name      string
	glob      bool
	partition string // partition_by
	maxLine   int    // 0: the default
	logs      []logScript
}

// logScript is one log of a site.
type logScript struct {
	name    string
	style   style
	workers int
}

// style is how a log is rotated.
type style string

const (
	shift  style = "shift"        // .1 becomes .2, the log becomes .1
	dated  style = "date"         // the log becomes -20260101
	copied style = "copytruncate" // the log is copied to .1 and cut
	linked style = "symlink"      // the log is a link, which is made to lead elsewhere
)

// life is one daemon, from its start to its end.
type life struct {
	before []op // while nobody runs
	point  failpoint.Point
	hits   int
	stop   bool // stop and resume at the point, instead of kill
	ops    []op
	term   bool // ends by SIGTERM, else by SIGKILL
}

// op is one action. Its name is one of those in world.perform; which of the other fields count depends on it.
type op struct {
	do   string
	log  int
	n    int
	m    int
	text string
	wait time.Duration
	err  *kerr.Error // of what do is "answer"
}

// String returns the action in words, on one line.
func (o op) String() string {
	return fmt.Sprintf("%s log=%d n=%d m=%d %s %v", o.do, o.log, o.n, o.m, o.text, o.wait)
}

// String returns the whole script for people.
func (s *script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d brokers, kafka %v, grace %v, plain user %v, no inotify %v, small disk %v, "+
		"first start with faults %v\n", s.seed, s.nodes, s.kafka, s.grace, s.plain, s.blind, s.tmpfs, s.virgin)
	for _, site := range s.sites {
		fmt.Fprintf(&b, "site %+v\n", site)
	}
	for i, l := range s.lives {
		for _, o := range l.before {
			fmt.Fprintf(&b, "  before %d: %v\n", i+1, o)
		}
		fmt.Fprintf(&b, "life %d: failpoint %q\n", i+1, l.failpoints())
		for _, o := range l.ops {
			fmt.Fprintf(&b, "  %v\n", o)
		}
		fmt.Fprintf(&b, "  ends by SIGTERM: %v\n", l.term)
	}
	return b.String()
}

// failpoints is the value of NGXTAP_FAILPOINT.
func (l *life) failpoints() string {
	if l.point == "" {
		return ""
	}
	action := "kill"
	if l.stop {
		action = "stop"
	}
	return fmt.Sprintf("%s:%d:%s", l.point, l.hits, action)
}

// maker writes a script.
type maker struct {
	*rand.Rand
	s     *script
	logs  []logScript // of all sites
	still bool        // nothing may be rotated yet: what is rotated away before the very first start is not ours
}

// chance is true in n of 100 cases.
func (m *maker) chance(n int) bool { return m.IntN(100) < n }

func pick[T any](m *maker, of ...T) T { return of[m.IntN(len(of))] }

func (m *maker) ms(from, to int) time.Duration {
	return time.Duration(from+m.IntN(to-from+1)) * time.Millisecond
}

// rights say which faults can be injected here.
type rights struct {
	root   bool // those that only root can
	limits bool // those that need a user namespace
}

// newScript makes the script of a seed.
func newScript(seed uint64, allowed rights) *script {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 0x6e6778)), s: &script{seed: seed}}
	s := m.s
	s.nodes = pick(m, 1, 1, 3)
	s.grace = m.ms(100, 1000)
	s.atLeast = m.chance(12)
	s.plain, s.blind, s.tmpfs = m.chance(30), m.chance(15), m.chance(15)
	if !allowed.root {
		s.plain, s.tmpfs = false, false
	}
	s.blind = s.blind && allowed.limits
	s.shakeEnd = s.nodes > 1 && m.chance(50)
	s.kafka = []string{"compression: " + pick(m, "lz4", "zstd", "snappy", "gzip", "none"), fmt.Sprintf("partitions: %d", pick(m, 1, 1, 3)),
		"request_timeout: 1s", fmt.Sprintf("transaction_timeout: %ds", pick(m, 1, 5, 5, 5))}
	if s.atLeast {
		s.kafka = append(s.kafka, "delivery: at_least_once")
	}
	for i := range pick(m, 1, 1, 1, 2, 3) {
		m.site(i)
	}
	s.virgin = m.chance(40)
	for i := range 2 + m.IntN(2) {
		m.still = s.virgin && i == 0
		s.lives = append(s.lives, m.life())
	}
	s.edits()
	return s
}

func (m *maker) site(i int) {
	site := siteScript{name: fmt.Sprintf("s%d", i+1), glob: m.chance(30), partition: pick(m, "none", "none", "host", "body_bytes_sent")}
	if m.chance(30) {
		site.maxLine = 8 << 10
	}
	n := 1
	if site.glob {
		n = 1 + m.IntN(3)
	}
	for k := range n {
		l := logScript{name: fmt.Sprintf("a%d.log", k+1), style: pick(m, shift, shift, dated, copied, linked), workers: 1 + m.IntN(4)}
		if l.style == linked && site.glob {
			l.style = shift // the glob would match the link's target as well
		}
		site.logs = append(site.logs, l)
		m.logs = append(m.logs, l)
	}
	m.s.sites = append(m.s.sites, site)
}

// life makes the life of one daemon.
func (m *maker) life() life {
	l := life{before: m.down()}
	calm := true // nothing can end the daemon in mid-script
	if m.chance(65) {
		calm = false
		l.point = pick(m, failpoint.Points...)
		l.stop = m.chance(20)
		if l.hits = 1; often(l.point) {
			l.hits += m.IntN(8)
		}
	}
	l.term = atEnd(l.point) || m.chance(30)
	for range 4 + m.IntN(8) {
		l.ops = append(l.ops, m.up(calm)...)
	}
	l.ops = append(l.ops, op{do: "pause", wait: m.ms(0, 60)})
	return l
}

// often says whether a daemon passes a point with every commit, and not only once in each session.
func often(p failpoint.Point) bool {
	switch p {
	case failpoint.BlockRead, failpoint.TxnBegun, failpoint.BatchSent, failpoint.AllSent, failpoint.StateAcked, failpoint.TxnEnded, failpoint.Committed:
		return true
	}
	return false
}

// atEnd says whether a point is passed after SIGTERM.
func atEnd(p failpoint.Point) bool {
	return p == failpoint.ShuttingDown || p == failpoint.ReleasingSite
}

// down makes what happens while no daemon runs.
func (m *maker) down() []op {
	var ops []op
	for range m.IntN(4) {
		ops = append(ops, m.writing(false)...)
	}
	if m.chance(50) {
		ops = append(ops, op{do: pick(m, "tear state", "flip state", "delete state"), n: m.IntN(1 << 16)})
	}
	if m.s.tmpfs && !m.still && m.chance(70) { // the very first start needs room for its key
		ops = append(ops, op{do: "fill disk"})
	}
	if m.chance(30) { // what meets the next start
		ops = append(ops, m.start())
	}
	return ops
}

// up makes a few actions under a running daemon.
func (m *maker) up(calm bool) []op {
	switch n := m.IntN(100); {
	case n < 50:
		return m.writing(calm)
	case n < 62:
		return []op{{do: "pause", wait: m.ms(1, 120)}}
	case n < 70:
		return []op{{do: "ship"}}
	case n < 76:
		return append(append([]op{{do: "SIGSTOP"}}, m.writing(false)...), op{do: "SIGCONT", wait: pick(m, m.ms(1, 300), m.ms(1, 300), m.ms(1000, 1500))})
	case n < 90:
		return append(m.brokerFault(), m.writing(false)...)
	case n < 93 && m.s.plain && !m.still:
		o := op{log: m.log(), wait: m.ms(20, 500)}
		o.do = pick(m, "hide log", "hide folder", "lock state")
		return []op{o}
	case n < 96 && !m.still:
		return []op{{do: "few descriptors", n: m.IntN(3), wait: m.ms(50, 500), log: m.log()}}
	}
	return m.writing(calm)
}

func (m *maker) log() int { return m.IntN(len(m.logs)) }

// writing makes what one log's writers do. calm says that the daemon is sure to run, so that one may wait for it.
func (m *maker) writing(calm bool) []op {
	i := m.log()
	log := m.logs[i]
	write := func() op {
		return op{do: "write", log: i, m: m.IntN(log.workers), n: pick(m, 1, 3, 20, 100, 300), text: pick(m, "plain", "mixed", "mixed", "long")}
	}
	switch n := m.IntN(100); {
	case n < 55 || m.still:
		return []op{write()}
	case n < 63:
		return []op{{do: "half", log: i, m: m.IntN(log.workers), n: m.IntN(100)}, {do: "pause", wait: m.ms(0, 50)}, write()}
	case n < 85:
		return m.rotation(i)
	case n < 93 && log.style != linked:
		return []op{{do: "gzip", log: i, n: m.IntN(4)}}
	case calm && n < 97 && log.style != linked:
		return []op{{do: "delete", log: i}}
	case calm && !m.s.sites[0].glob:
		return []op{{do: "new folder", log: i}, write()}
	}
	return []op{write(), {do: "pause", wait: m.ms(0, 30)}, write()}
}

// rotation makes one rotation of a log.
func (m *maker) rotation(i int) []op {
	log := m.logs[i]
	write := func(worker int, text string) op {
		return op{do: "write", log: i, m: worker, n: pick(m, 1, 5, 50), text: text}
	}
	switch log.style {
	case copied:
		return []op{{do: "copytruncate", log: i}, write(0, "plain")}
	case linked:
		return []op{{do: "switch link", log: i}, write(0, "mixed")}
	}
	if m.chance(20) {
		return []op{{do: "torn end", log: i, n: m.IntN(100)}, {do: "rename", log: i}, {do: "reopen all", log: i}, write(0, "plain")}
	}
	ops := []op{{do: "rename", log: i}}
	if m.chance(60) { // late workers
		ops = append(ops, write(m.IntN(log.workers), "mixed"), op{do: "pause", wait: m.ms(0, 60)})
		for w := range log.workers {
			ops = append(ops, op{do: "reopen", log: i, m: w})
			if w+1 < log.workers && m.chance(50) { // the next one has not yet noticed; the pause lets the daemon see the new file first
				ops = append(ops, op{do: "pause", wait: m.ms(1, 100)}, write(w+1, "plain"))
			}
		}
	}
	return append(ops, op{do: "reopen all", log: i}, write(0, "mixed"))
}

// start makes a fault that meets the start of the next daemon.
func (m *maker) start() op {
	key := pick(m, kmsg.InitProducerID, kmsg.FindCoordinator, kmsg.ListOffsets, kmsg.Fetch, kmsg.Metadata)
	if m.chance(50) {
		return m.wire(key)
	}
	return m.answer(key)
}

// brokerFault makes a fault of the brokers or of the network.
func (m *maker) brokerFault() []op {
	switch n := m.IntN(100); {
	case n < 10:
		return []op{{do: "connections cut"}}
	case n < 20: // another session, and what meets its start
		return []op{m.start(), {do: "connections cut"}}
	case n < 45:
		o := m.wire(pick(m, kmsg.Produce, kmsg.EndTxn, kmsg.AddPartitionsToTxn))
		if o.text != "delay request" {
			return []op{o}
		}
		o.m, o.wait = 0, m.ms(30, 1500) // it arrives when who sent it has gone, and perhaps come back
		return []op{o, {do: "write", log: m.log(), n: 1, text: "plain"}, {do: "pause", wait: m.ms(20, 60)}, {do: "connections cut"}}
	case n < 70:
		return []op{m.answer(pick(m, kmsg.Produce, kmsg.EndTxn, kmsg.AddPartitionsToTxn))}
	case n < 75:
		return []op{{do: "coordinators change"}}
	case n < 80:
		return []op{{do: "fence"}}
	case n < 85:
		return []op{{do: "brokers hang", wait: m.ms(20, 600)}}
	case n < 93 && m.s.nodes > 1:
		return []op{{do: "node away", n: m.IntN(m.s.nodes - 1)}}
	}
	return []op{{do: "leaders move"}}
}

// wire makes a fault of the network.
func (m *maker) wire(key kmsg.Key) op {
	// The silent ones cost a time-out of six seconds each, so they are rarer.
	names := []string{"cut before", "cut before", "cut before", "cut after", "cut after", "cut after", "delay reply", "delay reply",
		"lose request", "lose reply", "delay request"}
	return op{do: "wire", n: int(key), m: m.IntN(4), text: pick(m, names...), wait: m.ms(10, 400)}
}

var wireActions = map[string]proxy.Action{"cut before": proxy.CutBefore, "cut after": proxy.CutAfter, "lose request": proxy.LoseRequest,
	"lose reply": proxy.LoseReply, "delay request": proxy.DelayRequest, "delay reply": proxy.DelayReply}

// answer makes an error that brokers answer with.
func (m *maker) answer(key kmsg.Key) op {
	err := pick(m, answers[key]...)
	return op{do: "answer", n: int(key), m: 1 + m.IntN(3), text: err.Message, err: err}
}

// answers are the errors that a broker may give to a request without anybody being to blame; the daemon must get over each.
var answers = map[kmsg.Key][]*kerr.Error{
	kmsg.Produce: {kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.InvalidProducerEpoch,
		kerr.OutOfOrderSequenceNumber, kerr.KafkaStorageError, kerr.UnknownServerError, kerr.InvalidTxnState, kerr.CorruptMessage},
	kmsg.EndTxn: {kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.ConcurrentTransactions, kerr.InvalidProducerEpoch,
		kerr.ProducerFenced, kerr.InvalidTxnState, kerr.InvalidProducerIDMapping, kerr.RequestTimedOut},
	kmsg.AddPartitionsToTxn: {kerr.ConcurrentTransactions, kerr.NotCoordinator, kerr.InvalidProducerIDMapping, kerr.ProducerFenced, kerr.CoordinatorLoadInProgress},
	kmsg.InitProducerID:     {kerr.ConcurrentTransactions, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.RequestTimedOut},
	kmsg.FindCoordinator:    {kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress},
	kmsg.ListOffsets:        {kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.OffsetNotAvailable, kerr.UnknownServerError},
	kmsg.Fetch:              {kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.FencedLeaderEpoch, kerr.UnknownServerError},
	kmsg.Metadata:           {kerr.LeaderNotAvailable, kerr.UnknownServerError},
}
