// Shows what Check finds in a cluster: each thing that can be wrong, with its word and what to do; that it says what concerns all sites once, and
// that it ends nobody.
package kafka

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// checkSites is the one site of a configuration.
func checkSites(cfg Config) []CheckSite {
	return []CheckSite{{Name: cfg.Site, Topic: cfg.Topic, Quarantine: cfg.complete().Quarantine, LongestLine: 1 << 20}}
}

// find returns the findings with a word, after it logged all of them.
func find(t *testing.T, all []Finding, what string) (found []Finding) {
	t.Helper()
	for _, f := range all {
		t.Logf("%v: %s: site %q: %s; %s", f.Level, f.What, f.Site, f.Text, f.Fix)
		if f.What == what {
			found = append(found, f)
		}
	}
	return found
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name   string
		opts   []kfake.Opt
		change func(*Config)
		level  Level
		what   string
		words  string
	}{
		{"all is well", nil, nil, OK, CheckTopic, "it will be created"},
		{"no topics, no creating", nil, func(c *Config) { c.CreateTopics = false }, Fail, CheckTopic, "nginx.shop (events) does not exist"},
		{"state is not compacted", []kfake.Opt{kfake.SeedTopics(3, DefaultStateTopic)}, nil, Fail, CheckCleanup, "cleanup.policy=delete"},
		{"state has other partitions", []kfake.Opt{kfake.SeedTopics(7, DefaultStateTopic)}, nil, Warn, CheckPartitions, "has 7 partitions"},
		{"nobody there", nil, func(c *Config) { c.Brokers = []string{"127.0.0.1:1"} }, Fail, CheckBroker, "127.0.0.1:1"},
		{"one of two is there", nil, func(c *Config) { c.Brokers = append(c.Brokers, "127.0.0.1:1") }, Warn, CheckBroker, "127.0.0.1:1 can't be used"},
		{"at least once", nil, func(c *Config) { c.Delivery = AtLeastOnce }, Warn, CheckTxn, "may arrive twice"},
		{"wrong in itself", nil, func(c *Config) { c.Compression = "rar" }, Fail, CheckConfig, "rar"},
		{"one broker", []kfake.Opt{kfake.NumBrokers(1)}, nil, Warn, CheckOneBroker, "one broker"},
		{"timeout", nil, func(c *Config) { c.TxnTimeout = 16 * time.Minute }, Fail, CheckTxnTimeout, "allows transaction.max.timeout.ms=900000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := broker(t, tt.opts...)
			cfg := config(t, c)
			if tt.change != nil {
				tt.change(&cfg)
			}
			all := Check(within(t, 20*time.Second), cfg, checkSites(cfg))
			if !slices.ContainsFunc(find(t, all, tt.what), func(f Finding) bool { return f.Level == tt.level && strings.Contains(f.Text, tt.words) }) {
				t.Errorf("want %v %s with %q", tt.level, tt.what, tt.words)
			}
			for _, f := range all {
				if tt.level == OK && f.Level != OK {
					t.Errorf("want nothing worse than ok, got %+v", f)
				}
				if f.Level != OK && f.Fix == "" && f.What != CheckConfig {
					t.Errorf("%s: says not what to do: %s", f.What, f.Text)
				}
			}
			if info := c.TopicInfo("nginx.shop"); info != nil {
				t.Error("Check has created a topic")
			}
		})
	}
}

// TestCheckOfTopicSettings makes one topic with each setting that is not as it should be.
func TestCheckOfTopicSettings(t *testing.T) {
	for _, tt := range []struct {
		name, topic, key, value string
		level                   Level
		what, words             string
	}{
		{"retention", "nginx.shop", "retention.ms", "3600000", Warn, CheckRetention, "keeps records for 1h0m0s only"},
		{"compact", "nginx.shop", "cleanup.policy", "compact", Fail, CheckCleanup, "takes records with a key only"},
		{"quarantine", "nginx.shop.quarantine", "cleanup.policy", "compact", Fail, CheckCleanup, "takes records with a key only"},
		{"message size", "nginx.shop", "max.message.bytes", "100000", Warn, CheckMessageSize, "records of up to 100000 bytes"},
		{"time", "nginx.shop", "message.timestamp.before.max.ms", "86400000", Warn, CheckTime, "refuses records older than 24h0m0s"},
		{"unclean", "nginx.shop", "unclean.leader.election.enable", "true", Warn, CheckUnclean, "lacks what others confirmed"},
		{"all must be up", "nginx.shop", "min.insync.replicas", "3", Warn, CheckInSync, "one broker that is down stops it"},
		{"one is enough", "nginx.shop", "min.insync.replicas", "1", Warn, CheckInSync, "what one broker alone confirmed"},
		{"as it should be", "nginx.shop", "min.insync.replicas", "2", OK, CheckTopic, "nginx.shop (events): 2 partitions"},
		{"schemas", DefaultSchemasTopic, "cleanup.policy", "delete", Fail, CheckCleanup, "must have compact"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := broker(t)
			cfg := config(t, c)
			cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			topic := kmsg.NewCreateTopicsRequestTopic()
			topic.Topic, topic.NumPartitions, topic.ReplicationFactor = tt.topic, 2, 3
			topic.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: tt.key, Value: &tt.value}}
			req := kmsg.NewPtrCreateTopicsRequest()
			req.Topics = append(req.Topics, topic)
			if resp, err := req.RequestWith(t.Context(), cl); err != nil || resp.Topics[0].ErrorCode != 0 {
				t.Fatalf("%v %+v", err, resp)
			}
			found := find(t, Check(within(t, 20*time.Second), cfg, checkSites(cfg)), tt.what)
			if !slices.ContainsFunc(found, func(f Finding) bool {
				return f.Level == tt.level && strings.Contains(f.Text, tt.words) && (tt.level == OK || f.Fix != "")
			}) {
				t.Errorf("want %v %s with %q", tt.level, tt.what, tt.words)
			}
		})
	}
}

// TestCheckOfRights takes one right after the other away: each is missed by name, with the command that grants it.
func TestCheckOfRights(t *testing.T) {
	type acl = kfake.ACL
	allow := func(kind kmsg.ACLResourceType, name string, pattern kmsg.ACLResourcePatternType, op kmsg.ACLOperation) acl {
		return acl{Resource: kind, Name: name, Pattern: pattern, Operation: op, Allow: true}
	}
	const topic, txn, literal, prefixed = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeTransactionalId, kmsg.ACLResourcePatternTypeLiteral,
		kmsg.ACLResourcePatternTypePrefixed
	var needed []acl
	for _, name := range []string{"nginx.shop", "nginx.shop.quarantine", DefaultChangesTopic, DefaultSchemasTopic, DefaultStateTopic} {
		needed = append(needed, allow(topic, name, literal, kmsg.ACLOperationWrite))
	}
	needed = append(needed, allow(topic, DefaultStateTopic, literal, kmsg.ACLOperationRead), allow(txn, "ngxtap.", prefixed, kmsg.ACLOperationWrite))
	for i := range len(needed) + 1 {
		name, acls := "none", needed
		var lacks acl
		if i < len(needed) {
			lacks = needed[i]
			name, acls = lacks.Name+" "+lacks.Operation.String(), slices.Concat(needed[:i:i], needed[i+1:])
		}
		t.Run(name, func(t *testing.T) {
			for _, a := range acls { // each right to write or read is one to describe too
				acls = append(acls, allow(a.Resource, a.Name, a.Pattern, kmsg.ACLOperationDescribe))
			}
			if lacks.Resource == txn {
				acls = append(acls, allow(txn, "ngxtap.", prefixed, kmsg.ACLOperationDescribe))
			}
			c := broker(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "ngxtap", "right", acls...),
				kfake.SeedTopics(1, "nginx.shop", "nginx.shop.quarantine", DefaultChangesTopic, DefaultSchemasTopic, DefaultStateTopic))
			cfg := config(t, c)
			cfg.SASL, cfg.StatePartitions, cfg.CreateTopics = SASL{Mechanism: "PLAIN", Username: "ngxtap", Password: "right"}, 1, false
			all := Check(within(t, 20*time.Second), cfg, checkSites(cfg))
			what := CheckTopicRight
			if lacks.Resource == txn {
				what = CheckTxnRight
			}
			found := find(t, all, what)
			switch {
			case i == len(needed):
				for _, f := range all {
					if f.Level == Fail {
						t.Errorf("nothing is missing: %+v", f)
					}
				}
			case len(found) != 1 || found[0].Level != Fail || !strings.Contains(found[0].Text, lacks.Name) || !strings.Contains(found[0].Fix,
				"--allow-principal User:ngxtap"):
				t.Errorf("got %+v", found)
			case what == CheckTopicRight && !strings.Contains(found[0].Fix,
				"--operation "+map[kmsg.ACLOperation]string{kmsg.ACLOperationWrite: "Write", kmsg.ACLOperationRead: "Read"}[lacks.Operation]):
				t.Errorf("the fix names another right: %+v", found[0])
			}
		})
	}
}

// TestCheckEndsNobody: a site that works is asked about while it has a transaction open, and goes on.
func TestCheckEndsNobody(t *testing.T) {
	cfg := config(t, broker(t))
	s, _ := recovered(t, cfg)
	mustShip(t, s, "a")
	if err := s.Write(t.Context(), batchOf("b")); err != nil {
		t.Fatal(err)
	}
	if found := find(t, Check(within(t, 20*time.Second), cfg, checkSites(cfg)), CheckTxn); len(found) != 1 || found[0].Level != OK {
		t.Errorf("got %+v", found)
	}
	if err := s.Commit(within(t, 20*time.Second), []byte("b")); err != nil {
		t.Fatalf("the site was disturbed: %v", err)
	}
	mustShip(t, s, "c")
	if got := values(t, cfg, cfg.Topic); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q", got)
	}
}

// TestCheckOfManySites: what concerns all of fifty sites is said once.
func TestCheckOfManySites(t *testing.T) {
	c := broker(t, kfake.SeedTopics(1, DefaultStateTopic))
	cfg := config(t, c)
	var sites []CheckSite
	for i := range 50 {
		topic := fmt.Sprintf("nginx.s%d", i)
		sites = append(sites, CheckSite{Name: fmt.Sprintf("s%d", i), Topic: topic, Quarantine: topic + ".quarantine"})
	}
	all := Check(within(t, 20*time.Second), cfg, sites)
	if found := find(t, all, CheckCleanup); len(found) != 1 || found[0].Site != "" {
		t.Errorf("state topic: %+v", found)
	}
	if n := len(all); n > 5+3*50+2 {
		t.Errorf("%d findings", n)
	}
	cfg.Brokers = []string{"127.0.0.1:1", "127.0.0.1:2"}
	if all := Check(within(t, 20*time.Second), cfg, sites); len(all) != 1 || all[0].Site != "" || !strings.Contains(all[0].Text, "127.0.0.1:1, 127.0.0.1:2") {
		t.Errorf("nobody there: %+v", all)
	}
}

// TestCheckOfTheLogin answers as Kafka does; this broker only hangs up.
func TestCheckOfTheLogin(t *testing.T) {
	f := func(name string, key kmsg.Key, code int16, words string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			c := broker(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "ngxtap", "right"))
			c.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				resp := r.ResponseKind()
				switch resp := resp.(type) {
				case *kmsg.SASLHandshakeResponse:
					resp.ErrorCode, resp.SupportedMechanisms = code, []string{"SCRAM-SHA-512", "GSSAPI"}
				case *kmsg.SASLAuthenticateResponse:
					resp.ErrorCode = code
				}
				return resp, nil, true
			})
			cfg := config(t, c)
			cfg.SASL = SASL{Mechanism: "PLAIN", Username: "ngxtap", Password: "wrong-password"}
			all := Check(within(t, 20*time.Second), cfg, checkSites(cfg))
			found := find(t, all, CheckLogin)
			if len(all) != 1 || len(found) != 1 || found[0].Level != Fail || !strings.Contains(found[0].Fix,
				words) || strings.Contains(fmt.Sprint(found), "wrong-password") {
				t.Errorf("got %+v, want %q", all, words)
			}
		})
	}
	f("mechanism", kmsg.SASLHandshake, kerr.UnsupportedSaslMechanism.Code, "GSSAPI, SCRAM-SHA-512")
	f("password", kmsg.SASLAuthenticate, kerr.SaslAuthenticationFailed.Code, "the login is refused (PLAIN as ngxtap): wrong user name or password")
}

// TestCheckEndsInTime: a broker that takes connections and never says a word holds check up for a while only.
func TestCheckEndsInTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := broker(t)
	cfg := config(t, c)
	cfg.Brokers = []string{l.Addr().String()}
	all := Check(within(t, 300*time.Millisecond), cfg, checkSites(cfg))
	if len(all) != 1 || all[0].Level != Fail || !strings.Contains(all[0].Text, "deadline") {
		t.Errorf("got %+v", all)
	}
}
