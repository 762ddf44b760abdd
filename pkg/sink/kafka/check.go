package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/sink"
)

// Level says how bad a Finding is.
type Level uint8

// The levels.
const (
	OK   Level = iota // as it should be
	Warn              // works, but not as safely as it could
	Fail              // Recover would not succeed now, or what is shipped would be lost
)

// String returns the level as it is printed.
func (l Level) String() string {
	switch l {
	case OK:
		return "ok"
	case Warn:
		return "warning"
	}
	return "error"
}

// Finding is one thing that Check looked at.
type Finding struct {
	Level Level
	What  string // one of the Check… words
	Site  string // that it is about; "": all of them
	Text  string // what was found, in a sentence
	Fix   string // what to do; "": nothing, or Text says so
}

// What findings are about. Scripts know the words: they never change their meaning. docs/check.md explains them.
const (
	CheckConfig      = "kafka.config"              // the configuration of the sink
	CheckBroker      = "kafka.broker"              // brokers that answer
	CheckOneBroker   = "kafka.broker.single"       // a cluster of one
	CheckAdvertised  = "kafka.broker.advertised"   // an address that the cluster names and that can't be reached
	CheckLogin       = "kafka.login"               // SASL
	CheckTxn         = "kafka.transactions"        // the coordinator and the requests of transactions
	CheckTxnTimeout  = "kafka.transaction_timeout" // the broker's limit
	CheckCodec       = "kafka.compression"         // the broker knows it
	CheckTxnRight    = "kafka.acl.transactional_id"
	CheckTopicRight  = "kafka.acl.topic"
	CheckWriteRight  = "kafka.acl.cluster" // idempotent writes without a transaction
	CheckTopic       = "kafka.topic"       // it is there, or can be made
	CheckLeader      = "kafka.topic.leader"
	CheckReplicas    = "kafka.topic.replicas"
	CheckInSync      = "kafka.topic.min_insync"
	CheckUnclean     = "kafka.topic.unclean_leader"
	CheckCleanup     = "kafka.topic.cleanup_policy"
	CheckRetention   = "kafka.topic.retention"
	CheckTime        = "kafka.topic.timestamp"
	CheckMessageSize = "kafka.topic.max_message"
	CheckPartitions  = "kafka.state.partitions"
)

// CheckSite is what Check looks at for one site.
type CheckSite struct {
	Name, Topic, Quarantine string
	LongestLine             int  // bytes
	Keyed                   bool // its events have keys
}

// checkTimeout is how long one connection or request may take; the context bounds all of them.
const checkTimeout = 5 * time.Second

// Check tries what a daemon with this configuration needs for its sites: that brokers answer and accept the login, that transactions work and
// are allowed, that the topics are there or can be made, may be written, and are kept as they must be. It writes no record, makes no topic and
// fences nobody, so it may run beside a daemon. What concerns all sites is looked at once. Site, Topic and Quarantine of cfg do not count.
func Check(ctx context.Context, cfg Config, sites []CheckSite) []Finding {
	cfg = cfg.complete()
	cfg.DialTimeout, cfg.RequestTimeout = min(cfg.DialTimeout, checkTimeout), min(cfg.RequestTimeout, checkTimeout)
	k := &check{ctx: ctx}
	for _, s := range sites {
		one := cfg.of(s)
		if err := one.validate(); err != nil {
			k.about(s.Name).say(Fail, CheckConfig, "", "%v", err)
		}
	}
	if len(k.found) > 0 || len(sites) == 0 {
		return k.found
	}
	cfg = cfg.of(sites[0])
	c, err := connect(&cfg)
	if err != nil {
		return []Finding{{Level: Fail, What: CheckConfig, Text: err.Error()}}
	}
	defer c.close()
	defer c.watch(ctx)()
	k.c = c
	if !k.brokers() {
		return k.found
	}
	k.features()
	for _, s := range sites {
		k.about(s.Name).transactions(cfg.of(s))
	}
	k.about("")
	k.topics(sites)
	return k.found
}

// of returns the configuration of one site.
func (cfg Config) of(s CheckSite) Config {
	cfg.Site, cfg.Topic, cfg.Quarantine = s.Name, s.Topic, s.Quarantine
	return cfg
}

// check collects findings.
type check struct {
	ctx   context.Context
	c     *cluster
	site  string // that is looked at; "": all of them
	found []Finding
	ended bool // the coordinator could not be asked; the other sites would be told the same
}

func (k *check) about(site string) *check {
	k.site = site
	return k
}

func (k *check) say(l Level, what, fix, format string, args ...any) {
	k.found = append(k.found, Finding{l, what, k.site, fmt.Sprintf(format, args...), fix})
}

// brokers looks whether anybody answers: those of the configuration, and those that they name.
func (k *check) brokers() bool {
	cfg := k.c.cfg
	failed := k.reach(cfg.Brokers)
	if len(failed) == len(cfg.Brokers) {
		k.unusable(failed)
		return false
	}
	for _, addr := range cfg.Brokers {
		if err := failed[addr]; err != nil {
			k.say(Warn, CheckBroker, "start it, or take it out of kafka.brokers", "%s can't be used: %v", addr, because(k.ctx, k.c.classify(err)))
		}
	}
	_, err := k.c.refresh(cfg.State)
	if err != nil && !answered(err) {
		k.say(Fail, CheckBroker, "", "brokers %s: %v", strings.Join(cfg.Brokers, ", "), because(k.ctx, k.c.classify(err)))
		return false
	}
	k.say(OK, CheckBroker, "", "brokers that answer: %d; login: %v, TLS: %v", len(k.c.client.Brokers()), cfg.SASL, k.c.creds.TLS != nil)
	var named []string
	for _, b := range k.c.client.Brokers() {
		if !slices.Contains(cfg.Brokers, b.Addr()) {
			named = append(named, b.Addr())
		}
	}
	for addr, err := range k.reach(named) {
		k.say(Fail, CheckAdvertised, "let the broker advertise an address that this host can reach (advertised.listeners), or let it be resolved here",
			"the cluster names broker %s, which can't be used: %v", addr, because(k.ctx, k.c.classify(err)))
	}
	if len(k.c.client.Brokers()) == 1 {
		k.say(Warn, CheckOneBroker, "use three brokers for what must not be lost", "the cluster has one broker: what is committed is lost with its disk")
	}
	return true
}

// reach tries to connect to each address, at once, and returns those that failed.
func (k *check) reach(addrs []string) map[string]error {
	failed := map[string]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, addr := range addrs {
		wg.Go(func() {
			if err := k.try(addr); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[addr] = err
			}
		})
	}
	wg.Wait()
	return failed
}

// try connects to a broker, logs in and asks for something.
func (k *check) try(addr string) error { return k.c.why(addr) }

// unusable says why no broker of the configuration can be used; the same reason once.
func (k *check) unusable(failed map[string]error) {
	reasons := map[string][]string{}
	first := map[string]error{}
	for _, addr := range k.c.cfg.Brokers {
		var op *net.OpError
		why := strings.TrimPrefix(strings.TrimPrefix(failed[addr].Error(), "connect to broker "+addr+": "), "ask broker "+addr+": ")
		var token *tokenError
		if errors.As(failed[addr], &op) && !errors.As(failed[addr], &token) {
			why = op.Err.Error() // without the address
		}
		if first[why] == nil {
			first[why] = failed[addr]
		}
		reasons[why] = append(reasons[why], addr)
	}
	for why, addrs := range reasons {
		what, fix := k.why(first[why])
		if k.ctx.Err() != nil {
			why = because(k.ctx, first[why]).Error()
		}
		k.say(Fail, what, fix, "no broker can be used: %s: %s", strings.Join(addrs, ", "), why)
	}
}

// why returns what kept a broker from being used, and what to do.
func (k *check) why(err error) (what, fix string) {
	what = CheckBroker
	var token *tokenError
	if aboutLogin(err) || errors.As(err, &token) {
		what = CheckLogin
	}
	if classified := k.c.classify(err); classified.Error() != err.Error() {
		fix = strings.TrimPrefix(classified.Error(), err.Error()+": ")
		return what, strings.TrimSuffix(fix, ": "+sink.ErrConfig.Error())
	}
	if what == CheckLogin {
		return what, "look at kafka.sasl: no broker was asked yet"
	}
	if hungUp(err) {
		return what, "is kafka.brokers right, and does this port want TLS or another login? A broker hangs up when it gets neither what it " +
			"expects nor a login it knows"
	}
	return what, "is kafka.brokers right, does the broker run, and does a firewall let this host pass?"
}

// answered reports whether err is about a topic, and so from a broker that is there.
func answered(err error) bool {
	return errors.Is(err, sarama.ErrUnknownTopicOrPartition) || errors.Is(err, sarama.ErrTopicAuthorizationFailed) ||
		errors.Is(err, sarama.ErrLeaderNotAvailable) || errors.Is(err, sarama.ErrInvalidTopic)
}
