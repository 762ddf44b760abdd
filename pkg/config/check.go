package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// checker gathers findings of one file.
type checker struct {
	file string
	pos  *places
	errs []error
}

func (c *checker) fail(key, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %s: %s", c.pos.at(c.file, key), key, fmt.Sprintf(format, args...)))
}

func (c *checker) secret(key, base string, s *Secret, warn *[]string) {
	if s.literal() && c.pos.env[key] == "" {
		if st, err := os.Stat(c.file); err == nil && st.Mode().Perm()&0o004 != 0 {
			*warn = append(*warn, fmt.Sprintf("%s: %s stands in a file that everybody may read: chmod o-r it, or use file: or ${VAR}", c.pos.at(c.file, key), key))
		}
	}
	v, err := s.resolve(base)
	if err != nil {
		c.fail(key, "%v", err)
		return
	}
	if !s.literal() {
		c.pos.secret[key] = string(*s)
	}
	*s = v
}

func (c *Config) finishDaemon(file, base string, pos *places) []error {
	k := &checker{file: file, pos: pos}
	d := &c.Daemon
	if d.Instance == "" {
		h, err := os.Hostname()
		if err != nil || h == "" {
			k.fail("instance", "the host has no name; give the instance one")
		}
		d.Instance = h
	}
	c.AdminByDefault = d.Admin.complete() || !pos.given["admin.listen"] && pos.env["admin.listen"] == ""
	k.tags("", reflect.ValueOf(d).Elem())
	d.StateDir = abs(base, d.StateDir)
	c.checkKafka(k, base)
	c.checkRegistry(k, base)
	d.Admin.check(k, base)
	return k.errs
}

func (c *Config) checkKafka(k *checker, base string) {
	kf := &c.Kafka
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
	if (r.Framing == "confluent" || r.Framing == "header") && len(r.URLs) == 0 {
		k.fail("registry.framing", "%s needs a registry: set registry.url", r.Framing)
	}
	k.secret("registry.password", base, &r.Password, &c.Warnings)
	k.secret("registry.token", base, &r.Token, &c.Warnings)
	if r.Token != "" && r.Username != "" {
		k.fail("registry", "use either username and password or a token")
	}
	r.TLS.check(k, "registry.tls", base)
}

func defaultTopic(site string) string { return "nginx." + site + ".access" }

func (s *Site) finish(file string, pos *places, c *Config) []error {
	k := &checker{file: file, pos: pos}
	base := filepath.Dir(file)
	k.tags("", reflect.ValueOf(s).Elem())
	if s.Topic == "" {
		s.Topic = defaultTopic(s.Site)
	}
	s.AccessLog.check(k, base)
	k.secret("headers.hash_key", base, &s.Headers.HashKey, &c.Warnings)
	k.secret("headers.previous_hash_key", base, &s.Headers.PreviousHashKey, &c.Warnings)
	for key, v := range map[string]Secret{"headers.hash_key": s.Headers.HashKey, "headers.previous_hash_key": s.Headers.PreviousHashKey} {
		if v != "" && len(v) < 16 {
			k.fail(key, "is too short to protect anything: use at least 16 characters")
		}
	}
	s.Headers.lower()
	s.OnChange.complete()
	return k.errs
}

// lower folds the names of headers to lower case, as events have them.
func (h *Headers) lower() {
	for _, list := range [][]string{h.Allow, h.Deny} {
		for i, p := range list {
			list[i] = strings.ToLower(p)
		}
	}
}

func (a *AccessLog) check(k *checker, base string) {
	for i, p := range a.Paths {
		if _, err := filepath.Match(p, ""); err != nil || p == "" {
			k.fail("access_log.paths", "%q is not a path or glob", p)
		}
		a.Paths[i] = abs(base, p)
	}
	for i, dir := range a.SymlinkRoots {
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
	checkTypes(k, a.Types)
}

// checkTypes folds the names of variables to lower case, as Nginx does.
func checkTypes(k *checker, types []VariableType) {
	first := map[string]string{}
	for i := range types {
		t, key := &types[i], fmt.Sprintf("access_log.types[%d]", i)
		t.Name = strings.ToLower(t.Name)
		if at := first[t.Name]; at != "" && t.Name != "" {
			k.fail(key+".name", "%s has a type already, at %s", t.Name, at)
			continue
		}
		first[t.Name] = k.pos.at(k.file, key)
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
