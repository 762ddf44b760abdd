// Package importer makes a configuration of ngxtap from that of another shipper.
//
// The promise: whatever stands in the other configuration ends in the new one or in a note with its file and line; nothing is passed over
// in silence, and no password is copied.
package importer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Result is what was found in another shipper's configuration. Read all its files into one, then call Finish. The zero value is ready.
type Result struct {
	// Notes are what was not taken over as it was, in the order in which it was found.
	Notes []Note

	kafka struct {
		Brokers     []string  `yaml:"brokers,omitempty,flow"`
		Compression string    `yaml:"compression,omitempty"`
		TLS         *impTLS   `yaml:"tls,omitempty"`
		SASL        *impLogin `yaml:"sasl,omitempty"`
	}
	registry string
	sites    []importedSite
	login    string // where the password stood
}

type impTLS struct {
	Enabled  bool   `yaml:"enabled,omitempty"`
	CAFile   string `yaml:"ca_file,omitempty"`
	CertFile string `yaml:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file,omitempty"`
}

type impLogin struct {
	Mechanism string `yaml:"mechanism"`
	Username  string `yaml:"username"`
	Password  string `yaml:"password"`
}

// importedSite is an access log, or several of one input.
type importedSite struct {
	name    string
	paths   []string
	startAt string
	topic   string // of the old events, empty if not known
	where   string
}

// Note is something that was not taken over as it was: which setting, where it stands (FILE:LINE), and what to do about it. All of it may
// hold bytes of the file.
type Note struct{ Where, Key, Text string }

func (im *Result) note(where, key, format string, args ...any) {
	im.Notes = append(im.Notes, Note{where, key, fmt.Sprintf(format, args...)})
}

func (im *Result) tls() *impTLS {
	if im.kafka.TLS == nil {
		im.kafka.TLS = &impTLS{}
	}
	return im.kafka.TLS
}

func (im *Result) sasl() *impLogin {
	if im.kafka.SASL == nil {
		im.kafka.SASL = &impLogin{}
	}
	return im.kafka.SASL
}

// addSite takes over an input's files. Names of rotated files are cut off: ngxtap finds those by itself.
func (im *Result) addSite(where string, paths []string, startAt, topic string) {
	var logs []string
	for _, p := range paths {
		p = strings.Trim(p, "\"' ")
		base := path.Base(p)
		switch {
		case p == "":
			continue
		case strings.ContainsAny(p, "\\") || len(p) > 1 && p[1] == ':':
			im.note(where, p, "not taken over: ngxtap runs beside Nginx on Linux")
			continue
		case strings.Contains(p, "${") || strings.Contains(p, "%{"):
			im.note(where, p, "not taken over: write the path itself into access_log.paths")
			continue
		case strings.Contains(base, "error"):
			im.note(where, p, "not taken over: ngxtap ships access logs; an error log has no log_format")
			continue
		case !strings.Contains(base, "access") && !strings.Contains(p, "nginx"):
			im.note(where, p, "not taken over: it does not look like an access log of Nginx; if it is one, add a file for it to sites.d")
			continue
		case strings.Contains(p, "**"):
			im.note(where, p, "not taken over: \"**\" is not known here; name each folder, or one \"*\" for one level")
			continue
		}
		if cut := rotatedEnd.ReplaceAllString(p, ""); cut != p && strings.HasSuffix(cut, ".log") {
			im.note(where, p, "taken over as %s: rotated files are found by themselves", cut)
			p = cut
		}
		if !slices.Contains(logs, p) {
			logs = append(logs, p)
		}
	}
	if len(logs) > 0 {
		im.sites = append(im.sites, importedSite{siteName(logs[0]), logs, startAt, topic, where})
	}
}

// rotatedEnd is what globs for rotated files end in.
var rotatedEnd = regexp.MustCompile(`[*?.\[\]0-9-]+$|\.?\*?\.gz$`)

var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// siteName makes a name from a log's: shop for shop.access.log and shop/access.log.
func siteName(log string) string {
	base := path.Base(log)
	for _, end := range []string{".log", "access", "."} {
		base = strings.TrimSuffix(base, end)
	}
	base = strings.Trim(notInName.ReplaceAllString(base, ""), "._-")
	if base == "" {
		base = strings.Trim(notInName.ReplaceAllString(path.Base(path.Dir(log)), ""), "._-")
	}
	return cmp.Or(base, "nginx")
}

// Finish makes the names of sites unique and notes what holds for all.
func (im *Result) Finish() {
	seen := map[string]int{}
	for i := range im.sites {
		s := &im.sites[i]
		if seen[s.name]++; seen[s.name] > 1 {
			s.name = fmt.Sprintf("%s-%d", s.name, seen[s.name])
		}
		if s.topic != "" {
			im.note(s.where, "topic", "%s is not taken over: what is in it is no Avro, and would not be read beside it. Events go to nginx.%s.access (or set topic)", s.topic, s.name)
		}
	}
	if len(im.sites) > 0 && len(im.kafka.Brokers) == 0 {
		im.note(im.sites[0].where, "kafka", "no brokers were found here: set kafka.brokers")
	}
	if im.login != "" {
		im.note(im.login, "password", "not copied: put it into the file kafka.password beside ngxtap.yaml, readable only by the user of ngxtap")
	}
}

// Document is one file of the new configuration: its name below the folder of ngxtap.yaml, and what is in it.
type Document struct {
	Name string
	Text []byte
}

// Sites returns how many sites were found.
func (im *Result) Sites() int { return len(im.sites) }

// Documents returns the files of the configuration, ngxtap.yaml first. from and files say in a comment what they were made of.
func (im *Result) Documents(from string, files []string) ([]Document, error) {
	var names []string
	for _, f := range files {
		names = append(names, plain(f))
	}
	head := fmt.Sprintf("# Made by ngxtap import %s from %s. Every key: ngxtap config example.\n", from, strings.Join(names, ", "))
	var d struct {
		Kafka    any `yaml:"kafka,omitempty"`
		Registry any `yaml:"registry,omitempty"`
	}
	if len(im.kafka.Brokers) > 0 || im.kafka.TLS != nil || im.kafka.SASL != nil || im.kafka.Compression != "" {
		d.Kafka = im.kafka
	}
	if im.registry != "" {
		d.Registry = map[string]string{"url": im.registry}
	}
	docs := make([]Document, 1, 1+len(im.sites))
	var err error
	if docs[0], err = newDocument("ngxtap.yaml", head, d); err != nil {
		return nil, err
	}
	for _, s := range im.sites {
		var y struct {
			Site      string `yaml:"site"`
			AccessLog struct {
				Paths   []string `yaml:"paths,flow"`
				StartAt string   `yaml:"start_at,omitempty"`
			} `yaml:"access_log"`
		}
		y.Site, y.AccessLog.Paths, y.AccessLog.StartAt = s.name, s.paths, s.startAt
		doc, err := newDocument("sites.d/"+s.name+".yaml", head, y)
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// plain is a file's name without what would end a comment.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name)
}

func newDocument(name, head string, v any) (Document, error) {
	var b bytes.Buffer
	b.WriteString(head)
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(v), e.Close()); err != nil {
		return Document{}, fmt.Errorf("write %s: %w", name, err)
	}
	return Document{name, bytes.TrimSuffix(b.Bytes(), []byte("{}\n"))}, nil
}
