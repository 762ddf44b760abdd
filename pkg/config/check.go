package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// names that go into transactional ids, topic names and Avro namespaces.
var (
	nameOK  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	topicOK = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`) // Kafka: Topic.validate
	fieldOK = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	varOK   = regexp.MustCompile(`^[A-Za-z0-9_]+$`) // ngx_http_log_compile_format
)

// The bounds of max_line: less would refuse ordinary lines, more could not become an event within Kafka's default message size.
const (
	minMaxLine = 4 << 10
	maxMaxLine = 1 << 20
	// minHeldBytes is the least that makes sense for held_bytes: less would give up logs that are being read.
	minHeldBytes = 1 << 20
)

// checker gathers findings of one file.
type checker struct {
	file string
	pos  lines
	errs []error
}

func (c *checker) fail(key, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %s: %s", c.pos.at(c.file, key), key, fmt.Sprintf(format, args...)))
}

// share checks a part of a whole.
func (c *checker) share(key string, v float64) {
	if !(v > 0 && v <= 1) {
		c.fail(key, "%v is not a share: use a number above 0 and up to 1", v)
	}
}

func (c *checker) oneOf(key, got string, allowed ...string) {
	if !slices.Contains(allowed, got) {
		c.fail(key, "%q is not one of %s", got, strings.Join(allowed, ", "))
	}
}

func (c *checker) between(key string, got, low, high time.Duration) {
	if got < low || got > high {
		c.fail(key, "%v is not between %v and %v", got, low, high)
	}
}

func (c *checker) secret(key, base string, s *Secret, warn *[]string) {
	if s.literal() {
		if st, err := os.Stat(c.file); err == nil && st.Mode().Perm()&0o004 != 0 {
			*warn = append(*warn, fmt.Sprintf("%s: %s stands in a file that everybody may read: chmod o-r it, or use file: or ${VAR}", c.pos.at(c.file, key), key))
		}
	}
	v, err := s.resolve(base)
	if err != nil {
		c.fail(key, "%v", err)
		return
	}
	*s = v
}

func (c *Config) finishDaemon(file, base string, pos lines) []error {
	k := &checker{file: file, pos: pos}
	d := &c.Daemon
	if d.Instance == "" {
		h, err := os.Hostname()
		if err != nil || h == "" {
			k.fail("instance", "the host has no name; give the instance one")
		}
		d.Instance = h
	}
	if !nameOK.MatchString(d.Instance) {
		k.fail("instance", "%q: use letters, digits, \".\", \"_\" and \"-\"", d.Instance)
	}
	d.StateDir = abs(base, d.StateDir)
	if d.StateDir == "" {
		k.fail("state_dir", "must not be empty")
	}
	c.checkKafka(k, base)
	c.checkRegistry(k, base)
	if d.Admin.Listen == "" {
		d.Admin.Listen = "off"
	}
	if d.Admin.Listen != "off" {
		if _, _, err := net.SplitHostPort(d.Admin.Listen); err != nil {
			k.fail("admin.listen", "%q is not host:port, such as 127.0.0.1:9464, nor off", d.Admin.Listen)
		}
	}
	return k.errs
}

func (c *Config) checkKafka(k *checker, base string) {
	kf := &c.Kafka
	if len(kf.Brokers) == 0 {
		k.fail("kafka.brokers", "name at least one, such as [127.0.0.1:9092]")
	}
	for _, b := range kf.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			k.fail("kafka.brokers", "%q is not host:port", b)
		}
	}
	k.oneOf("kafka.compression", kf.Compression, "lz4", "zstd", "snappy", "gzip", "none")
	k.oneOf("kafka.delivery", kf.Delivery, "exactly_once", "at_least_once")
	k.between("kafka.commit_interval", kf.CommitInterval, 10*time.Millisecond, 10*time.Second)
	k.between("kafka.request_timeout", kf.RequestTimeout, time.Second, 5*time.Minute)
	k.between("kafka.transaction_timeout", kf.TransactionTimeout, time.Second, 15*time.Minute) // 15 minutes is the most that brokers allow by default
	if kf.Partitions < 0 || kf.ReplicationFactor < 0 {
		k.fail("kafka", "partitions and replication_factor can't be negative")
	}
	for key, topic := range map[string]string{"kafka.state_topic": kf.StateTopic, "kafka.schemas_topic": kf.SchemasTopic} {
		if !topicOK.MatchString(topic) {
			k.fail(key, "%q is not a topic name: letters, digits, \".\", \"_\" and \"-\", at most 249", topic)
		}
	}
	k.oneOf("kafka.on_state_regression", kf.OnStateRegression, "stop", "trust_kafka", "trust_local")
	kf.TLS.check(k, "kafka.tls", base)
	kf.SASL.check(k, base, kf, &c.Warnings)
}

func (c *Config) checkRegistry(k *checker, base string) {
	r := &c.Registry
	if r.URL != "" {
		r.URLs = append([]string{r.URL}, r.URLs...)
	}
	for _, u := range r.URLs {
		p, err := url.Parse(u)
		switch {
		case err != nil || p.Host == "" || (p.Scheme != "http" && p.Scheme != "https"):
			k.fail("registry.url", "%q is not a URL such as http://127.0.0.1:8081", u)
		case p.User != nil:
			k.fail("registry.url", "keep the password out of the URL: use username and password")
		}
	}
	if r.Framing == "" {
		r.Framing = "single-object"
		if len(r.URLs) > 0 {
			r.Framing = "confluent"
		}
	}
	k.oneOf("registry.framing", r.Framing, "confluent", "header", "single-object")
	if (r.Framing == "confluent" || r.Framing == "header") && len(r.URLs) == 0 {
		k.fail("registry.framing", "%s needs a registry: set registry.url", r.Framing)
	}
	k.oneOf("registry.subject", r.Subject, "topic", "record", "topic-record")
	k.secret("registry.password", base, &r.Password, &c.Warnings)
	k.secret("registry.token", base, &r.Token, &c.Warnings)
	if r.Token != "" && r.Username != "" {
		k.fail("registry", "use either username and password or a token")
	}
	r.TLS.check(k, "registry.tls", base)
}

func defaultTopic(site string) string { return "nginx." + site + ".access" }

func (s *Site) finish(file string, pos lines, c *Config) []error {
	k := &checker{file: file, pos: pos}
	base := filepath.Dir(file)
	if s.Site == "" {
		k.fail("site", "the site needs a name")
	} else if !nameOK.MatchString(s.Site) {
		k.fail("site", "%q: use letters, digits, \".\", \"_\" and \"-\"", s.Site)
	}
	if s.Topic == "" {
		s.Topic = defaultTopic(s.Site)
	}
	if nameOK.MatchString(s.Site) && !topicOK.MatchString(s.Topic+".quarantine") {
		k.fail("topic", "%q is not a topic name that leaves room for .quarantine: letters, digits, \".\", \"_\" and \"-\"", s.Topic)
	}
	if !fieldOK.MatchString(s.PartitionBy) {
		k.fail("partition_by", "%q is neither none nor host nor a field name", s.PartitionBy)
	}
	s.AccessLog.check(k, base)
	k.oneOf("headers.secrets", s.Headers.Secrets, "hash", "drop")
	k.secret("headers.hash_key", base, &s.Headers.HashKey, &c.Warnings)
	k.secret("headers.previous_hash_key", base, &s.Headers.PreviousHashKey, &c.Warnings)
	for key, v := range map[string]Secret{"headers.hash_key": s.Headers.HashKey, "headers.previous_hash_key": s.Headers.PreviousHashKey} {
		if v != "" && len(v) < 16 {
			k.fail(key, "is too short to protect anything: use at least 16 characters")
		}
	}
	s.Headers.check(k)
	k.oneOf("addresses", s.Addresses, "keep", "truncate", "hash")
	k.oneOf("quarantine.raw", s.Quarantine.Raw, "encrypted", "clear")
	k.oneOf("on_change.compatible", s.OnChange.Compatible, "evolve", "quarantine", "hold")
	s.OnChange.complete()
	k.oneOf("on_change.full", s.OnChange.Full, "evolve", "quarantine", "hold")
	k.oneOf("on_change.backward", s.OnChange.Backward, "evolve", "quarantine", "hold")
	k.oneOf("on_change.forward", s.OnChange.Forward, "evolve", "quarantine", "hold")
	k.oneOf("on_change.breaking", s.OnChange.Breaking, "evolve", "quarantine", "hold")
	k.oneOf("on_change.refused", s.OnChange.Refused, "quarantine", "hold")
	k.oneOf("on_change.registry_away", s.OnChange.RegistryAway, "hold", "quarantine")
	k.share("data_changes.rejected_share", s.DataChanges.RejectedShare)
	k.share("data_changes.header_share", s.DataChanges.HeaderShare)
	for _, o := range s.Outputs {
		k.oneOf("outputs", o, "kafka")
	}
	if len(s.Outputs) == 0 {
		k.fail("outputs", "name at least one: [kafka]")
	}
	return k.errs
}

// The bounds of the caps on headers: fewer would cut ordinary requests, more could not become an event within Kafka's default message size.
const (
	maxHeaders  = 10_000
	minMaxValue = 64
	maxMaxValue = 1 << 20
)

func (h *Headers) check(k *checker) {
	for key, list := range map[string][]string{"headers.allow": h.Allow, "headers.deny": h.Deny} {
		for i, p := range list {
			list[i] = strings.ToLower(p)
			if name := strings.TrimPrefix(strings.TrimSuffix(p, "*"), "*"); name == "" && p != "*" || strings.ContainsAny(name, "* \t:") || p == "" {
				k.fail(key, "%q is not the name of a header, such as user-agent; \"*\" may be its first or last character", p)
			}
		}
	}
	for _, name := range append(slices.Clone(h.Keep), h.Cookies.Keep...) {
		if name == "" {
			k.fail("headers.keep", "an empty name keeps nothing")
		}
	}
	if h.MaxHeaders < 1 || h.MaxHeaders > maxHeaders {
		k.fail("headers.max_headers", "%d is not between 1 and %d", h.MaxHeaders, maxHeaders)
	}
	if h.MaxValue < minMaxValue || h.MaxValue > maxMaxValue {
		k.fail("headers.max_value", "%v is not between %v and %v", h.MaxValue, Size(minMaxValue), Size(maxMaxValue))
	}
}

func (a *AccessLog) check(k *checker, base string) {
	if len(a.Paths) == 0 {
		k.fail("access_log.paths", "name at least one log file, such as [/var/log/nginx/access.log]")
	}
	for i, p := range a.Paths {
		if _, err := filepath.Match(p, ""); err != nil || p == "" {
			k.fail("access_log.paths", "%q is not a path or glob", p)
		}
		a.Paths[i] = abs(base, p)
	}
	for _, dir := range a.RotatedDirs {
		if dir == "" {
			k.fail("access_log.rotated_dirs", "an empty name is no folder")
		}
	}
	for i, dir := range a.SymlinkRoots {
		if dir == "" {
			k.fail("access_log.symlink_roots", "an empty name is no folder")
		}
		a.SymlinkRoots[i] = abs(base, dir)
	}
	if len(a.SymlinkRoots) > 0 && !a.FollowSymlinks {
		k.fail("access_log.symlink_roots", "goes with follow_symlinks: true")
	}
	switch {
	case a.LogFormat != "" && (a.Format != "" || a.NginxConf != ""):
		k.fail("access_log.log_format", "use either log_format or nginx_conf with format")
	case a.LogFormat == "" && a.Escape != "":
		k.fail("access_log.escape", "goes with log_format; nginx.conf says it for its own formats")
	case a.LogFormat == "" && a.NginxConf == "":
		a.NginxConf = "/etc/nginx/nginx.conf"
	}
	a.NginxConf, a.NginxPrefix = abs(base, a.NginxConf), abs(base, a.NginxPrefix)
	if a.Escape != "" {
		k.oneOf("access_log.escape", a.Escape, "default", "json", "none")
	}
	checkTypes(k, a.Types)
	k.oneOf("access_log.start_at", a.StartAt, "beginning", "end")
	if a.MaxLine < minMaxLine || a.MaxLine > maxMaxLine {
		k.fail("access_log.max_line", "%v is not between %v and %v", a.MaxLine, Size(minMaxLine), Size(maxMaxLine))
	}
	k.between("access_log.rotate_grace", a.RotateGrace, 100*time.Millisecond, time.Hour)
	if a.HeldBytes < minHeldBytes {
		k.fail("access_log.held_bytes", "%v is less than %v", a.HeldBytes, Size(minHeldBytes))
	}
}

// checkTypes folds the names of variables to lower case, as Nginx does.
func checkTypes(k *checker, types []VariableType) {
	first := map[string]string{}
	for i := range types {
		t, key := &types[i], fmt.Sprintf("access_log.types[%d]", i)
		t.Name = strings.ToLower(t.Name)
		switch {
		case t.Name == "":
			k.fail(key+".name", "name the variable, such as app_ms")
		case !varOK.MatchString(t.Name):
			k.fail(key+".name", "%q is not the name of a variable: letters, digits and \"_\", without \"$\"", t.Name)
		case first[t.Name] != "":
			k.fail(key+".name", "%s has a type already, at %s", t.Name, first[t.Name])
		default:
			first[t.Name] = k.pos.at(k.file, key)
		}
		k.oneOf(key+".type", t.Type, "string", "int", "long", "double")
	}
}

// crossCheck finds what no file sees alone: two sites of one name, or one topic used for two purposes.
func (c *Config) crossCheck() []error {
	var errs []error
	byName := map[string]Site{}
	own := map[string]string{c.Kafka.StateTopic: "kafka.state_topic", c.Kafka.SchemasTopic: "kafka.schemas_topic"}
	for _, s := range c.Sites {
		if first, dup := byName[s.Site]; dup && s.Site != "" {
			errs = append(errs, fmt.Errorf("%s:%d: site: %s is already the name of the site in %s:%d", s.File, s.Line, s.Site, first.File, first.Line))
		}
		byName[s.Site] = s
		for _, t := range []string{s.Topic, s.Topic + ".quarantine"} {
			if what, taken := own[t]; taken {
				errs = append(errs, fmt.Errorf("%s:%d: topic: %s is used as %s", s.File, s.Line, t, what))
			}
		}
	}
	return errs
}
