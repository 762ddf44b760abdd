package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
)

// checkAccessLogs looks at how Nginx writes the logs of a site, and which requests it does not log.
func checkAccessLogs(r *report, s *config.Site, conf *logformat.Conf) {
	if conf == nil {
		return // nothing tells who writes the log
	}
	var partial []logformat.AccessLog
	for _, a := range accessLogsOf(s, conf) {
		f := finding{Sites: []string{s.Site}, File: a.File, Line: a.Line}
		if a.Gzip {
			f.What, f.Text = whatGzip, fmt.Sprintf("access_log %s has gzip: Nginx writes compressed blocks, which can't be read while they grow", a.Path)
			f.Fix = "take gzip out, and let logrotate compress the log"
			r.misfit(f)
		}
		if a.Buffer != "" && a.Flush == "" && !a.Gzip {
			f.What, f.Text = whatBuffer, fmt.Sprintf("access_log %s has buffer= without flush=: its lines come only when %s are full, and are lost if Nginx dies before", a.Path, a.Buffer)
			f.Fix = "add flush=1s"
			r.warn(f)
		}
		if a.Variables {
			f.What, f.Text = whatVariables, fmt.Sprintf("access_log %s has variables in its path: the workers open it, not the master, so they must be able to write its folder, and whoever "+
				"chooses the variables' values names the files", a.Path)
			f.Fix = "let each server write a log of its own, or take only variables that a map makes"
			r.warn(f)
			checkFileCache(r, s, conf)
		}
		if a.If != "" {
			partial = append(partial, a)
		}
	}
	for _, a := range conf.AccessLogs {
		if a.Off || a.Syslog {
			partial = append(partial, a)
		}
	}
	tellPartial(r, s, partial)
}

// accessLogsOf returns the access_log directives that write to the logs of a site, each once.
func accessLogsOf(s *config.Site, conf *logformat.Conf) []logformat.AccessLog {
	var all []logformat.AccessLog
	seen := map[string]bool{}
	add := func(a logformat.AccessLog) {
		if key := fmt.Sprintf("%s:%d %s", a.File, a.Line, a.Path); !seen[key] {
			seen[key] = true
			all = append(all, a)
		}
	}
	for _, p := range s.AccessLog.Paths {
		for _, a := range conf.AccessLogsFor(p) {
			add(a)
		}
		for _, a := range conf.AccessLogs {
			if ok, _ := filepath.Match(p, a.Path); ok && !a.Off && !a.Syslog {
				add(a)
			}
		}
	}
	return all
}

// tellPartial says that not every request has a line, which is no fault, but a surprise to whoever counts them.
func tellPartial(r *report, s *config.Site, logs []logformat.AccessLog) {
	if len(logs) == 0 {
		return
	}
	const shown = 3
	var where []string
	for _, a := range logs[:min(len(logs), shown)] {
		how := "access_log off"
		switch {
		case a.Syslog:
			how = "logged to syslog"
		case a.If != "":
			how = "logged if=" + a.If
		}
		where = append(where, fmt.Sprintf("%s:%d: %s (%s)", a.File, a.Line, how, a.Context))
	}
	text := "not every request that Nginx serves is in the log: " + strings.Join(where, ", ")
	if more := len(logs) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	r.ok(finding{What: whatPartial, Sites: []string{s.Site}, File: logs[0].File, Line: logs[0].Line, Text: text})
}

// nginxValid is open_log_file_cache's valid= where none is given.
const nginxValid = time.Minute

// checkFileCache compares how long Nginx keeps a log with variables in its path open, after it was renamed, with how long ngxtap waits for late
// lines.
func checkFileCache(r *report, s *config.Site, conf *logformat.Conf) {
	for _, c := range conf.FileCaches {
		if c.Off {
			continue
		}
		valid := nginxValid
		if c.Valid > 0 {
			valid = c.Valid
		}
		if valid <= s.AccessLog.RotateGrace {
			continue
		}
		r.warn(finding{What: whatFileCache, Sites: []string{s.Site}, File: c.File, Line: c.Line,
			Text: fmt.Sprintf("open_log_file_cache looks only every %v whether a log was renamed, and writes to the old one meanwhile; access_log.rotate_grace is %v", valid, s.AccessLog.RotateGrace),
			Fix:  fmt.Sprintf("set valid=%v there, or rotate_grace: %v in %s", s.AccessLog.RotateGrace, valid+time.Second, s.File)})
	}
}
