// Package logrotate reads the configuration of logrotate and tells what logrotate will do with a log file, and which line says so.
//
// The promise: a path is matched, and the options in force for it are found, as logrotate itself does it (config.c of logrotate 3.21): options
// outside of braces count for the stanzas after them, those of an included file too; a file of which a part can't be understood counts
// for nothing, and that is a warning. Nothing is run and no log is opened.
package logrotate

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Config is what logrotate would work by.
type Config struct {
	Stanzas  []*Stanza // in the order in which logrotate reads them
	Files    []string  // the files read, the first one first
	Warnings []Warning // what logrotate, or we, could not read
}

// Warning is something that could not be read.
type Warning struct {
	File string
	Line int    // from 1; 0: the whole file
	Text string // what is wrong
}

// Option is one option in force and where it stands. The zero value means that it is not set.
type Option struct {
	Name string // as written, such as "daily" or "nocompress"
	Arg  string // what follows it, without quotes; of a script its text
	File string
	Line int // from 1
}

// Set reports whether the option was found.
func (o Option) Set() bool { return o.Name != "" }

// Stanza is what stands before and in one pair of braces.
type Stanza struct {
	Patterns []string // of paths, as glob(3) understands them
	File     string
	Line     int // of the opening brace, from 1
	options  options
}

// Get returns the option in force under any of the names, which are those of one switch: the later one wins in logrotate too.
func (s *Stanza) Get(name string) Option {
	o := s.options[group(name)]
	if o.Name != name {
		return Option{}
	}
	return o
}

// When returns the option that says when the log is rotated: hourly, daily, weekly, monthly, yearly or size. It is not set where logrotate's
// own default holds, which is a size of 1 MiB.
func (s *Stanza) When() Option { return s.options["when"] }

// At returns where the stanza stands, for people.
func (s *Stanza) At() string { return fmt.Sprintf("%s:%d", s.File, s.Line) }

// Matches reports whether the stanza is for the log at path, which is absolute.
func (s *Stanza) Matches(path string) bool {
	for _, p := range s.Patterns {
		if matches(p, filepath.Clean(path)) {
			return true
		}
	}
	return false
}

// For returns the stanzas for the log at path, in order. logrotate works by the first and takes the others for an error.
func (c *Config) For(path string) []*Stanza {
	var found []*Stanza
	for _, s := range c.Stanzas {
		if s.Matches(path) {
			found = append(found, s)
		}
	}
	return found
}

// matches is glob(3) for a path that is there: "*" and "?" match no "/" and, at the beginning of a name, no ".".
func matches(pattern, path string) bool {
	pattern = strings.ReplaceAll(filepath.Clean(pattern), "[!", "[^")
	ps, ns := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(ps) != len(ns) {
		return false
	}
	for i, p := range ps {
		if strings.HasPrefix(ns[i], ".") && !strings.HasPrefix(p, ".") && !strings.HasPrefix(p, `\.`) {
			return false
		}
		if ok, err := filepath.Match(p, ns[i]); !ok && p != ns[i] || err != nil && p != ns[i] {
			return false
		}
	}
	return true
}

// options are those in force, by the switch that they belong to.
type options map[string]Option

// with returns a copy in which o is in force.
func (os options) with(o Option) options {
	next := make(options, len(os)+1)
	for k, v := range os {
		next[k] = v
	}
	next[group(o.Name)] = o
	return next
}

// group returns the switch that an option belongs to: of those of one switch the last counts.
func group(name string) string {
	switch name {
	case "hourly", "daily", "weekly", "monthly", "yearly", "size":
		return "when"
	}
	for _, s := range switches {
		if name == "no"+s {
			return s
		}
	}
	return name
}

// switches are the options that "no" before the name turns off.
var switches = []string{"allowhardlink", "compress", "copy", "copytruncate", "create", "createolddir", "dateext", "dateyesterday", "delaycompress", "mail", "olddir",
	"renamecopy", "sharedscripts", "shred"}

// scripts are the options that hold text up to a line "endscript".
var scripts = []string{"firstaction", "lastaction", "prerotate", "postrotate", "preremove"}

// known are all other options.
var known = []string{"addextension", "compresscmd", "compressext", "compressoptions", "dateformat", "datehourago", "error", "errors", "extension", "ifempty", "ignoreduplicates",
	"include", "mailfirst", "maillast", "maxage", "maxsize", "minage", "minsize", "missingok", "nomissingok", "notifempty", "rotate", "shredcycles", "start", "su", "tabooext",
	"taboopat", "uncompresscmd"}
