package config

import (
	"reflect"
	"strings"
)

// Where returns the file and line of a key of the daemon's file, such as "kafka.tls.ca_file": of the key itself, or of the nearest key
// around it that stands in the file, or line 1.
func (c *Config) Where(key string) (file string, line int) { return c.Files[0], c.pos.line(key) }

// Where returns the file and line of a key of the site's file, as Config.Where does.
func (s *Site) Where(key string) (file string, line int) { return s.File, s.pos.line(key) }

// line returns the line of a key, or of its nearest parent that stands in the file; 1 if there is none.
func (l lines) line(key string) int {
	for {
		if n, ok := l[key]; ok {
			return n
		}
		i := strings.LastIndexAny(key, ".[")
		if i < 0 {
			return 1
		}
		key = key[:i]
	}
}

// Same reports whether two sites are configured alike, wherever that stands.
func (s *Site) Same(o *Site) bool {
	a, b := *s, *o
	a.File, a.Line, a.pos = "", 0, nil
	b.File, b.Line, b.pos = "", 0, nil
	return reflect.DeepEqual(a, b)
}
