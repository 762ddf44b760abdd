package config

import (
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Glimpse is a site as a glance at its file shows it.
type Glimpse struct{ Site, Topic string }

// Glance tells the sites beside a daemon's file, for the completion of a command line: quickly, also where something is wrong, and without
// reading secrets. What can't be read, or has a name that Load would refuse, is left out.
func Glance(file string) []Glimpse {
	names, err := filepath.Glob(filepath.Join(filepath.Dir(file), "sites.d", "*.yaml"))
	if err != nil {
		return nil // the folder's own name is no pattern
	}
	var out []Glimpse
	for _, name := range names {
		var s struct{ Site, Topic string }
		text, err := os.ReadFile(name)
		if err != nil || yaml.Unmarshal(text, &s) != nil || !forms["name"].re.MatchString(s.Site) {
			continue
		}
		if !forms["site_topic"].re.MatchString(s.Topic) {
			s.Topic = defaultTopic(s.Site)
		}
		out = append(out, Glimpse{s.Site, s.Topic})
	}
	return out
}

// strayVariables warns of environment variables that nearly have the name of one that overrides a key: a slip of the pen would silently
// mean the default. Names that stand for secrets are left alone.
func (c *Config) strayVariables(environ []string) {
	known, secrets := map[string]bool{}, map[string]bool{}
	var names []string
	Root(DaemonFile).Walk(func(k *Key) {
		if k.Kind != Section { // one can't be overridden, nor a list of them
			known[EnvName(k.Path)] = true
			names = append(names, strings.ToLower(EnvName(k.Path)))
		}
	})
	for _, s := range c.pos.secret {
		secrets[s] = true
	}
	for i := range c.Sites {
		for _, s := range c.Sites[i].pos.secret {
			secrets[s] = true
		}
	}
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, EnvPrefix+"_") || known[name] || secrets["${"+name+"}"] {
			continue
		}
		if _, meant, ok := strings.Cut(suggest(name, names), "did you mean "); ok {
			c.Warnings = append(c.Warnings, "environment variable "+name+" sets no key; did you mean "+strings.ToUpper(meant))
		}
	}
}
