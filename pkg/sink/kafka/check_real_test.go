package kafka

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"ngxtap/test/components"
)

// TestCheckOfRealRights asks a real broker with rules: what is missing is said with the command that grants it, and nothing else; and a site that
// works in the middle of a transaction is not disturbed.
func TestCheckOfRealRights(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Java process")
	}
	k := components.StartKafkaLaidOut(t, components.Layout{Nodes: 1, Front: func(_ int, addr string) (string, error) { return addr, nil }, Properties: []string{
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,FRONT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT", "sasl.enabled.mechanisms=PLAIN",
		`listener.name.front.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="admin" user_ngxtap="right";`,
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS;User:admin"}})
	cfg := realConfig(t, k)
	topics := []string{cfg.Topic, cfg.Topic + QuarantineSuffix, DefaultChangesTopic, DefaultSchemasTopic, DefaultStateTopic}
	for _, topic := range topics[:3] {
		k.CreateTopic(t, topic, 1)
	}
	k.CreateTopic(t, DefaultSchemasTopic, 1, "cleanup.policy=compact")
	k.CreateTopic(t, DefaultStateTopic, 3, "cleanup.policy=compact")
	cfg.Brokers, cfg.CreateTopics = strings.Split(k.Fronted, ","), false
	cfg.SASL = SASL{Mechanism: "PLAIN", Username: "ngxtap", Password: "right"}
	failures := func(want ...string) {
		t.Helper()
		var got []string
		for _, f := range Check(within(t, time.Minute), cfg, checkSites(cfg)) {
			t.Logf("%v: %s: site %q: %s; %s", f.Level, f.What, f.Site, f.Text, f.Fix)
			if f.Level == Fail {
				got = append(got, f.What)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	failures(CheckTopicRight, CheckTopicRight, CheckTopicRight, CheckTopicRight, CheckTopicRight, CheckTxnRight)
	for _, topic := range topics {
		grant(t, k, kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationWrite)
	}
	grant(t, k, kmsg.ACLResourceTypeTransactionalId, "ngxtap.web-01/shop", kmsg.ACLOperationDescribe)
	failures(CheckTopicRight, CheckTxnRight) // Read on the state topic, Write on the transactional id
	grant(t, k, kmsg.ACLResourceTypeTransactionalId, "ngxtap.web-01/shop", kmsg.ACLOperationWrite)
	grant(t, k, kmsg.ACLResourceTypeTopic, DefaultStateTopic, kmsg.ACLOperationRead)
	failures()

	s, _ := recovered(t, cfg)
	mustShip(t, s, "a")
	if err := s.Write(t.Context(), batchOf("b")); err != nil {
		t.Fatal(err)
	}
	failures()
	if err := s.Commit(within(t, time.Minute), []byte("b")); err != nil {
		t.Fatalf("the site was disturbed: %v", err)
	}
	mustShip(t, s, "c")
	grant(t, k, kmsg.ACLResourceTypeTopic, cfg.Topic, kmsg.ACLOperationDescribeConfigs)
	failures()

	cfg.SASL.Mechanism = "SCRAM-SHA-512"
	if found := find(t, Check(within(t, time.Minute), cfg, checkSites(cfg)), CheckLogin); len(found) != 1 || !strings.HasSuffix(found[0].Fix,
		"on this port, but PLAIN") {
		t.Errorf("mechanism: %+v", found)
	}
	cfg.SASL = SASL{Mechanism: "PLAIN", Username: "ngxtap", Password: "wrong-password"}
	if found := find(t, Check(within(t, time.Minute), cfg, checkSites(cfg)), CheckLogin); len(found) != 1 || !strings.Contains(found[0].Fix,
		"wrong user name or password") {
		t.Errorf("password: %+v", found)
	}
}

// grant allows the user of the test one thing.
func grant(t *testing.T, k *components.Kafka, kind kmsg.ACLResourceType, name string, op kmsg.ACLOperation) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Fronted, ",")...), kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	acl := kmsg.NewCreateACLsRequestCreation()
	acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = kind, name, kmsg.ACLResourcePatternTypeLiteral
	acl.Principal, acl.Host, acl.Operation, acl.PermissionType = "User:ngxtap", "*", op, kmsg.ACLPermissionTypeAllow
	req := kmsg.NewPtrCreateACLsRequest()
	req.Creations = append(req.Creations, acl)
	resp, err := req.RequestWith(within(t, time.Minute), cl)
	if err != nil || resp.Results[0].ErrorCode != 0 {
		t.Fatalf("allow: %v %+v", err, resp)
	}
}
