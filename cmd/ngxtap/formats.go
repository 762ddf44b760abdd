package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
)

// formatsOf finds and compiles the candidate formats of a site: the one it names first, then the others that nginx.conf writes to
// the same files, in nginx.conf's order.
func formatsOf(s *config.Site) ([]*pipeline.Format, *logformat.Conf, error) {
	defs, conf, err := definitions(&s.AccessLog)
	if err != nil {
		return nil, conf, err
	}
	var out []*pipeline.Format
	for i, d := range defs {
		f, err := compile(d, s)
		if err != nil {
			if i > 0 && s.AccessLog.Format != "" {
				continue // not the one that was asked for
			}
			return nil, conf, err
		}
		out = append(out, f)
	}
	return out, conf, nil
}

func compile(d *logformat.Definition, s *config.Site) (*pipeline.Format, error) {
	types, err := kindsOf(s.AccessLog.Types)
	if err != nil {
		return nil, err
	}
	f, err := logformat.Compile(d, logformat.Options{TrustUnescaped: s.AccessLog.TrustUnescaped, Types: types})
	if err != nil {
		return nil, err
	}
	return pipeline.NewFormat(f, schema.Options{Site: s.Site, Promote: s.Headers.Promote})
}

func definitions(a *config.AccessLog) ([]*logformat.Definition, *logformat.Conf, error) {
	if a.LogFormat != "" {
		esc, err := logformat.ParseEscape(a.Escape)
		if err != nil {
			return nil, nil, err
		}
		d := logformat.Inline(a.LogFormat, esc)
		d.Name = "log_format" // of the site's file
		return []*logformat.Definition{d}, nil, nil
	}
	conf, err := logformat.ReadConf(a.NginxConf, logformat.ConfOptions{Prefix: a.NginxPrefix})
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
