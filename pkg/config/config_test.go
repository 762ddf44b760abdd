package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const site = "site: shop\naccess_log: {paths: [/var/log/nginx/shop.log], log_format: '$status'}\n"

// write puts a daemon file and sites (by name) into a new folder and returns the daemon file's path.
func write(t *testing.T, daemon string, sites ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sites.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	put("ngxtap.yaml", daemon)
	for i, s := range sites {
		put(fmt.Sprintf("sites.d/%d.yaml", i), s)
	}
	return filepath.Join(dir, "ngxtap.yaml")
}

func TestDefaultsNeedNoThought(t *testing.T) {
	c, err := Load(write(t, "", site))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Sites[0]
	got := []any{c.Kafka.Brokers[0], c.Kafka.Compression, c.Kafka.Delivery, c.Kafka.CommitInterval, c.Registry.Framing, s.Topic, s.PartitionBy,
		s.AccessLog.StartAt, s.AccessLog.MaxLine, s.Headers.Secrets, c.StateDir, c.Admin.Listen}
	want := []any{"127.0.0.1:9092", "lz4", "exactly_once", 200 * time.Millisecond, "single-object", "nginx.shop.access", "none",
		"beginning", Size(1 << 20), "hash", "/var/lib/ngxtap", AdminDefault}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if host, _ := os.Hostname(); c.Instance != host {
		t.Errorf("instance = %q, want the host name %q", c.Instance, host)
	}
}

func TestErrorsNameFileLineAndWhatToDo(t *testing.T) {
	f := func(name, daemon, siteText string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			_, err := Load(write(t, daemon, siteText))
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q\nlacks %q", err, w)
				}
			}
		})
	}
	f("unknown key", "kafka:\n  broker: [a:1]\n", site, "ngxtap.yaml:2: unknown key kafka.broker; did you mean brokers?")
	f("unknown top key", "\n\nkafak: {}\n", site, "ngxtap.yaml:3: unknown key kafak; did you mean kafka?")
	f("unknown site key", "", site+"topik: x\n", "sites.d/0.yaml:3: unknown key topik; did you mean topic?")
	f("key in capitals", "Instance: a\n", site, "ngxtap.yaml:1: unknown key Instance; did you mean instance?")
	f("far from any key", "zzzzzz: 1\n", site, "known here: admin, instance, kafka")
	f("a level too high", "commit_interval: 1s\n", site, "ngxtap.yaml:1: unknown key commit_interval; did you mean kafka.commit_interval, in the file of the daemon?")
	f("in the other file", "", site+"compression: zstd\n", "sites.d/0.yaml:3: unknown key compression; did you mean kafka.compression, in the file of the daemon?")
	f("of a name that there is twice", "password: x\n", site, "unknown key password; known here: admin")
	f("twice", "instance: a\ninstance: b\n", site, "ngxtap.yaml:2")
	f("not yaml", "kafka: [\n", site, "not valid YAML")
	f("tab", "kafka:\n\tbrokers: [a:1]\n", site, "ngxtap.yaml:2: not valid YAML")
	f("map for list", "kafka:\n  brokers: {a: 1}\n", site, "ngxtap.yaml:2: kafka.brokers must be a list")
	f("value for map", "kafka: 9092\n", site, "ngxtap.yaml:1: kafka must hold keys")
	types := "site: shop\naccess_log:\n  paths: [a]\n  log_format: '$status'\n  types:\n"
	f("type unknown", "", types+"    - {name: a, type: long}\n    - {name: b, type: float}\n", `sites.d/0.yaml:7: access_log.types[1].type: "float" is not one of string, int, long, double`)
	f("type misspelt", "", types+"    - {name: a, type: long}\n    - name: b\n      typ: long\n", "sites.d/0.yaml:8: unknown key access_log.types[1].typ; did you mean type?")
	f("type twice", "", types+"    - {name: app_ms, type: long}\n    - {name: App_ms, type: int}\n",
		"sites.d/0.yaml:7: access_log.types[1].name: app_ms has a type already, at ", "sites.d/0.yaml:6")
	f("type of no name", "", types+"    - {type: long}\n", "sites.d/0.yaml:6: access_log.types[0].name: name the variable")
	f("type with a dollar", "", types+"    - {name: $a, type: long}\n", `sites.d/0.yaml:6: access_log.types[0].name: "$a" is not the name of a variable`)
	f("types as keys", "", types+"    app_ms: long\n", "sites.d/0.yaml:6: access_log.types must be a list")
	f("type as a word", "", types+"    - app_ms=long\n", "sites.d/0.yaml:6: access_log.types[0] must hold keys, such as name, type")
	f("type of a list", "", types+"    - {name: [a, b], type: long}\n", "sites.d/0.yaml:6: access_log.types[0].name must be a single value")
	f("roots without links", "", "site: shop\naccess_log:\n  paths: [a]\n  log_format: '$status'\n  symlink_roots: [/var/log/pods]\n",
		"sites.d/0.yaml:5: access_log.symlink_roots: goes with follow_symlinks: true")
	f("list for value", "instance: [a]\n", site, "ngxtap.yaml:1: instance must be a single value")
	f("duration without unit", "kafka:\n  commit_interval: 200\n", site, "ngxtap.yaml:2: kafka.commit_interval", "needs a unit")
	f("no duration", "kafka:\n  commit_interval: soon\n", site, `ngxtap.yaml:2: kafka.commit_interval: "soon" is not a duration: write 200ms, 10s or 5m`)
	f("duration out of range", "kafka:\n  commit_interval: 1h\n", site, "ngxtap.yaml:2: kafka.commit_interval: 1h0m0s is not between")
	f("request timeout out of range", "kafka:\n  request_timeout: 10ms\n", site, "ngxtap.yaml:2: kafka.request_timeout: 10ms is not between")
	f("transaction timeout out of range", "kafka:\n  transaction_timeout: 1h\n", site, "ngxtap.yaml:2: kafka.transaction_timeout: 1h0m0s is not between")
	f("bad compression", "kafka:\n\n  compression: lzma\n", site, `ngxtap.yaml:3: kafka.compression: "lzma" is not one of lz4`)
	f("password in a broker's address", "kafka: {brokers: ['u:tiny-secret@kafka:9092']}\n", site, `keep user and password out of the addresses`)
	f("broker without port", "kafka: {brokers: [kafka]}\n", site, `"kafka" is not host:port`)
	f("number that has no room", "kafka:\n  replication_factor: 65539\n", site, "ngxtap.yaml:2: kafka.replication_factor: 65539 is not a whole number of at most 16 bits")
	f("number out of this world", "kafka:\n  partitions: 99999999999999999999\n", site, "ngxtap.yaml:2: kafka.partitions: 99999999999999999999 is not a whole number")
	f("part of a number", "kafka:\n  partitions: 1.5\n", site, "ngxtap.yaml:2: kafka.partitions: 1.5 is not a whole number of at most 32 bits")
	f("number that is true", "kafka:\n  partitions: true\n", site, "ngxtap.yaml:2: kafka.partitions: true is not a whole number")
	f("true as a number", "kafka:\n  create_topics: 1\n", site, "ngxtap.yaml:2: kafka.create_topics: 1 is neither true nor false")
	f("text that is true", "instance: true\n", site, "ngxtap.yaml:1: instance: true is no text to YAML: put it in quotes")
	f("text that is a fraction", "instance: 1.10\n", site, "ngxtap.yaml:1: instance: 1.10 is no text to YAML: put it in quotes")
	f("text that is octal", "instance: 017\n", site, "ngxtap.yaml:1: instance: 017 is no text to YAML: put it in quotes")
	f("text that is a date", "instance: 2026-01-31\n", site, "ngxtap.yaml:1: instance: 2026-01-31 is no text to YAML: put it in quotes")
	f("secret that is a number", "kafka:\n  sasl: {password: 1.23456}\n", site, "ngxtap.yaml:2: kafka.sasl.password: [redacted] is no text to YAML: put it in quotes")
	f("item that is true", "", site+"headers:\n  keep: [a,\n    yes, true]\n", "sites.d/0.yaml:5: headers.keep: true is no text to YAML: put it in quotes")
	f("item that is a list", "kafka:\n  brokers: [[a:1]]\n", site, "ngxtap.yaml:2: kafka.brokers must be a single value")
	f("size that is a fraction", "", site+"headers: {max_value: 100.5}\n", "headers.max_value: 100.5 is not a whole number")
	f("share that is true", "", site+"data_changes: {header_share: true}\n", "data_changes.header_share: true is not a number")
	f("bad number", "kafka:\n  partitions: many\n", site, "ngxtap.yaml:2: kafka.partitions")
	f("sasl without user", "kafka:\n  sasl: {mechanism: PLAIN}\n", site, "needs a username and a password")
	f("sasl without mechanism", "kafka:\n  sasl: {username: a}\n", site, "needs a mechanism")
	f("unset variable", "kafka:\n  sasl: {mechanism: PLAIN, username: a, password: '${NGXTAP_TEST_UNSET}'}\n", site, "ngxtap.yaml:2: kafka.sasl.password: environment variable NGXTAP_TEST_UNSET is not set")
	f("missing secret file", "registry:\n  token: file:nothere\n", site, "ngxtap.yaml:2: registry.token: read the secret")
	f("header without registry", "registry: {framing: header}\n", site, "header needs a registry")
	f("confluent without registry", "registry: {framing: confluent}\n", site, "confluent needs a registry")
	f("password in url", "registry: {url: 'http://a:b@c'}\n", site, "keep the password out of the URL")
	f("missing ca", "kafka:\n  tls: {ca_file: no.pem}\n", site, "kafka.tls.ca_file", "no such file")
	f("no site name", "", "access_log: {paths: [/x], log_format: '$status'}\n", "0.yaml:1: site: the site needs a name")
	f("no paths", "", "site: a\n", "name at least one log file")
	f("bad site name", "", "site: a b\naccess_log: {paths: [/x]}\n", `"a b"`)
	f("both format sources", "", "site: a\naccess_log:\n  paths: [/x]\n  format: main\n  log_format: '$status'\n", "0.yaml:5: access_log.log_format: use either")
	f("escape without format", "", "site: a\naccess_log: {paths: [/x], escape: json}\n", "goes with log_format")
	f("huge line", "", "site: a\naccess_log: {paths: [/x], max_line: 1GiB}\n", "is not between 4KiB and 1MiB")
	f("hardly any disk", "", "site: a\naccess_log: {paths: [/x], held_bytes: 1KiB}\n", "is less than 1MiB")
	f("bad size", "", "site: a\naccess_log: {paths: [/x], max_line: much}\n", "is not a size")
	f("policy", "", site+"on_change: {breaking: stop}\n", `"stop" is not one of evolve, quarantine, hold`)
	f("policy of one class", "", site+"on_change: {forward: stop}\n", `"stop" is not one of evolve, quarantine, hold`)
	f("evolve what is refused", "", site+"on_change: {refused: evolve}\n", `"evolve" is not one of quarantine, hold`)
	f("evolve without an id", "", site+"on_change: {registry_away: evolve}\n", `"evolve" is not one of hold, quarantine`)
	f("output not built", "", site+"outputs: [s3]\n", `"s3" is not one of kafka`)
	f("short key", "", site+"headers: {hash_key: short}\n", "too short to protect")
	f("short previous key", "", site+"headers: {previous_hash_key: short}\n", "previous_hash_key: is too short to protect")
	f("star promoted", "", site+"headers: {promote: ['x-*']}\n", `headers.promote: "x-*" is not the name of a header`)
	f("star within", "", site+"headers: {allow: ['x-*-y']}\n", `headers.allow: "x-*-y" is not the name of a header`)
	f("empty name", "", site+"headers: {deny: ['']}\n", `headers.deny: "" is not the name`)
	f("empty cookie", "", site+"headers: {cookies: {keep: ['']}}\n", "an empty name keeps nothing")
	f("no headers", "", site+"headers: {max_headers: 0}\n", "0 is not between 1 and 10000")
	f("tiny values", "", site+"headers: {max_value: 8}\n", "is not between 64B and 1MiB")
	f("addresses", "", site+"addresses: encode\n", `"encode" is not one of keep, truncate, hash, encrypt`)
	f("quarantine", "", site+"quarantine: {raw: masked}\n", `"masked" is not one of encrypted, clear`)
	f("topic clash", "kafka: {state_topic: nginx.shop.access}\n", site, "is used as kafka.state_topic")
}

func TestTwoSitesOfOneName(t *testing.T) {
	_, err := Load(write(t, "", site, site))
	if err == nil || !strings.Contains(err.Error(), "is already the name of the site in") {
		t.Fatalf("err = %v", err)
	}
}

func TestNoSites(t *testing.T) {
	_, err := Load(write(t, ""))
	if err == nil || !strings.Contains(err.Error(), "no site is configured") {
		t.Fatalf("err = %v", err)
	}
}

func TestAllFindingsAtOnce(t *testing.T) {
	_, err := Load(write(t, "kafka: {compression: x, delivery: y}\n", "site: a b\n"))
	if n := len(strings.Split(err.Error(), "\n")); n != 4 {
		t.Errorf("%d findings, want 4:\n%v", n, err)
	}
}

func TestEnvironmentOverridesScalars(t *testing.T) {
	t.Setenv("NGXTAP_KAFKA_COMMIT_INTERVAL", "1s")
	t.Setenv("NGXTAP_INSTANCE", "web-77")
	t.Setenv("NGXTAP_KAFKA_BROKERS", "a:1,b:2")
	c, err := Load(write(t, "kafka: {commit_interval: 300ms}\n", site))
	if err != nil {
		t.Fatal(err)
	}
	if c.Kafka.CommitInterval != time.Second || c.Instance != "web-77" || strings.Join(c.Kafka.Brokers, " ") != "a:1 b:2" {
		t.Errorf("got %v, %s, %v", c.Kafka.CommitInterval, c.Instance, c.Kafka.Brokers)
	}
}

// The example has sections in which nothing is set: "sasl:". Variables override what is in them all the same.
func TestEnvironmentOverridesInEmptySections(t *testing.T) {
	t.Setenv("NGXTAP_KAFKA_SASL_MECHANISM", "PLAIN")
	t.Setenv("NGXTAP_KAFKA_SASL_USERNAME", "u")
	t.Setenv("NGXTAP_KAFKA_SASL_PASSWORD", "p")
	t.Setenv("NGXTAP_REGISTRY_SUBJECT", "record")
	t.Setenv("NGXTAP_KAFKA_REPLICATION_FACTOR", "3")
	c, err := Load(write(t, "kafka:\n  sasl:\nregistry:\n", site))
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Kafka.SASL; s.Mechanism != "PLAIN" || s.Username != "u" || s.Password != "p" || c.Registry.Subject != "record" || c.Kafka.ReplicationFactor != 3 {
		t.Errorf("got %+v, %s, %d", s, c.Registry.Subject, c.Kafka.ReplicationFactor)
	}
	for _, wrong := range []string{"65539", "1.5", "true", "many"} {
		t.Setenv("NGXTAP_KAFKA_REPLICATION_FACTOR", wrong)
		if c, err := Load(write(t, "", site)); err == nil {
			t.Errorf("%s replicas are taken for %d", wrong, c.Kafka.ReplicationFactor)
		}
	}
}

// A variable that nearly has the name of one that counts is warned of; one that stands for a secret is none of those.
func TestStrayVariables(t *testing.T) {
	t.Setenv("NGXTAP_KAFKA_BROKER", "a:1")
	t.Setenv("NGXTAP_KAFKA_SASL_PASSWORT", "secret-secret-secret")
	t.Setenv("NGXTAP_KAFKA_SERVICE_HOST", "10.0.0.1")
	c, err := Load(write(t, "", site+"headers: {hash_key: '${NGXTAP_KAFKA_SASL_PASSWORT}'}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Warnings, "\n"); got != "environment variable NGXTAP_KAFKA_BROKER sets no key; did you mean NGXTAP_KAFKA_BROKERS?" {
		t.Errorf("warnings = %q", got)
	}
}

func TestGlance(t *testing.T) {
	file := write(t, "kafka: {sasl: {password: 'file:nothere'}}\n", site, "site: b\ntopic: t\nwrong: key\n", "site: [\n", "site: 'x y'\n", "topic: z\n")
	if got := Glance(file); !reflect.DeepEqual(got, []Glimpse{{"shop", "nginx.shop.access"}, {"b", "t"}}) {
		t.Errorf("got %v", got)
	}
	if got := Glance("/nothere/ngxtap.yaml"); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	t.Setenv("NGXTAP_TEST_PW", "hunter2hunter2")
	c, err := Load(write(t, "kafka: {sasl: {mechanism: SCRAM-SHA-256, username: u, password: '${NGXTAP_TEST_PW}'}}\n", site))
	if err != nil {
		t.Fatal(err)
	}
	if c.Kafka.SASL.Password.Reveal() != "hunter2hunter2" {
		t.Errorf("the secret is not resolved")
	}
	out, err := yaml.Marshal(c.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprintf("%v %+v %#v %v %q %s", c, c, c, c.Kafka.SASL, c.Kafka.SASL.Password, out); strings.Contains(all, "hunter2") {
		t.Errorf("printed: %s", all)
	}
}

// A secret in a variable stands in no file.
func TestDoesNotWarnOfSecretInTheEnvironment(t *testing.T) {
	t.Setenv("NGXTAP_KAFKA_SASL_PASSWORD", "clear-text")
	file := write(t, "kafka: {sasl: {mechanism: SCRAM-SHA-256, username: u, password: x}}\n", site)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil || c.Warnings != nil || c.Kafka.SASL.Password.Reveal() != "clear-text" {
		t.Errorf("warnings %q, %v", c.Warnings, err)
	}
}

func TestWarnsOfSecretEverybodyMayRead(t *testing.T) {
	file := write(t, "kafka: {sasl: {mechanism: PLAIN, username: u, password: clear}}\n", site)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Warnings, "\n"); !strings.Contains(got, "everybody may read") || !strings.Contains(got, "PLAIN without tls") || strings.Contains(got, "clear\n") {
		t.Errorf("warnings = %q", got)
	}
}

func TestRelativePathsStartFromTheFile(t *testing.T) {
	file := write(t, "state_dir: var\n", "site: a\naccess_log: {paths: [../logs/a.log], nginx_conf: ../nginx.conf}\n")
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	if c.StateDir != dir+"/var" || c.Sites[0].AccessLog.Paths[0] != dir+"/logs/a.log" || c.Sites[0].AccessLog.NginxConf != dir+"/nginx.conf" {
		t.Errorf("got %s, %v, %s", c.StateDir, c.Sites[0].AccessLog.Paths, c.Sites[0].AccessLog.NginxConf)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("kafka:\n  brokers: [a:1]\n", site)
	f.Add("a: &x [*x]\n", "site: {}\n")
	f.Add("? [a]\n: b\n", "- x\n")
	f.Fuzz(func(t *testing.T, daemon, siteText string) {
		c, err := Load(write(t, daemon, siteText))
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v and error %v", c, err)
		}
	})
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"1MiB": 1 << 20, "64 kB": 64000, "17": 17, "3B": 3, "2GiB": 2 << 30} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q = %v, %v; want %v", text, s, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "1 TiB", "9999999999GiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted as %v", text, s)
		}
	}
}

// One word sets the policy of all compatible changes, another that of one class.
func TestOnChange(t *testing.T) {
	cfg, err := Load(write(t, "instance: x\n", "site: a\naccess_log: {paths: [/x]}\n",
		"site: b\naccess_log: {paths: [/x]}\non_change: {compatible: hold, full: evolve, refused: hold}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []OnChange{
		{Compatible: "evolve", Full: "evolve", Backward: "evolve", Forward: "evolve", Breaking: "quarantine", Refused: "quarantine", RegistryAway: "hold"},
		{Compatible: "hold", Full: "evolve", Backward: "hold", Forward: "hold", Breaking: "quarantine", Refused: "hold", RegistryAway: "hold"},
	}
	for i, w := range want {
		if got := cfg.Sites[i].OnChange; got != w {
			t.Errorf("site %s: %+v, want %+v", cfg.Sites[i].Site, got, w)
		}
	}
}
