// Package kafkasec ships lines through each way of securing Kafka, against a real Kafka that enforces it: TLS, mutual TLS, SASL PLAIN, SCRAM,
// OAUTHBEARER, and the tokens of MSK IAM, whose signature a validator in the broker computes again (there is no MSK here). An authorizer
// allows the user exactly what docs/kafka-security.md says. It reads what is said when something is wrong, and rotates each kind of secret
// under a daemon that runs.
package kafkasec

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// long is how long anything may take on a machine that is slow and busy.
const long = 2 * time.Minute

// shared holds the Kafka of all tests of this package.
var shared components.Shared

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer harness.Cleanup()
	flag.Parse()
	flag.Set("test.parallel", "8") // most of them wait, for the end of a login or a certificate
	return shared.Run(m)
}

// world is the Kafka and what it trusts.
type world struct {
	*components.Kafka
	dir    string // with ca.pem, and aws.properties, which the broker reads at each login
	ca     *authority
	signer *signer

	mu   sync.Mutex
	keys map[string]string // guarded by mu; what is in aws.properties
}

// listeners of the broker, one for each kind of security. Those in the second row end sessions after five seconds (KIP-368).
var listeners = []components.Listener{{Name: "TLS", Protocol: "SSL"}, {Name: "MTLS", Protocol: "SSL"}, {Name: "OLD", Protocol: "SSL"},
	{Name: "PLAIN", Protocol: "SASL_SSL"}, {Name: "SCRAM", Protocol: "SASL_SSL"}, {Name: "OAUTH", Protocol: "SASL_SSL"}, {Name: "MSK", Protocol: "SASL_SSL"},
	{Name: "SHORTPLAIN", Protocol: "SASL_SSL"}, {Name: "SHORTSCRAM", Protocol: "SASL_SSL"}, {Name: "SHORTOAUTH", Protocol: "SASL_SSL"}, {Name: "SHORTMSK", Protocol: "SASL_SSL"}}

var made struct {
	sync.Once
	w *world
}

// theWorld starts Kafka when a test first asks.
func theWorld(t *testing.T) *world {
	t.Helper()
	components.Require(t, components.PartKafka, components.PartJDK)
	made.Do(func() { made.w = newWorld(t) })
	if made.w == nil {
		t.Fatal("Kafka did not start")
	}
	return made.w
}

func newWorld(t *testing.T) *world {
	dir, err := os.MkdirTemp(shared.Dir(t), "kafkasec-")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{dir: dir, ca: newAuthority(t, "Test CA"), signer: newSigner(t), keys: map[string]string{"region": "eu-central-1"}}
	put(t, dir, "ca.pem", w.ca.pem)
	put(t, dir, "server.pem", w.ca.issue(t, "broker", time.Now().Add(24*time.Hour)))
	put(t, dir, "old.pem", w.ca.issue(t, "broker", time.Now().Add(-time.Hour)))
	put(t, dir, "jwks.json", w.signer.jwks())
	w.awsKeys(t, nil)
	classes := components.CompileForKafka(t, "testdata/SignedUrlValidator.java")
	if err := os.CopyFS(filepath.Join(dir, "classes"), os.DirFS(classes)); err != nil { // the test that compiles ends before the broker
		t.Fatal(err)
	}
	jwks := "file://" + filepath.Join(dir, "jwks.json")
	w.Kafka = shared.Cluster(t, components.Layout{Nodes: 1, Listeners: listeners, Classes: []string{filepath.Join(dir, "classes")},
		Java: []string{"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=" + jwks, "-Dngxtap.test.keys=" + filepath.Join(dir, "aws.properties")}, Properties: w.properties(jwks)})
	for _, user := range []string{"User:shop", "User:CN=shop"} {
		w.allow(t, user)
	}
	return w
}

// properties returns the broker's.
func (w *world) properties(jwks string) []string {
	const modules = "org.apache.kafka.common.security."
	lines := []string{
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + filepath.Join(w.dir, "server.pem"),
		"ssl.truststore.type=PEM", "ssl.truststore.location=" + filepath.Join(w.dir, "ca.pem"),
		"listener.name.mtls.ssl.client.auth=required", "connections.max.idle.ms=4000",
		"listener.name.old.ssl.keystore.location=" + filepath.Join(w.dir, "old.pem"), "listener.name.old.ssl.keystore.type=PEM",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS", "connection.failed.authentication.delay.ms=0",
		"sasl.oauthbearer.jwks.endpoint.url=" + jwks, "sasl.oauthbearer.expected.audience=kafka", "sasl.oauthbearer.expected.issuer=https://idp.test",
		// Without this Kafka 4.1.0 takes any JWT, whoever signed it.
		"sasl.oauthbearer.jwt.validator.class=" + modules + "oauthbearer.BrokerJwtValidator",
	}
	mechanism := func(listener, name, jaas string, more ...string) {
		prefix := "listener.name." + listener + "." + strings.ToLower(name) + "."
		lines = append(lines, prefix+"sasl.jaas.config="+modules+jaas)
		for _, m := range more {
			lines = append(lines, prefix+m)
		}
		if strings.HasPrefix(listener, "short") {
			lines = append(lines, prefix+"connections.max.reauth.ms=5000")
		}
	}
	for _, kind := range []string{"", "short"} {
		mechanism(kind+"plain", "PLAIN", `plain.PlainLoginModule required user_shop="right" user_shop2="right2";`)
		mechanism(kind+"scram", "SCRAM-SHA-256", "scram.ScramLoginModule required;")
		mechanism(kind+"scram", "SCRAM-SHA-512", "scram.ScramLoginModule required;")
		mechanism(kind+"oauth", "OAUTHBEARER", "oauthbearer.OAuthBearerLoginModule required;",
			"sasl.server.callback.handler.class="+modules+"oauthbearer.OAuthBearerValidatorCallbackHandler")
		mechanism(kind+"msk", "OAUTHBEARER", "oauthbearer.OAuthBearerLoginModule required;",
			"sasl.server.callback.handler.class=SignedUrlValidator")
		lines = append(lines, "listener.name."+kind+"plain.sasl.enabled.mechanisms=PLAIN", "listener.name."+kind+"scram.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512",
			"listener.name."+kind+"oauth.sasl.enabled.mechanisms=OAUTHBEARER", "listener.name."+kind+"msk.sasl.enabled.mechanisms=OAUTHBEARER")
	}
	return lines
}

// awsKeys adds keys to those that the brokers know, or takes them away where the secret is "": id and secret, and "id.token" for keys that need one.
func (w *world) awsKeys(t testing.TB, keys map[string]string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	text := ""
	maps.Copy(w.keys, keys)
	for k, v := range w.keys {
		if v != "" {
			text += k + "=" + v + "\n"
		}
	}
	put(t, w.dir, "aws.properties", []byte(text))
}

// admin sends requests as the superuser.
func (w *world) admin(t testing.TB) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.Bootstrap))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// allow grants a user what docs/kafka-security.md says, and no more.
func (w *world) allow(t testing.TB, user string) {
	t.Helper()
	req := kmsg.NewPtrCreateACLsRequest()
	grant := func(kind kmsg.ACLResourceType, name string, ops ...kmsg.ACLOperation) {
		for _, op := range ops {
			acl := kmsg.NewCreateACLsRequestCreation()
			acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = kind, name, kmsg.ACLResourcePatternTypePrefixed
			acl.Principal, acl.Host, acl.Operation, acl.PermissionType = user, "*", op, kmsg.ACLPermissionTypeAllow
			req.Creations = append(req.Creations, acl)
		}
	}
	for _, prefix := range []string{"nginx.", "ngxtap."} {
		grant(kmsg.ACLResourceTypeTopic, prefix, kmsg.ACLOperationDescribe, kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate,
			kmsg.ACLOperationDescribeConfigs)
	}
	grant(kmsg.ACLResourceTypeTransactionalId, "ngxtap.", kmsg.ACLOperationDescribe, kmsg.ACLOperationWrite)
	resp, err := req.RequestWith(t.Context(), w.admin(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resp.Results {
		if r.ErrorCode != 0 {
			t.Fatalf("allow: %+v", r)
		}
	}
}

var siteNumber atomic.Int64

// site is a site with its log, and the host that ships it.
type site struct {
	*harness.Host
	w       *world
	name    string
	log     *harness.Log
	journal *oracle.Journal
}

// ships makes a host that ships a new site by a listener; security are the sections tls and sasl, as the lines below kafka.
func (w *world) ships(t *testing.T, listener string, security ...string) *site {
	t.Helper()
	s := &site{w: w, name: fmt.Sprintf("s%d", siteNumber.Add(1)), journal: &oracle.Journal{}}
	path := filepath.Join(t.TempDir(), "access.log")
	s.log = harness.NewLog(t, s.journal, path, 1)
	s.Host = harness.NewHost(t, harness.HostConfig{Instance: "host-" + s.name, Brokers: []string{w.Bootstrap}, Sites: []harness.Site{{Name: s.name, Paths: []string{path}}},
		Kafka: append([]string{"brokers: ['" + w.Listener(listener) + "']", "request_timeout: 5s"}, security...)})
	s.log.WriteLines(t, 0, 50)
	return s
}

// tls returns the section tls that trusts the test's authority, with more keys.
func (w *world) tls(more ...string) string {
	return "tls: {" + strings.Join(append([]string{"ca_file: " + filepath.Join(w.dir, "ca.pem")}, more...), ", ") + "}"
}

// ngxtap runs a command to its end and returns its exit code and all it printed.
func (s *site) ngxtap(t testing.TB, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(harness.Binary(t, false), append(args, "-c", s.Config)...)
	cmd.Env = append(os.Environ(), s.Env...)
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// works ships the log and reads it back: every line exactly once, by the same security.
func (s *site) works(t *testing.T) {
	t.Helper()
	if code, out := s.ngxtap(t, "check", "--user", ""); code != 0 || !strings.Contains(out, "everything that run needs is there") {
		t.Errorf("check: exit code %d\n%s", code, out)
	}
	if code, out := s.ngxtap(t, "run", "--once"); code != 0 {
		t.Fatalf("run --once: exit code %d\n%s", code, out)
	}
	s.Judge(t, s.name, s.journal, oracle.Rules{})
	if code, out := s.ngxtap(t, "cat", "nginx."+s.name+".access"); code != 0 || strings.Count(out, "\n") != 50 {
		t.Errorf("cat: exit code %d, want 50 lines:\n%s", code, out)
	}
}

// fails checks what is said, and by which exit codes, when the first login can't succeed. waits is for what may cure itself: the daemon stays
// and says it. Where check has other words than the daemon, they follow after "||".
func (s *site) fails(t *testing.T, waits bool, words ...string) {
	t.Helper()
	holds := func(what, out string) {
		for _, word := range words {
			daemon, check, both := strings.Cut(word, "||")
			if word = daemon; both && what == "check" {
				word = check
			}
			if !strings.Contains(out, word) {
				t.Errorf("%s does not say %q:\n%s", what, word, out)
			}
		}
		if strings.Contains(out, "canary") {
			t.Errorf("%s shows a secret:\n%s", what, out)
		}
	}
	code, out := s.ngxtap(t, "check", "--user", "")
	if code != 1 {
		t.Errorf("check: exit code %d, want 1", code)
	}
	holds("check", out)
	if code, out := s.ngxtap(t, "cat", "nginx."+s.name+".access"); code == 0 {
		t.Errorf("cat: exit code 0")
	} else {
		holds("cat", out)
	}
	if !waits {
		code, out := s.ngxtap(t, "run", "--once")
		if code != 78 {
			t.Errorf("run: exit code %d, want 78", code)
		}
		holds("run", out)
		return
	}
	d := s.Start(t)
	components.Eventually(t, long, func() error {
		if !strings.Contains(d.Output(t), "kafka is not ready") {
			return fmt.Errorf("it has said nothing yet")
		}
		return d.Alive()
	})
	holds("run", strings.ReplaceAll(d.Output(t), `\"`, `"`))
	d.Signal(t, syscall.SIGTERM)
	d.Wait(t, long)
}

// keepShipping writes lines and waits for each few of them to be committed, until done says so. It returns an error for lines that do not go on.
func (s *site) keepShipping(t *testing.T, d *components.Program, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(long); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("it takes too long")
		}
		s.log.WriteLines(t, 0, 5)
		s.AwaitBytes(t, d, s.name, harness.Bytes(s.journal), long)
	}
}

// metric reads a counter of the site.
func (s *site) metric(t testing.TB, name string) int {
	t.Helper()
	v, err := oracle.Metric(t.Context(), s.Admin, name, `site="`+s.name+`"`)
	if err != nil {
		t.Fatal(err)
	}
	return int(v)
}
