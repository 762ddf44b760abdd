package config

import (
	"fmt"
	"reflect"
	"time"
)

// From says what kind of place a value came from.
type From string

// The kinds of places.
const (
	FromDefault     From = "default"
	FromFile        From = "file"
	FromEnvironment From = "environment"
)

// Origin is where a value came from.
type Origin struct {
	From     From   `json:"from"`
	File     string `json:"file,omitempty"` // with Line, where the key stands
	Line     int    `json:"line,omitempty"`
	Variable string `json:"variable,omitempty"` // the environment variable that overrides the key
	Secret   string `json:"secret,omitempty"`   // ${VAR} or file:PATH, which stands for the value there
	Default  string `json:"default,omitempty"`  // in words, how a default was found that is no fixed one
}

// String is the origin for people.
func (o Origin) String() string {
	var s string
	switch o.From {
	case FromFile:
		s = fmt.Sprintf("%s:%d", o.File, o.Line)
	case FromEnvironment:
		s = "environment variable " + o.Variable
	default:
		s = "default"
		if o.Default != "" {
			s += ": " + o.Default
		}
	}
	if o.Secret != "" {
		s += ", " + o.Secret
	}
	return s
}

// Setting is a key with the value that is in force.
type Setting struct {
	*Key
	// Value is a string, bool, int64, float64 or []string as YAML has it; nil for a Section. A secret that is set is "[redacted]".
	Value any
	// Origin of a value; of a Section that is no list it says nothing.
	Origin Origin
	// Items are the sections of a list of them, one or, for a Section that is no list, just that.
	Items [][]Setting
}

// Settings returns the keys of the daemon's file with their values in force, in the order of the struct.
func (c *Config) Settings() []Setting {
	d := c.Daemon
	if d.Registry.URL != "" && len(d.Registry.URLs) > 0 {
		d.Registry.URLs = d.Registry.URLs[1:] // Load put URL in front
	}
	file := ""
	if len(c.Files) > 0 {
		file = c.Files[0]
	}
	return settings(Root(DaemonFile), "", &source{file, c.pos}, reflect.ValueOf(d))
}

// Settings returns the keys of a site's file with their values in force.
func (s *Site) Settings() []Setting {
	return settings(Root(SiteFile), "", &source{s.File, s.pos}, reflect.ValueOf(*s))
}

// source is a file and what was noticed when it was read; nil if none was.
type source struct {
	file string
	pos  *places
}

func settings(section *Key, path string, from *source, v reflect.Value) []Setting {
	var out []Setting
	for _, k := range section.Keys {
		f, _ := fieldOf(v.Type(), k.Name)
		val, at := v.FieldByIndex(f.Index), join(path, k.Name)
		s := Setting{Key: k, Origin: from.origin(k, at)}
		switch {
		case k.Kind == Section && k.List:
			for i := range val.Len() {
				s.Items = append(s.Items, settings(k, fmt.Sprintf("%s[%d]", at, i), from, val.Index(i)))
			}
		case k.Kind == Section:
			s.Items = [][]Setting{settings(k, at, from, val)}
		default:
			s.Value = plain(val)
		}
		out = append(out, s)
	}
	return out
}

func (s *source) origin(k *Key, at string) Origin {
	o := Origin{From: FromDefault, Default: k.Otherwise}
	p := s.pos
	if p == nil {
		return o
	}
	switch {
	case p.env[at] != "":
		o = Origin{From: FromEnvironment, Variable: p.env[at]}
	case p.given[at]:
		o = Origin{From: FromFile, File: s.file, Line: p.lines[at]}
	}
	o.Secret = p.secret[at]
	return o
}

// plain returns a value as YAML has it.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case Secret:
		return x.String()
	case Size:
		return x.String()
	case time.Duration:
		return x.String()
	case []string:
		return append([]string{}, x...)
	}
	switch {
	case v.Kind() == reflect.Bool:
		return v.Bool()
	case v.CanInt():
		return v.Int()
	case v.CanFloat():
		return v.Float()
	}
	return v.String()
}

// Defaults returns a configuration of which nothing is set, with one site that has no name. It is not complete: names that Load finds out,
// such as the host's, are empty.
func Defaults() *Config {
	return &Config{Daemon: daemonDefaults(), Sites: []Site{siteDefaults()}}
}
