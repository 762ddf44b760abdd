package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
)

// formatsOf finds and compiles the candidate formats of a site: the one it names first, then the others that nginx.conf writes to
// the same files, in nginx.conf's order.
func formatsOf(s *config.Site) ([]*pipeline.Format, *logformat.Conf, error) {
	return newConfWatch(s).read()
}

// confWatch notices edits of the configuration that a site's formats come from.
type confWatch struct {
	site   *config.Site
	watch  *logformat.Watch // nil: the site's own file has the format
	failed error            // why the last edit can't be used
	since  time.Time        // when it was last tried
}

// settle is how long a file that can't be used must stay as it is before that is said: an editor may be in the middle of writing it.
const settle = time.Second

func newConfWatch(s *config.Site) *confWatch {
	w := &confWatch{site: s}
	if a := &s.AccessLog; a.LogFormat == "" {
		w.watch = logformat.NewWatch(a.NginxConf, logformat.ConfOptions{Prefix: a.NginxPrefix})
	}
	return w
}

// read reads the configuration and compiles the site's formats.
func (w *confWatch) read() ([]*pipeline.Format, *logformat.Conf, error) {
	defs, conf, err := w.definitions()
	if err != nil {
		return nil, conf, err
	}
	var out []*pipeline.Format
	for i, d := range defs {
		f, err := compile(d, w.site)
		if err != nil {
			if i > 0 && w.site.AccessLog.Format != "" {
				continue // not the one that was asked for
			}
			return nil, conf, err
		}
		out = append(out, f)
	}
	return out, conf, nil
}

// edited is pipeline.Config.Edited. It is called by one goroutine at a time. What can't be used is read again after each settle: the
// machine may have been the reason (too many open files, a network file system), and then no file changes when that is over.
func (w *confWatch) edited() ([]*pipeline.Format, error) {
	if w.watch == nil {
		return nil, nil
	}
	changed := w.watch.Changed()
	if !changed && (w.failed == nil || time.Since(w.since) < settle) {
		return nil, nil
	}
	formats, _, err := w.read()
	if w.failed = err; err == nil {
		return formats, nil
	}
	w.since = time.Now()
	if changed {
		return nil, nil
	}
	return nil, err
}

// recipe is how a format of a site is compiled, beside its definition. The committed position keeps it with the formats.
type recipe struct {
	Types          []config.VariableType `json:"types,omitempty"`
	Promote        []string              `json:"promote,omitempty"`
	TrustUnescaped bool                  `json:"trust_unescaped,omitempty"`
}

func compile(d *logformat.Definition, s *config.Site) (*pipeline.Format, error) {
	f, err := recipe{s.AccessLog.Types, s.Headers.Promote, s.AccessLog.TrustUnescaped}.compile(d, s.Site)
	if err != nil {
		return nil, err
	}
	return f, encodes(f, s)
}

// recompile is pipeline.Config.Compile.
func recompile(d *logformat.Definition, text, site string) (*pipeline.Format, error) {
	var r recipe
	if text != "" {
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return nil, fmt.Errorf("read how log_format %s was compiled: %w", d.Name, err)
		}
	}
	return r.compile(d, site)
}

func (r recipe) compile(d *logformat.Definition, site string) (*pipeline.Format, error) {
	types, err := kindsOf(r.Types)
	if err != nil {
		return nil, err
	}
	lf, err := logformat.Compile(d, logformat.Options{TrustUnescaped: r.TrustUnescaped, Types: types})
	if err != nil {
		return nil, err
	}
	f, err := pipeline.NewFormat(lf, schema.Options{Site: site, Promote: r.Promote})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if string(text) != "{}" {
		f.Recipe = string(text)
	}
	return f, nil
}

// definitions finds the log_formats of a site.
func (w *confWatch) definitions() ([]*logformat.Definition, *logformat.Conf, error) {
	a := &w.site.AccessLog
	if a.LogFormat != "" {
		esc, err := logformat.ParseEscape(a.Escape)
		if err != nil {
			return nil, nil, err
		}
		d := logformat.Inline(a.LogFormat, esc)
		d.Name = "log_format" // of the site's file
		return []*logformat.Definition{d}, nil, nil
	}
	conf, err := w.watch.Read()
	if err != nil {
		return nil, nil, err
	}
	var defs []*logformat.Definition
	add := func(d *logformat.Definition) {
		for _, have := range defs {
			if have == d {
				return
			}
		}
		defs = append(defs, d)
	}
	if a.Format != "" {
		d, err := conf.Format(a.Format)
		if err != nil {
			return nil, conf, err
		}
		add(d)
	}
	for _, p := range a.Paths {
		for _, l := range conf.AccessLogs {
			if ok, _ := filepath.Match(p, l.Path); !ok || l.Off || l.Syslog {
				continue
			}
			if d, err := conf.Format(l.Format); err == nil {
				add(d)
			}
		}
		for _, d := range conf.FormatsFor(p) {
			add(d)
		}
	}
	if len(defs) == 0 {
		return nil, conf, fmt.Errorf("%s: no access_log directive writes to %s; name the format with access_log.format; found: %s",
			a.NginxConf, strings.Join(a.Paths, ", "), formatNames(conf))
	}
	return defs, conf, nil
}

func formatNames(c *logformat.Conf) string {
	var names []string
	for _, d := range c.Formats {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

// place says where a format was found, for people.
func place(d *logformat.Definition) string {
	if d.File == "" {
		if d.Name == "combined" {
			return "predefined by Nginx"
		}
		return "from the configuration"
	}
	return fmt.Sprintf("%s:%d", d.File, d.Line)
}
